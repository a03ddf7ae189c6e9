package vfs

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// fanTable are all marks of fanotify_mark(2). While there are none, active says so to those who would tell.
type fanTable struct {
	active atomic.Int32 // marks

	mu sync.RWMutex
	on map[any][]*fanMark // by *Inode, *Mount or *Superblock
}

// fanMark is what a listener wants to know of one object.
type fanMark struct {
	group *Fanotify
	on    any    // the key; an *Inode is held by a reference
	mask  uint64 // guarded by fanTable.mu, as are the rest
	// ignored are events that are not told; with ownFlags it has FAN_ONDIR and FAN_EVENT_ON_CHILD of its own.
	ignored            uint64
	survives, ownFlags bool
	evictable          bool // asked for, and told; the mark stays anyway
}

const (
	fanDirents = linux.IN_CREATE | linux.IN_DELETE | linux.IN_MOVED_FROM | linux.IN_MOVED_TO | linux.FAN_RENAME
	// fanNeedsFID are events that have no open file.
	fanNeedsFID = fanDirents | linux.IN_ATTRIB | linux.IN_DELETE_SELF | linux.IN_MOVE_SELF | linux.FAN_FS_ERROR
	fanEvents   = linux.IN_ACCESS | linux.IN_MODIFY | linux.IN_CLOSE | linux.IN_OPEN | linux.FAN_OPEN_EXEC | fanNeedsFID
	fanFlags    = linux.FAN_ONDIR | linux.FAN_EVENT_ON_CHILD
)

// Mark is fanotify_mark(2) with FAN_MARK_ADD or FAN_MARK_REMOVE on p, which the caller has resolved.
func (g *Fanotify) Mark(c Caller, p Path, flags uint32, mask uint64) error {
	n := p.Inode()
	if err := inodePermission(c, n, MayRead); err != nil {
		return err
	}
	var on any = n
	switch {
	case flags&linux.FAN_MARK_MOUNT != 0:
		on = p.Mount
	case flags&linux.FAN_MARK_FILESYSTEM != 0:
		on = n.SB
	}
	isDir := n.Type() == linux.S_IFDIR
	ignore := flags&linux.FAN_MARK_IGNORE != 0
	survives := flags&linux.FAN_MARK_IGNORED_SURV_MODIFY != 0
	if ignore && flags&linux.FAN_MARK_ADD != 0 && !survives {
		if on != any(n) {
			return errno.EINVAL
		}
		if isDir {
			return errno.EISDIR
		}
	}
	if on == any(n) && !isDir {
		strict := g.flags&linux.FAN_REPORT_TARGET_FID != 0 || mask&linux.FAN_RENAME != 0 || ignore
		if strict && mask&(fanDirents|fanFlags) != 0 {
			return errno.ENOTDIR
		}
		mask &^= linux.FAN_EVENT_ON_CHILD
	}
	return g.v.fan.change(g, on, flags, mask, survives)
}

// Check says whether a listener can have a mark with flags and a mask.
func (g *Fanotify) Check(flags uint32, mask uint64) error {
	const ignores = linux.FAN_MARK_IGNORE | linux.FAN_MARK_IGNORED_MASK
	switch {
	case mask&^(fanEvents|fanPerms|fanFlags) != 0, flags&ignores == ignores,
		mask&fanPerms != 0 && g.flags&fanClass == 0,
		mask&linux.FAN_FS_ERROR != 0 && (flags&linux.FAN_MARK_FILESYSTEM == 0 || mask&^linux.FAN_FS_ERROR&fanEvents != 0),
		flags&linux.FAN_MARK_EVICTABLE != 0 && flags&(linux.FAN_MARK_MOUNT|linux.FAN_MARK_FILESYSTEM) != 0,
		mask&fanNeedsFID != 0 && (!g.fids() || flags&linux.FAN_MARK_MOUNT != 0),
		mask&linux.FAN_RENAME != 0 && g.flags&linux.FAN_REPORT_NAME == 0:
		return errno.EINVAL
	}
	return nil
}

// Flush is FAN_MARK_FLUSH: it ends all marks of the kind that flags name.
func (g *Fanotify) Flush(flags uint32) {
	g.v.fan.flush(g, func(m *fanMark) bool {
		switch m.on.(type) {
		case *Mount:
			return flags&linux.FAN_MARK_MOUNT != 0
		case *Superblock:
			return flags&linux.FAN_MARK_FILESYSTEM != 0
		}
		return flags&(linux.FAN_MARK_MOUNT|linux.FAN_MARK_FILESYSTEM) == 0
	})
}

// Unprivileged reports whether who made g could mark inodes only.
func (g *Fanotify) Unprivileged() bool { return g.unpriv }

