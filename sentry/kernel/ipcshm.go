package kernel

import (
	"fmt"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/creds"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/mm"
	"ringfence/sentry/pagestore"
)

// shmTable is the shared memory segments of a namespace (shmop(2)).
type shmTable struct {
	ipcTable[*shmSegment]
	dev   uint64 // st_dev of segments, in /proc/PID/maps; immutable
	pages uint64
}

// shmSegment is a segment. Guarded by the table's lock. It is what address spaces map, and the mm.FileRef of its
// mappings.
type shmSegment struct {
	perm         ipcPerm
	ns           *IPCNamespace // immutable
	size         uint64        // immutable
	store        *pagestore.Store
	name         string // immutable
	ino          uint64 // immutable
	mapped       uint64 // bytes, in all address spaces
	holds        int    // shmat calls under way
	atime, dtime int64
	cpid, lpid   *PID
	gone         bool // released
}

var _ mappable.Mappable = (*shmSegment)(nil)

// Translate implements mappable.Mappable.
func (s *shmSegment) Translate(off, n, hint uint64, write bool) (mappable.Pages, error) {
	return s.store.Translate(off, n, hint, write)
}

// Resident tells mincore(2) which pages are in memory.
func (s *shmSegment) Resident(off uint64, present []byte) { s.store.Resident(off, present) }

// AddMapping implements mappable.Mappable.
func (s *shmSegment) AddMapping(space mappable.Space, r addr.Range, off uint64, writable bool) error {
	if err := s.store.AddMapping(space, r, off, writable); err != nil {
		return err
	}
	s.ns.shms.mu.Lock()
	defer s.ns.shms.mu.Unlock()
	s.mapped += r.Len()
	return nil
}

// RemoveMapping implements mappable.Mappable.
func (s *shmSegment) RemoveMapping(space mappable.Space, r addr.Range, off uint64, writable bool) {
	s.store.RemoveMapping(space, r, off, writable)
	s.ns.shms.mu.Lock()
	defer s.ns.shms.mu.Unlock()
	s.mapped -= r.Len()
	s.dtime = s.ns.k.seconds()
	s.releaseLocked()
}

// releaseLocked gives back a removed segment that nobody has attached.
func (s *shmSegment) releaseLocked() {
	if s.mapped > 0 || s.holds > 0 || s.perm.mode&linux.SHM_DEST == 0 || s.gone {
		return
	}
	s.gone = true
	s.ns.shms.removeLocked(&s.perm)
	s.ns.shms.pages -= s.pages()
	s.store.Release()
}

// attachedLocked is shm_nattch: how often the segment is mapped whole, or in pieces that add up to that.
func (s *shmSegment) attachedLocked() uint64 {
	n := s.pages() << addr.PageShift
	return (s.mapped + n - 1) / n
}

// IncRef and the like implement mm.FileRef; the segment lives by its mappings.
func (s *shmSegment) IncRef() {}
func (s *shmSegment) DecRef() {}

func (s *shmSegment) pages() uint64 { return (s.size + addr.PageMask) >> addr.PageShift }

func (s *shmSegment) MapName() string              { return s.name }
func (s *shmSegment) MapDevIno() (dev, ino uint64) { return s.ns.shms.dev, s.ino }

// Shmget is shmget(2).
func (t *Task) Shmget(key int32, size uint64, flag uint32) (int32, error) {
	ns, c := t.ns.IPC, t.Creds()
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	e, found, err := ns.shms.getLocked(c, key, flag, linux.SHMMNI)
	if err != nil {
		return 0, err
	}
	if found {
		if size > e.obj.size {
			return 0, errno.EINVAL
		}
		return e.perm.id, nil
	}
	if flag&linux.SHM_HUGETLB != 0 {
		return 0, errno.EINVAL
	}
	n, ok := addr.PageRoundUp(size)
	if size < linux.SHMMIN || !ok || n > 1<<46 {
		return 0, errno.EINVAL
	}
	s := &shmSegment{ns: ns, size: size, store: pagestore.NewSized(t.k.MemFile, memfile.Shared, n), cpid: t.tg.pid}
	ns.shms.pages += s.pages()
	id := ns.shms.addLocked(ns, c, &s.perm, s, key, flag, t.k.seconds())
	s.name, s.ino = fmt.Sprintf("/SYSV%08x", uint32(key)), uint64(id)
	return id, nil
}

