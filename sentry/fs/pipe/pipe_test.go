package pipe

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// ends is a pipe under test: ours or the host's, without blocking.
type ends interface {
	read(end int, n int) ([]byte, error)
	write(end int, b []byte) (int, error)
	poll(end int) wait.Mask
	avail() int
	setSize(n int) (int, error)
	setDirect(on bool)
	close(end int)
}

type ours struct {
	c *vfstest.Caller
	f [2]*vfs.File
}

func newOurs() *ours {
	c := vfstest.Root()
	o := &ours{c: c}
	o.f[0], o.f[1] = NewFS(vfs.New()).New(c, linux.O_NONBLOCK)
	return o
}

func readFile(c vfs.Caller, f *vfs.File, n int) ([]byte, error) {
	b := make([]byte, n)
	s := usermem.FromBytes(b)
	m, err := f.Ops.Read(c, f, &s, 0, 0)
	if m > 0 {
		err = nil
	}
	return b[:m], err
}

func writeFile(c vfs.Caller, f *vfs.File, b []byte) (int, error) {
	s := usermem.FromBytes(b)
	n, err := f.Ops.Write(c, f, &s, 0, 0)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (o *ours) read(end, n int) ([]byte, error)      { return readFile(o.c, o.f[end], n) }
func (o *ours) write(end int, b []byte) (int, error) { return writeFile(o.c, o.f[end], b) }
func (o *ours) poll(end int) wait.Mask               { return o.f[end].Readiness() }
func (o *ours) avail() int                           { return Of(o.f[0]).ring.bytes }
func (o *ours) setSize(n int) (int, error)           { return Of(o.f[0]).SetSize(uint32(n), false) }
func (o *ours) close(end int)                        { o.f[end].DecRef() }
func (o *ours) setDirect(on bool) {
	flags := uint32(linux.O_NONBLOCK | linux.O_WRONLY)
	if on {
		flags |= linux.O_DIRECT
	}
	f := vfs.NewFile(o.f[1].Ops, o.f[1].Path, flags, o.f[1].Mode, o.f[1].Cred)
	o.f[1] = f
}

type host struct{ fd [2]int }

func newHost(t *testing.T) *host {
	h := &host{}
	if err := syscall.Pipe2(h.fd[:], syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	return h
}

func toErrno(err error) error {
	if e, ok := err.(syscall.Errno); ok && e != 0 {
		return errno.Errno(e)
	}
	return nil
}

func hostPoll(fd int) wait.Mask {
	p := struct {
		fd              int32
		events, revents int16
	}{int32(fd), 0x7fff, 0}
	ts := syscall.Timespec{}
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	return wait.Mask(uint16(p.revents))
}

func (h *host) read(end, n int) ([]byte, error) {
	b := make([]byte, n)
	m, err := syscall.Read(h.fd[end], b)
	return b[:max(m, 0)], toErrno(err)
}
func (h *host) write(end int, b []byte) (int, error) {
	m, err := syscall.Write(h.fd[end], b)
	return max(m, 0), toErrno(err)
}
func (h *host) poll(end int) wait.Mask { return hostPoll(h.fd[end]) }
func (h *host) avail() int {
	var n int32
	syscall.Syscall(syscall.SYS_IOCTL, uintptr(h.fd[0]), linux.FIONREAD, uintptr(unsafe.Pointer(&n)))
	return int(n)
}
func (h *host) setSize(n int) (int, error) {
	r, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(h.fd[0]), linux.F_SETPIPE_SZ, uintptr(n))
	if e != 0 {
		return 0, toErrno(e)
	}
	return int(r), nil
}
func (h *host) setDirect(on bool) {
	flags := uintptr(syscall.O_NONBLOCK)
	if on {
		flags |= syscall.O_DIRECT
	}
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(h.fd[1]), syscall.F_SETFL, flags)
}
func (h *host) close(end int) { syscall.Close(h.fd[end]) }

