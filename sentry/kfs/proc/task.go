package proc

import (
	"bytes"
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/mm"
	"ringfence/sentry/vfs"
)

// task is /proc/PID, or /proc/PID/task/TID: tree.Dir.
type task struct {
	in     *instance
	tg     *kernel.ThreadGroup
	thread *kernel.Task // nil in /proc/PID: whoever leads the process
	id     int32        // its number in in.ns
}

// process returns /proc/PID for a process or, as on Linux, for any thread's number; nil if
// there is none.
func (in *instance) process(pid int32) *task {
	if tg := in.k.ThreadGroup(in.ns, pid); tg != nil {
		return &task{in: in, tg: tg, id: pid}
	}
	if t := in.k.Task(in.ns, pid); t != nil {
		return &task{in: in, tg: t.ThreadGroup(), thread: t, id: pid}
	}
	return nil
}

// Process returns the process that /proc/PID stands for, nil for a thread's directory.
func (p *task) Process() *kernel.ThreadGroup {
	if p.thread != nil {
		return nil
	}
	return p.tg
}

// who returns the task that the directory is about.
func (p *task) who() *kernel.Task {
	if p.thread != nil {
		return p.thread
	}
	return p.tg.Leader()
}

// gone reports whether the number stands for nothing or another task.
func (p *task) gone() bool {
	if p.thread != nil {
		return p.in.k.Task(p.in.ns, p.id) != p.thread
	}
	return p.in.k.ThreadGroup(p.in.ns, p.id) != p.tg
}

// single reports whether the files are about one thread.
func (p *task) single() bool { return p.thread != nil }

// mm returns the address space with a user, nil if there is none.
func (p *task) mm() *mm.MM {
	if p.gone() {
		return nil
	}
	return p.who().AcquireMM()
}

// pidIno is the inode number of the n-th thing about task id. Files of a task are 0 to 255.
func pidIno(id int32, n uint64) uint64 { return 1<<48 | uint64(id)<<16 | n }

// Spaces of inode numbers above the files of a task.
const (
	inoTask = 1 << 8
)

// inode makes the directory's inode.
func (p *task) inode(c vfs.Caller) *vfs.Inode {
	return tree.NewDir(c, p.in.sb, pidIno(p.id, p.base()), 0o555, p, owner{p, true})
}

func (p *task) base() uint64 {
	if p.single() {
		return inoTask
	}
	return 0
}

// owner says who owns files about a task: its user, but root if it is not dumpable.
type owner struct {
	p   *task
	dir bool // /proc/PID itself, which always belongs to the user
}

// Own implements tree.Owner.
func (o owner) Own(_ vfs.Caller, a *vfs.Attr) {
	t := o.p.who()
	if t == nil {
		return
	}
	c := t.Creds()
	a.UID, a.GID = c.EUID, c.EGID
	if o.dir {
		return
	}
	if m := t.AcquireMM(); m != nil {
		if meta := m.Meta(); meta.Dumpable != linux.SUID_DUMP_USER {
			a.UID, a.GID = 0, 0
			if u, ok := meta.UserNS.ToUID(0); ok {
				a.UID = u
			}
			if g, ok := meta.UserNS.ToGID(0); ok {
				a.GID = g
			}
		}
		m.DecUsers()
	}
}

// entry is a file of a task's directory.
type entry struct {
	name string
	perm uint32
	// Where it exists.
	threads, processes bool
	// guarded files want the right to trace the task when they are opened.
	guarded bool

	// One of these makes it.
	text func(p *task, c vfs.Caller, b *bytes.Buffer) error
	open func(p *task, c vfs.Caller, flags uint32) (vfs.FileOps, error)
	dir  func(p *task) tree.Dir
	link func(p *task) tree.Link

	// set is for files with a text that can be written.
	set func(p *task, c vfs.Caller, b []byte) error
}

func (e *entry) typ() uint8 {
	switch {
	case e.dir != nil:
		return linux.DT_DIR
	case e.link != nil:
		return linux.DT_LNK
	}
	return linux.DT_REG
}

func (p *task) has(e *entry) bool { return p.single() && e.threads || !p.single() && e.processes }

