package vfs

import (
	"encoding/binary"
	"slices"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
)

// Listener is a Caller that can read events of a Fanotify: it gets descriptors, and knows other tasks by numbers
// of its own.
type Listener interface {
	Caller
	InstallNew(f *File, flags uint32) (int32, error)
	CloseFD(fd int32) error
	// NumberOf returns how the caller calls the task that is number root in the first PID namespace; 0 if it
	// does not see it.
	NumberOf(root int32) int32
	// ProcessFD gives the caller a pidfd of the process that it calls number, or returns FAN_NOPIDFD or FAN_EPIDFD.
	ProcessFD(number int32) int32
}

// Actor is a Caller whose deeds are told with its number, and who can be made to wait for a permission.
type Actor interface {
	Caller
	// ActorID is the number of the process, or of the thread, in the first PID namespace.
	ActorID(thread bool) int32
	// AwaitAnswer sleeps until done; only death ends it early.
	AwaitAnswer(q *wait.Queue, done func() bool) error
}

const (
	fanClass    = linux.FAN_CLASS_CONTENT | linux.FAN_CLASS_PRE_CONTENT
	fanFIDs     = linux.FAN_REPORT_FID | linux.FAN_REPORT_DIR_FID | linux.FAN_REPORT_NAME | linux.FAN_REPORT_TARGET_FID
	fanPerms    = linux.FAN_OPEN_PERM | linux.FAN_ACCESS_PERM | linux.FAN_OPEN_EXEC_PERM
	MaxFanQueue = 16384 // fs.fanotify.max_queued_events
	MaxFanMarks = 8192  // fs.fanotify.max_user_marks; here for one listener
	mergeDepth  = 128   // how far back an equal event is looked for
)

// Fanotify is the queue of fanotify_init(2): FileOps of an anonymous file.
// Lock order: fanTable.mu, mu.
type Fanotify struct {
	BaseFile
	queue   wait.Queue
	answers wait.Queue // who waits for a permission

	// Immutable.
	v          *VFS
	flags      uint32
	eventFlags uint32
	unpriv     bool
	owner      int32 // number of the process that made it

	marks []*fanMark // guarded by fanTable.mu

	mu     sync.Mutex
	events []*fanEvent
	asked  []*fanEvent // permission events that were read and are not answered
	closed bool
}

// fanEvent is an event for one listener.
type fanEvent struct {
	mask uint64
	pid  int32
	path Path // referenced; the zero Path if files are told by their handles

	// Of listeners that want handles.
	dev               uint64
	object            Handle // with hasObject
	dir, newDir       Handle // with hasDir, hasNew
	name, newName     string
	hasObject, hasDir bool
	hasNew            bool

	// Of a permission event, guarded by the group's mu.
	fd       int32
	answered bool
	deny     bool
}

// NewFanotify returns a listener with FAN_* flags and O_* flags for the files that it gets. The caller has checked
// both; unpriv says that it has no CAP_SYS_ADMIN.
func (v *VFS) NewFanotify(c Caller, flags, eventFlags uint32, unpriv bool) *Fanotify {
	g := &Fanotify{v: v, flags: flags, eventFlags: eventFlags, unpriv: unpriv}
	if a, ok := Who(c).(Actor); ok {
		g.owner = a.ActorID(false)
	}
	return g
}

func (g *Fanotify) fids() bool { return g.flags&fanFIDs != 0 }

// equals reports whether e and o are about the same thing, so that one can tell of both.
func (e *fanEvent) equals(o *fanEvent) bool {
	const apart = fanPerms | linux.FAN_ONDIR | linux.FAN_RENAME
	return (e.mask|o.mask)&fanPerms == 0 && e.mask&apart == o.mask&apart && e.pid == o.pid && e.path == o.path && e.dev == o.dev &&
		e.object == o.object && e.dir == o.dir && e.newDir == o.newDir && e.name == o.name && e.newName == o.newName
}

// put queues e, unless an event like it is there already. It takes over the references.
func (g *Fanotify) put(e *fanEvent) {
	g.mu.Lock()
	n := len(g.events)
	if g.closed {
		g.answerLocked(e, false)
		g.mu.Unlock()
		g.drop(e)
		return
	}
	for i := n - 1; i >= max(0, n-mergeDepth); i-- {
		if o := g.events[i]; o.equals(e) {
			o.mask |= e.mask
			g.mu.Unlock()
			e.path.DecRef()
			return
		}
	}
	full := g.flags&linux.FAN_UNLIMITED_QUEUE == 0 && n >= MaxFanQueue && e.mask&fanPerms == 0
	if !full {
		g.events = append(g.events, e)
	} else if g.events[n-1].mask != linux.IN_Q_OVERFLOW {
		g.events = append(g.events, &fanEvent{mask: linux.IN_Q_OVERFLOW})
	}
	g.mu.Unlock()
	if full {
		e.path.DecRef()
	}
	g.queue.Notify(wait.In | wait.RdNorm)
}