// TestPipeAgreesWithHost does the same random things to both and compares everything.
func TestPipeAgreesWithHost(t *testing.T) {
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		sides := []ends{newHost(t), newOurs()}
		open := [2]bool{true, true}
		var log []string
		next := byte(0)
		for range 120 {
			size := []int{0, 1, 10, 100, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 100000}[rnd.IntN(12)]
			if rnd.IntN(2) == 0 {
				size = rnd.IntN(6000)
			}
			op := rnd.IntN(40)
			on := rnd.IntN(2) == 0
			end := rnd.IntN(2)
			data := make([]byte, size)
			for i := range data {
				data[i] = next
				next++
			}
			var got [2]string
			for i, s := range sides {
				switch {
				case op < 16 && open[1]:
					n, err := s.write(1, data)
					got[i] = fmt.Sprintf("write %d = %d %v", size, n, err)
				case op < 33 && open[0]:
					b, err := s.read(0, size)
					got[i] = fmt.Sprintf("read %d = %d %v sum %d", size, len(b), err, bytes.Count(b, []byte{7}))
					if len(b) > 0 {
						got[i] += fmt.Sprint(" ends ", b[0], b[len(b)-1])
					}
				case op == 33 && open[1]:
					s.setDirect(on)
					got[i] = fmt.Sprint("direct ", on)
				case op == 34 && open[0]:
					n, err := s.setSize(size * 4)
					got[i] = fmt.Sprintf("setsize %d = %d %v", size*4, n, err)
				case op == 35 && len(log) > 60 && open[0] && open[1]:
					s.close(end)
					got[i] = fmt.Sprint("close ", end)
				}
				for e := range 2 {
					if open[e] && !(op == 35 && e == end) {
						got[i] += fmt.Sprintf(" poll %d %#x", e, s.poll(e))
					}
				}
				if open[0] && !(op == 35 && end == 0) {
					got[i] += fmt.Sprint(" avail ", s.avail())
				}
			}
			if op == 35 && len(log) > 60 && open[0] && open[1] {
				open[end] = false
			}
			log = append(log, got[0])
			if got[0] != got[1] {
				for _, l := range log {
					t.Log(l)
				}
				t.Fatalf("seed %d:\nhost %s\nours %s", seed, got[0], got[1])
			}
		}
		for e := range 2 {
			if open[e] {
				sides[0].close(e)
			}
		}
	}
}

func TestWriteStopsWithEAGAIN(t *testing.T) {
	o := newOurs()
	s := usermem.FromBytes(make([]byte, 100000))
	n, err := o.f[1].Ops.Write(o.c, o.f[1], &s, 0, 0)
	if n != 65536 || err != errno.EAGAIN || s.Len() != 100000-65536 {
		t.Errorf("wrote %d, %v, %d left", n, err, s.Len())
	}
}

type counter struct{ n int }

func (c *counter) Wake(*wait.Entry, wait.Mask) { c.n++ }

func TestReadersAndWritersAreWokenOnEdges(t *testing.T) {
	o := newOurs()
	var rd, wr counter
	re := wait.Entry{Waiter: &rd, Mask: readable}
	we := wait.Entry{Waiter: &wr, Mask: writable}
	o.f[0].Queue().Register(&re)
	o.f[1].Queue().Register(&we)
	o.write(1, make([]byte, 65536))
	if rd.n != 1 || wr.n != 0 {
		t.Errorf("after write: %d %d", rd.n, wr.n)
	}
	o.read(0, 100)
	if wr.n != 0 {
		t.Error("writer woken though no page is free")
	}
	o.read(0, 4096)
	if wr.n != 1 {
		t.Error("writer not woken")
	}
	o.read(0, 4096)
	if wr.n != 1 {
		t.Error("writer woken again though the pipe was not full")
	}
	o.close(0)
	if wr.n != 2 {
		t.Error("writer not told that the reader is gone")
	}
}

