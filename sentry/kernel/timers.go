package kernel

import (
	"slices"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/ktime"
)

// tick is how precisely CPU time is watched, in nanoseconds: a jiffy.
const tick = int64(4 * time.Millisecond)

// Keys of a process's own ktime timers.
const (
	keyReal = iota // ITIMER_REAL
	keyCPU         // the watch on its CPU time
)

// itimers are the interval timers of a process (setitimer(2)) and the watch that serves all
// timers of its CPU time. Guarded by sigMu; ktime.Manager has locks of its own.
type itimers struct {
	real    ktime.Timer
	realSeq uint64

	virtual, prof cpuTimer
	watch         ktime.Timer
	watchSeq      uint64
	cpuWarned     uint64 // RLIMIT_CPU seconds at which SIGXCPU was sent last
}

// cpuTimer is a timer of CPU time. Times are in nanoseconds of the clock it is for.
type cpuTimer struct {
	expiry, interval int64 // expiry 0: stopped
}

// TimerExpired implements ktime.Listener.
func (tg *ThreadGroup) TimerExpired(t *ktime.Timer, seq uint64) {
	k := tg.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	switch t.Key {
	case keyReal:
		if seq != tg.itimers.realSeq {
			return
		}
		info := KernelInfo(linux.SIGALRM)
		tg.leader.sendLocked(&info, true, nil, false)
		_, tg.itimers.realSeq = k.Timers.Forward(t)
	case keyCPU:
		if seq == tg.itimers.watchSeq {
			tg.checkCPULocked()
		}
	}
}

// SetTimer is setitimer(2); it returns the former setting. Times are in nanoseconds.
func (tg *ThreadGroup) SetTimer(which int32, value, interval int64) (oldValue, oldInterval int64, err error) {
	oldValue, oldInterval, err = tg.Timer(which)
	if err != nil {
		return 0, 0, err
	}
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if which == linux.ITIMER_REAL {
		r := &tg.itimers.real
		r.Listener, r.Key = tg, keyReal
		if value == 0 {
			tg.k.Timers.Stop(r)
			tg.itimers.realSeq = 0
		} else {
			tg.itimers.realSeq = tg.k.Timers.SetAfter(r, linux.CLOCK_MONOTONIC, value, interval)
		}
		return oldValue, oldInterval, nil
	}
	c := &tg.itimers.virtual
	now, total := tg.cpuNowLocked()
	if which == linux.ITIMER_PROF {
		c, now = &tg.itimers.prof, total
	}
	*c = cpuTimer{}
	if value != 0 {
		*c = cpuTimer{now + value, interval}
		tg.checkCPULocked()
	}
	return oldValue, oldInterval, nil
}

// Timer is getitimer(2), in nanoseconds.
func (tg *ThreadGroup) Timer(which int32) (value, interval int64, err error) {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	now, total := tg.cpuNowLocked()
	var c cpuTimer
	switch which {
	case linux.ITIMER_REAL:
		s := tg.k.Timers.Get(&tg.itimers.real)
		return s.Remaining, s.Interval, nil
	case linux.ITIMER_VIRTUAL:
		c = tg.itimers.virtual
	case linux.ITIMER_PROF:
		c, now = tg.itimers.prof, total
	default:
		return 0, 0, errno.EINVAL
	}
	if c.expiry != 0 {
		value = max(c.expiry-now, 1)
	}
	return value, c.interval, nil
}

// cpuNowLocked returns the process's user time and its whole CPU time.
func (tg *ThreadGroup) cpuNowLocked() (user, total int64) {
	u, s := tg.cpuTimesLocked()
	return int64(u), int64(u + s)
}

// expire reports whether c is due at now, and sets it for its next period.
func (c *cpuTimer) expire(now int64) bool {
	if c.expiry == 0 || now < c.expiry {
		return false
	}
	if c.interval == 0 {
		c.expiry = 0
	} else {
		c.expiry += ((now-c.expiry)/c.interval + 1) * c.interval
	}
	return true
}

