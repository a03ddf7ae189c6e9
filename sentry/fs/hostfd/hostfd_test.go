package hostfd

import (
	"os"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

type env struct {
	t *testing.T
	s *Set
	c *vfstest.Caller
}

func newEnv(t *testing.T) *env {
	s, err := New(vfs.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &env{t, s, vfstest.Root()}
}

func (e *env) open(fd hostcall.FD) *vfs.File {
	e.t.Helper()
	f, err := e.s.Open(fd, e.c.Creds())
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(f.DecRef)
	return f
}

func (e *env) read(f *vfs.File, n int, off int64) (string, error) {
	b := make([]byte, n)
	s := usermem.FromBytes(b)
	got, err := f.Ops.Read(e.c, f, &s, off, 0)
	return string(b[:got]), err
}

func (e *env) write(f *vfs.File, b []byte, off int64) (int, error) {
	s := usermem.FromBytes(b)
	return f.Ops.Write(e.c, f, &s, off, 0)
}

// waiter is woken through a channel.
type waiter chan wait.Mask

func (w waiter) Wake(_ *wait.Entry, m wait.Mask) {
	select {
	case w <- m:
	default:
	}
}

func (e *env) pipe() (r, w hostcall.FD) {
	r, w, err := hostcall.Pipe2(hostcall.O_CLOEXEC)
	if err != nil {
		e.t.Fatal(err)
	}
	return r, w
}

func TestPipeReadWaitsAndWakes(t *testing.T) {
	e := newEnv(t)
	r, w := e.pipe()
	f := e.open(r)
	ch := make(waiter, 1)
	entry := wait.Entry{Waiter: ch, Mask: wait.In}
	f.Queue().Register(&entry)
	for range 3 { // Each time it must be armed again.
		if _, err := e.read(f, 10, 0); err != errno.EAGAIN {
			t.Fatalf("empty pipe: %v", err)
		}
		hostcall.Write(w, []byte("hi"))
		if m := <-ch; m&wait.In == 0 {
			t.Errorf("woken with %#x", m)
		}
		if got, err := e.read(f, 10, 0); got != "hi" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if m := f.Readiness(); m&wait.In != 0 {
		t.Errorf("readiness %#x", m)
	}
	hostcall.Close(w)
	if m := <-ch; m&wait.Hup == 0 {
		t.Errorf("woken with %#x", m)
	}
	if got, err := e.read(f, 10, 0); got != "" || err != nil {
		t.Errorf("end of file: %q, %v", got, err)
	}
	f.Queue().Unregister(&entry)
}

func TestPipeWriteNeverBlocks(t *testing.T) {
	e := newEnv(t)
	r, w := e.pipe()
	f := e.open(w)
	big := make([]byte, 1<<20)
	n, err := e.write(f, big, 0)
	if n != 64<<10 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if _, err := e.write(f, big, 0); err != errno.EAGAIN {
		t.Errorf("full pipe: %v", err)
	}
	hostcall.Close(r)
	if _, err := e.write(f, big, 0); err != errno.EPIPE {
		t.Errorf("broken pipe: %v", err)
	}
}

func TestSocketWriteNeverBlocks(t *testing.T) {
	e := newEnv(t)
	a, b, err := hostcall.Socketpair(hostcall.SOCK_STREAM | hostcall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer hostcall.Close(b)
	f := e.open(a)
	for {
		if _, err := e.write(f, make([]byte, 1<<16), 0); err != nil {
			if err != errno.EAGAIN {
				t.Error(err)
			}
			break
		}
	}
}

func TestRegularFileSharesItsPositionWithTheHost(t *testing.T) {
	e := newEnv(t)
	name := t.TempDir() + "/f"
	os.WriteFile(name, []byte("0123456789"), 0o644)
	fd, err := hostcall.Openat(hostcall.AtCwd, name, linux.O_RDWR|linux.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := hostcall.Dup(fd)
	defer hostcall.Close(host)
	hostcall.Lseek(host, 3, linux.SEEK_SET)
	f := e.open(fd)
	if f.Pos != 3 || f.Mode&vfs.FModeSeek == 0 || f.Queue() != nil {
		t.Errorf("position %d, mode %#x", f.Pos, f.Mode)
	}
	if got, err := e.read(f, 4, f.Pos); got != "3456" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if pos, _ := hostcall.Lseek(host, 0, linux.SEEK_CUR); pos != 7 {
		t.Errorf("host is at %d", pos)
	}
	if n, err := e.write(f, []byte("ab"), 9); n != 2 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	a, err := f.Inode().Ops.GetAttr(e.c, f.Inode())
	if err != nil || a.Size != 11 || a.Mode&linux.S_IFMT != linux.S_IFREG {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := f.Ops.Ioctl(e.c, f, nil, linux.TCGETS, 0); err != errno.ENOTTY {
		t.Errorf("ioctl: %v", err)
	}
}