func (t *fanTable) change(g *Fanotify, on any, flags uint32, mask uint64, survives bool) error {
	ignore := flags&(linux.FAN_MARK_IGNORE|linux.FAN_MARK_IGNORED_MASK) != 0
	t.mu.Lock()
	i := slices.IndexFunc(t.on[on], func(m *fanMark) bool { return m.group == g })
	if flags&linux.FAN_MARK_REMOVE != 0 {
		if i < 0 {
			t.mu.Unlock()
			return errno.ENOENT
		}
		m := t.on[on][i]
		if ignore {
			m.ignored &^= mask
		} else {
			m.mask &^= mask
		}
		gone := m.mask&^fanFlags == 0 && m.ignored&^fanFlags == 0
		if gone {
			t.removeLocked(m)
		}
		t.mu.Unlock()
		if gone {
			m.release()
		}
		return nil
	}
	defer t.mu.Unlock()
	var m *fanMark
	if i >= 0 {
		m = t.on[on][i]
		if ignore && m.ignored != 0 && m.ownFlags != (flags&linux.FAN_MARK_IGNORE != 0) {
			return errno.EEXIST
		}
	} else {
		if g.flags&linux.FAN_UNLIMITED_MARKS == 0 && len(g.marks) >= MaxFanMarks {
			return errno.ENOSPC
		}
		m = &fanMark{group: g, on: on, evictable: flags&linux.FAN_MARK_EVICTABLE != 0}
		if n, ok := on.(*Inode); ok {
			n.IncRef()
		}
		if t.on == nil {
			t.on = make(map[any][]*fanMark)
		}
		t.on[on] = append(t.on[on], m)
		g.marks = append(g.marks, m)
		t.active.Add(1)
	}
	if ignore {
		m.ignored |= mask
		m.ownFlags = flags&linux.FAN_MARK_IGNORE != 0
		m.survives = m.survives || survives
	} else {
		m.mask |= mask
	}
	return nil
}

// removeLocked takes m out; the caller calls release without the lock.
func (t *fanTable) removeLocked(m *fanMark) {
	is := func(o *fanMark) bool { return o == m }
	if rest := slices.DeleteFunc(t.on[m.on], is); len(rest) > 0 {
		t.on[m.on] = rest
	} else {
		delete(t.on, m.on)
	}
	m.group.marks = slices.DeleteFunc(m.group.marks, is)
	t.active.Add(-1)
}

func (m *fanMark) release() {
	if n, ok := m.on.(*Inode); ok {
		n.DecRef()
	}
}

// flush ends those of g's marks that which names.
func (t *fanTable) flush(g *Fanotify, which func(*fanMark) bool) {
	var gone []*fanMark
	t.mu.Lock()
	for _, m := range slices.Clone(g.marks) {
		if which(m) {
			t.removeLocked(m)
			gone = append(gone, m)
		}
	}
	t.mu.Unlock()
	for _, m := range gone {
		m.release()
	}
}

// FDInfo returns the lines of /proc/PID/fdinfo: the listener, and its marks.
func (g *Fanotify) FDInfo(*File) string {
	t := &g.v.fan
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := fmt.Sprintf("fanotify flags:%x event-flags:%x\n", g.flags, g.eventFlags)
	for _, m := range g.marks {
		var flags uint32
		for _, f := range [...]struct {
			on   bool
			flag uint32
		}{{m.survives, linux.FAN_MARK_IGNORED_SURV_MODIFY}, {m.evictable, linux.FAN_MARK_EVICTABLE}, {m.ownFlags, linux.FAN_MARK_IGNORE}} {
			if f.on {
				flags |= f.flag
			}
		}
		says := fmt.Sprintf("mflags:%x mask:%x ignored_mask:%x", flags, m.mask, m.ignored)
		switch x := m.on.(type) {
		case *Inode:
			s += fmt.Sprintf("fanotify ino:%x sdev:%x %s fhandle-bytes:%x fhandle-type:%x f_handle:%x\n",
				x.ino, sdev(x.SB), says, HandleSize, x.handle().Type, x.handle().Append(nil))
		case *Mount:
			s += fmt.Sprintf("fanotify mnt_id:%x %s\n", x.ID, says)
		case *Superblock:
			s += fmt.Sprintf("fanotify sdev:%x %s\n", sdev(x), says)
		}
	}
	return s
}

// sdev is a device number as Linux has it inside.
func sdev(sb *Superblock) uint64 {
	d := uint32(sb.Dev)
	return uint64(linux.Major(d))<<20 | uint64(linux.Minor(d))
}

// forget ends the marks on an object that is gone.
func (t *fanTable) forget(on any) {
	t.mu.Lock()
	gone := slices.Clone(t.on[on])
	for _, m := range gone {
		t.removeLocked(m)
	}
	t.mu.Unlock()
	for _, m := range gone {
		m.release()
	}
}