// checkCPULocked fires the timers of CPU time that are due and sets the watch for the rest.
// Preconditions: sigMu is held.
func (tg *ThreadGroup) checkCPULocked() {
	user, total := tg.cpuNowLocked()
	it := &tg.itimers
	send := func(sig linux.Signal) {
		info := KernelInfo(sig)
		tg.leader.sendLocked(&info, true, nil, false)
	}
	if it.virtual.expire(user) {
		send(linux.SIGVTALRM)
	}
	if it.prof.expire(total) {
		send(linux.SIGPROF)
	}
	next := int64(0)
	want := func(left int64) {
		if left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	if it.virtual.expiry != 0 {
		want(max(it.virtual.expiry-user, 1))
	}
	if it.prof.expiry != 0 {
		want(max(it.prof.expiry-total, 1))
	}
	want(tg.checkLimitLocked(total, send))
	for _, p := range tg.timers {
		if p.cpu.expiry == 0 {
			continue
		}
		now := p.cpuNow(user, total)
		if p.cpu.expire(now) {
			p.fireLocked()
		}
		if p.cpu.expiry != 0 {
			want(max(p.cpu.expiry-now, 1))
		}
	}
	if next == 0 {
		return
	}
	// CPU time passes at most once per task and moment.
	it.watch.Listener, it.watch.Key = tg, keyCPU
	it.watchSeq = tg.k.Timers.SetAfter(&it.watch, linux.CLOCK_MONOTONIC, max(next/int64(max(len(tg.threads), 1)), tick), 0)
}

// checkLimitLocked enforces RLIMIT_CPU and returns how much CPU time is left until it matters, 0 for no limit.
func (tg *ThreadGroup) checkLimitLocked(total int64, send func(linux.Signal)) int64 {
	l := tg.limits.Get(linux.RLIMIT_CPU)
	if l.Cur == linux.RLIM_INFINITY {
		return 0
	}
	sec := uint64(total / 1e9)
	if l.Max != linux.RLIM_INFINITY && sec >= l.Max {
		send(linux.SIGKILL)
		return 0
	}
	warn := max(l.Cur, tg.itimers.cpuWarned+1)
	if l.Cur > 0 && tg.itimers.cpuWarned == 0 {
		warn = l.Cur
	}
	if sec >= warn {
		tg.itimers.cpuWarned = sec
		send(linux.SIGXCPU)
		warn = sec + 1
	}
	if warn > 1<<33 {
		return 0
	}
	return max(int64(warn)*1e9-total, 1)
}

// watchCPULimit makes a new RLIMIT_CPU count.
func (tg *ThreadGroup) watchCPULimit() {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	tg.itimers.cpuWarned = 0
	tg.checkCPULocked()
}

// posixTimer is a timer of timer_create(2). Guarded by sigMu of its process, but for what ktime.Manager guards.
type posixTimer struct {
	// Immutable.
	tg     *ThreadGroup
	id     int32
	clock  int32 // for ktime, or -1 with a CPU clock
	notify int32 // SIGEV_*
	signo  linux.Signal
	value  uint64
	target *Task // SIGEV_THREAD_ID; also whose CPU time counts, if cpuTask
	// What CPU clock it is for: of a task, or else of the process; only user time with cpuUser.
	cpuTask *Task
	cpuUser bool

	timer   ktime.Timer
	seq     uint64
	cpu     cpuTimer
	entry   queuedSignal // the one instance of its signal
	queued  bool         // entry is pending
	deleted bool
	overrun int64 // expiries while entry was pending
	last    int32 // overruns of the last delivery (timer_getoverrun(2))

	user *userCount
	uid  creds.UID
}

// maxTimers bounds the timers of a process, beside RLIMIT_SIGPENDING.
const maxTimers = 1 << 16

// TimerClock says which clock a timer counts: a CLOCK_* number that ktime can set timers on, or CPU time of a process
// or task.
type TimerClock struct {
	Clock int32
	CPU   bool
	Task  *Task // nil: the process
	User  bool  // only user time
}

// CreateTimer is timer_create(2).
func (t *Task) CreateTimer(c TimerClock, ev linux.Sigevent) (int32, error) {
	tg := t.tg
	p := &posixTimer{tg: tg, clock: c.Clock, notify: ev.Notify, signo: linux.Signal(ev.Signo), value: ev.Value, cpuUser: c.User}
	if c.CPU {
		p.clock, p.cpuTask = -1, c.Task
	}
	if ev.Notify != linux.SIGEV_NONE && !p.signo.Valid() {
		return 0, errno.EINVAL
	}
	switch ev.Notify {
	case linux.SIGEV_NONE, linux.SIGEV_SIGNAL, linux.SIGEV_THREAD:
	case linux.SIGEV_SIGNAL | linux.SIGEV_THREAD_ID:
		x := t.k.Task(t.PIDNamespace(), ev.Tid)
		if x == nil || x.tg != tg {
			return 0, errno.EINVAL
		}
		p.target = x
	default:
		return 0, errno.EINVAL
	}
	p.uid = t.Creds().RUID
	p.user = t.k.user(p.uid)
	if n := p.user.signals.Add(1); uint64(n) > tg.limits.Cur(linux.RLIMIT_SIGPENDING) {
		p.release()
		return 0, errno.EAGAIN
	}
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if len(tg.timers) >= maxTimers {
		p.release()
		return 0, errno.EAGAIN
	}
	for tg.timers[tg.nextTimer] != nil {
		tg.nextTimer = (tg.nextTimer + 1) & (1<<31 - 1)
	}
	p.id = tg.nextTimer
	tg.nextTimer = (tg.nextTimer + 1) & (1<<31 - 1)
	if tg.timers == nil {
		tg.timers = make(map[int32]*posixTimer)
	}
	tg.timers[p.id] = p
	p.timer.Listener = p
	p.entry.timer = p
	return p.id, nil
}

// TimerIDAsValue makes the timer's number what its signal carries (timer_create(2) without a sigevent).
func (t *Task) TimerIDAsValue(id int32) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	if p := t.tg.timers[id]; p != nil {
		p.value = uint64(id)
	}
}

