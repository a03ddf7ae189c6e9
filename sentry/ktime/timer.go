package ktime

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// Listener is told of expiries.
type Listener interface {
	// TimerExpired is called once for each expiry, on a goroutine of the Manager's, with none
	// of its locks held. It must be brief. seq is what Set or Forward returned for the
	// setting that expired: if the timer was set or stopped since, it is stale
	// and to be ignored.
	TimerExpired(t *Timer, seq uint64)
}

// Timer is a timer of one of the clocks. Listener and Key are the owner's and
// constant while the timer is set; the zero value of the rest is a stopped timer.
type Timer struct {
	Listener Listener
	Key      uint64 // for the listener's use

	// Guarded by Manager.mu.
	clock    int32
	expiry   int64 // in nanoseconds of clock; meaningful if armed or interval is not 0
	interval int64
	seq      uint64
	armed    bool // will fire
	at       int64
	realtime bool // at is CLOCK_REALTIME, or else CLOCK_MONOTONIC
	index    int  // in the heap, if armed
}

// Setting is what a timer is set to.
type Setting struct {
	// Remaining is the time to the next expiry in nanoseconds. 0: stopped, or expired
	// and not periodic.
	Remaining int64
	// Expiry is the same as a time of the timer's clock.
	Expiry   int64
	Interval int64
}

// ClockListener is told when CLOCK_REALTIME was set.
type ClockListener interface {
	ClockWasSet()
}

// Manager fires timers.
type Manager struct {
	Clocks *Clocks

	mu       sync.Mutex
	heaps    [2]timerHeap // by monotonic and by real time
	timer    *time.Timer  // runs run at the earliest expiry; made again after a restore
	due      int64        // monotonic time timer is set to; MaxInt64 if it is not
	running  bool         // run is under way and will look at the heaps again
	offset   int64        // CLOCK_REALTIME - CLOCK_MONOTONIC, when last looked at
	watchers map[ClockListener]struct{}
}

const (
	never = math.MaxInt64
	// realtimeCheck bounds how late a timer is that waits for a point of real time when
	// the host's clock is set.
	realtimeCheck = int64(time.Second)
	// jump is how far real time must leap to count as set.
	jump = int64(10 * time.Millisecond)
)

// NewManager returns a manager without timers.
func NewManager(c *Clocks) *Manager {
	m := &Manager{Clocks: c, due: never}
	_, m.offset = m.look()
	return m
}

// look returns the time and how far real time is ahead of monotonic time.
func (m *Manager) look() (mono, offset int64) {
	now := time.Now()
	mono = m.Clocks.mono + int64(now.Sub(m.Clocks.base))
	return mono, now.UnixNano() - mono
}

// Set sets t to expire at a time of clock, at once if that is over, and makes
// interval (0: none) its period. It returns the setting's sequence number.
//
// Preconditions: CanSet(clock).
func (m *Manager) Set(t *Timer, clock int32, expiry, interval int64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disarmLocked(t)
	t.clock, t.interval = clock, interval
	return m.armLocked(t, expiry)
}

// SetAfter is Set with a time to wait.
func (m *Manager) SetAfter(t *Timer, clock int32, wait, interval int64) uint64 {
	now, err := m.Clocks.Now(clock)
	if err != nil {
		panic("ktime: timer on a clock without timers")
	}
	return m.Set(t, clock, addSat(now, wait), interval)
}

// Stop stops t. Expiries that are on their way to the listener are stale.
func (m *Manager) Stop(t *Timer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disarmLocked(t)
	t.seq++
	t.expiry, t.interval = 0, 0
}

// Forward sets a periodic timer that has expired to the next multiple of its
// period, and returns how many periods have passed since it expired, the expiry
// itself not counted, and the new setting's sequence number. If t is armed or not periodic it
// returns 0 and the current sequence number.
func (m *Manager) Forward(t *Timer) (missed, seq uint64) {
	now, err := m.Clocks.Now(t.Clock(m))
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || t.armed || t.interval <= 0 {
		return 0, t.seq
	}
	next := addSat(t.expiry, t.interval)
	if now >= next {
		missed = uint64(now-t.expiry) / uint64(t.interval)
		hi, lo := bits.Mul64(missed+1, uint64(t.interval))
		if hi != 0 || lo > math.MaxInt64 {
			next = never
		} else {
			next = addSat(t.expiry, int64(lo))
		}
	}
	return missed, m.armLocked(t, next)
}

// Clock returns the clock that t was last set on.
func (t *Timer) Clock(m *Manager) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.clock
}

// Get returns what t is set to. A periodic timer that has expired and was not forwarded
// counts as set to the next multiple of its period.
func (m *Manager) Get(t *Timer) Setting {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !t.armed && t.interval == 0 {
		return Setting{}
	}
	now, _ := m.Clocks.Now(t.clock)
	s := Setting{Expiry: t.expiry, Interval: t.interval}
	if !t.armed && s.Expiry <= now {
		s.Expiry = addSat(now, t.interval-(now-t.expiry)%t.interval)
	}
	// A timer about to fire has not expired yet: Linux reports 1 ns, as 0 means stopped.
	s.Remaining = max(1, s.Expiry-now)
	return s
}

