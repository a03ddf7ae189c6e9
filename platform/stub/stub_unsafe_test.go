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
		{"helper", unsafe.Offsetof(a.helper), 16},
		{"clone", unsafe.Offsetof(a.clone), 80},
		{"code", unsafe.Offsetof(a.code), 144},
		{"control", unsafe.Offsetof(a.control), 152},
		{"parent", unsafe.Offsetof(a.parent), 160},
		{"pid", unsafe.Offsetof(a.pid), 168},
	} {
		if c.got != c.want {
			t.Errorf("%s at %d, assembly says %d", c.name, c.got, c.want)
		}
	}
}