// fanNews is something that happened, for all listeners.
type fanNews struct {
	mask   uint64
	node   *Inode // what it happened to; of a name, the directory
	sb     *Superblock
	path   Path   // how it was reached; the zero Path for what has no open file
	dir    *Inode // where the name is, or was; nil if unknown
	name   string
	child  *Inode // of an event of a name: what has it
	to     *Inode // of FAN_RENAME: where the new name is
	toName string
	isDir  bool
	pid    int32 // if there is no caller
}

// fanMatch is what the marks of one listener say.
type fanMatch struct {
	group      *Fanotify
	want, skip uint64
	// from and to say which directories of FAN_RENAME are marked.
	from, to bool
}

// match collects what listeners want to know of n.
func (t *fanTable) match(n *fanNews) (out []fanMatch) {
	add := func(on any, asChild bool) {
		for _, m := range t.on[on] {
			i := slices.IndexFunc(out, func(o fanMatch) bool { return o.group == m.group })
			if i < 0 {
				i = len(out)
				out = append(out, fanMatch{group: m.group})
			}
			out[i].want |= n.wanted(m.mask, m.mask, asChild)
			flags := uint64(m.mask | linux.FAN_ONDIR)
			if m.ownFlags {
				flags = m.ignored
			}
			out[i].skip |= n.wanted(m.ignored, flags, asChild)
			if m.mask&linux.FAN_RENAME != 0 {
				out[i].from = out[i].from || on != any(n.to) || n.to == n.node
				out[i].to = out[i].to || on != any(n.node) || n.to == n.node
			}
		}
	}
	if n.mask&linux.IN_MODIFY != 0 {
		t.mu.Lock()
		for _, m := range t.on[n.node] {
			if !m.survives {
				m.ignored = 0
			}
		}
		t.mu.Unlock()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	add(n.node, false)
	if n.dir != nil && n.dir != n.node {
		add(n.dir, true)
	}
	if n.to != nil && n.to != n.node {
		add(n.to, false)
	}
	if n.path.Ok() {
		add(n.path.Mount, false)
	}
	add(n.sb, false)
	// Those who decide are asked in the order of their classes.
	slices.SortStableFunc(out, func(a, b fanMatch) int { return int(b.group.flags&fanClass) - int(a.group.flags&fanClass) })
	return out
}

// wanted returns the events that mask names, if flags let it speak of n.
func (n *fanNews) wanted(mask, flags uint64, asChild bool) uint64 {
	if asChild && flags&linux.FAN_EVENT_ON_CHILD == 0 || n.isDir && flags&linux.FAN_ONDIR == 0 {
		return 0
	}
	return mask & n.mask
}

// tell queues n for all who want to know, and asks those who have to permit it: EPERM if one does not.
func (v *VFS) tell(c Caller, n *fanNews) error {
	for _, m := range v.fan.match(n) {
		mask := m.want &^ m.skip
		if mask == 0 {
			continue
		}
		e := m.event(c, n, mask)
		if mask&fanPerms == 0 {
			m.group.put(e)
			continue
		}
		a, ok := Who(c).(Actor)
		if !ok {
			e.path.DecRef()
			continue // the kernel itself
		}
		if err := m.group.ask(a, e); err != nil {
			return err
		}
	}
	return nil
}

// event makes the event for one listener.
func (m *fanMatch) event(c Caller, n *fanNews, mask uint64) *fanEvent {
	g := m.group
	e := &fanEvent{mask: mask, pid: n.pid}
	if a, ok := Who(c).(Actor); ok {
		e.pid = a.ActorID(g.flags&linux.FAN_REPORT_TID != 0)
	}
	if !g.fids() {
		if e.path = n.path; e.path.Ok() {
			e.path.IncRef()
		}
		return e
	}
	if n.isDir {
		e.mask |= linux.FAN_ONDIR
	}
	e.dev = n.sb.Dev
	dirent := mask&fanDirents != 0
	named := g.flags&linux.FAN_REPORT_NAME != 0
	switch {
	case g.flags&linux.FAN_REPORT_DIR_FID == 0:
	case n.dir != nil && (dirent || !n.isDir):
		e.dir, e.hasDir = n.dir.handle(), true
		if named {
			e.name = n.name
		}
	case n.isDir && !dirent:
		e.dir, e.hasDir = n.node.handle(), true
		if named {
			e.name = "."
		}
	}
	if mask&linux.FAN_RENAME != 0 {
		e.hasDir = m.from
		if !m.from {
			e.dir, e.name = Handle{}, ""
		}
	}
	if mask&linux.FAN_RENAME != 0 && m.to {
		e.newDir, e.newName, e.hasNew = n.to.handle(), n.toName, true
	}
	switch {
	case dirent && g.flags&linux.FAN_REPORT_TARGET_FID != 0 && n.child != nil:
		e.object, e.hasObject = n.child.handle(), true
	case dirent && g.flags&linux.FAN_REPORT_DIR_FID == 0, !dirent && g.flags&linux.FAN_REPORT_FID != 0 && !(n.isDir && e.hasDir):
		e.object, e.hasObject = n.node.handle(), true
	}
	return e
}