func (p *posixTimer) release() {
	p.user.signals.Add(-1)
	p.tg.k.putUser(p.uid, p.user)
}

// cpuNow returns the time of a CPU timer's clock; user and total are the process's.
func (p *posixTimer) cpuNow(user, total int64) int64 {
	if x := p.cpuTask; x != nil {
		u, s := x.cpu.times(x.k)
		user, total = int64(u), int64(u+s)
	}
	if p.cpuUser {
		return user
	}
	return total
}

// TimerExpired implements ktime.Listener.
func (p *posixTimer) TimerExpired(_ *ktime.Timer, seq uint64) {
	p.tg.k.mu.RLock()
	defer p.tg.k.mu.RUnlock()
	p.tg.sigMu.Lock()
	defer p.tg.sigMu.Unlock()
	if seq == p.seq && !p.deleted {
		p.fireLocked()
	}
}

// fireLocked sends the signal of an expiry. The timer goes on when the signal is delivered, as on Linux: what
// expires before counts as overruns.
func (p *posixTimer) fireLocked() {
	if p.notify == linux.SIGEV_NONE {
		return
	}
	if p.queued {
		p.overrun++
		return
	}
	t := p.target
	group := t == nil
	if group {
		t = p.tg.leader
	} else if t.exitStarted {
		return
	}
	info := linux.SignalInfo{Signo: int32(p.signo), Code: linux.SI_TIMER}
	info.SetTimerID(p.id)
	info.SetValue(p.value)
	p.overrun = 0
	if !p.tg.prepareLocked(t, p.signo, false) {
		// Ignored: it goes on by itself, so that it counts when a handler comes.
		if p.clock >= 0 {
			_, p.seq = p.tg.k.Timers.Forward(&p.timer)
		}
		return
	}
	pend := &t.signals
	if group {
		pend = &p.tg.shared
	}
	p.entry.info = info
	p.queued = true
	pend.list = append(pend.list, &p.entry)
	pend.set.Add(p.signo)
	t.completeLocked(p.signo, group)
	p.tg.SignalEvents.Notify(signalReady)
}

// deliveredLocked is told that the timer's signal is taken: it completes info and sets the timer for the next period.
func (p *posixTimer) deliveredLocked(info *linux.SignalInfo) {
	if p.deleted {
		return
	}
	missed := uint64(0)
	if p.clock >= 0 {
		missed, p.seq = p.tg.k.Timers.Forward(&p.timer)
	}
	n := p.overrun + int64(min(missed, 1<<31-1))
	p.overrun = 0
	p.last = int32(min(n, 1<<31-1))
	info.SetOverrun(p.last)
}