// Shmat is shmat(2): it maps the segment and returns where.
func (t *Task) Shmat(id int32, at addr.Addr, flag uint32) (addr.Addr, error) {
	ns := t.ns.IPC
	if at != 0 {
		if !at.Aligned() {
			if flag&linux.SHM_RND == 0 {
				return 0, errno.EINVAL
			}
			at = at.RoundDown()
			if at == 0 && flag&linux.SHM_REMAP != 0 {
				return 0, errno.EINVAL
			}
		}
	} else if flag&linux.SHM_REMAP != 0 {
		return 0, errno.EINVAL
	}
	prot, want := platform.Read|platform.Write, uint32(0o666)
	maxProt := platform.Read | platform.Write | platform.Exec
	if flag&linux.SHM_RDONLY != 0 {
		prot, want = platform.Read, 0o444
		maxProt = platform.Read | platform.Exec
	}
	if flag&linux.SHM_EXEC != 0 {
		prot |= platform.Exec
		want |= 0o111
	}
	ns.shms.mu.Lock()
	s, err := ns.shms.findLocked(id)
	if err == nil {
		err = s.perm.check(t.Creds(), want)
	}
	if err != nil {
		ns.shms.mu.Unlock()
		return 0, err
	}
	s.holds++ // until it is mapped
	ns.shms.mu.Unlock()

	o := mm.MapOpts{Addr: at, Length: s.size, Prot: prot, MaxProt: maxProt, Mappable: s, File: s,
		Fixed: at != 0, NoReplace: at != 0 && flag&linux.SHM_REMAP == 0}
	a, err := t.mm.Map(o)
	if err == errno.EEXIST {
		err = errno.EINVAL
	}
	ns.shms.mu.Lock()
	s.holds--
	if err == nil {
		s.atime, s.lpid = t.k.seconds(), t.tg.pid
	}
	s.releaseLocked()
	ns.shms.mu.Unlock()
	return a, err
}

// Shmdt is shmdt(2): it unmaps what one shmat mapped at, as far as it is still there.
func (t *Task) Shmdt(at addr.Addr) error {
	if !at.Aligned() {
		return errno.EINVAL
	}
	dev := t.ns.IPC.shms.dev
	var parts []addr.Range
	ino := uint64(0)
	found := false
	t.mm.ForEachVMA(false, func(v mm.VMAInfo) bool {
		if v.Range.Start < at || v.Dev != dev || uint64(v.Range.Start-at) != v.Offset {
			return true
		}
		if !found {
			found, ino = true, v.Ino
		}
		if v.Ino == ino {
			parts = append(parts, v.Range)
		}
		return true
	})
	if !found {
		return errno.EINVAL
	}
	for _, r := range parts {
		if err := t.mm.Unmap(r.Start, r.Len(), nil); err != nil {
			return err
		}
	}
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	if s, err := ns.shms.findLocked(int32(ino)); err == nil {
		s.lpid = t.tg.pid
	}
	return nil
}

// ShmRemove is IPC_RMID of shmctl(2): the segment goes when nobody has it attached. ShmChange is IPC_SET.
func (t *Task) ShmRemove(id int32) error {
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	s, err := ns.shms.findLocked(id)
	if err == nil {
		err = s.perm.mayChange(t.Creds())
	}
	if err != nil {
		return err
	}
	s.perm.mode |= linux.SHM_DEST
	ns.shms.hideLocked(&s.perm)
	s.releaseLocked()
	return nil
}

func (t *Task) ShmChange(id int32, p *linux.IPCPerm) error {
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	s, err := ns.shms.findLocked(id)
	if err == nil {
		err = s.perm.mayChange(t.Creds())
	}
	if err != nil {
		return err
	}
	return s.perm.set(p, t.Creds().UserNS, t.k.seconds())
}

