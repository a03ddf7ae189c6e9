package hostcall

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"ringfence/abi/errno"
)

func memfd(t *testing.T, size int64) FD {
	t.Helper()
	fd, err := MemfdCreate("test", MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	if err := Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestErrorsAreBareErrnos(t *testing.T) {
	_, err := Fstat(NoFD)
	if err != errno.EBADF {
		t.Errorf("Fstat(NoFD) = %v (%T), want EBADF", err, err)
	}
	if err := Ptrace(PTRACE_CONT, 1<<22, 0, 0); err != errno.ESRCH {
		t.Errorf("Ptrace of no thread = %v, want ESRCH", err)
	}
	if _, err := Mmap(0, 0, PROT_READ, MAP_SHARED, NoFD, 0); err == nil {
		t.Error("Mmap of nothing succeeded")
	}
}

func TestMappingSharesFile(t *testing.T) {
	fd := memfd(t, 8192)
	b, err := MapFile(fd, 4096, 4096, PROT_READ|PROT_WRITE)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, "hello")
	got := make([]byte, 5)
	if n, err := Pread(fd, got, 4096); n != 5 || err != nil || string(got) != "hello" {
		t.Errorf("Pread = %d, %v, %q", n, err, got)
	}
	if n, err := Pwritev(fd, [][]byte{[]byte("a"), []byte("bc")}, 4096); n != 3 || err != nil {
		t.Errorf("Pwritev = %d, %v", n, err)
	}
	if !bytes.HasPrefix(b, []byte("abclo")) {
		t.Errorf("mapping holds %q", b[:5])
	}
	if err := UnmapFile(b); err != nil {
		t.Error(err)
	}
}

func TestMessagesCarryDescriptors(t *testing.T) {
	a, b, err := Socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(a)
	defer Close(b)
	fd := memfd(t, 100)
	for _, c := range []struct{ send, limit, want, flags int }{
		{0, 0, 0, 0}, {1, 1, 1, 0}, {3, 3, 3, 0}, {1, 0, 0, MSG_CTRUNC}, {2, 1, 1, 0}, {4, 1, 1, MSG_CTRUNC},
	} {
		fds := make([]FD, c.send)
		for i := range fds {
			fds[i] = fd
		}
		if _, err := Sendmsg(a, []byte("message"), fds, 0); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 20)
		n, got, flags, err := Recvmsg(b, buf, c.limit, 0)
		if err != nil || n != 7 || len(got) != c.want || flags&MSG_CTRUNC != c.flags {
			t.Errorf("%+v: got %d, %v, %#x, %v", c, n, got, flags, err)
		}
		for _, f := range got {
			if st, err := Fstat(f); err != nil || st.Size != 100 {
				t.Errorf("%+v: size %d, %v", c, st.Size, err)
			}
			Close(f)
		}
	}
}

func TestFutex(t *testing.T) {
	b, err := MapFile(memfd(t, 4096), 0, 4096, PROT_READ|PROT_WRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer UnmapFile(b)
	w := Word32(b, 4)
	if err := FutexWait(w, 1, Forever); err != errno.EAGAIN {
		t.Errorf("wait with another value: %v", err)
	}
	for err = errno.EINTR; err == errno.EINTR; {
		err = FutexWait(w, 0, time.Millisecond)
	}
	if err != errno.ETIMEDOUT {
		t.Errorf("wait: %v", err)
	}
	done := make(chan struct{})
	go func() {
		for atomic.LoadUint32(w) == 0 {
			FutexWait(w, 0, Forever)
		}
		close(done)
	}()
	atomic.StoreUint32(w, 1)
	if _, err := FutexWake(w, 1); err != nil {
		t.Error(err)
	}
	<-done
}

func TestPollReportsEventfd(t *testing.T) {
	fd, err := Eventfd(0, EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	p := []PollFd{{Fd: int32(fd), Events: POLLIN}}
	if n, err := Ppoll(p, 0); n != 0 || err != nil {
		t.Errorf("before: %d, %v", n, err)
	}
	if _, err := Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if n, err := Ppoll(p, Forever); n != 1 || err != nil || p[0].Revents != POLLIN {
		t.Errorf("after: %d, %v, %#x", n, err, p[0].Revents)
	}
}

func TestReadProcessStopsAtUnreadablePage(t *testing.T) {
	b, err := MapFile(memfd(t, 8192), 0, 8192, PROT_READ|PROT_WRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer UnmapFile(b)
	copy(b[4090:], "before the end and behind it")
	got := make([]byte, 15)
	if n := ReadProcess(Getpid(), Address(b)+4090, got); n != 15 || string(got) != "before the end " {
		t.Errorf("both pages: %d, %q", n, got)
	}
	if err := Mprotect(Address(b)+4096, 4096, PROT_NONE); err != nil {
		t.Fatal(err)
	}
	if n := ReadProcess(Getpid(), Address(b)+4090, got); n != 6 {
		t.Errorf("one page: %d bytes", n)
	}
	if n := ReadProcess(Getpid(), Address(b)+4096, got); n != 0 {
		t.Errorf("no page: %d bytes", n)
	}
}