// fifoHost and fifoOurs open FIFOs.
func TestFIFOOpen(t *testing.T) {
	c := vfstest.Root()
	v := vfs.New()
	fs := NewFS(v)
	sb := vfs.NewSuperblock("test", 0, 0, vfs.BaseSuper{})
	newFIFO := func() *vfs.Inode {
		return vfs.NewInode(sb, vfs.BaseInode{}, vfs.Attr{Mode: linux.S_IFIFO | 0o600})
	}
	open := func(n *vfs.Inode, flags, mode uint32) (*vfs.File, *end, error) {
		ops, err := fs.OpenFIFO(c, n, flags)
		if err != nil {
			return nil, nil, err
		}
		n.IncRef()
		return v.NewInodeFile(n, "fifo", ops, flags, mode, c.Creds()), ops.(*end), nil
	}

	n := newFIFO()
	if _, _, err := open(n, linux.O_WRONLY|linux.O_NONBLOCK, vfs.FModeWrite); err != errno.ENXIO {
		t.Errorf("O_WRONLY|O_NONBLOCK without readers: %v", err)
	}
	r, re, _ := open(n, linux.O_RDONLY, vfs.FModeRead)
	if re.OpenReady(r) {
		t.Error("reader's open does not wait for a writer")
	}
	w, we, _ := open(n, linux.O_WRONLY, vfs.FModeWrite)
	if !we.OpenReady(w) || !re.OpenReady(r) {
		t.Error("opens do not meet")
	}
	w.DecRef()
	if !re.OpenReady(r) {
		t.Error("a writer that has gone again does not complete the reader's open")
	}
	if m := r.Readiness(); m != wait.Hup {
		t.Errorf("poll after the writer has gone: %#x", m)
	}
	r.DecRef()
	if len(fs.fifos) != 0 {
		t.Error("pipe of a closed FIFO is kept")
	}

	// A reader that did not wait is not hung up before the first writer.
	n2 := newFIFO()
	r, re, _ = open(n2, linux.O_RDONLY|linux.O_NONBLOCK, vfs.FModeRead)
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	hr, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer hr.Close()
	if !re.OpenReady(r) || r.Readiness() != hostPoll(int(hr.Fd())) {
		t.Errorf("ready %v, poll %#x, host %#x", re.OpenReady(r), r.Readiness(), hostPoll(int(hr.Fd())))
	}
	if b, err := readFile(c, r, 10); len(b) != 0 || err != nil {
		t.Errorf("read without writers: %v %v", b, err)
	}
	w, _, err = open(n2, linux.O_WRONLY|linux.O_NONBLOCK, vfs.FModeWrite)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(c, w, []byte("x"))
	w.DecRef()
	if m := r.Readiness(); m != readable|wait.Hup {
		t.Errorf("poll with data after hangup: %#x", m)
	}
	r.DecRef()

	rw, rwe, _ := open(newFIFO(), linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite)
	if !rwe.OpenReady(rw) {
		t.Error("O_RDWR waits")
	}
	rw.DecRef()
}

func TestSpliceAndTee(t *testing.T) {
	a, b := newOurs(), newOurs()
	pa, pb := Of(a.f[0]), Of(b.f[0])
	if _, _, err := Splice(pa, pa, 10, false); err != errno.EINVAL {
		t.Errorf("splice to itself: %v", err)
	}
	if _, blocked, err := Splice(pa, pb, 10, false); blocked != SourceEmpty || err != errno.EAGAIN {
		t.Errorf("empty source: %v %v", blocked, err)
	}
	a.write(1, []byte("hello, world"))
	if n, _, err := Tee(pa, pb, 5); n != 5 || err != nil {
		t.Errorf("tee: %d %v", n, err)
	}
	if n, _, err := Splice(pa, pb, 100, false); n != 12 || err != nil {
		t.Errorf("splice: %d %v", n, err)
	}
	if got, _ := b.read(0, 100); string(got) != "hellohello, world" {
		t.Errorf("got %q", got)
	}
	b.write(1, make([]byte, 65536))
	a.write(1, []byte("x"))
	if _, blocked, err := Splice(pa, pb, 100, false); blocked != TargetFull || err != errno.EAGAIN {
		t.Errorf("full target: %v %v", blocked, err)
	}
	a.close(1)
	a.read(0, 1)
	if n, _, err := Splice(pa, pb, 100, false); n != 0 || err != nil {
		t.Errorf("source at its end: %d %v", n, err)
	}

	// Through files: here the other file is a pipe as well.
	x, y := newOurs(), newOurs()
	x.write(1, bytes.Repeat([]byte("ab"), 5000))
	if n, full, err := Of(y.f[0]).FillFrom(y.c, x.f[0], nil, 100000, false); n != 10000 || full || err != nil {
		t.Errorf("FillFrom: %d %v %v", n, full, err)
	}
	if n, empty, err := Of(y.f[0]).DrainTo(y.c, x.f[1], nil, 9999); n != 9999 || empty || err != nil {
		t.Errorf("DrainTo: %d %v %v", n, empty, err)
	}
	if got, _ := x.read(0, 20000); !bytes.Equal(got, bytes.Repeat([]byte("ab"), 5000)[:9999]) {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestIdentity(t *testing.T) {
	o := newOurs()
	name := o.f[0].Ops.(vfs.FileIdentity).IdentityName(o.f[0])
	if want := fmt.Sprintf("pipe:[%d]", o.f[1].Inode().Ino()); name != want {
		t.Errorf("%q, want %q", name, want)
	}
}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{1, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			o := newOurs()
			buf := make([]byte, size)
			s := usermem.FromBytes(buf)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s = usermem.FromBytes(buf)
				o.f[1].Ops.Write(o.c, o.f[1], &s, 0, 0)
				s = usermem.FromBytes(buf)
				o.f[0].Ops.Read(o.c, o.f[0], &s, 0, 0)
			}
		})
	}
}