// Armed reports whether t will fire.
func (m *Manager) Armed(t *Timer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.armed
}

// WatchClock tells l when CLOCK_REALTIME is set, within about a second; UnwatchClock ends it.
func (m *Manager) WatchClock(l ClockListener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watchers == nil {
		m.watchers = make(map[ClockListener]struct{})
	}
	m.watchers[l] = struct{}{}
	m.scheduleLocked()
}

// UnwatchClock undoes WatchClock.
func (m *Manager) UnwatchClock(l ClockListener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watchers, l)
}

func (m *Manager) armLocked(t *Timer, expiry int64) uint64 {
	realtime, offset := m.Clocks.baseOf(t.clock)
	t.expiry, t.at, t.realtime = expiry, expiry, realtime
	if expiry != never {
		t.at = expiry - offset
	}
	t.armed = true
	t.seq++
	m.heapOf(t).push(t)
	m.scheduleLocked()
	return t.seq
}

func (m *Manager) disarmLocked(t *Timer) {
	if t.armed {
		t.armed = false
		m.heapOf(t).remove(t.index)
	}
}

func (m *Manager) heapOf(t *Timer) *timerHeap {
	if t.realtime {
		return &m.heaps[1]
	}
	return &m.heaps[0]
}

// nextLocked returns the monotonic time at which run must look again.
func (m *Manager) nextLocked(mono, offset int64) int64 {
	next := int64(never)
	if h := m.heaps[0]; len(h) > 0 {
		next = h[0].at
	}
	check := len(m.watchers) > 0
	if h := m.heaps[1]; len(h) > 0 && h[0].at != never {
		next = min(next, h[0].at-offset)
		check = true
	}
	if check {
		next = min(next, mono+realtimeCheck)
	}
	return next
}

// scheduleLocked makes sure that run looks in time.
func (m *Manager) scheduleLocked() {
	if m.running {
		return
	}
	mono, offset := m.look()
	next := m.nextLocked(mono, offset)
	if next >= m.due {
		return // Early is harmless: run looks and sleeps again.
	}
	m.resetLocked(mono, next)
}

func (m *Manager) resetLocked(mono, next int64) {
	m.due = next
	if next == never {
		return
	}
	wait := time.Duration(max(0, next-mono))
	if m.timer == nil {
		m.timer = time.AfterFunc(wait, m.run)
	} else {
		m.timer.Reset(wait)
	}
}

// firing is one expiry on its way to its listener.
type firing struct {
	t   *Timer
	seq uint64
}

// run fires what is due. It runs when m.timer goes off, never twice at a time.
func (m *Manager) run() {
	m.mu.Lock()
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	var batch [16]firing
	for {
		mono, offset := m.look()
		leapt := m.leaptLocked(&mono, &offset)
		n := 0
		for i := range m.heaps {
			now := mono
			if i == 1 {
				now += offset
			}
			for h := &m.heaps[i]; n < len(batch) && len(*h) > 0 && (*h)[0].at <= now; n++ {
				t := (*h)[0]
				batch[n] = firing{t, t.seq}
				m.disarmLocked(t)
			}
		}
		if n == 0 && leapt == nil {
			m.running = false
			m.resetLocked(mono, m.nextLocked(mono, offset))
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		for _, l := range leapt {
			l.ClockWasSet()
		}
		for _, f := range batch[:n] {
			f.t.Listener.TimerExpired(f.t, f.seq)
		}
		m.mu.Lock()
	}
}

// leaptLocked returns whom to tell that CLOCK_REALTIME was set. A leap counts if two
// looks agree, as the two clocks are not read at the same instant.
func (m *Manager) leaptLocked(mono, offset *int64) []ClockListener {
	if d := *offset - m.offset; -jump < d && d < jump {
		return nil
	}
	*mono, *offset = m.look()
	if d := *offset - m.offset; -jump < d && d < jump {
		return nil
	}
	m.offset = *offset
	var l []ClockListener
	for w := range m.watchers {
		l = append(l, w)
	}
	return l
}

// addSat returns a+b for b >= 0, cut at the greatest time.
func addSat(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return never
}

// timerHeap is a binary heap by at; timers know their index.
type timerHeap []*Timer

func (h *timerHeap) push(t *Timer) {
	t.index = len(*h)
	*h = append(*h, t)
	h.up(t.index)
}

func (h *timerHeap) remove(i int) {
	old := *h
	last := len(old) - 1
	if i != last {
		old[i] = old[last]
		old[i].index = i
	}
	old[last] = nil
	*h = old[:last]
	if i != last {
		h.down(i)
		h.up(i)
	}
}

func (h timerHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h timerHeap) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].at < h[c].at {
			c++
		}
		if h[i].at <= h[c].at {
			return
		}
		h.swap(i, c)
		i = c
	}
}

func (h timerHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
