package bpf

import (
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

func stmt(code uint16, k uint32) linux.SockFilter { return linux.SockFilter{Code: code, K: k} }

const (
	ldB  = linux.BPF_LD | linux.BPF_B | linux.BPF_ABS
	ldH  = linux.BPF_LD | linux.BPF_H | linux.BPF_ABS
	ldW  = linux.BPF_LD | linux.BPF_W | linux.BPF_ABS
	indB = linux.BPF_LD | linux.BPF_B | linux.BPF_IND
	msh  = linux.BPF_LDX | linux.BPF_B | linux.BPF_MSH
)

var retA = stmt(linux.BPF_RET|linux.BPF_A, 0)

func TestPackets(t *testing.T) {
	d := &Packet{
		Bytes: []byte{0xee, 0xee, 0x45, 2, 3, 4, 5, 6, 7}, Start: 2, Link: 1, Net: 3,
		Index: 1, Hardware: 772, Protocol: 0x800, Kind: 4, Mark: 9,
	}
	mod := stmt(linux.BPF_ALU|linux.BPF_MOD|linux.BPF_K, 7)
	about := func(k uint32) linux.SockFilter { return stmt(ldW, ancillary+k) }
	for _, tc := range []struct {
		name string
		prog []linux.SockFilter
		want uint32
	}{
		{"byte", []linux.SockFilter{stmt(ldB, 1), retA}, 2},
		{"half", []linux.SockFilter{stmt(ldH, 5), retA}, 0x607},
		{"word", []linux.SockFilter{stmt(ldW, 3), retA}, 0x4050607},
		{"byte behind the end", []linux.SockFilter{stmt(ldB, 7), stmt(linux.BPF_RET, 5)}, 0},
		{"half across the end", []linux.SockFilter{stmt(ldH, 6), stmt(linux.BPF_RET, 5)}, 0},
		{"word far behind the end", []linux.SockFilter{stmt(ldW, 0x7fffffff), stmt(linux.BPF_RET, 5)}, 0},
		{"length", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_LEN, 0), retA}, 7},
		{"header length", []linux.SockFilter{stmt(msh, 0), stmt(linux.BPF_MISC|linux.BPF_TXA, 0), retA}, 20},
		{"indirect", []linux.SockFilter{stmt(linux.BPF_LDX|linux.BPF_IMM, 2), stmt(indB, 3), retA}, 6},
		{"indirect and back", []linux.SockFilter{stmt(linux.BPF_LDX|linux.BPF_IMM, ^uint32(0)), stmt(indB, 2), retA}, 2},
		{"network header", []linux.SockFilter{stmt(ldB, netOffset), retA}, 2},
		{"link header", []linux.SockFilter{stmt(ldH, llOffset), retA}, 0xee45},
		{"before headers", []linux.SockFilter{stmt(ldB, 0x80000000), stmt(linux.BPF_RET, 5)}, 0},
		{"remainder", []linux.SockFilter{stmt(linux.BPF_LD|linux.BPF_IMM, 20), mod, retA}, 6},
		{"protocol", []linux.SockFilter{about(adProtocol), retA}, 0x800},
		{"kind", []linux.SockFilter{about(adPktType), retA}, 4},
		{"interface", []linux.SockFilter{about(adIfIndex), retA}, 1},
		{"hardware", []linux.SockFilter{about(adHardware), retA}, 772},
		{"mark", []linux.SockFilter{about(adMark), retA}, 9},
		{"no VLAN", []linux.SockFilter{about(adVLANTagPresent), retA}, 0},
	} {
		p, err := Check(tc.prog)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := p.Run(d); got != tc.want {
			t.Errorf("%s: %#x, want %#x", tc.name, got, tc.want)
		}
	}
}

func TestUnknownAncillary(t *testing.T) {
	if _, err := Check([]linux.SockFilter{stmt(ldW, ancillary+200), retA}); err != errno.EINVAL {
		t.Error(err)
	}
	p, err := Check([]linux.SockFilter{stmt(ldW, ancillary+adIfIndex), stmt(linux.BPF_RET, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Run(&Packet{Bytes: []byte("no interface")}); got != 0 {
		t.Errorf("an interface that there is not: %d", got)
	}
}

// FuzzRun runs anything that Check lets through on anything.
func FuzzRun(f *testing.F) {
	f.Add(Marshal([]linux.SockFilter{stmt(ldW, 3), retA}), []byte("packet"))
	f.Add(Marshal([]linux.SockFilter{stmt(msh, 0), stmt(indB, netOffset+3), retA}), []byte{0x45, 1, 2})
	f.Fuzz(func(t *testing.T, code, packet []byte) {
		p, err := Check(Unmarshal(code))
		if err != nil {
			return
		}
		start := min(len(packet), 2)
		p.Run(&Packet{Bytes: packet, Start: start, Net: len(packet) - start})
	})
}
