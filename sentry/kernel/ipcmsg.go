package kernel

import (
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// msgTable is the message queues of a namespace (msgop(2)).
type msgTable struct {
	ipcTable[*msgQueue]
	bytes uint64 // of all messages
}

// maxMsgBytes bounds the messages of a namespace, beside the limits of each queue. msgsnd(2) says ENOMEM.
const maxMsgBytes = 64 << 20

// msgOverhead is what a message counts besides its text.
const msgOverhead = 64

// dropLocked forgets messages of n bytes of text in count pieces.
func (t *msgTable) dropLocked(n uint64, count int) { t.bytes -= n + uint64(count)*msgOverhead }

// msgQueue is a message queue. Guarded by the table's lock.
type msgQueue struct {
	perm         ipcPerm
	msgs         []message
	bytes, limit uint64
	stime, rtime int64
	lspid, lrpid *PID
	queue        wait.Queue // In: a message came or the queue went; Out: there is room
}

type message struct {
	typ  int64
	text []byte
}

// Msgget is msgget(2).
func (t *Task) Msgget(key int32, flag uint32) (int32, error) {
	ns, c := t.ns.IPC, t.Creds()
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	e, found, err := ns.msgs.getLocked(c, key, flag, linux.MSGMNI)
	if err != nil {
		return 0, err
	}
	if found {
		return e.perm.id, nil
	}
	q := &msgQueue{limit: linux.MSGMNB}
	return ns.msgs.addLocked(ns, c, &q.perm, q, key, flag, t.k.seconds()), nil
}

// Msgsnd is msgsnd(2); it takes text over.
func (t *Task) Msgsnd(id int32, typ int64, text []byte, flag uint32) error {
	if typ < 1 {
		return errno.EINVAL
	}
	ns := t.ns.IPC
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	q, err := ns.msgs.findLocked(id)
	if err != nil {
		return err
	}
	e := wait.Entry{Waiter: t, Mask: wait.Out}
	registered := false
	defer func() {
		if registered {
			q.queue.Unregister(&e)
		}
	}()
	for {
		if err := q.perm.check(t.Creds(), 0o222); err != nil {
			return err
		}
		if n := uint64(len(text)); q.bytes+n <= q.limit && uint64(len(q.msgs)) < q.limit {
			if ns.msgs.bytes+n+msgOverhead > maxMsgBytes {
				return errno.ENOMEM
			}
			ns.msgs.bytes += n + msgOverhead
			q.msgs = append(q.msgs, message{typ, text})
			q.bytes += n
			q.stime, q.lspid = t.k.seconds(), t.tg.pid
			q.queue.Notify(wait.In)
			return nil
		}
		if flag&linux.IPC_NOWAIT != 0 {
			return errno.EAGAIN
		}
		if !registered {
			q.queue.Register(&e)
			registered = true
		}
		ns.msgs.mu.Unlock()
		err := t.Block()
		ns.msgs.mu.Lock()
		if q.perm.removed {
			return errno.EIDRM
		}
		if err != nil {
			return errno.ERESTARTNOHAND
		}
	}
}

// pick returns the index of the message that typ and flag ask for (msgrcv(2)), -1 if there is none.
func (q *msgQueue) pick(typ int64, flag uint32) int {
	if flag&linux.MSG_COPY != 0 {
		if typ >= 0 && typ < int64(len(q.msgs)) {
			return int(typ)
		}
		return -1
	}
	best := -1
	for i, m := range q.msgs {
		switch {
		case typ == 0,
			typ > 0 && flag&linux.MSG_EXCEPT == 0 && m.typ == typ,
			typ > 0 && flag&linux.MSG_EXCEPT != 0 && m.typ != typ:
			return i
		case typ < 0 && m.typ <= -typ && (best < 0 || m.typ < q.msgs[best].typ):
			best = i
		}
	}
	return best
}

// Msgrcv is msgrcv(2): it returns the type and the text of a message, cut to size.
func (t *Task) Msgrcv(id int32, size uint64, typ int64, flag uint32) (int64, []byte, error) {
	if flag&linux.MSG_COPY != 0 && (flag&linux.MSG_EXCEPT != 0 || flag&linux.IPC_NOWAIT == 0) {
		return 0, nil, errno.EINVAL
	}
	if typ == -1<<63 {
		typ++
	}
	ns := t.ns.IPC
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	q, err := ns.msgs.findLocked(id)
	if err != nil {
		return 0, nil, err
	}
	e := wait.Entry{Waiter: t, Mask: wait.In}
	registered := false
	defer func() {
		if registered {
			q.queue.Unregister(&e)
		}
	}()
	for {
		if err := q.perm.check(t.Creds(), 0o444); err != nil {
			return 0, nil, err
		}
		if i := q.pick(typ, flag); i >= 0 {
			m := q.msgs[i]
			if uint64(len(m.text)) > size && flag&linux.MSG_NOERROR == 0 {
				return 0, nil, errno.E2BIG
			}
			if flag&linux.MSG_COPY == 0 {
				q.msgs = slices.Delete(q.msgs, i, i+1)
				q.bytes -= uint64(len(m.text))
				ns.msgs.dropLocked(uint64(len(m.text)), 1)
				q.rtime, q.lrpid = t.k.seconds(), t.tg.pid
				q.queue.Notify(wait.Out)
			}
			return m.typ, m.text[:min(uint64(len(m.text)), size)], nil
		}
		if flag&linux.IPC_NOWAIT != 0 {
			return 0, nil, errno.ENOMSG
		}
		if !registered {
			q.queue.Register(&e)
			registered = true
		}
		ns.msgs.mu.Unlock()
		err := t.Block()
		ns.msgs.mu.Lock()
		if q.perm.removed {
			return 0, nil, errno.EIDRM
		}
		if err != nil {
			return 0, nil, errno.ERESTARTNOHAND
		}
	}
}

// MsgRemove is IPC_RMID of msgctl(2), MsgChange IPC_SET.
func (t *Task) MsgRemove(id int32) error {
	ns := t.ns.IPC
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	q, err := ns.msgs.findLocked(id)
	if err == nil {
		err = q.perm.mayChange(t.Creds())
	}
	if err != nil {
		return err
	}
	ns.msgs.removeLocked(&q.perm)
	ns.msgs.dropLocked(q.bytes, len(q.msgs))
	q.msgs, q.bytes = nil, 0
	q.queue.Notify(wait.In | wait.Out)
	return nil
}

func (t *Task) MsgChange(id int32, d *linux.MsqidDs) error {
	ns, c := t.ns.IPC, t.Creds()
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	q, err := ns.msgs.findLocked(id)
	if err == nil {
		err = q.perm.mayChange(c)
	}
	if err != nil {
		return err
	}
	if d.Qbytes > linux.MSGMNB && !c.HasIn(linux.CAP_SYS_RESOURCE, ns.Owner) {
		return errno.EPERM
	}
	if err := q.perm.set(&d.Perm, t.Creds().UserNS, t.k.seconds()); err != nil {
		return err
	}
	q.limit = d.Qbytes
	q.queue.Notify(wait.In | wait.Out)
	return nil
}

// MsgStat is IPC_STAT, MSG_STAT (byIndex) and MSG_STAT_ANY (any) of msgctl(2); it also returns the id.
func (t *Task) MsgStat(id int32, byIndex, any bool) (linux.MsqidDs, int32, error) {
	ns := t.ns.IPC
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	var q *msgQueue
	var err error
	if byIndex {
		q, err = ns.msgs.indexLocked(id)
	} else {
		q, err = ns.msgs.findLocked(id)
	}
	if err == nil && !any {
		err = q.perm.check(t.Creds(), 0o444)
	}
	if err != nil {
		return linux.MsqidDs{}, 0, err
	}
	return q.stat(t.Creds().UserNS, t.PIDNamespace()), q.perm.id, nil
}

func (q *msgQueue) stat(users *creds.UserNamespace, ns *PIDNamespace) linux.MsqidDs {
	return linux.MsqidDs{Perm: q.perm.marshal(users), Stime: q.stime, Rtime: q.rtime, Ctime: q.perm.ctime, Cbytes: q.bytes,
		Qnum: uint64(len(q.msgs)), Qbytes: q.limit, Lspid: pidOf(q.lspid, ns), Lrpid: pidOf(q.lrpid, ns)}
}

// MsgInfo is IPC_INFO and, with usage, MSG_INFO of msgctl(2); it also returns the greatest index in use.
func (t *Task) MsgInfo(usage bool) (linux.Msginfo, int32) {
	ns := t.ns.IPC
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	i := linux.Msginfo{Msgpool: linux.MSGPOOL, Msgmap: linux.MSGMAP, Msgmax: linux.MSGMAX, Msgmnb: linux.MSGMNB, Msgmni: linux.MSGMNI,
		Msgssz: linux.MSGSSZ, Msgtql: linux.MSGTQL, Msgseg: linux.MSGSEG}
	if usage {
		i.Msgpool, i.Msgmap, i.Msgtql = int32(len(ns.msgs.byID)), 0, 0
		for _, e := range ns.msgs.byID {
			i.Msgmap += int32(len(e.obj.msgs))
			i.Msgtql += int32(e.obj.bytes)
		}
	}
	return i, ns.msgs.maxIndexLocked()
}
