package trap

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"ringfence/platform"
)

// The guests of these tests attack the stub, the sentry and each other.

// TestFilterOfNewThreadsIsOurs has a guest write to the areas of threads to come, so that
// they install another filter.
func TestFilterOfNewThreadsIsOurs(t *testing.T) {
	r := newRig(t)
	// The program that the attacker wants: everything is allowed.
	le := binary.LittleEndian
	le.PutUint64(r.data()[2048:], 0x7fff0000<<32|bpfReturn)
	code := []byte{
		0x48, 0x89, 0xdf, // again: mov %rbx, %rdi
		0xb9, 29, 0, 0, 0, // mov $29, %ecx
		0x48, 0x89, 0x37, // next: mov %rsi, (%rdi)
		0x48, 0x89, 0x57, 0x08, // mov %rdx, 8(%rdi)
		0x48, 0x83, 0xc7, 0x10, // add $16, %rdi
		0xe2, 0xf3, // loop next
		0xeb, 0xe9, // jmp again
	}
	const victim = 64
	code = concat(code, make([]byte, victim-len(code)), mov(9), syscallBytes, ud2)
	x := r.text(code)
	for start := time.Now(); time.Since(start) < time.Second; {
		as := r.space(t, x)
		ready := make(chan struct{})
		var wg sync.WaitGroup
		attacker := r.guest(t, as)
		wg.Go(func() {
			g := attacker
			// A struct sock_fprog, wherever there could be one.
			g.regs.Rbx, g.regs.Rsi, g.regs.Rdx = areaAddr+areaSize+0x220, 1, uint64(dataAt)+2048
			for i := 0; ; i++ {
				ev, err := g.c.Switch(g.as, &g.regs)
				if err != nil || ev.Kind == platform.Interrupted {
					break
				}
				if i == 3 {
					close(ready)
				}
			}
		})
		<-ready
		g := r.guest(t, as)
		g.regs.Rip += victim
		// mmap of a page without a file.
		g.regs.Rdi, g.regs.Rsi, g.regs.Rdx, g.regs.R10, g.regs.R8 = uint64(nowhere), 4096, 3, 0x32, ^uint64(0)
		if ev, err := g.c.Switch(as, &g.regs); err == nil && ev.Kind != platform.Syscall {
			t.Fatalf("the guest made a host call: %+v, result %#x", ev, g.regs.Rax)
		}
		attacker.c.Interrupt()
		wg.Wait()
		attacker.c.Release()
		g.release()
	}
}
