package stub

import (
	"testing"
	"unsafe"
)

func TestForkArgsLayout(t *testing.T) {
	var a forkArgs
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"mask", unsafe.Offsetof(a.mask), 0},
		{"old", unsafe.Offsetof(a.old), 8},
		{"clone", unsafe.Offsetof(a.clone), 16},
		{"code", unsafe.Offsetof(a.code), 80},
		{"control", unsafe.Offsetof(a.control), 88},
		{"parent", unsafe.Offsetof(a.parent), 96},
	} {
		if c.got != c.want {
			t.Errorf("%s at %d, assembly says %d", c.name, c.got, c.want)
		}
	}
}
