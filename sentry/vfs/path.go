package vfs

import "sync"

// Path is a place in a mount tree. Whoever keeps one holds a reference to both.
type Path struct {
	Mount  *Mount
	Dentry *Dentry
}

// FSContext is a process's root, working directory and umask (Linux's struct
// fs_struct), shared by CLONE_FS.
type FSContext struct {
	mu    sync.RWMutex
	root  Path
	cwd   Path
	umask uint32
}
