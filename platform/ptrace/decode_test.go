package ptrace

import (
	"encoding/binary"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// TestDecoderAgreesWithCPU executes instructions of every opcode on an address where
// nothing is mapped, and compares what the decoder says with the error code that a
// signal frame shows.
func TestDecoderAgreesWithCPU(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	file, err := hostcall.MemfdCreate("code", hostcall.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer hostcall.Close(file)
	if err := hostcall.Ftruncate(file, 2*addr.PageSize); err != nil {
		t.Fatal(err)
	}
	mem, err := hostcall.MapFile(file, 0, 2*addr.PageSize, hostcall.PROT_READ|hostcall.PROT_WRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer hostcall.UnmapFile(mem)
	const code, stackPage, target = 0x100000, 0x200000, 0x300000
	as, err := p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	defer as.Release()
	for i, at := range []addr.Addr{code, stackPage} {
		if err := as.Map(addr.Range{Start: at, End: at + addr.PageSize}, file, uint64(i)*addr.PageSize, 7, platform.PopulateWrite); err != nil {
			t.Fatal(err)
		}
	}
	c := p.NewContext().(*context)
	defer c.Release()

	faults, decoded, wrong := 0, 0, 0
	try := func(insn []byte) {
		for i := range mem[:64] {
			mem[i] = 0xf4 // HLT ends whatever runs on.
		}
		copy(mem, insn)
		copy(mem[len(insn):], []byte{1, 0, 0, 0}) // an immediate
		binary.LittleEndian.PutUint64(mem[addr.PageSize+2048:], 0x1000)
		r := arch.NewRegisters(code, stackPage+2048)
		// Distinct addresses for what an instruction may use; MOVS reads what is there.
		r.Rdi, r.Rsi, r.Rbx, r.Rbp, r.Rcx, r.Rdx = target+128, stackPage+512, stackPage+1024, stackPage+1536, 1, 1
		ev, err := c.Switch(as, &r)
		if err != nil {
			t.Fatalf("% x: %v", insn, err)
		}
		if ev.Kind != platform.Fault || ev.Addr < target || ev.Addr >= target+addr.PageSize || r.Rip != code {
			return
		}
		faults++
		got, ok := accessOf(mem[:maxInstruction], r.Rdi, r.Rsi, uint64(ev.Addr))
		if !ok {
			return
		}
		decoded++
		f, err := c.thread.probe(sigSegv)
		if err != nil {
			t.Fatal(err)
		}
		if f.errorCode&^pfWrite != pfUser || f.trapno != trapPF {
			t.Fatalf("% x: error code %#x, vector %d", insn, f.errorCode, f.trapno)
		}
		want := platform.Read
		if f.errorCode&pfWrite != 0 {
			want = platform.Write
		}
		if got != want {
			wrong++
			t.Errorf("% x: decoded as access %d, the CPU says %d", insn, got, want)
		}
	}
	prefixes := [][]byte{nil, {0x66}, {0xf2}, {0xf3}, {0x48}, {0x66, 0x48}, {0xf3, 0x48}}
	for op := range 256 {
		for reg := range byte(8) {
			modrm := reg<<3 | 7 // (DI)
			for i, prefix := range prefixes {
				if reg > 0 && i > 1 {
					break // Few opcodes depend on both.
				}
				at := func(b ...byte) []byte { return append(append([]byte(nil), prefix...), b...) }
				switch byte(op) {
				case 0x66, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67, 0xf0, 0x0f, 0xc4, 0xc5, 0x62:
				default:
					if op>>4 != 4 {
						try(at(byte(op), modrm))
					}
				}
				if op != 0x38 && op != 0x3a && op != 0x05 && op != 0x34 {
					try(at(0x0f, byte(op), modrm))
				}
				try(at(0x0f, 0x38, byte(op), modrm))
				try(at(0x0f, 0x3a, byte(op), modrm))
			}
		}
		for pp := range byte(4) {
			for l := range byte(3) {
				for opmap := byte(1); opmap <= 3; opmap++ {
					for w := range byte(2) {
						if l < 2 {
							try([]byte{0xc4, 0xe0 | opmap, w<<7 | 0x78 | l<<2 | pp, byte(op), 0x0f})
						}
						try([]byte{0x62, 0xf0 | opmap, w<<7 | 0x7c | pp, l<<5 | 0x08, byte(op), 0x0f})
						try([]byte{0x62, 0xf0 | opmap, w<<7 | 0x7c | pp, l<<5 | 0x09, byte(op), 0x0f}) // masked by K1
					}
				}
			}
			try([]byte{0xc5, 0xf8 | pp, byte(op), 0x0f})
		}
	}
	t.Logf("%d faults, %d decoded, %d wrong", faults, decoded, wrong)
	if decoded < faults/2 || faults < 1000 {
		t.Errorf("only %d of %d faults were decoded", decoded, faults)
	}
}

func FuzzAccessOf(f *testing.F) {
	f.Add([]byte{0x48, 0x89, 0x07}, uint64(1), uint64(2), uint64(3))
	f.Fuzz(func(t *testing.T, code []byte, rdi, rsi, at uint64) {
		access, ok := accessOf(code, rdi, rsi, at)
		if ok && access != platform.Read && access != platform.Write {
			t.Errorf("access %d", access)
		}
	})
}
