package trap

import (
	"testing"

	"ringfence/platform"
	"ringfence/platform/platformtest"
)

func BenchmarkPlatform(b *testing.B) {
	platformtest.Benchmark(b, func() (platform.Platform, error) { return New() })
}

// BenchmarkPatchedCall measures a turn of a guest whose call is patched.
func BenchmarkPatchedCall(b *testing.B) {
	r := newRig(b)
	s := siteOf(cmp95Site, 1)
	loop := concat(s.code, []byte{0xeb, byte(-len(s.code) - 2)})
	x := r.text(loop)
	as := r.space(b, x)
	x.patch(b, as, s.end, 1)
	g := r.guest(b, as)
	defer g.release()
	for b.Loop() {
		if ev, err := g.c.Switch(g.as, &g.regs); err != nil || ev.Kind != platform.Syscall {
			b.Fatal(ev, err)
		}
		g.regs.SetReturn(1)
	}
}
