package syscalls

import (
	"encoding/binary"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var pollCalls = []line{
	{linux.SYS_POLL, "poll", sysPoll, kernel.Full, "", ""},
	{linux.SYS_PPOLL, "ppoll", sysPpoll, kernel.Full, "", ""},
	{linux.SYS_SELECT, "select", sysSelect, kernel.Full, "", ""},
	{linux.SYS_PSELECT6, "pselect6", sysPselect6, kernel.Full, "", ""},
}

// timeout is how long a call may wait.
type timeout struct {
	forever bool
	now     bool  // do not wait at all
	end     int64 // monotonic nanoseconds, if neither
}

// deadline is the timeout for Task.BlockUntil.
func (d timeout) deadline() int64 {
	if d.forever {
		return kernel.Forever
	}
	return d.end
}

// left returns how many nanoseconds remain.
func (d timeout) left(t *kernel.Task) int64 {
	if d.now {
		return 0
	}
	return max(0, d.end-t.Kernel().Monotonic())
}

// timeoutAfter returns a timeout of ns >= 0 nanoseconds from now on.
func timeoutAfter(t *kernel.Task, ns int64) timeout {
	if ns == 0 {
		return timeout{now: true}
	}
	end := t.Kernel().Monotonic() + ns
	if end <= 0 { // overflow: later than anyone waits
		return timeout{forever: true}
	}
	return timeout{end: end}
}

// timespecTimeout reads a relative timeout; no address means forever.
func timespecTimeout(t *kernel.Task, a addr.Addr) (timeout, error) {
	if a == 0 {
		return timeout{forever: true}, nil
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(a, &ts); err != nil {
		return timeout{}, err
	}
	if !ts.Valid() {
		return timeout{}, errno.EINVAL
	}
	return timeoutAfter(t, ts.Nanoseconds()), nil
}

// setTempMask installs the signal mask at a, if there is one, until the call is over.
func setTempMask(t *kernel.Task, a addr.Addr, size uint64) error {
	if a == 0 {
		return nil
	}
	if size != 8 {
		return errno.EINVAL
	}
	m, err := t.CopyInUint64(a)
	if err != nil {
		return err
	}
	t.SetTempMask(linux.SignalSet(m))
	return nil
}

// pollSet is what one poll or select looks at.
type pollSet struct {
	polled  []polled
	entries []wait.Entry
	always  wait.Mask // conditions that count for all
}

// polled is one descriptor of a pollSet.
type polled struct {
	f    *vfs.File // nil: nothing to look at
	want wait.Mask
	got  wait.Mask
	fd   int32
}

var pollPool = sync.Pool{New: func() any { return new(pollSet) }}

func newPollSet(n int, always wait.Mask) *pollSet {
	s := pollPool.Get().(*pollSet)
	s.always = always
	if cap(s.polled) < n {
		s.polled = make([]polled, 0, n)
	}
	s.polled = s.polled[:0]
	return s
}

// free drops the files.
func (s *pollSet) free() {
	for i := range s.polled {
		if f := s.polled[i].f; f != nil {
			f.DecRef()
		}
	}
	if cap(s.polled) > 1024 {
		return
	}
	clear(s.polled)
	pollPool.Put(s)
}

// scan asks all files and returns how many have something to tell t.
func (s *pollSet) scan(t *kernel.Task) int {
	n := 0
	for i := range s.polled {
		p := &s.polled[i]
		if p.f != nil {
			p.got = p.f.ReadinessTo(t) & (p.want | s.always)
		}
		if p.got != 0 {
			n++
		}
	}
	return n
}

// wait scans until something is ready, the time is over (0, nil), or the task is interrupted.
func (s *pollSet) wait(t *kernel.Task, d timeout) (int, error) {
	if n := s.scan(t); n > 0 || d.now {
		return n, nil
	}
	if cap(s.entries) < len(s.polled) {
		s.entries = make([]wait.Entry, len(s.polled))
	}
	entries := s.entries[:len(s.polled)]
	for i := range s.polled {
		p := &s.polled[i]
		if p.f == nil {
			continue
		}
		if q := p.f.QueueOf(t); q != nil {
			entries[i] = wait.Entry{Waiter: t, Mask: p.want | wait.Always}
			q.Register(&entries[i])
		}
	}
	defer func() {
		for i := range s.polled {
			if f := s.polled[i].f; f != nil {
				if q := f.QueueOf(t); q != nil {
					q.Unregister(&entries[i])
				}
			}
			entries[i] = wait.Entry{}
		}
	}()
	for {
		if n := s.scan(t); n > 0 {
			return n, nil
		}
		switch err := t.BlockUntil(d.deadline()); err {
		case nil:
		case errno.ETIMEDOUT:
			return s.scan(t), nil
		default:
			return 0, err
		}
	}
}

func sysPoll(t *kernel.Task, a *arch.Args) (uint64, error) {
	var d timeout
	if b := t.Restarting(); b != nil {
		d = timeout{forever: b.Deadline == kernel.Forever, end: b.Deadline}
	} else if ms := a[2].Int(); ms < 0 {
		d = timeout{forever: true}
	} else {
		d = timeoutAfter(t, int64(ms)*1e6)
	}
	n, err := poll(t, a, d)
	if err == kernel.ErrInterrupted {
		err = t.SetRestart(linux.SYS_POLL, a, d.deadline())
	}
	return n, err
}

func sysPpoll(t *kernel.Task, a *arch.Args) (uint64, error) {
	d, err := timespecTimeout(t, a[2].Addr())
	if err != nil {
		return 0, err
	}
	if err := setTempMask(t, a[3].Addr(), a[4].Size()); err != nil {
		return 0, err
	}
	n, err := poll(t, a, d)
	return n, reportLeft(t, a[2].Addr(), d, err, false)
}

// reportLeft writes what is left of a timeout back, as ppoll(2) and select(2) do on Linux,
// and returns what the call returns. usec says that it is a struct timeval.
func reportLeft(t *kernel.Task, at addr.Addr, d timeout, err error, usec bool) error {
	if err == kernel.ErrInterrupted {
		err = errno.ERESTARTNOHAND
	}
	if at == 0 || d.now || t.Personality()&linux.STICKY_TIMEOUTS != 0 {
		return stickyErr(t, err)
	}
	left := linux.NsecToTimespec(d.left(t))
	if d.forever { // a time beyond counting
		return err
	}
	var werr error
	if usec {
		tv := linux.Timeval{Sec: left.Sec, Usec: left.Nsec / 1000}
		b := make([]byte, tv.SizeBytes())
		tv.MarshalBytes(b)
		werr = t.CopyOut(at, b)
	} else {
		werr = t.CopyOutTimespec(at, &left)
	}
	// A timeout in read-only memory can't be cut for a restart.
	if werr != nil && err == errno.ERESTARTNOHAND {
		return errno.EINTR
	}
	return err
}

// stickyErr is the result if timeouts are not written back.
func stickyErr(t *kernel.Task, err error) error {
	if err == errno.ERESTARTNOHAND && t.Personality()&linux.STICKY_TIMEOUTS != 0 {
		return errno.EINTR
	}
	return err
}

func poll(t *kernel.Task, a *arch.Args, d timeout) (uint64, error) {
	n := a[1].Uint()
	if uint64(n) > t.FileLimit() {
		return 0, errno.EINVAL
	}
	const size = 8
	var small [32 * size]byte
	buf := small[:]
	if n <= 32 {
		buf = buf[:n*size]
	} else {
		buf = make([]byte, n*size)
	}
	if err := t.CopyIn(a[0].Addr(), buf); err != nil {
		return 0, err
	}
	s := newPollSet(int(n), wait.Always)
	defer s.free()
	for i := range int(n) {
		fd := int32(binary.LittleEndian.Uint32(buf[i*size:]))
		events := binary.LittleEndian.Uint16(buf[i*size+4:])
		p := polled{fd: fd, want: wait.Mask(events)}
		if fd >= 0 {
			f, err := t.GetFile(fd)
			if err != nil {
				p.got = linux.POLLNVAL
			}
			p.f = f
		}
		s.polled = append(s.polled, p)
	}
	ready, err := s.wait(t, d)
	if err != nil {
		return 0, err
	}
	for i := range int(n) {
		binary.LittleEndian.PutUint16(buf[i*size+6:], uint16(s.polled[i].got))
	}
	if err := t.CopyOut(a[0].Addr(), buf); err != nil {
		return 0, err
	}
	return uint64(ready), nil
}

// What select(2) takes for readable, writable and exceptional.
const (
	selectIn  = wait.RdNorm | wait.RdBand | wait.In | wait.Hup | wait.Err
	selectOut = wait.WrBand | wait.WrNorm | wait.Out | wait.Err
	selectEx  = wait.Pri
)

func sysSelect(t *kernel.Task, a *arch.Args) (uint64, error) {
	d := timeout{forever: true}
	if a[4] != 0 {
		var tv linux.Timeval
		b := make([]byte, tv.SizeBytes())
		if err := t.CopyIn(a[4].Addr(), b); err != nil {
			return 0, err
		}
		tv.UnmarshalBytes(b)
		// Linux lets microseconds run over a second here.
		ts := linux.Timespec{Sec: tv.Sec + tv.Usec/1e6, Nsec: tv.Usec % 1e6 * 1000}
		if !ts.Valid() {
			return 0, errno.EINVAL
		}
		d = timeoutAfter(t, ts.Nanoseconds())
	}
	n, err := sel(t, a, d)
	return n, reportLeft(t, a[4].Addr(), d, err, true)
}

func sysPselect6(t *kernel.Task, a *arch.Args) (uint64, error) {
	var arg linux.SigsetArg
	if a[5] != 0 {
		b := make([]byte, arg.SizeBytes())
		if err := t.CopyIn(a[5].Addr(), b); err != nil {
			return 0, err
		}
		arg.UnmarshalBytes(b)
	}
	d, err := timespecTimeout(t, a[4].Addr())
	if err != nil {
		return 0, err
	}
	if err := setTempMask(t, addr.Addr(arg.Addr), arg.Size); err != nil {
		return 0, err
	}
	n, err := sel(t, a, d)
	return n, reportLeft(t, a[4].Addr(), d, err, false)
}

func sel(t *kernel.Task, a *arch.Args, d timeout) (uint64, error) {
	n := int(a[0].Int())
	if n < 0 {
		return 0, errno.EINVAL
	}
	// Descriptors beyond the table are not even looked at.
	n = min(n, t.Files().Size())
	words := (n + 63) / 64
	var small [3 * 128]byte
	buf := small[:]
	if 3*8*words > len(buf) {
		buf = make([]byte, 3*8*words)
	}
	var sets [3][]byte
	for i := range sets {
		sets[i] = buf[i*8*words : (i+1)*8*words]
		if a[1+i] != 0 {
			if err := t.CopyIn(a[1+i].Addr(), sets[i]); err != nil {
				return 0, err
			}
		}
	}
	s := newPollSet(16, 0)
	defer s.free()
	conditions := [3]wait.Mask{selectIn, selectOut, selectEx}
	for w := range words {
		var in [3]uint64
		for i := range sets {
			in[i] = binary.LittleEndian.Uint64(sets[i][w*8:])
		}
		all := in[0] | in[1] | in[2]
		for bit := 0; bit < 64 && w*64+bit < n; bit++ {
			if all&(1<<bit) == 0 {
				continue
			}
			p := polled{fd: int32(w*64 + bit)}
			for i := range in {
				if in[i]&(1<<bit) != 0 {
					p.want |= conditions[i]
				}
			}
			f, err := t.GetFile(p.fd)
			if err != nil {
				return 0, err
			}
			p.f = f
			s.polled = append(s.polled, p)
		}
	}
	if _, err := s.wait(t, d); err != nil {
		return 0, err
	}
	total := 0
	var small2 [3 * 128]byte
	out := small2[:]
	if 3*8*words > len(out) {
		out = make([]byte, 3*8*words)
	}
	for i := range s.polled {
		p := &s.polled[i]
		at, bit := int(p.fd/8), byte(1)<<(p.fd%8)
		for j := range sets {
			if p.got&conditions[j] != 0 && sets[j][at]&bit != 0 {
				out[j*8*words+at] |= bit
				total++
			}
		}
	}
	for i := range sets {
		copy(sets[i], out[i*8*words:])
		if a[1+i] != 0 {
			if err := t.CopyOut(a[1+i].Addr(), sets[i]); err != nil {
				return 0, err
			}
		}
	}
	return uint64(total), nil
}
