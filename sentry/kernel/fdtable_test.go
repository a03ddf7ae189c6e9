package kernel

import (
	"slices"
	"testing"

	"ringfence/abi/errno"
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// newFile returns an open file that does nothing.
func newFile(v *vfs.VFS) *vfs.File {
	return v.NewAnonFile("[test]", &struct{ vfs.BaseFile }{}, 0, vfs.FModeRead, creds.NewRoot(&creds.UserNamespace{}))
}

func TestFDTable(t *testing.T) {
	v := vfs.New()
	f := newFile(v)
	defer f.DecRef()
	ft := NewFDTable()
	install := func(min int32, limit uint64, want int32, wantErr error) {
		t.Helper()
		if fd, err := ft.Install(f, min, limit, false); fd != want && err == nil || err != wantErr {
			t.Errorf("Install(%d, %d) = %d, %v; want %d, %v", min, limit, fd, err, want, wantErr)
		}
	}
	drop := func(fds ...int32) {
		t.Helper()
		for _, fd := range fds {
			g, err := ft.Remove(fd)
			if err != nil {
				t.Fatalf("Remove(%d): %v", fd, err)
			}
			g.DecRef()
		}
	}
	for i := range int32(70) {
		install(0, 100, i, nil)
	}
	drop(5, 64, 0)
	install(6, 100, 64, nil) // a floor does not hide what is free below it
	install(0, 100, 0, nil)
	install(0, 100, 5, nil)
	install(0, 70, -1, errno.EMFILE)
	install(200, 200, -1, errno.EMFILE)
	install(200, 201, 200, nil)
	if _, err := ft.Replace(100, f, 100, false); err != errno.EBADF {
		t.Errorf("Replace beyond the limit: %v", err)
	}
	if _, err := ft.Get(-1); err != errno.EBADF {
		t.Errorf("Get(-1): %v", err)
	}
	ft.SetCloexec(3, true)
	ft.CloexecRange(60, 1<<32-1)
	child := ft.Fork()
	gone := child.removeCloexec()
	if len(gone) != 12 {
		t.Errorf("%d descriptors closed by exec, want 12", len(gone))
	}
	for _, g := range gone {
		g.DecRef()
	}
	if _, err := child.Get(3); err != errno.EBADF {
		t.Errorf("descriptor 3 survived exec: %v", err)
	}
	if fds := child.FDs(); len(fds) != 59 || slices.Contains(fds, 3) {
		t.Errorf("descriptors after exec: %v", fds)
	}
	for _, table := range []*FDTable{ft, child} {
		for _, g := range table.decUsers() {
			g.DecRef()
		}
	}
}

func TestInstallPairIsAllOrNothing(t *testing.T) {
	v := vfs.New()
	a, b := newFile(v), newFile(v)
	defer a.DecRef()
	defer b.DecRef()
	ft := NewFDTable()
	if _, _, err := ft.InstallPair(a, b, 1, false); err != errno.EMFILE {
		t.Errorf("two descriptors under a limit of one: %v", err)
	}
	if fds := ft.FDs(); len(fds) != 0 {
		t.Errorf("left behind: %v", fds)
	}
	if x, y, err := ft.InstallPair(a, b, 2, true); x != 0 || y != 1 || err != nil {
		t.Errorf("InstallPair = %d, %d, %v", x, y, err)
	}
	for _, g := range ft.decUsers() {
		g.DecRef()
	}
}
