package kernel

import (
	"slices"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// This file is seccomp_unotify(2): the listener of a filter, the targets that wait for an answer, and
// the ioctls of the supervisor.

// listener is the file that tells of calls for which a filter says SECCOMP_RET_USER_NOTIF. It is closed
// when its last reference goes; the filter stays and then answers ENOSYS.
//
// Lock order: mu comes behind sigMu, and is a leaf.
type listener struct {
	vfs.BaseFile
	filter *filter // immutable
	queue  wait.Queue

	mu     sync.Mutex
	closed bool
	lastID uint64
	// requests counts the notifications that were made less the RECVs that took one. A RECV that does not
	// wait finds nothing if the target was interrupted meanwhile: ENOENT, as on Linux.
	requests int
	notes    []*notification
}

// notification is a call that waits for an answer. Guarded by listener.mu but for what is immutable.
type notification struct {
	id     uint64            // immutable
	target *Task             // immutable
	data   linux.SeccompData // immutable

	state noteState
	adds  []*addedFile // in the order in which the target is to take them

	// The answer.
	val   int64
	error int32
	goOn  bool // make the call (SECCOMP_USER_NOTIF_FLAG_CONTINUE)
}

type noteState uint8

const (
	noteNew      noteState = iota
	noteReceived           // by a supervisor
	noteAnswered
)

// addedFile is a file on its way into the target's table (SECCOMP_IOCTL_NOTIF_ADDFD).
type addedFile struct {
	file       *vfs.File // with a reference, for who takes it out of adds
	fd         int32     // where to put it, with setFD
	setFD      bool
	flags      uint32 // O_CLOEXEC
	send       bool   // the descriptor is also the answer
	supervisor *Task

	done   bool // result and err are there
	result int32
	err    error
}

// listenerMode is how a listener is open.
const listenerMode = vfs.FModeRead | vfs.FModeWrite

const (
	listenerIn  = wait.In | wait.RdNorm
	listenerOut = wait.Out | wait.WrNorm
)

// open reports whether a supervisor can have l.
func (l *listener) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed
}

// notifyFiltered asks f's supervisor about the call nr, which d describes, and stores the answer. It reports false if
// the call is to be made.
func (t *Task) notifyFiltered(f *filter, nr uint64, d *linux.SeccompData) (done bool) {
	n := (*notification)(nil)
	if f.listener != nil {
		n = f.listener.add(t, d)
	}
	if n == nil {
		t.answerFiltered(nr, 0, errno.ENOSYS)
		return true
	}
	if err := f.listener.await(n, f.waitKillable); err != nil {
		// Restarted, the call asks once more.
		t.showFiltered(nr)
		t.finishSyscall(nr, &t.args, 0, err)
		return true
	}
	switch {
	case n.goOn:
		return false
	case n.error < 0 && n.error >= -maxErrno:
		t.answerFiltered(nr, 0, errno.Errno(-n.error))
	case n.error != 0:
		t.answerFiltered(nr, uint64(int64(n.error)), 0)
	default:
		t.answerFiltered(nr, uint64(n.val), 0)
	}
	return true
}

// add makes a notification of t's call; nil if l is closed.
func (l *listener) add(t *Task, d *linux.SeccompData) *notification {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.lastID++
	n := &notification{id: l.lastID, target: t, data: *d}
	l.notes = append(l.notes, n)
	l.requests++
	l.mu.Unlock()
	l.queue.Notify(listenerIn)
	return n
}

// await sleeps until n is answered, and takes files meanwhile. ErrInterrupted if a signal comes first, or,
// with killable, death once a supervisor has received n. The target's goroutine.
func (l *listener) await(n *notification, killable bool) error {
	t := n.target
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	dead := false
	for {
		for len(n.adds) > 0 {
			l.takeFileLocked(n)
		}
		if n.state == noteAnswered {
			err = nil
			break
		}
		deaf := killable && n.state == noteReceived
		if err != nil && (!deaf || dead) {
			break
		}
		l.mu.Unlock()
		if deaf {
			err = t.blockKillable()
		} else {
			err = t.Block()
		}
		dead = err != nil && t.doomed()
		l.mu.Lock()
	}
	if i := slices.Index(l.notes, n); i >= 0 {
		l.notes = slices.Delete(l.notes, i, i+1)
	}
	return err
}

