package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// semTable is the semaphore sets of a namespace (semop(2)).
type semTable struct {
	ipcTable[*semSet]
	total int // semaphores
}

// semSet is a set of semaphores. Guarded by the table's lock.
type semSet struct {
	perm  ipcPerm
	sems  []semaphore
	otime int64
	undo  map[*undoList][]int16
	queue wait.Queue
}

type semaphore struct {
	val        int32
	pid        *PID // of who changed it last
	ncnt, zcnt int32
}

// undoList is what a process gives back when it ends (SEM_UNDO). It is shared by CLONE_SYSVSEM. Guarded by the lock
// of ns.sems.
type undoList struct {
	ns    *IPCNamespace
	users int
	sets  map[*semSet]struct{}
}

// maxSems bounds the semaphores of a namespace. Linux allows a thousand times as many, by its
// /proc/sys/kernel/sem, and relies on the accounting of memory to say no.
const maxSems = 1 << 20

// Semget is semget(2).
func (t *Task) Semget(key, n int32, flag uint32) (int32, error) {
	ns, c := t.ns.IPC, t.Creds()
	if n < 0 || n > linux.SEMMSL {
		return 0, errno.EINVAL
	}
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	e, found, err := ns.sems.getLocked(c, key, flag, linux.SEMMNI)
	if err != nil {
		return 0, err
	}
	if found {
		if int(n) > len(e.obj.sems) {
			return 0, errno.EINVAL
		}
		return e.perm.id, nil
	}
	if n == 0 {
		return 0, errno.EINVAL
	}
	if ns.sems.total+int(n) > maxSems {
		return 0, errno.ENOSPC
	}
	s := &semSet{sems: make([]semaphore, n)}
	ns.sems.total += int(n)
	return ns.sems.addLocked(ns, c, &s.perm, s, key, flag, t.k.seconds()), nil
}

// Semop is semtimedop(2): all operations at once, or none. It sleeps until deadline.
func (t *Task) Semop(id int32, ops []linux.Sembuf, deadline int64) error {
	ns, c := t.ns.IPC, t.Creds()
	alter, undo := false, false
	top := uint16(0)
	for _, o := range ops {
		alter = alter || o.Op != 0
		undo = undo || o.Flg&linux.SEM_UNDO != 0
		top = max(top, o.Num)
	}
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.sems.findLocked(id)
	if err != nil {
		return err
	}
	if int(top) >= len(s.sems) {
		return errno.EFBIG
	}
	want := uint32(0o444)
	if alter {
		want = 0o222
	}
	if err := s.perm.check(c, want); err != nil {
		return err
	}
	var adj []int16
	if undo {
		adj = t.undoOf(ns, s)
	}
	e := wait.Entry{Waiter: t, Mask: wait.In}
	registered := false
	defer func() {
		if registered {
			s.queue.Unregister(&e)
		}
	}()
	for {
		at, err := s.apply(ops, adj, t)
		if err != errBlocked {
			if err == nil && alter {
				s.otime = t.k.seconds()
				s.queue.Notify(wait.In)
			}
			return err
		}
		if ops[at].Flg&linux.IPC_NOWAIT != 0 {
			return errno.EAGAIN
		}
		count := &s.sems[ops[at].Num].ncnt
		if ops[at].Op == 0 {
			count = &s.sems[ops[at].Num].zcnt
		}
		*count++
		if !registered {
			s.queue.Register(&e)
			registered = true
		}
		ns.sems.mu.Unlock()
		err = t.BlockUntil(deadline)
		ns.sems.mu.Lock()
		*count--
		if s.perm.removed {
			return errno.EIDRM
		}
		switch err {
		case nil:
		case errno.ETIMEDOUT:
			return errno.EAGAIN
		default:
			// One more look: what came in time counts.
			if _, last := s.apply(ops, adj, t); last == nil {
				s.otime = t.k.seconds()
				s.queue.Notify(wait.In)
				return nil
			}
			return errno.EINTR // never restarted (signal(7))
		}
	}
}

// errBlocked says that operations must wait; it never leaves this file.
const errBlocked = errno.EWOULDBLOCK

