package vfs

import "sync"

// Signals delivers what files send to processes: SIGIO and lease breaks. The kernel
// supplies it.
type Signals interface {
	// SendIO sends signal sig (SIGIO with plain siginfo if 0) to owner because of f.
	SendIO(owner Owner, sig int32, f *File, fd int32, band uint32)
}

// Owner is who gets signals of a file: F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP and an id in
// the kernel's own numbering; ID 0 is nobody. UID and EUID are of who asked for it.
type Owner struct {
	Type      int32
	ID        int32
	UID, EUID uint32
}

// fileAsync is what F_SETOWN and F_SETSIG set.
type fileAsync struct {
	mu    sync.Mutex
	owner Owner
	sig   int32
}
