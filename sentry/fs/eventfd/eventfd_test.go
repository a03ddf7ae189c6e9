package eventfd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/errno"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/usermem"
)

// TestAgreesWithHost does the same random things to ours and to the host's.
func TestAgreesWithHost(t *testing.T) {
	values := []uint64{0, 1, 2, 1000, math.MaxUint64 - 2, math.MaxUint64 - 1, math.MaxUint64}
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		count, semaphore := uint32(rnd.IntN(3)), rnd.IntN(2) == 0
		flags := uintptr(syscall.O_NONBLOCK)
		if semaphore {
			flags |= 1
		}
		fd, _, e := syscall.Syscall(syscall.SYS_EVENTFD2, uintptr(count), flags, 0)
		if e != 0 {
			t.Fatal(e)
		}
		o := New(count, semaphore)
		for range 60 {
			v, size, write := values[rnd.IntN(len(values))], 8, rnd.IntN(2) == 0
			if rnd.IntN(8) == 0 {
				size = rnd.IntN(17)
			}
			var b [16]byte
			binary.LittleEndian.PutUint64(b[:], v)
			h, ours := b, b
			nr, name := uintptr(syscall.SYS_READ), "read"
			if write {
				nr, name = syscall.SYS_WRITE, "write"
			}
			n, _, e := syscall.Syscall(nr, fd, uintptr(unsafe.Pointer(&h)), uintptr(size))
			want := fmt.Sprint(name, " ", int(n), h[:8], poll(fd))
			if e != 0 {
				want = fmt.Sprint(name, " ", errno.Errno(e), poll(fd))
			}
			s := usermem.FromBytes(ours[:size])
			var m int
			var err error
			if write {
				m, err = o.Write(nil, nil, &s, 0, 0)
			} else {
				m, err = o.Read(nil, nil, &s, 0, 0)
			}
			got := fmt.Sprint(name, " ", m, ours[:8], o.Readiness(nil))
			if err != nil {
				got = fmt.Sprint(name, " ", err, o.Readiness(nil))
			}
			if got != want {
				t.Fatalf("seed %d, value %#x of %d bytes: got %s, want %s", seed, v, size, got, want)
			}
		}
		syscall.Close(int(fd))
	}
}

func poll(fd uintptr) wait.Mask {
	p := struct {
		fd              int32
		events, revents int16
	}{int32(fd), 0x7fff, 0}
	ts := syscall.Timespec{}
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	return wait.Mask(uint16(p.revents))
}

func TestBlockedWriteKeepsItsBytes(t *testing.T) {
	e := New(1, false)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], math.MaxUint64-1)
	s := usermem.FromBytes(b[:])
	if _, err := e.Write(nil, nil, &s, 0, 0); err != errno.EAGAIN || s.Len() != 8 {
		t.Errorf("%v, %d bytes left", err, s.Len())
	}
	e.Add(math.MaxUint64)
	if m := e.Readiness(nil); m != wait.In|wait.Err {
		t.Errorf("overflow polls as %#x", m)
	}
}