// ShmLock is SHM_LOCK and SHM_UNLOCK of shmctl(2).
func (t *Task) ShmLock(id int32, on bool) error {
	ns, c := t.ns.IPC, t.Creds()
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	s, err := ns.shms.findLocked(id)
	if err != nil {
		return err
	}
	if !c.HasIn(linux.CAP_IPC_LOCK, ns.Owner) {
		if c.EUID != s.perm.uid && c.EUID != s.perm.cuid || on && t.tg.limits.Cur(linux.RLIMIT_MEMLOCK) == 0 {
			return errno.EPERM
		}
	}
	s.perm.mode &^= linux.SHM_LOCKED
	if on {
		s.perm.mode |= linux.SHM_LOCKED
	}
	return nil
}

// ShmStat is IPC_STAT, SHM_STAT (byIndex) and SHM_STAT_ANY (any) of shmctl(2); it also returns the id.
func (t *Task) ShmStat(id int32, byIndex, any bool) (linux.ShmidDs, int32, error) {
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	var s *shmSegment
	var err error
	if byIndex {
		s, err = ns.shms.indexLocked(id)
	} else {
		s, err = ns.shms.findLocked(id)
	}
	if err == nil && !any {
		err = s.perm.check(t.Creds(), 0o444)
	}
	if err != nil {
		return linux.ShmidDs{}, 0, err
	}
	return s.stat(t.Creds().UserNS, t.PIDNamespace()), s.perm.id, nil
}

func (s *shmSegment) stat(users *creds.UserNamespace, ns *PIDNamespace) linux.ShmidDs {
	return linux.ShmidDs{Perm: s.perm.marshal(users), Segsz: s.size, Atime: s.atime, Dtime: s.dtime, Ctime: s.perm.ctime,
		Cpid: pidOf(s.cpid, ns), Lpid: pidOf(s.lpid, ns), Nattch: s.attachedLocked()}
}

// ShmParams is IPC_INFO of shmctl(2), ShmUsage SHM_INFO; both also return the greatest index in use.
func (t *Task) ShmParams() (linux.ShmParams, int32) {
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	return linux.ShmParams{Shmmax: linux.SHMMAX, Shmmin: linux.SHMMIN, Shmmni: linux.SHMMNI, Shmseg: linux.SHMMNI, Shmall: linux.SHMALL},
		ns.shms.maxIndexLocked()
}

func (t *Task) ShmUsage() (linux.ShmInfo, int32) {
	ns := t.ns.IPC
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	i := linux.ShmInfo{UsedIDs: int32(len(ns.shms.byID)), ShmTot: ns.shms.pages}
	for _, e := range ns.shms.byID {
		i.ShmRss += e.obj.store.Pages()
	}
	return i, ns.shms.maxIndexLocked()
}

// SysVObject is a line of the files in /proc/sysvipc; exactly one of the pointers is set.
type SysVObject struct {
	ID  int32
	Shm *linux.ShmidDs
	Rss uint64 // bytes of Shm in memory
	Sem *linux.SemidDs
	Msg *linux.MsqidDs
}

// SysVShm, SysVSem and SysVMsg list the objects of a namespace, with process numbers as pids shows them and
// ids as users does.
func (ns *IPCNamespace) SysVShm(users *creds.UserNamespace, pids *PIDNamespace) []SysVObject {
	ns.shms.mu.Lock()
	defer ns.shms.mu.Unlock()
	var out []SysVObject
	for _, s := range ns.shms.sortedLocked() {
		d := s.stat(users, pids)
		out = append(out, SysVObject{ID: s.perm.id, Shm: &d, Rss: s.store.Pages() << addr.PageShift})
	}
	return out
}

func (ns *IPCNamespace) SysVSem(users *creds.UserNamespace) []SysVObject {
	ns.sems.mu.Lock()
	defer ns.sems.mu.Unlock()
	var out []SysVObject
	for _, s := range ns.sems.sortedLocked() {
		out = append(out, SysVObject{ID: s.perm.id, Sem: &linux.SemidDs{Perm: s.perm.marshal(users), Otime: s.otime, Ctime: s.perm.ctime,
			Nsems: uint64(len(s.sems))}})
	}
	return out
}

func (ns *IPCNamespace) SysVMsg(users *creds.UserNamespace, pids *PIDNamespace) []SysVObject {
	ns.msgs.mu.Lock()
	defer ns.msgs.mu.Unlock()
	var out []SysVObject
	for _, q := range ns.msgs.sortedLocked() {
		d := q.stat(users, pids)
		out = append(out, SysVObject{ID: q.perm.id, Msg: &d})
	}
	return out
}