// apply does ops if all can be done; errBlocked and the index of the operation in the way if not.
func (s *semSet) apply(ops []linux.Sembuf, adj []int16, t *Task) (int, error) {
	done := 0
	var err error
	at := 0
	for i, o := range ops {
		sem := &s.sems[o.Num]
		v := sem.val + int32(o.Op)
		switch {
		case o.Op == 0 && sem.val != 0, o.Op != 0 && v < 0:
			at, err = i, errBlocked
		case v > linux.SEMVMX:
			err = errno.ERANGE
		case o.Flg&linux.SEM_UNDO != 0:
			if a := int32(adj[o.Num]) - int32(o.Op); a < -linux.SEMAEM-1 || a > linux.SEMAEM {
				err = errno.ERANGE
			} else {
				adj[o.Num] = int16(a)
			}
		}
		if err != nil {
			break
		}
		sem.val = v
		done++
	}
	if err == nil {
		for _, o := range ops {
			s.sems[o.Num].pid = t.tg.pid
		}
		return 0, nil
	}
	for i := done - 1; i >= 0; i-- {
		o := ops[i]
		s.sems[o.Num].val -= int32(o.Op)
		if o.Flg&linux.SEM_UNDO != 0 {
			adj[o.Num] += o.Op
		}
	}
	return at, err
}

// undoOf returns the adjustments that the process keeps for s. Preconditions: the table's lock is held.
func (t *Task) undoOf(ns *IPCNamespace, s *semSet) []int16 {
	if t.sysvUndo == nil || t.sysvUndo.ns != ns {
		t.mu.Lock()
		t.sysvUndo = &undoList{ns: ns, users: 1, sets: make(map[*semSet]struct{})}
		t.mu.Unlock()
	}
	u := t.sysvUndo
	if s.undo == nil {
		s.undo = make(map[*undoList][]int16)
	}
	if s.undo[u] == nil {
		s.undo[u] = make([]int16, len(s.sems))
		u.sets[s] = struct{}{}
	}
	return s.undo[u]
}

// shareUndo makes t use with's list (CLONE_SYSVSEM). Called before t runs.
func (t *Task) shareUndo(with *Task) {
	if with.sysvUndo == nil {
		with.mu.Lock()
		with.sysvUndo = &undoList{ns: with.ns.IPC, users: 1, sets: make(map[*semSet]struct{})}
		with.mu.Unlock()
	}
	u := with.sysvUndo
	u.ns.sems.mu.Lock()
	u.users++
	u.ns.sems.mu.Unlock()
	t.sysvUndo = u
}

// dropUndo lets go of the list; the last user gives everything back.
func (t *Task) dropUndo() {
	u := t.sysvUndo
	if u == nil {
		return
	}
	t.mu.Lock()
	t.sysvUndo = nil
	t.mu.Unlock()
	u.ns.sems.mu.Lock()
	defer u.ns.sems.mu.Unlock()
	if u.users--; u.users > 0 {
		return
	}
	for s := range u.sets {
		for i, a := range s.undo[u] {
			if a != 0 {
				s.sems[i].val = min(max(s.sems[i].val+int32(a), 0), linux.SEMVMX)
				s.sems[i].pid = t.tg.pid
			}
		}
		delete(s.undo, u)
		s.otime = t.k.seconds()
		s.queue.Notify(wait.In)
	}
}

// sem finds a set and checks c's right to use it.
func (ns *IPCNamespace) semLocked(c *creds.Credentials, id int32, want uint32) (*semSet, error) {
	s, err := ns.sems.findLocked(id)
	if err != nil {
		return nil, err
	}
	return s, s.perm.check(c, want)
}

// SemRemove is IPC_RMID of semctl(2), SemChange IPC_SET.
func (t *Task) SemRemove(id int32) error {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.sems.findLocked(id)
	if err != nil {
		return err
	}
	if err := s.perm.mayChange(t.Creds()); err != nil {
		return err
	}
	ns.sems.removeLocked(&s.perm)
	ns.sems.total -= len(s.sems)
	for u := range s.undo {
		delete(u.sets, s)
	}
	s.queue.Notify(wait.In)
	return nil
}