// Lookup implements tree.Dir.
func (p *task) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	if p.gone() {
		return nil, errno.ENOENT
	}
	for i := range entries {
		if e := &entries[i]; e.name == name && p.has(e) {
			ino := pidIno(p.id, p.base()+uint64(i)+1)
			switch {
			case e.dir != nil:
				return tree.NewDir(c, sb, ino, e.perm, e.dir(p), owner{p: p, dir: e.perm == 0o555}), nil
			case e.link != nil:
				return tree.NewLink(c, sb, ino, e.link(p), owner{p: p}), nil
			}
			return tree.NewText(c, sb, ino, e.perm, newFile(p, e), owner{p: p}), nil
		}
	}
	return nil, errno.ENOENT
}

// List implements tree.Dir.
func (p *task) List(_ vfs.Caller, from int64) ([]vfs.Dirent, error) {
	if p.gone() {
		return nil, errno.ENOENT
	}
	var out []vfs.Dirent
	for i := range entries {
		if e := &entries[i]; p.has(e) {
			out = append(out, vfs.Dirent{Ino: pidIno(p.id, p.base()+uint64(i)+1), Type: e.typ(), Name: e.name, Next: 3 + int64(i)})
		}
	}
	return out, nil
}

// Current implements tree.Reviser.
func (p *task) Current(vfs.Caller, string, *vfs.Inode) bool { return !p.gone() }

// file is a file of a task: tree.Text.
type file struct {
	p *task
	e *entry
}

// writable is a file that can be written: tree.Setter.
type writable struct{ file }

func newFile(p *task, e *entry) tree.Text {
	if e.set != nil {
		return &writable{file{p, e}}
	}
	return &file{p, e}
}

// Open implements tree.Opener.
func (f *file) Open(c vfs.Caller, flags uint32) (vfs.FileOps, error) {
	if f.p.gone() {
		return nil, errno.ESRCH
	}
	if f.e.guarded && !mayTrace(c, f.p.who()) {
		return nil, errno.EACCES
	}
	if f.e.open != nil {
		return f.e.open(f.p, c, flags)
	}
	return nil, nil
}

// Text implements tree.Text.
func (f *file) Text(c vfs.Caller) ([]byte, error) {
	if f.p.gone() {
		return nil, errno.ESRCH
	}
	var b bytes.Buffer
	err := f.e.text(f.p, c, &b)
	return b.Bytes(), err
}

// Set implements tree.Setter.
func (f *writable) Set(c vfs.Caller, b []byte) error {
	if f.p.gone() {
		return errno.ESRCH
	}
	return f.e.set(f.p, c, b)
}

// threads is /proc/PID/task.
type threads struct{ p *task }

// Subdirs implements tree.Linker.
func (d threads) Subdirs() uint32 { return uint32(len(d.p.tg.Tasks())) }

// Lookup implements tree.Dir.
func (d threads) Lookup(c vfs.Caller, _ *vfs.Superblock, name string) (*vfs.Inode, error) {
	tid, ok := number(name)
	if !ok {
		return nil, errno.ENOENT
	}
	t := d.p.in.k.Task(d.p.in.ns, tid)
	if t == nil || t.ThreadGroup() != d.p.tg {
		return nil, errno.ENOENT
	}
	return (&task{in: d.p.in, tg: d.p.tg, thread: t, id: tid}).inode(c), nil
}

// List implements tree.Dir.
func (d threads) List(_ vfs.Caller, from int64) ([]vfs.Dirent, error) {
	if d.p.gone() {
		return nil, errno.ENOENT
	}
	var out []vfs.Dirent
	for _, t := range d.p.tg.Tasks() {
		if tid := t.TIDIn(d.p.in.ns); tid != 0 {
			out = append(out, vfs.Dirent{Ino: pidIno(tid, inoTask), Type: linux.DT_DIR, Name: strconv.Itoa(int(tid)), Next: 2 + int64(tid)})
		}
	}
	sortByNext(out)
	return out, nil
}

// Current implements tree.Reviser.
func (d threads) Current(_ vfs.Caller, name string, n *vfs.Inode) bool {
	p, ok := tree.DirOf(n).(*task)
	return ok && !p.gone()
}