// drop lets go of an event that nobody will read. Who waits for a permission holds the reference of its event.
func (g *Fanotify) drop(e *fanEvent) {
	if e.mask&fanPerms == 0 {
		e.path.DecRef()
	}
}

// answerLocked lets who waits for e go on.
func (g *Fanotify) answerLocked(e *fanEvent, deny bool) {
	e.answered, e.deny = true, deny
}

// size returns how many bytes e takes in a read.
func (g *Fanotify) size(e *fanEvent) int {
	return len(g.encode(e, linux.FAN_NOFD, 0, linux.FAN_NOPIDFD))
}

// encode returns struct fanotify_event_metadata and what follows it.
func (g *Fanotify) encode(e *fanEvent, fd, pid, pidfd int32) []byte {
	b := make([]byte, linux.FAN_EVENT_METADATA_LEN, 128)
	if g.fids() && e.mask != linux.IN_Q_OVERFLOW {
		typ := uint8(linux.FAN_EVENT_INFO_TYPE_DFID)
		switch {
		case e.mask&linux.FAN_RENAME != 0:
			typ = linux.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
		case g.flags&linux.FAN_REPORT_NAME != 0:
			typ = linux.FAN_EVENT_INFO_TYPE_DFID_NAME
		}
		if e.hasDir {
			b = appendFID(b, typ, e.dev, e.dir, e.name)
		}
		if e.hasNew {
			b = appendFID(b, linux.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, e.dev, e.newDir, e.newName)
		}
		if e.hasObject {
			b = appendFID(b, linux.FAN_EVENT_INFO_TYPE_FID, e.dev, e.object, "")
		}
	}
	le := binary.LittleEndian
	if g.flags&linux.FAN_REPORT_PIDFD != 0 {
		b = append(b, linux.FAN_EVENT_INFO_TYPE_PIDFD, 0, 8, 0)
		b = le.AppendUint32(b, uint32(pidfd))
	}
	le.PutUint32(b, uint32(len(b)))
	b[4] = linux.FANOTIFY_METADATA_VERSION
	le.PutUint16(b[6:], linux.FAN_EVENT_METADATA_LEN)
	le.PutUint64(b[8:], e.mask)
	le.PutUint32(b[16:], uint32(fd))
	le.PutUint32(b[20:], uint32(pid))
	return b
}

