package kernel

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/netlink"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// mqTable is the POSIX message queues of a namespace (mq_overview(7)).
type mqTable struct {
	mu    sync.Mutex
	names map[string]*mqueue
}

// MqLimits are the limits of message queues in a namespace (/proc/sys/fs/mqueue): how many queues, messages in
// each and bytes in a message there can be, and what a queue gets that is made without attributes.
type MqLimits struct {
	Queues, Messages, Size       atomic.Int64
	DefaultMessages, DefaultSize atomic.Int64
}

// What the limits can be raised to, and CAP_SYS_RESOURCE is held to.
const (
	MqHardMessages = 65536
	MqHardSize     = 16 << 20
)

func (l *MqLimits) reset() {
	l.Queues.Store(linux.MQ_QUEUES_DEFAULT)
	l.Messages.Store(linux.MQ_MSG_MAX)
	l.Size.Store(linux.MQ_MSGSIZE)
	l.DefaultMessages.Store(linux.MQ_MSG_DEFAULT)
	l.DefaultSize.Store(linux.MQ_MSGSIZE)
}

// mqueue is a message queue. Guarded by its table's lock.
type mqueue struct {
	table   *mqTable // immutable
	k       *Kernel  // immutable
	uid     creds.UID
	gid     creds.GID
	mode    uint32
	maxMsgs int64 // immutable
	maxSize int64 // immutable
	msgs    []mqMessage
	bytes   int64
	waiting int // who wait for a message: they come before a notification
	notify  *mqNotify
	queue   wait.Queue

	user   *userCount // who pays, immutable
	userID creds.UID
	opens  int
	linked bool
}

type mqMessage struct {
	prio uint32
	text []byte
}

// mqNotify is who is told of the next message in an empty queue.
type mqNotify struct {
	tg  *ThreadGroup
	f   *vfs.File // through which it asked; not a reference
	sig linux.Sigevent
	MqThread
}

// MqThread is how a thread of the C library learns of a message (SIGEV_THREAD): Socket, of AF_NETLINK, gets Cookie, whose
// last byte says what has happened. The zero value is for other ways. It holds a reference.
type MqThread struct {
	Socket *vfs.File
	Cookie [linux.NOTIFY_COOKIE_LEN]byte
}

// tell sends the cookie, and ends the registration. The table must not be locked.
func (m *MqThread) tell(what byte) {
	if m.Socket == nil {
		return
	}
	m.Cookie[linux.NOTIFY_COOKIE_LEN-1] = what
	socket.Of(m.Socket).(*netlink.Socket).Post(slices.Clone(m.Cookie[:]))
	m.Socket.DecRef()
}

// takeNotifyLocked ends the registration of q and returns it, for tell.
func (q *mqueue) takeNotifyLocked() (m MqThread) {
	if q.notify != nil {
		m = q.notify.MqThread
		q.notify = nil
	}
	return m
}

// cost is what a queue counts against RLIMIT_MSGQUEUE, in bytes (mq_overview(7)).
func (q *mqueue) cost() int64 { return q.maxMsgs * (48 + 8 + q.maxSize) }

// mqFile is an open message queue.
type mqFile struct {
	vfs.BaseFile
	q *mqueue
}

// MqOpen is mq_open(2); attr may be nil. It returns a descriptor.
func (t *Task) MqOpen(name string, flags, mode uint32, attr *linux.MqAttr) (int32, error) {
	switch {
	case name == "":
		return -1, errno.ENOENT
	case len(name) > linux.NAME_MAX:
		return -1, errno.ENAMETOOLONG
	}
	if name == "." || name == ".." || strings.Contains(name, "/") {
		return -1, errno.EACCES
	}
	tb, c := &t.ns.IPC.mqs, t.Creds()
	tb.mu.Lock()
	q := tb.names[name]
	var err error
	switch {
	case q == nil && flags&linux.O_CREAT == 0:
		err = errno.ENOENT
	case q == nil:
		q, err = t.newMqueue(tb, name, mode, attr)
	case flags&(linux.O_CREAT|linux.O_EXCL) == linux.O_CREAT|linux.O_EXCL:
		err = errno.EEXIST
	default:
		err = q.check(c, flags)
	}
	if err == nil {
		q.opens++
	}
	tb.mu.Unlock()
	if err != nil {
		return -1, err
	}
	fm := vfs.FModeRead | vfs.FModeSeek
	switch flags & linux.O_ACCMODE {
	case linux.O_WRONLY:
		fm = vfs.FModeWrite | vfs.FModeSeek
	case linux.O_RDWR:
		fm |= vfs.FModeWrite
	}
	f := t.k.VFS.NewAnonFile("[mqueue]", &mqFile{q: q}, flags&(linux.O_ACCMODE|linux.O_NONBLOCK), fm, c)
	return t.InstallNew(f, linux.O_CLOEXEC)
}

