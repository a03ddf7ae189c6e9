package syscalls

import (
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel/kerneltest"
)

// FuzzIOUring submits whatever bytes as submissions, to a ring of which a guest wrote all words.
func FuzzIOUring(f *testing.F) {
	sqe := func(s linux.IOUringSQE) []byte {
		b := make([]byte, s.SizeBytes())
		s.MarshalBytes(b)
		return b
	}
	f.Add(sqe(linux.IOUringSQE{Opcode: linux.IORING_OP_NOP, UserData: 1}))
	f.Add(append(sqe(linux.IOUringSQE{Opcode: linux.IORING_OP_NOP, Flags: linux.IOSQE_IO_LINK}), sqe(linux.IOUringSQE{Opcode: linux.IORING_OP_LINK_TIMEOUT, Len: 1})...))
	for op := range uint8(linux.IORING_OP_LAST) {
		f.Add(sqe(linux.IOUringSQE{Opcode: op, FD: 1, Flags: op << 1}))
	}
	g := kerneltest.NewScript(f, Table())
	var p linux.IOUringParams
	at := g.Struct(&p)
	const entries = 8
	fd := g.Call(linux.SYS_IO_URING_SETUP, entries, at)
	b := make([]byte, p.SizeBytes())
	if _, err := g.Memory().CopyIn(addr.Addr(at), b); err != nil {
		f.Fatal(err)
	}
	p.UnmarshalBytes(b)
	rw := uint64(linux.PROT_READ | linux.PROT_WRITE)
	rings := addr.Addr(g.Call(linux.SYS_MMAP, 0, addr.PageSize, rw, linux.MAP_SHARED, fd, linux.IORING_OFF_SQ_RING))
	sqes := addr.Addr(g.Call(linux.SYS_MMAP, 0, addr.PageSize, rw, linux.MAP_SHARED, fd, linux.IORING_OFF_SQES))
	sys := func(t *testing.T, nr uint64, args ...uint64) int64 {
		r := g.Do(1, kerneltest.Syscall(nr, args...))
		if r == nil {
			t.Fatalf("the guest ended in system call %d", nr)
		}
		return int64(r[0])
	}
	all := g.Struct(&linux.IOUringSyncCancelReg{Flags: linux.IORING_ASYNC_CANCEL_ANY, Timeout: linux.Timespec{Nsec: 1e6}})
	tail := uint32(0)
	f.Fuzz(func(t *testing.T, data []byte) {
		n := uint32(min(len(data)/64, entries))
		if n == 0 {
			return
		}
		m := g.Memory()
		for i := range n {
			// The ring of indices stands as it is: all zero, or what an earlier input made of it.
			slot := (tail + i) % entries
			m.CopyOut(sqes+addr.Addr(64*slot), data[64*i:64*(i+1)])
			m.SwapUint32(rings+addr.Addr(p.SQOff.Array+4*slot), slot)
		}
		tail += n
		m.SwapUint32(rings+addr.Addr(p.SQOff.Tail), tail)
		for left := int64(n); left > 0; {
			took := sys(t, linux.SYS_IO_URING_ENTER, fd, uint64(left), 0, 0, 0, 0)
			if took <= 0 {
				t.Fatalf("io_uring_enter: %d", took)
			}
			left -= took
		}
		// All that waits is canceled, and what completed is taken.
		sys(t, linux.SYS_IO_URING_REGISTER, fd, linux.IORING_REGISTER_SYNC_CANCEL, all, 1)
		v, _ := m.LoadUint32(rings + addr.Addr(p.CQOff.Tail))
		m.SwapUint32(rings+addr.Addr(p.CQOff.Head), v)
	})
}