// takeFileLocked puts the first of n's files into the target's table. It gives mu up meanwhile: what is replaced may
// be l itself.
func (l *listener) takeFileLocked(n *notification) {
	t, a := n.target, n.adds[0]
	n.adds = slices.Delete(n.adds, 0, 1)
	l.mu.Unlock()
	fd, err := a.fd, error(nil)
	if a.setFD {
		err = t.ReplaceFD(fd, a.file, a.flags&linux.O_CLOEXEC != 0)
	} else {
		fd, err = t.InstallFile(a.file, a.flags)
	}
	a.file.DecRef()
	l.mu.Lock()
	a.done, a.result, a.err = true, fd, err
	switch {
	case !a.send:
	case err == nil:
		n.val, n.error, n.goOn = int64(fd), 0, false
	default:
		l.unansweredLocked(n)
	}
	a.supervisor.blocker.wake()
}

// unansweredLocked makes n wait for an answer once more.
func (l *listener) unansweredLocked(n *notification) {
	n.state = noteReceived
	if l.closed {
		n.answerLocked(0, -int32(errno.ENOSYS), false)
	}
}

// findLocked returns the notification that is not over yet; nil if there is none.
func (l *listener) findLocked(id uint64) *notification {
	for _, n := range l.notes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// Release implements vfs.FileOps: who waits for an answer gets ENOSYS.
func (l *listener) Release(*vfs.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, n := range l.notes {
		if n.state != noteAnswered {
			n.answerLocked(0, -int32(errno.ENOSYS), false)
		}
	}
}

// answerLocked wakes the target with an answer.
func (n *notification) answerLocked(val int64, e int32, goOn bool) {
	n.state, n.val, n.error, n.goOn = noteAnswered, val, e, goOn
	n.target.blocker.wake()
}

// Readiness implements vfs.FileOps: readable with something to receive, writable with something to answer, hung up
// when no task has the filter any more.
func (l *listener) Readiness(*vfs.File) wait.Mask {
	l.mu.Lock()
	defer l.mu.Unlock()
	var m wait.Mask
	for _, n := range l.notes {
		switch n.state {
		case noteNew:
			m |= listenerIn
		case noteReceived:
			m |= listenerOut
		}
	}
	if l.filter.users.Load() == 0 {
		m |= wait.Hup
	}
	return m
}

// Queue implements vfs.FileOps.
func (l *listener) Queue(*vfs.File) *wait.Queue { return &l.queue }

// The parts of an ioctl's number that say which way how many bytes go.
const (
	iocSizeMask = 1<<14 - 1
	iocForm     = 3<<linux.IOC_DIRSHIFT | iocSizeMask<<linux.IOC_SIZESHIFT
)

// Ioctl implements vfs.FileOps.
func (l *listener) Ioctl(c vfs.Caller, _ *vfs.File, _ usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	t, ok := c.(*Task)
	if !ok {
		return 0, errno.EINVAL
	}
	switch cmd {
	case linux.SECCOMP_IOCTL_NOTIF_RECV:
		return 0, l.receive(t, arg.Addr())
	case linux.SECCOMP_IOCTL_NOTIF_SEND:
		return 0, l.answer(t, arg.Addr())
	case linux.SECCOMP_IOCTL_NOTIF_ID_VALID, linux.SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR:
		id, err := t.CopyInUint64(arg.Addr())
		if err != nil {
			return 0, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := l.findLocked(id); n == nil || n.state != noteReceived {
			return 0, errno.ENOENT
		}
		return 0, nil
	case linux.SECCOMP_IOCTL_NOTIF_SET_FLAGS:
		// On which CPU who wakes is the host's business: SYNC_WAKE_UP is a hint.
		if arg.Uint64()&^linux.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP != 0 {
			return 0, errno.EINVAL
		}
		return 0, nil
	}
	// The struct may grow: its size is in the number.
	if cmd&^iocForm == linux.SECCOMP_IOCTL_NOTIF_ADDFD&^iocForm {
		return l.addFile(t, arg.Addr(), int(cmd>>linux.IOC_SIZESHIFT&iocSizeMask))
	}
	return 0, errno.EINVAL
}

// receive is SECCOMP_IOCTL_NOTIF_RECV: it waits for a notification. EINVAL unless the buffer is zero, ENOENT if there
// is none after all, or nobody has the filter.
func (l *listener) receive(t *Task, at addr.Addr) error {
	var out linux.SeccompNotif
	b := make([]byte, out.SizeBytes())
	if err := t.CopyIn(at, b); err != nil {
		return err
	}
	for _, v := range b {
		if v != 0 {
			return errno.EINVAL
		}
	}
	if err := l.awaitRequest(t); err != nil {
		return err
	}
	l.mu.Lock()
	i := slices.IndexFunc(l.notes, func(n *notification) bool { return n.state == noteNew })
	if i < 0 {
		l.mu.Unlock()
		return errno.ENOENT
	}
	n := l.notes[i]
	n.state = noteReceived
	l.mu.Unlock()
	l.queue.Notify(listenerOut)
	out.ID, out.PID, out.Data = n.id, uint32(n.target.TIDIn(t.PIDNamespace())), n.data
	err := t.CopyOutStruct(at, &out)
	if err != nil {
		// It stays for the next who asks.
		l.mu.Lock()
		if l.findLocked(n.id) == n && n.state == noteReceived {
			n.state = noteNew
			l.requests++
			n.target.blocker.wake() // it may hear signals again
		}
		l.mu.Unlock()
		l.queue.Notify(listenerIn)
	}
	return err
}

// awaitRequest sleeps until there may be something to receive, or nobody has the filter any more.
func (l *listener) awaitRequest(t *Task) error {
	ready := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.requests > 0 {
			l.requests--
			return true
		}
		return l.filter.users.Load() == 0
	}
	if ready() {
		return nil
	}
	e := wait.Entry{Waiter: t, Mask: listenerIn}
	l.queue.Register(&e)
	defer l.queue.Unregister(&e)
	for !ready() {
		if err := t.Block(); err != nil {
			return err
		}
	}
	return nil
}

// answer is SECCOMP_IOCTL_NOTIF_SEND.
func (l *listener) answer(t *Task, at addr.Addr) error {
	var r linux.SeccompNotifResp
	if err := t.CopyInStruct(at, &r); err != nil {
		return err
	}
	goOn := r.Flags&linux.SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0
	if r.Flags&^linux.SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0 || goOn && (r.Error != 0 || r.Val != 0) {
		return errno.EINVAL
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.findLocked(r.ID)
	if n == nil {
		return errno.ENOENT
	}
	if n.state != noteReceived {
		return errno.EINPROGRESS
	}
	n.answerLocked(r.Val, r.Error, goOn)
	return nil
}

// addFile is SECCOMP_IOCTL_NOTIF_ADDFD with a struct of size bytes: the target takes the file and the result is
// its descriptor there.
func (l *listener) addFile(t *Task, at addr.Addr, size int) (uint64, error) {
	var r linux.SeccompNotifAddfd
	if size < r.SizeBytes() || size >= addr.PageSize {
		return 0, errno.EINVAL
	}
	b := make([]byte, size)
	if err := t.CopyIn(at, b); err != nil {
		return 0, err
	}
	for _, v := range b[r.SizeBytes():] {
		if v != 0 {
			return 0, errno.E2BIG
		}
	}
	r.UnmarshalBytes(b)
	a := &addedFile{
		fd: int32(r.Newfd), setFD: r.Flags&linux.SECCOMP_ADDFD_FLAG_SETFD != 0, flags: r.NewfdFlags,
		send: r.Flags&linux.SECCOMP_ADDFD_FLAG_SEND != 0, supervisor: t,
	}
	if r.NewfdFlags&^linux.O_CLOEXEC != 0 || r.Newfd != 0 && !a.setFD ||
		r.Flags&^(linux.SECCOMP_ADDFD_FLAG_SETFD|linux.SECCOMP_ADDFD_FLAG_SEND) != 0 {
		return 0, errno.EINVAL
	}
	f, err := t.GetFile(int32(r.Srcfd))
	if err != nil {
		return 0, err
	}
	a.file = f
	n, err := l.queueFile(r.ID, a)
	if err != nil {
		f.DecRef()
		return 0, err
	}
	return l.awaitFile(t, n, a)
}

// queueFile hands a to the target of the notification id.
func (l *listener) queueFile(id uint64, a *addedFile) (*notification, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.findLocked(id)
	switch {
	case n == nil:
		return nil, errno.ENOENT
	case n.state != noteReceived:
		return nil, errno.EINPROGRESS
	case a.send && len(n.adds) > 0:
		return nil, errno.EBUSY
	}
	if a.send {
		n.state = noteAnswered // nobody else answers; the value follows
	}
	n.adds = append(n.adds, a)
	n.target.blocker.wake()
	return n, nil
}

// awaitFile sleeps until the target has taken a. A signal takes a back if the target has not begun.
func (l *listener) awaitFile(t *Task, n *notification, a *addedFile) (uint64, error) {
	for {
		l.mu.Lock()
		if a.done {
			l.mu.Unlock()
			return uint64(a.result), a.err
		}
		i := slices.Index(n.adds, a)
		if i >= 0 && t.interrupted() {
			n.adds = slices.Delete(n.adds, i, i+1)
			if a.send {
				l.unansweredLocked(n)
			}
			l.mu.Unlock()
			a.file.DecRef()
			return 0, ErrInterrupted
		}
		l.mu.Unlock()
		if i >= 0 {
			t.Block()
		} else if err := t.blockKillable(); err != nil {
			return 0, err
		}
	}
}
