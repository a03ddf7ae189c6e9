package seccomp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/linux"
)

// install is seccomp(2) on the calling thread.
func install(flags uintptr, prog []linux.SockFilter) syscall.Errno {
	b := encode(prog)
	fprog := struct {
		n    uint16
		_    [6]byte
		code *byte
	}{n: uint16(len(prog)), code: unsafe.SliceData(b)}
	_, _, e := syscall.RawSyscall(linux.SYS_SECCOMP, linux.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(b)
	return e
}

// onThread runs f on a host thread that ends with it, so that filters go too. The test skips if the host
// allows no filters.
func onThread(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	refused := syscall.Errno(0)
	go func() {
		runtime.LockOSThread()
		syscall.RawSyscall6(syscall.SYS_PRCTL, linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
		if refused = install(0, []linux.SockFilter{allow}); refused != 0 {
			done <- nil
			return
		}
		done <- f()
	}()
	err := <-done
	if refused != 0 {
		t.Skipf("no filters here: %v", refused)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A thread that has a listener gets EBUSY for another: behind the checks, before the filter is there.
func TestCheckAgreesWithHost(t *testing.T) {
	onThread(t, func() error {
		if e := install(linux.SECCOMP_FILTER_FLAG_NEW_LISTENER, []linux.SockFilter{allow}); e != 0 {
			return fmt.Errorf("no listener: %w", e)
		}
		agree := func(name any, prog []linux.SockFilter) {
			_, err := Check(prog)
			e := install(linux.SECCOMP_FILTER_FLAG_NEW_LISTENER, prog)
			if e != syscall.EBUSY && e != syscall.EINVAL {
				t.Errorf("%v: the host says %v", name, e)
			}
			if (err == nil) != (e == syscall.EBUSY) {
				t.Errorf("%v: the host says %v, we %v: %v", name, e, err, prog)
			}
		}
		for _, c := range checks {
			agree(c.name, c.prog)
		}
		for code := range 1 << 16 {
			if code < 0x200 || code%97 == 0 {
				agree(code, []linux.SockFilter{stmt(linux.BPF_ST, 0), {Code: uint16(code), K: 4}, allow, allow, allow, allow, allow})
			}
		}
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 3000 {
			agree(i, randomProgram(r, 3+r.IntN(9), true))
		}
		return nil
	})
}

// allowed reports whether programs may have an instruction.
func allowed(code uint16) bool {
	var prog []linux.SockFilter
	for i := range uint32(16) {
		prog = append(prog, stmt(linux.BPF_ST, i))
	}
	prog = append(prog, stmt(code, 4))
	for range 6 {
		prog = append(prog, allow)
	}
	_, err := Check(prog)
	return err == nil
}

// randomProgram returns n random instructions and a verdict. With faults some of them are not allowed.
func randomProgram(r *rand.Rand, n int, faults bool) []linux.SockFilter {
	var codes []uint16
	for code := range uint16(0x100) {
		if code&7 != linux.BPF_RET && allowed(code) {
			codes = append(codes, code)
		}
	}
	values := []uint32{0, 1, 2, 3, 31, 32, 60, 0x7fffffff, 0x80000000, ^uint32(0)}
	var prog []linux.SockFilter
	for !faults && len(prog) < 16 {
		prog = append(prog, stmt(linux.BPF_ST, uint32(len(prog)))) // so that all cells may be read
	}
	for pc := range n {
		i := linux.SockFilter{Code: codes[r.IntN(len(codes))], K: r.Uint32()}
		if r.IntN(2) == 0 {
			i.K = values[r.IntN(len(values))]
		}
		left := n - pc
		slack := 0
		if faults {
			slack = r.IntN(12) / 11 // now and then one too far
		}
		class := i.Code & 7
		mem := class <= linux.BPF_LDX && i.Code&0xe0 == linux.BPF_MEM
		switch op := i.Code & 0xf8; {
		case i.Code == ldAbs:
			i.K = uint32(r.IntN(16+slack))*4 + uint32(slack)
		case mem, class == linux.BPF_ST, class == linux.BPF_STX:
			i.K = uint32(r.IntN(16 + slack))
			if faults && r.IntN(2) == 0 {
				i.K %= 2
			}
		case class == linux.BPF_ALU && (op == linux.BPF_LSH || op == linux.BPF_RSH):
			i.K = uint32(r.IntN(32 + slack))
		case class == linux.BPF_ALU && op == linux.BPF_DIV:
			if !faults && i.K == 0 {
				i.K = 7
			}
		case i.Code == linux.BPF_JMP|linux.BPF_JA:
			i.K = uint32(r.IntN(min(left, 4) + slack))
		case class == linux.BPF_JMP:
			i.Jt, i.Jf = uint8(r.IntN(min(left, 4)+slack)), uint8(r.IntN(min(left, 4)+slack))
		}
		prog = append(prog, i)
	}
	return append(prog, retA)
}

// What a program leaves in A comes back in pieces as the errno of a call that nobody makes otherwise.
func TestRunAgreesWithHost(t *testing.T) {
	const nr = 1000
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		body := randomProgram(r, 4+r.IntN(20), false)
		shift := uint32(r.IntN(3)) * 12
		prog := append([]linux.SockFilter{stmt(ldAbs, 0), cond(jeqK, nr, 1, 0), allow}, body[:len(body)-1]...)
		prog = append(prog, stmt(aluK|linux.BPF_RSH, shift), stmt(aluK|linux.BPF_AND, 0xfff),
			stmt(aluK|linux.BPF_OR, linux.SECCOMP_RET_ERRNO), retA)
		p, err := Check(prog)
		if err != nil {
			t.Fatalf("%v: %v", err, prog)
		}
		args := [6]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
		usesIP := false
		for _, i := range prog {
			usesIP = usesIP || i.Code == ldAbs && (i.K == 8 || i.K == 12)
		}
		d := DataOf(&linux.SeccompData{Nr: nr, Arch: linux.AUDIT_ARCH_X86_64, Args: args})
		want := p.Run(&d)
		if usesIP || want&linux.SECCOMP_RET_ACTION_FULL != linux.SECCOMP_RET_ERRNO {
			continue // divided by 0: the host would kill us
		}
		onThread(t, func() error {
			if e := install(0, prog); e != 0 {
				return fmt.Errorf("%w: %v", e, prog)
			}
			v, _, e := syscall.RawSyscall6(nr, uintptr(args[0]), uintptr(args[1]), uintptr(args[2]),
				uintptr(args[3]), uintptr(args[4]), uintptr(args[5]))
			if int64(v) == -4095 {
				e = 4095 // too great an errno for package syscall
			}
			if uint32(e) != want&0xffff {
				return fmt.Errorf("the host says %#x, we %#x: %v", uint32(e), want&0xffff, prog)
			}
			return nil
		})
	}
}

// The host counts a chain of filters as we do: exactly as many of a random program fit.
func TestCostAgreesWithHost(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 12 {
		prog := randomProgram(r, 800+r.IntN(1500), false)
		p, err := Check(append([]linux.SockFilter{stmt(linux.BPF_JMP|linux.BPF_JA, uint32(len(prog))-1)}, prog...))
		if err != nil {
			t.Fatal(err)
		}
		p[len(p)-1] = allow
		onThread(t, func() error {
			total, n := 5, 0 // onThread's own
			for total+ChainCost+p.Cost() <= MaxCost {
				total += ChainCost + p.Cost()
				if e := install(0, p); e != 0 {
					return fmt.Errorf("filter %d: %w", n, e)
				}
				n++
			}
			// Fill up to the last instruction.
			for {
				left := MaxCost - total - ChainCost - 5
				if left < 0 {
					break
				}
				fill := long(min(left, 4000))
				if left < 4000 && install(0, append(fill, allow)) != syscall.ENOMEM {
					t.Errorf("more than %d fit", MaxCost)
				}
				if e := install(0, fill); e != 0 {
					t.Errorf("%d do not fit: %v", len(fill), e)
				}
				total += ChainCost + 5 + len(fill) - 1
			}
			if e := install(0, []linux.SockFilter{allow}); e != syscall.ENOMEM {
				return fmt.Errorf("one more: %v", e)
			}
			return nil
		})
	}
}
