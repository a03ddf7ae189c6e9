package vfs

import "sync"

// Path is a place in a mount tree. Whoever keeps one holds a reference to both.
// The zero Path stands for the caller's working directory where a start is asked for.
type Path struct {
	Mount  *Mount
	Dentry *Dentry
}

// Ok reports whether p is not the zero Path.
func (p Path) Ok() bool { return p.Dentry != nil }

// Inode returns the inode of p's dentry.
func (p Path) Inode() *Inode { return p.Dentry.Inode() }

// IncRef takes a reference to both parts.
func (p Path) IncRef() {
	p.Mount.refs.Add(1)
	p.Dentry.IncRef()
}

// DecRef drops a reference to both parts. On the zero Path it does nothing.
func (p Path) DecRef() {
	if p.Dentry == nil {
		return
	}
	p.Dentry.DecRef()
	p.Mount.decRef()
}

// FSContext is a process's root, working directory and umask (Linux's struct
// fs_struct), shared by CLONE_FS. Its users count references themselves.
type FSContext struct {
	mu    sync.RWMutex
	root  Path
	cwd   Path
	umask uint32
}

// NewFSContext returns a context with references of its own to root and cwd.
func NewFSContext(root, cwd Path, umask uint32) *FSContext {
	root.IncRef()
	cwd.IncRef()
	return &FSContext{root: root, cwd: cwd, umask: umask & 0o777}
}

// Clone returns an independent copy (fork without CLONE_FS).
func (f *FSContext) Clone() *FSContext {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return NewFSContext(f.root, f.cwd, f.umask)
}

// Release drops the references. f must not be used afterwards.
func (f *FSContext) Release() {
	f.mu.Lock()
	root, cwd := f.root, f.cwd
	f.root, f.cwd = Path{}, Path{}
	f.mu.Unlock()
	root.DecRef()
	cwd.DecRef()
}

// Root returns a referenced path.
func (f *FSContext) Root() Path {
	f.mu.RLock()
	defer f.mu.RUnlock()
	f.root.IncRef()
	return f.root
}

// Cwd returns a referenced path.
func (f *FSContext) Cwd() Path {
	f.mu.RLock()
	defer f.mu.RUnlock()
	f.cwd.IncRef()
	return f.cwd
}

// Umask returns the file mode creation mask.
func (f *FSContext) Umask() uint32 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.umask
}

// SetUmask replaces the umask and returns the old one (umask(2)).
func (f *FSContext) SetUmask(m uint32) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.umask
	f.umask = m & 0o777
	return old
}

// SetRoot replaces the root; it takes a reference of its own.
func (f *FSContext) SetRoot(p Path) { f.replace(&f.root, p) }

// SetCwd replaces the working directory; it takes a reference of its own.
func (f *FSContext) SetCwd(p Path) { f.replace(&f.cwd, p) }

func (f *FSContext) replace(field *Path, p Path) {
	p.IncRef()
	f.mu.Lock()
	old := *field
	*field = p
	f.mu.Unlock()
	old.DecRef()
}

// Move replaces root and working directory where they are from (pivot_root(2)).
func (f *FSContext) Move(from, to Path) {
	f.mu.Lock()
	var old [2]Path
	for i, p := range [2]*Path{&f.root, &f.cwd} {
		if *p == from {
			to.IncRef()
			old[i], *p = *p, to
		}
	}
	f.mu.Unlock()
	old[0].DecRef()
	old[1].DecRef()
}