func (t *Task) SemChange(id int32, p *linux.IPCPerm) error {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.sems.findLocked(id)
	if err != nil {
		return err
	}
	if err := s.perm.mayChange(t.Creds()); err != nil {
		return err
	}
	return s.perm.set(p, t.Creds().UserNS, t.k.seconds())
}

// SemStat is IPC_STAT, SEM_STAT (byIndex) and SEM_STAT_ANY (any) of semctl(2); it also returns the id.
func (t *Task) SemStat(id int32, byIndex, any bool) (linux.SemidDs, int32, error) {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	var s *semSet
	var err error
	if byIndex {
		s, err = ns.sems.indexLocked(id)
	} else {
		s, err = ns.sems.findLocked(id)
	}
	if err == nil && !any {
		err = s.perm.check(t.Creds(), 0o444)
	}
	if err != nil {
		return linux.SemidDs{}, 0, err
	}
	return linux.SemidDs{Perm: s.perm.marshal(t.Creds().UserNS), Otime: s.otime, Ctime: s.perm.ctime, Nsems: uint64(len(s.sems))}, s.perm.id, nil
}

// SemInfo is IPC_INFO and, with usage, SEM_INFO of semctl(2); it also returns the greatest index in use.
func (t *Task) SemInfo(usage bool) (linux.Seminfo, int32) {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	i := linux.Seminfo{Semmap: linux.SEMMAP, Semmni: linux.SEMMNI, Semmns: linux.SEMMNS, Semmnu: linux.SEMMNU, Semmsl: linux.SEMMSL,
		Semopm: linux.SEMOPM, Semume: linux.SEMUME, Semusz: linux.SEMUSZ, Semvmx: linux.SEMVMX, Semaem: linux.SEMAEM}
	if usage {
		i.Semusz, i.Semaem = int32(len(ns.sems.byID)), int32(ns.sems.total)
	}
	return i, ns.sems.maxIndexLocked()
}

// SemValues returns all values of a set (GETALL).
func (t *Task) SemValues(id int32) ([]uint16, error) {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.semLocked(t.Creds(), id, 0o444)
	if err != nil {
		return nil, err
	}
	out := make([]uint16, len(s.sems))
	for i := range s.sems {
		out[i] = uint16(s.sems[i].val)
	}
	return out, nil
}

// SemCount returns how many semaphores a set has, for who may alter it (SETALL).
func (t *Task) SemCount(id int32) (int, error) {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.semLocked(t.Creds(), id, 0o222)
	if err != nil {
		return 0, err
	}
	return len(s.sems), nil
}

// SemSet sets values from index num on (SETVAL, SETALL); adjustments for them are forgotten. ERANGE for a value out of range.
func (t *Task) SemSet(id, num int32, values []uint16) error {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.semLocked(t.Creds(), id, 0o222)
	if err != nil {
		return err
	}
	if num < 0 || int(num)+len(values) > len(s.sems) {
		return errno.EINVAL
	}
	for _, v := range values {
		if v > linux.SEMVMX {
			return errno.ERANGE
		}
	}
	for i, v := range values {
		s.sems[int(num)+i].val = int32(v)
		s.sems[int(num)+i].pid = t.tg.pid
		for _, adj := range s.undo {
			adj[int(num)+i] = 0
		}
	}
	s.perm.ctime = t.k.seconds()
	s.queue.Notify(wait.In)
	return nil
}

// SemGet is GETVAL, GETPID, GETNCNT and GETZCNT of semctl(2).
func (t *Task) SemGet(id, num, cmd int32) (int32, error) {
	ns := t.ns.IPC
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	s, err := ns.semLocked(t.Creds(), id, 0o444)
	if err != nil {
		return 0, err
	}
	if num < 0 || int(num) >= len(s.sems) {
		return 0, errno.EINVAL
	}
	switch sem := &s.sems[num]; cmd {
	case linux.GETVAL:
		return sem.val, nil
	case linux.GETPID:
		return pidOf(sem.pid, t.PIDNamespace()), nil
	case linux.GETNCNT:
		return sem.ncnt, nil
	default:
		return sem.zcnt, nil
	}
}
