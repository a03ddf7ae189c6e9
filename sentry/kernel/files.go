package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs"
)

// GetFile returns the open file of a descriptor with a reference for the caller;
// EBADF if there is none or it was opened with O_PATH.
func (t *Task) GetFile(fd int32) (*vfs.File, error) {
	f, err := t.files.Get(fd)
	if err != nil {
		return nil, err
	}
	if f.Mode&vfs.FModePath != 0 {
		f.DecRef()
		return nil, errBadFile
	}
	return f, nil
}

// Borrowed is an open file that a call works on. It has a reference only if others could take
// the file away meanwhile.
type Borrowed struct {
	*vfs.File
	counted bool
}

// Return ends the use of the file.
func (b Borrowed) Return() {
	if b.counted {
		b.DecRef()
	}
}

// BorrowFile is GetFile for calls that leave descriptors alone and keep no file: it touches no count
// that other threads do not need.
func (t *Task) BorrowFile(fd int32) (Borrowed, error) {
	b, err := t.BorrowAnyFile(fd)
	if err == nil && b.Mode&vfs.FModePath != 0 {
		b.Return()
		return Borrowed{}, errBadFile
	}
	return b, err
}

// BorrowAnyFile is BorrowFile that also takes files opened with O_PATH.
func (t *Task) BorrowAnyFile(fd int32) (Borrowed, error) {
	if t.files.private() {
		f, err := t.files.at(fd)
		return Borrowed{File: f}, err
	}
	f, err := t.files.Get(fd)
	return Borrowed{f, true}, err
}

// GetAnyFile is GetFile that also takes files opened with O_PATH.
func (t *Task) GetAnyFile(fd int32) (*vfs.File, error) { return t.files.Get(fd) }

// InstallFile puts f, of which it takes a reference of its own, at the lowest free
// descriptor. Of flags only O_CLOEXEC counts. EMFILE at RLIMIT_NOFILE.
func (t *Task) InstallFile(f *vfs.File, flags uint32) (int32, error) {
	return t.files.Install(f, 0, t.FileLimit(), flags&linux.O_CLOEXEC != 0)
}

// InstallNew is InstallFile for a file just made: the caller's reference goes to the
// descriptor, or is dropped on error.
func (t *Task) InstallNew(f *vfs.File, flags uint32) (int32, error) {
	fd, err := t.InstallFile(f, flags)
	f.DecRef()
	return fd, err
}

// InstallPair installs two files at once or none (pipe, socketpair).
func (t *Task) InstallPair(a, b *vfs.File, flags uint32) (int32, int32, error) {
	return t.files.InstallPair(a, b, t.FileLimit(), flags&linux.O_CLOEXEC != 0)
}

// FileLimit returns RLIMIT_NOFILE.
func (t *Task) FileLimit() uint64 { return t.tg.limits.Cur(linux.RLIMIT_NOFILE) }

// CloseFD closes a descriptor; EBADF if it is not open.
func (t *Task) CloseFD(fd int32) error {
	f, err := t.files.Remove(fd)
	if err != nil {
		return err
	}
	t.closed(f)
	return nil
}

// CloseRange closes all descriptors from first to last.
func (t *Task) CloseRange(first, last uint32) {
	for _, f := range t.files.RemoveRange(first, last) {
		t.closed(f)
	}
}

// ReplaceFD puts f, of which it takes a reference of its own, at fd and closes what was there (dup2, dup3).
func (t *Task) ReplaceFD(fd int32, f *vfs.File, cloexec bool) error {
	old, err := t.files.Replace(fd, f, t.FileLimit(), cloexec)
	if err == nil && old != nil {
		t.closed(old)
	}
	return err
}

// UnshareFiles gives the task a descriptor table of its own.
func (t *Task) UnshareFiles() { t.unshareFiles() }

// closed does what closing a descriptor does besides dropping the reference: POSIX locks of
// the process on the file go (fcntl(2)).
func (t *Task) closed(f *vfs.File) {
	if f.Fanned() {
		f.ClosedBy(t)
	}
	closeFile(f, t.files)
}

// ReleaseFiles drops a user of ft.
func (k *Kernel) ReleaseFiles(ft *FDTable) {
	for _, f := range ft.decUsers() {
		closeFile(f, ft)
	}
}

// Exists reports whether fd is open.
func (ft *FDTable) Exists(fd int32) bool {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	return fd >= 0 && int(fd) < len(ft.files) && ft.files[fd] != nil
}

const errBadFile = errno.EBADF

func closeFile(f *vfs.File, ft *FDTable) {
	f.ReleaseLocks(ft.id)
	f.DecRef()
}
