package trap

import (
	"encoding/binary"
	"testing"

	"ringfence/platform/stub"
)

// Classic BPF and seccomp(2).
const (
	bpfLoad   = 0x20
	bpfJumpEq = 0x15
	bpfJumpGe = 0x35
	bpfReturn = 0x06
	retTrap   = 0x00030000
	retAllow  = 0x7fff0000

	sysRtSigprocmask, sysSchedYield, sysSigaltstack, sysPrctl, sysFutex, sysExitGroup = 14, 24, 131, 157, 202, 231
)

// seccompData is struct seccomp_data.
type seccompData struct {
	nr, arch uint32
	ip       uint64
	args     [6]uint64
}

func (d *seccompData) bytes() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint32(nil, d.nr), d.arch)
	b = le.AppendUint64(b, d.ip)
	for _, a := range d.args {
		b = le.AppendUint64(b, a)
	}
	return b
}

// interpret runs a program of classic BPF, as far as filters use it.
func interpret(t *testing.T, program, data []byte) uint32 {
	t.Helper()
	le := binary.LittleEndian
	var acc uint32
	for pc := 0; ; pc++ {
		if pc*8 >= len(program) {
			t.Fatalf("the program runs off its end, at %d", pc)
		}
		i := program[pc*8:]
		code, jt, jf, k := le.Uint16(i), int(i[2]), int(i[3]), le.Uint32(i[4:])
		jump := func(yes bool) {
			if yes {
				pc += jt
			} else {
				pc += jf
			}
		}
		switch code {
		case bpfLoad:
			if k%4 != 0 || int(k)+4 > len(data) {
				t.Fatalf("load of %d", k)
			}
			acc = le.Uint32(data[k:])
		case bpfJumpEq:
			jump(acc == k)
		case bpfJumpGe:
			jump(acc >= k)
		case bpfReturn:
			return k
		default:
			t.Fatalf("instruction %d has code %#x", pc, code)
		}
	}
}

func TestFilter(t *testing.T) {
	img, _ := testImage(t)
	program := (&stub.Image{Rules: img.rules(), Trap: true}).Filter()
	at := func(m mark) uint64 { return img.marks[m] }
	inside := []uint64{at(common), at(common) + 2, at(postedEnd) - 1}
	setUp := []uint64{at(enter), at(enter) + 2, at(common) - 1}
	outside := []uint64{0, 2, 0x10000000, codeAddr - 1, codeAddr, at(enter) - 1, at(postedEnd), codeAddr + maskOffset, trampolineAddr,
		at(common) & 0xffffffff, at(common) ^ 1<<32, at(common) | 1<<47, at(common) | 1<<63, ^uint64(0), areaAddr}
	// What may pass from where guest threads make calls, and from where new ones do.
	own := func(nr uint32, op uint64) bool {
		return nr == sysSchedYield || nr == sysFutex && uint32(op) < 2 || nr == sysRtSigprocmask && op == codeAddr+maskOffset
	}
	first := func(nr uint32) bool { return nr == sysSigaltstack || nr == sysPrctl || nr == sysExitGroup }
	ops := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 128, 129, 256, 257, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<32 + 3, ^uint64(0),
		codeAddr + maskOffset, codeAddr + maskOffset + 8, (codeAddr + maskOffset) & 0xffffffff, codeAddr + maskOffset ^ 1<<33, codeAddr}
	for base := range uint32(1024) {
		ops := ops
		if base != sysFutex && base != sysSchedYield && base != sysRtSigprocmask {
			ops = ops[:2]
		}
		for _, nr := range []uint32{base, base | 0x40000000, base | 1<<31, ^base} {
			for _, op := range ops {
				for _, arch := range []uint32{archX8664, 0x40000003, 0, ^uint32(0)} {
					check := func(ip uint64, want bool) {
						t.Helper()
						d := seccompData{nr, arch, ip, [6]uint64{^uint64(0), op, ^uint64(0), 0, 0, 0}}
						ret := interpret(t, program, d.bytes())
						if ret != retTrap && ret != retAllow || want != (ret == retAllow) {
							t.Fatalf("call %d of %#x at %#x with operation %#x: %#x", nr, arch, ip, op, ret)
						}
					}
					for _, ip := range inside {
						check(ip, arch == archX8664 && own(nr, op))
					}
					for _, ip := range setUp {
						check(ip, arch == archX8664 && first(nr))
					}
					for _, ip := range outside {
						check(ip, false)
					}
				}
			}
		}
	}
}
