package platformtest

import (
	"math/rand/v2"
	"testing"

	"ringfence/abi/addr"
	"ringfence/platform"
)

// Benchmark measures what guests do most.
func Benchmark(b *testing.B, newPlatform func() (platform.Platform, error)) {
	p, err := newPlatform()
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	m := newMachine(b, p)
	b.Run("Syscall", func(b *testing.B) {
		g := m.guest(b, m.space(b), callLoop)
		defer g.release()
		for b.Loop() {
			g.want(platform.Syscall)
			g.regs.SetReturn(0)
		}
	})
	b.Run("SyscallParallel", func(b *testing.B) {
		as := m.space(b)
		defer as.Release()
		b.RunParallel(func(pb *testing.PB) {
			g := m.guest(b, as, callLoop)
			defer g.c.Release()
			for pb.Next() {
				g.want(platform.Syscall)
			}
		})
	})
	b.Run("Compute", func(b *testing.B) {
		// Each guest computes for some 20 ms between calls.
		as := m.space(b)
		defer as.Release()
		b.RunParallel(func(pb *testing.PB) {
			g := m.guest(b, as, countdown)
			defer g.c.Release()
			own := uint64(dataAt) + 64*rand.Uint64N(64)
			for pb.Next() {
				*g.regs = *start(countdown)
				g.regs.Rdi, g.regs.Rcx = own, 8e6
				g.want(platform.Syscall)
			}
		})
	})
	b.Run("Interrupt", func(b *testing.B) {
		g := m.guest(b, m.space(b), callLoop)
		defer g.release()
		for b.Loop() {
			g.c.Interrupt()
			g.want(platform.Interrupted)
		}
	})
	fault := func(r routine, mapped bool) func(b *testing.B) {
		return func(b *testing.B) {
			g := m.guest(b, m.space(b), r)
			defer g.release()
			if mapped {
				m.mapPages(b, g.as, 0x40000000, 0, 1, platform.Read)
			}
			g.regs.Rdi = uint64(nothing)
			for b.Loop() {
				g.want(platform.Fault)
			}
		}
	}
	b.Run("Fault/load", fault(load, false))
	b.Run("Fault/store", fault(store, false))
	b.Run("Fault/store_to_read-only", fault(store, true))
	b.Run("Map", func(b *testing.B) {
		g := m.guest(b, m.space(b), callLoop)
		defer g.release()
		g.want(platform.Syscall)
		for b.Loop() {
			m.mapPages(b, g.as, nothing, 0, 1, rw)
		}
	})
	b.Run("MapAndTouch", func(b *testing.B) {
		g := m.guest(b, m.space(b), store)
		defer g.release()
		for b.Loop() {
			*g.regs = *start(store)
			g.regs.Rdi = uint64(nothing)
			g.want(platform.Fault)
			m.mapPages(b, g.as, nothing, 0, 1, rw)
			g.want(platform.Syscall)
			m.unmap(b, g.as, nothing, 1)
		}
	})
	b.Run("FPU", func(b *testing.B) {
		g := m.guest(b, m.space(b), callLoop)
		defer g.release()
		g.want(platform.Syscall)
		for b.Loop() {
			f, err := g.c.FPU()
			if err == nil {
				err = g.c.SetFPU(f)
			}
			if err != nil {
				b.Fatal(err)
			}
			g.want(platform.Syscall)
		}
	})
	b.Run("Thread", func(b *testing.B) {
		as := m.space(b)
		defer as.Release()
		for b.Loop() {
			g := m.guest(b, as, callLoop)
			g.want(platform.Syscall)
			g.c.Release()
		}
	})
	b.Run("AddressSpace", func(b *testing.B) {
		for b.Loop() {
			as := m.emptySpace(b)
			m.mapPages(b, as, codeAt, codeOffset, len(codeBytes())/addr.PageSize, platform.Read|platform.Exec)
			g := m.guest(b, as, callLoop)
			g.want(platform.Syscall)
			g.release()
		}
	})
}
