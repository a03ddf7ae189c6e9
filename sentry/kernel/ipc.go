package kernel

import (
	"slices"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// IPCNamespace holds System V objects and POSIX message queues (ipc_namespaces(7)).
//
// Lock order: the locks of its tables are leaves, but for what mm and a wait.Queue take.
type IPCNamespace struct {
	identity

	k    *Kernel
	sems semTable
	msgs msgTable
	shms shmTable
	mqs  mqTable

	// MqLimits are those of mqs.
	MqLimits MqLimits
}

func (k *Kernel) newIPCNamespace(id identity) *IPCNamespace {
	ns := &IPCNamespace{identity: id, k: k}
	ns.shms.dev = k.VFS.NewDev()
	ns.MqLimits.reset()
	return ns
}

// ipcPerm is what all System V objects have (struct kern_ipc_perm). Guarded by its table's lock.
type ipcPerm struct {
	id, key   int32
	uid, cuid creds.UID
	gid, cgid creds.GID
	mode      uint32
	removed   bool
	owner     *creds.UserNamespace // of the namespace; immutable
	ctime     int64                // seconds
}

// ipcSeqShift is where the sequence number begins in an id.
const ipcSeqShift = 15

// marshal returns struct ipc64_perm, with ids as ns shows them.
func (p *ipcPerm) marshal(ns *creds.UserNamespace) linux.IPCPerm {
	return linux.IPCPerm{Key: p.key, UID: ns.ShowUID(p.uid), GID: ns.ShowGID(p.gid), CUID: ns.ShowUID(p.cuid), CGID: ns.ShowGID(p.cgid),
		Mode: p.mode, Seq: uint16(p.id >> ipcSeqShift)}
}

// check is EACCES unless c may use the object as flag's permission bits say (ipcperms in ipc/util.c).
func (p *ipcPerm) check(c *creds.Credentials, flag uint32) error {
	want := (flag>>6 | flag>>3 | flag) & 7
	granted := p.mode
	switch {
	case c.EUID == p.cuid || c.EUID == p.uid:
		granted >>= 6
	case c.InEffectiveGroup(p.cgid) || c.InEffectiveGroup(p.gid):
		granted >>= 3
	}
	if want&^(granted&7) != 0 && !c.HasIn(linux.CAP_IPC_OWNER, p.owner) {
		return errno.EACCES
	}
	return nil
}

// mayChange is EPERM unless c owns the object (IPC_SET, IPC_RMID).
func (p *ipcPerm) mayChange(c *creds.Credentials) error {
	if c.EUID != p.cuid && c.EUID != p.uid && !c.HasIn(linux.CAP_SYS_ADMIN, p.owner) {
		return errno.EPERM
	}
	return nil
}

// set applies IPC_SET, with ids of ns.
func (p *ipcPerm) set(in *linux.IPCPerm, ns *creds.UserNamespace, now int64) error {
	uid, uok := ns.ToUID(in.UID)
	gid, gok := ns.ToGID(in.GID)
	if !uok || !gok {
		return errno.EINVAL
	}
	p.uid, p.gid = uid, gid
	p.mode = p.mode&^0o777 | in.Mode&0o777
	p.ctime = now
	return nil
}

// ipcTable finds objects of one kind by id and key. T is a pointer to an object that starts with perm.
type ipcTable[T any] struct {
	mu   sync.Mutex
	byID map[int32]ipcEntry[T]
	keys map[int32]int32 // key to id; IPC_PRIVATE is not among them
	next int32
}

type ipcEntry[T any] struct {
	perm *ipcPerm
	obj  T
}

// get is the common part of semget, msgget and shmget. It finds the object of key, if the flags let c do that, or says
// by a zero entry that a new one is to be made and added. max bounds the objects. Preconditions: mu is held.
func (t *ipcTable[T]) getLocked(c *creds.Credentials, key int32, flag uint32, max int) (e ipcEntry[T], found bool, err error) {
	if key != linux.IPC_PRIVATE {
		if id, ok := t.keys[key]; ok {
			e = t.byID[id]
			if flag&(linux.IPC_CREAT|linux.IPC_EXCL) == linux.IPC_CREAT|linux.IPC_EXCL {
				return e, false, errno.EEXIST
			}
			return e, true, e.perm.check(c, flag)
		}
		if flag&linux.IPC_CREAT == 0 {
			return e, false, errno.ENOENT
		}
	}
	if len(t.byID) >= max {
		return e, false, errno.ENOSPC
	}
	return e, false, nil
}

// addLocked gives a new object its id and ownership.
func (t *ipcTable[T]) addLocked(ns *IPCNamespace, c *creds.Credentials, p *ipcPerm, obj T, key int32, flag uint32, now int64) int32 {
	for {
		if _, taken := t.byID[t.next]; !taken {
			break
		}
		t.next = (t.next + 1) & (1<<31 - 1)
	}
	*p = ipcPerm{id: t.next, key: key, uid: c.EUID, cuid: c.EUID, gid: c.EGID, cgid: c.EGID, mode: flag & 0o777, owner: ns.Owner, ctime: now}
	t.next = (t.next + 1) & (1<<31 - 1)
	if t.byID == nil {
		t.byID, t.keys = make(map[int32]ipcEntry[T]), make(map[int32]int32)
	}
	t.byID[p.id] = ipcEntry[T]{p, obj}
	if key != linux.IPC_PRIVATE {
		t.keys[key] = p.id
	}
	return p.id
}

// findLocked returns the object with an id; EINVAL if there is none.
func (t *ipcTable[T]) findLocked(id int32) (T, error) {
	e, ok := t.byID[id]
	if !ok {
		return e.obj, errno.EINVAL
	}
	return e.obj, nil
}

// removeLocked takes an object out of the table.
func (t *ipcTable[T]) removeLocked(p *ipcPerm) {
	p.removed = true
	delete(t.byID, p.id)
	t.hideLocked(p)
}

// hideLocked takes its key from an object, which then is found only by id.
func (t *ipcTable[T]) hideLocked(p *ipcPerm) {
	if p.key != linux.IPC_PRIVATE {
		delete(t.keys, p.key)
		p.key = linux.IPC_PRIVATE
	}
}

// sortedLocked returns the objects in order of their ids.
func (t *ipcTable[T]) sortedLocked() []T {
	ids := make([]int32, 0, len(t.byID))
	for id := range t.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := make([]T, len(ids))
	for i, id := range ids {
		out[i] = t.byID[id].obj
	}
	return out
}

// indexLocked returns the object at an index of the kernel's table, as SHM_STAT and the like count: the n-th
// in order of ids. maxIndex is what IPC_INFO returns: the greatest index in use.
func (t *ipcTable[T]) indexLocked(n int32) (T, error) {
	all := t.sortedLocked()
	if n < 0 || int(n) >= len(all) {
		var zero T
		return zero, errno.EINVAL
	}
	return all[n], nil
}

func (t *ipcTable[T]) maxIndexLocked() int32 { return int32(max(len(t.byID)-1, 0)) }

// seconds returns the time as System V objects keep it.
func (k *Kernel) seconds() int64 { return k.Now() / 1e9 }

// pidOf returns how ns numbers p, 0 if p is nil.
func pidOf(p *PID, ns *PIDNamespace) int32 {
	if p == nil {
		return 0
	}
	return p.In(ns)
}