// newMqueue makes a queue. Preconditions: tb.mu is held.
func (t *Task) newMqueue(tb *mqTable, name string, mode uint32, attr *linux.MqAttr) (*mqueue, error) {
	c := t.Creds()
	capable := c.Has(linux.CAP_SYS_RESOURCE)
	limits := &t.ns.IPC.MqLimits
	if int64(len(tb.names)) >= limits.Queues.Load() && !capable {
		return nil, errno.ENOSPC
	}
	q := &mqueue{table: tb, k: t.k, uid: c.FSUID, gid: c.FSGID, mode: mode & 0o7777 &^ t.fs.ctx.Umask(),
		maxMsgs: min(limits.DefaultMessages.Load(), limits.Messages.Load()),
		maxSize: min(limits.DefaultSize.Load(), limits.Size.Load()), linked: true}
	if attr != nil {
		q.maxMsgs, q.maxSize = attr.Maxmsg, attr.Msgsize
		msgs, size := limits.Messages.Load(), limits.Size.Load()
		if capable {
			msgs, size = MqHardMessages, MqHardSize
		}
		if q.maxMsgs <= 0 || q.maxSize <= 0 || q.maxMsgs > msgs || q.maxSize > size {
			return nil, errno.EINVAL
		}
	}
	q.userID = c.RUID
	q.user = t.k.user(c.RUID)
	if n := q.user.mqBytes.Add(q.cost()); uint64(n) > t.tg.limits.Cur(linux.RLIMIT_MSGQUEUE) {
		q.refund()
		return nil, errno.EMFILE
	}
	if tb.names == nil {
		tb.names = make(map[string]*mqueue)
	}
	tb.names[name] = q
	return q, nil
}

func (q *mqueue) refund() {
	q.user.mqBytes.Add(-q.cost())
	q.k.putUser(q.userID, q.user)
}

// check is EACCES unless c may open q with flags.
func (q *mqueue) check(c *creds.Credentials, flags uint32) error {
	want := uint32(4)
	switch flags & linux.O_ACCMODE {
	case linux.O_WRONLY:
		want = 2
	case linux.O_RDWR:
		want = 6
	case linux.O_ACCMODE:
		return errno.EINVAL
	}
	granted := q.mode
	switch {
	case c.FSUID == q.uid:
		granted >>= 6
	case c.InGroup(q.gid):
		granted >>= 3
	}
	if want&^granted != 0 && !c.HasOver(linux.CAP_DAC_OVERRIDE, q.uid, q.gid) {
		return errno.EACCES
	}
	return nil
}

// MqUnlink is mq_unlink(2).
func (t *Task) MqUnlink(name string) error {
	tb, c := &t.ns.IPC.mqs, t.Creds()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	q := tb.names[name]
	if q == nil {
		return errno.ENOENT
	}
	if !c.Owns(q.uid) {
		return errno.EACCES
	}
	delete(tb.names, name)
	q.linked = false
	q.releaseLocked()
	return nil
}

func (q *mqueue) releaseLocked() {
	if !q.linked && q.opens == 0 {
		q.msgs = nil
		q.refund()
	}
}

// Release implements vfs.FileOps.
func (m *mqFile) Release(f *vfs.File) {
	m.q.table.mu.Lock()
	var removed MqThread
	if n := m.q.notify; n != nil && n.f == f {
		removed = m.q.takeNotifyLocked()
	}
	m.q.opens--
	m.q.releaseLocked()
	m.q.table.mu.Unlock()
	removed.tell(linux.NOTIFY_REMOVED)
}

// Readiness implements vfs.FileOps.
func (m *mqFile) Readiness(*vfs.File) wait.Mask {
	m.q.table.mu.Lock()
	defer m.q.table.mu.Unlock()
	var r wait.Mask
	if len(m.q.msgs) > 0 {
		r |= wait.In | wait.RdNorm
	}
	if int64(len(m.q.msgs)) < m.q.maxMsgs {
		r |= wait.Out | wait.WrNorm
	}
	return r
}

// Queue implements vfs.FileOps.
func (m *mqFile) Queue(*vfs.File) *wait.Queue { return &m.q.queue }

// Read implements vfs.FileOps: a description of the queue (mq_overview(7)).
func (m *mqFile) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	m.q.table.mu.Lock()
	var notify, sig, pid int32
	if n := m.q.notify; n != nil {
		notify, sig, pid = n.sig.Notify, n.sig.Signo, n.tg.pid.Own()
	}
	s := fmt.Sprintf("QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", m.q.bytes, notify, sig, pid)
	m.q.table.mu.Unlock()
	if off < 0 || off >= int64(len(s)) {
		return 0, nil
	}
	return dst.CopyOut([]byte(s[off:]))
}

// mq returns the queue of a descriptor opened for want (FMode*).
func mqOf(f *vfs.File, want uint32) (*mqueue, error) {
	m, ok := f.Ops.(*mqFile)
	if !ok || f.Mode&want != want {
		return nil, errno.EBADF
	}
	return m.q, nil
}