// appendFID appends struct fanotify_event_info_fid, with a name if there is one, to a multiple of 4 bytes.
func appendFID(b []byte, typ uint8, dev uint64, h Handle, name string) []byte {
	start := len(b)
	le := binary.LittleEndian
	b = append(b, typ, 0, 0, 0)
	b = le.AppendUint64(b, dev)
	b = le.AppendUint32(b, HandleSize)
	b = le.AppendUint32(b, uint32(h.Type))
	b = h.Append(b)
	if name != "" {
		b = append(append(b, name...), 0)
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	le.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// Read returns whole events; EINVAL if not even the first fits (fanotify(7)).
func (g *Fanotify) Read(c Caller, f *File, dst *usermem.Sequence, off int64, flags uint32) (done int, err error) {
	l, ok := c.(Listener)
	if !ok {
		return 0, errno.EINVAL
	}
	for {
		g.mu.Lock()
		if len(g.events) == 0 {
			g.mu.Unlock()
			if done == 0 {
				return 0, errno.EAGAIN
			}
			return done, nil
		}
		e := g.events[0]
		if uint64(g.size(e)) > dst.Len() {
			g.mu.Unlock()
			if done == 0 {
				return 0, errno.EINVAL
			}
			return done, nil
		}
		g.events = g.events[1:]
		if e.mask&fanPerms != 0 {
			e.path.IncRef() // who waits may give up
		}
		g.mu.Unlock()
		n, err := g.hand(l, e, dst)
		done += n
		if err != nil {
			if done > 0 {
				err = nil
			}
			return done, err
		}
	}
}

// hand writes one event, whose reference it drops. If it can't, whoever waits for permission is refused.
func (g *Fanotify) hand(l Listener, e *fanEvent, dst *usermem.Sequence) (int, error) {
	defer e.path.DecRef()
	fd := int32(linux.FAN_NOFD)
	if e.path.Ok() {
		f, err := g.openEvent(l, e.path)
		if err == nil {
			fd, err = l.InstallNew(f, g.eventFlags)
		}
		if err != nil {
			g.refuse(e)
			return 0, err
		}
	}
	pid := l.NumberOf(e.pid)
	if g.unpriv && e.pid != g.owner {
		pid = 0
	}
	if e.mask&fanPerms != 0 {
		g.mu.Lock()
		e.fd = fd
		if g.closed {
			g.answerLocked(e, false)
		} else {
			g.asked = append(g.asked, e)
		}
		g.mu.Unlock()
	}
	pidfd := int32(linux.FAN_NOPIDFD)
	if g.flags&linux.FAN_REPORT_PIDFD != 0 && pid != 0 {
		pidfd = l.ProcessFD(pid)
	}
	b := g.encode(e, fd, pid, pidfd)
	n, err := dst.CopyOut(b)
	if n < len(b) {
		if fd >= 0 {
			l.CloseFD(fd)
		}
		if pidfd >= 0 {
			l.CloseFD(pidfd)
		}
		g.refuse(e)
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	return n, nil
}

// openEvent opens what an event is about for a listener, who is not told of what it does with it.
func (g *Fanotify) openEvent(l Listener, p Path) (*File, error) {
	p.IncRef()
	f, err := g.v.openInode(l, p, g.eventFlags&^linux.O_CLOEXEC, false)
	if err != nil {
		p.DecRef()
		return nil, err
	}
	f.untold = true
	return f, nil
}

// refuse drops e, which no listener will answer.
func (g *Fanotify) refuse(e *fanEvent) {
	g.mu.Lock()
	g.asked = slices.DeleteFunc(g.asked, func(o *fanEvent) bool { return o == e })
	g.answerLocked(e, true)
	g.mu.Unlock()
	g.answers.Notify(wait.In)
}

// Write takes struct fanotify_response: the answer to the permission event with a descriptor.
func (g *Fanotify) Write(c Caller, f *File, src *usermem.Sequence, off int64, flags uint32) (int, error) {
	var b [8]byte
	if src.Len() < uint64(len(b)) {
		return 0, errno.EINVAL
	}
	if n, err := src.CopyIn(b[:]); n < len(b) {
		if err == nil {
			err = errno.EFAULT
		}
		return 0, err
	}
	fd, response := int32(binary.LittleEndian.Uint32(b[:])), binary.LittleEndian.Uint32(b[4:])
	if g.flags&linux.FAN_ENABLE_AUDIT != 0 {
		response &^= linux.FAN_AUDIT
	}
	if response != linux.FAN_ALLOW && response != linux.FAN_DENY || fd < 0 {
		return 0, errno.EINVAL
	}
	g.mu.Lock()
	i := slices.IndexFunc(g.asked, func(e *fanEvent) bool { return e.fd == fd })
	if i < 0 {
		g.mu.Unlock()
		return 0, errno.ENOENT
	}
	g.answerLocked(g.asked[i], response == linux.FAN_DENY)
	g.asked = slices.Delete(g.asked, i, i+1)
	g.mu.Unlock()
	g.answers.Notify(wait.In)
	return len(b), nil
}

// ask queues a permission event and waits for the answer: EPERM if it is no.
func (g *Fanotify) ask(a Actor, e *fanEvent) error {
	defer e.path.DecRef()
	g.put(e)
	err := a.AwaitAnswer(&g.answers, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return e.answered
	})
	g.mu.Lock()
	deny := e.deny
	is := func(o *fanEvent) bool { return o == e }
	g.events = slices.DeleteFunc(g.events, is)
	g.asked = slices.DeleteFunc(g.asked, is)
	g.mu.Unlock()
	if err == nil && deny {
		err = errno.EPERM
	}
	return err
}

func (g *Fanotify) Readiness(*File) wait.Mask {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.events) > 0 {
		return wait.In | wait.RdNorm
	}
	return 0
}

func (g *Fanotify) Queue(*File) *wait.Queue { return &g.queue }

// Ioctl serves FIONREAD.
func (g *Fanotify) Ioctl(c Caller, f *File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd != linux.FIONREAD {
		return 0, errno.ENOTTY
	}
	g.mu.Lock()
	n := len(g.events) * linux.FAN_EVENT_METADATA_LEN
	g.mu.Unlock()
	_, err := m.CopyOut(arg.Addr(), binary.LittleEndian.AppendUint32(nil, uint32(n)))
	return 0, err
}

// Release ends all marks, and lets everybody go on who waits.
func (g *Fanotify) Release(*File) {
	g.v.fan.flush(g, func(*fanMark) bool { return true })
	g.mu.Lock()
	g.closed = true
	events := g.events
	for _, e := range slices.Concat(events, g.asked) {
		g.answerLocked(e, false)
	}
	g.events, g.asked = nil, nil
	g.mu.Unlock()
	for _, e := range events {
		g.drop(e)
	}
	g.answers.Notify(wait.In)
}