// SetPosixTimer is timer_settime(2), in nanoseconds; it returns the former setting.
func (t *Task) SetPosixTimer(id int32, absolute bool, value, interval int64) (oldValue, oldInterval int64, err error) {
	oldValue, oldInterval, err = t.PosixTimer(id)
	if err != nil {
		return 0, 0, err
	}
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	p := tg.timers[id]
	if p == nil {
		return 0, 0, errno.EINVAL
	}
	p.overrun, p.last = 0, 0
	if p.queued {
		p.dropQueuedLocked() // a signal under way belongs to the old setting
	}
	if p.clock < 0 {
		now := p.cpuNow(tg.cpuNowLocked())
		p.cpu = cpuTimer{}
		if value != 0 {
			if !absolute {
				value += now
			}
			p.cpu = cpuTimer{value, interval}
			tg.checkCPULocked()
		}
		return oldValue, oldInterval, nil
	}
	if absolute && value != 0 {
		value = max(t.ToKernelTime(p.clock, value), 1)
	}
	switch {
	case value == 0:
		t.k.Timers.Stop(&p.timer)
		p.seq = 0
	case absolute:
		p.seq = t.k.Timers.Set(&p.timer, p.clock, value, interval)
	default:
		p.seq = t.k.Timers.SetAfter(&p.timer, p.clock, value, interval)
	}
	return oldValue, oldInterval, nil
}

// dropQueuedLocked takes the pending signal back.
func (p *posixTimer) dropQueuedLocked() {
	same := func(q *queuedSignal) bool { return q.info.Signal() == p.signo }
	for _, pend := range p.pendingLocked() {
		if i := slices.Index(pend.list, &p.entry); i >= 0 {
			pend.list = slices.Delete(pend.list, i, i+1)
			if !slices.ContainsFunc(pend.list, same) {
				pend.set.Remove(p.signo)
			}
		}
	}
	p.queued = false
}

func (p *posixTimer) pendingLocked() []*pendingSignals {
	out := []*pendingSignals{&p.tg.shared}
	if p.target != nil {
		out = append(out, &p.target.signals)
	}
	return out
}

// PosixTimer is timer_gettime(2), in nanoseconds.
func (t *Task) PosixTimer(id int32) (value, interval int64, err error) {
	tg := t.tg
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	p := tg.timers[id]
	if p == nil {
		return 0, 0, errno.EINVAL
	}
	if p.clock < 0 {
		if p.cpu.expiry != 0 {
			value = max(p.cpu.expiry-p.cpuNow(tg.cpuNowLocked()), 1)
		}
		return value, p.cpu.interval, nil
	}
	s := t.k.Timers.Get(&p.timer)
	if s.Remaining == 1 && p.notify == linux.SIGEV_NONE && s.Interval == 0 {
		s.Remaining = 0
	}
	return s.Remaining, s.Interval, nil
}

// TimerOverrun is timer_getoverrun(2).
func (t *Task) TimerOverrun(id int32) (int32, error) {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	p := t.tg.timers[id]
	if p == nil {
		return 0, errno.EINVAL
	}
	return p.last, nil
}

// DeleteTimer is timer_delete(2).
func (t *Task) DeleteTimer(id int32) error {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	p := t.tg.timers[id]
	if p == nil {
		return errno.EINVAL
	}
	p.deleteLocked()
	return nil
}

func (p *posixTimer) deleteLocked() {
	p.tg.k.Timers.Stop(&p.timer)
	p.deleted = true
	p.cpu = cpuTimer{}
	if p.queued {
		p.dropQueuedLocked()
	}
	p.release()
	delete(p.tg.timers, p.id)
}

// deletePosixTimers ends all timers of the process (exec, exit).
func (t *Task) deletePosixTimers() {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	for _, p := range t.tg.timers {
		p.deleteLocked()
	}
}

// stopTimers ends everything that would send a signal to a process that is gone.
func (t *Task) stopTimers() {
	t.deletePosixTimers()
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	it := &t.tg.itimers
	t.k.Timers.Stop(&it.real)
	t.k.Timers.Stop(&it.watch)
	it.realSeq, it.watchSeq = 0, 0
	it.virtual, it.prof = cpuTimer{}, cpuTimer{}
}

// PosixTimerInfo is a line of /proc/PID/timers.
type PosixTimerInfo struct {
	ID, Signo, Notify, Clock int32
	Value                    uint64
	Target                   int32 // number of the task or process that is told
}

// PosixTimers lists the timers of the process.
func (tg *ThreadGroup) PosixTimers() []PosixTimerInfo {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	var out []PosixTimerInfo
	for id := range tg.nextTimer {
		p := tg.timers[id]
		if p == nil {
			continue
		}
		i := PosixTimerInfo{ID: id, Signo: int32(p.signo), Notify: p.notify, Clock: p.clock, Value: p.value, Target: tg.pid.Own()}
		if p.target != nil {
			i.Target = p.target.TID()
		}
		out = append(out, i)
	}
	return out
}