// MqSend is mq_timedsend(2); it takes text over.
func (t *Task) MqSend(f *vfs.File, text []byte, prio uint32, deadline int64) error {
	if prio >= linux.MQ_PRIO_MAX {
		return errno.EINVAL
	}
	q, err := mqOf(f, vfs.FModeWrite)
	if err != nil {
		return err
	}
	if int64(len(text)) > q.maxSize {
		return errno.EMSGSIZE
	}
	var done *mqNotify
	err = t.mqWait(q, f, wait.Out, deadline, func() bool {
		if int64(len(q.msgs)) >= q.maxMsgs {
			return false
		}
		i, _ := slices.BinarySearchFunc(q.msgs, prio, func(m mqMessage, p uint32) int {
			if m.prio >= p {
				return -1
			}
			return 1
		})
		q.msgs = slices.Insert(q.msgs, i, mqMessage{prio, text})
		q.bytes += int64(len(text))
		if len(q.msgs) == 1 && q.waiting == 0 {
			done, q.notify = q.notify, nil
		}
		return true
	})
	if err != nil {
		return err
	}
	q.queue.Notify(wait.In | wait.RdNorm)
	if done != nil && done.sig.Notify == linux.SIGEV_SIGNAL {
		info := linux.SignalInfo{Signo: done.sig.Signo, Code: linux.SI_MESGQ}
		info.SetPID(t.tg.pid.In(done.tg.pid.ns))
		info.SetUID(t.userIn(done.tg.Leader()))
		info.SetValue(done.sig.Value)
		done.tg.Signal(&info)
	} else if done != nil {
		done.tell(linux.NOTIFY_WOKENUP)
	}
	return nil
}

// MqReceive is mq_timedreceive(2): it returns the oldest message of the highest priority. EMSGSIZE if size is less than the
// greatest message.
func (t *Task) MqReceive(f *vfs.File, size uint64, deadline int64) (text []byte, prio uint32, err error) {
	q, err := mqOf(f, vfs.FModeRead)
	if err != nil {
		return nil, 0, err
	}
	if size < uint64(q.maxSize) {
		return nil, 0, errno.EMSGSIZE
	}
	err = t.mqWait(q, f, wait.In, deadline, func() bool {
		if len(q.msgs) == 0 {
			return false
		}
		text, prio = q.msgs[0].text, q.msgs[0].prio
		q.msgs = slices.Delete(q.msgs, 0, 1)
		q.bytes -= int64(len(text))
		return true
	})
	if err == nil {
		q.queue.Notify(wait.Out | wait.WrNorm)
	}
	return text, prio, err
}

// mqWait calls try, with the lock held, until it succeeds.
func (t *Task) mqWait(q *mqueue, f *vfs.File, mask wait.Mask, deadline int64, try func() bool) error {
	e := wait.Entry{Waiter: t, Mask: mask}
	registered := false
	defer func() {
		if registered {
			q.queue.Unregister(&e)
		}
	}()
	q.table.mu.Lock()
	defer q.table.mu.Unlock()
	for !try() {
		if f.Nonblocking() {
			return errno.EAGAIN
		}
		if !registered {
			q.queue.Register(&e)
			registered = true
		}
		if mask == wait.In {
			q.waiting++
		}
		q.table.mu.Unlock()
		err := t.BlockUntil(deadline)
		q.table.mu.Lock()
		if mask == wait.In {
			q.waiting--
		}
		if err != nil && !try() {
			return err
		} else if err != nil {
			return nil
		}
	}
	return nil
}

// MqNotify is mq_notify(2): ev nil ends the caller's registration. EBUSY if another process has one. It takes the
// reference of th over if it succeeds. Preconditions: ev is one of SIGEV_NONE, SIGEV_SIGNAL with a signal and
// SIGEV_THREAD.
func (t *Task) MqNotify(f *vfs.File, ev *linux.Sigevent, th MqThread) error {
	q, err := mqOf(f, 0)
	if err != nil {
		return err
	}
	var removed MqThread
	q.table.mu.Lock()
	switch {
	case ev == nil:
		if q.notify != nil && q.notify.tg == t.tg {
			removed = q.takeNotifyLocked()
		}
	case q.notify != nil:
		err = errno.EBUSY
	default:
		q.notify = &mqNotify{t.tg, f, *ev, th}
	}
	q.table.mu.Unlock()
	removed.tell(linux.NOTIFY_REMOVED)
	return err
}

// MqGetSetAttr is mq_getsetattr(2): it returns the attributes and, if set is not nil, changes O_NONBLOCK.
func (t *Task) MqGetSetAttr(f *vfs.File, set *linux.MqAttr) (linux.MqAttr, error) {
	q, err := mqOf(f, 0)
	if err != nil {
		return linux.MqAttr{}, err
	}
	if set != nil && set.Flags&^linux.O_NONBLOCK != 0 {
		return linux.MqAttr{}, errno.EINVAL
	}
	q.table.mu.Lock()
	a := linux.MqAttr{Flags: int64(f.Flags() & linux.O_NONBLOCK), Maxmsg: q.maxMsgs, Msgsize: q.maxSize, Curmsgs: int64(len(q.msgs))}
	q.table.mu.Unlock()
	if set != nil {
		err = f.SetFlags(t, f.Flags()&^linux.O_NONBLOCK|uint32(set.Flags), -1)
	}
	return a, err
}
