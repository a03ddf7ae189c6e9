package cpu

import (
	"os"
	"strings"
	"testing"
)

func TestCPUIDAgreesWithHost(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, b, c, d := CPUID(0, 0)
	var vendor []byte
	for _, r := range []uint32{b, d, c} {
		vendor = append(vendor, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	if !strings.Contains(string(info), "vendor_id\t: "+string(vendor)) {
		t.Errorf("vendor %q is not in /proc/cpuinfo", vendor)
	}
}

func TestXStateFitsComponents(t *testing.T) {
	x := Host()
	if x.Features&(XFeatureX87|XFeatureSSE) != XFeatureX87|XFeatureSSE {
		t.Errorf("features %#x lack x87 or SSE", x.Features)
	}
	if x.Size > x.HostSize || x.Size < XLegacySize+XHeaderSize {
		t.Errorf("size %d, host size %d", x.Size, x.HostSize)
	}
	end := XLegacySize + XHeaderSize
	for bit := 2; bit < 63; bit++ {
		off, size, ok := x.Component(bit)
		if !ok {
			continue
		}
		if off < XLegacySize+XHeaderSize || size <= 0 || off+size > x.HostSize {
			t.Errorf("component %d at %d+%d does not fit into %d", bit, off, size, x.HostSize)
		}
		if x.Features&(1<<bit) != 0 {
			end = max(end, off+size)
		}
	}
	if end != x.Size {
		t.Errorf("components end at %d, size is %d", end, x.Size)
	}
	if x.MXCSRMask&0xffbf != 0xffbf {
		t.Errorf("MXCSR mask %#x", x.MXCSRMask)
	}
}
