package trap

import (
	"bytes"
	"encoding/binary"
	"testing"

	"ringfence/abi/addr"
)

// concat joins pieces of code.
func concat(pieces ...[]byte) []byte { return bytes.Join(pieces, nil) }

// mov is mov $nr, %eax; imm is its operand, or any other four bytes.
func mov(nr uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0xb8}, nr) }
func imm(v uint32) []byte  { return binary.LittleEndian.AppendUint32(nil, v) }

var (
	syscallBytes = []byte{0x0f, 0x05}
	nop          = []byte{0x90}
)

const noSite = numSiteKinds

func TestRecognize(t *testing.T) {
	const nr = 0xe8
	for _, c := range []struct {
		name   string
		before []byte // code up to and with the SYSCALL
		after  []byte
		nr     uint64 // if not the above
		low    bool   // at the start of a page; else in the middle or, if something follows, at the end
		want   siteKind
	}{
		{name: "mov", before: concat(nop, mov(nr), syscallBytes), after: nop, want: movSite},
		{name: "mov behind a return", before: concat([]byte{0xc3}, mov(nr), syscallBytes), want: movSite},
		{name: "mov behind an immediate of zeros", before: concat([]byte{0xbf, 1, 0, 0, 0}, mov(nr), syscallBytes), want: movSite},
		{name: "mov behind a mov of registers", before: concat([]byte{0x49, 0x89, 0xca}, mov(nr), syscallBytes), want: movSite},
		{name: "mov behind a xor of registers", before: concat([]byte{0x45, 0x31, 0xc0}, mov(nr), syscallBytes), want: movSite},
		{name: "mov behind ENDBR64", before: concat([]byte{0xf3, 0x0f, 0x1e, 0xfa}, mov(nr), syscallBytes), want: movSite},
		{name: "mov behind a call", before: concat(mov(nr), syscallBytes, mov(nr), syscallBytes), want: movSite},
		{name: "mov of 0", before: concat(nop, mov(0), syscallBytes), nr: 1 << 63, want: noSite},
		{name: "mov of another number", before: concat(nop, mov(nr+1), syscallBytes), want: noSite},
		{name: "mov of a number with a high half", before: concat(nop, mov(nr), syscallBytes), nr: nr | 1<<32, want: noSite},
		{name: "mov of a negative number", before: concat(nop, mov(0xffffffff), syscallBytes), nr: 0xffffffff, want: movSite},
		{name: "mov to ecx", before: concat(nop, []byte{0xb9}, imm(nr), syscallBytes), want: noSite},
		{name: "mov at the start of a page", before: concat(mov(nr), syscallBytes), low: true, want: noSite},
		{name: "mov in front of which little is known", before: concat(nop, nop, nop, nop, mov(nr), syscallBytes), low: true, want: noSite},
		{name: "mov in front of which enough is known", before: concat(nop, nop, nop, nop, nop, mov(nr), syscallBytes), low: true, want: movSite},
		{name: "mov partly on the page before", before: concat(mov(nr)[1:], syscallBytes), low: true, want: noSite},
		{name: "SYSCALL at the start of a page", before: syscallBytes, low: true, want: noSite},
		{name: "SYSCALL partly on the page before", before: syscallBytes[1:], low: true, want: noSite},
		{name: "nothing", before: nil, low: true, want: noSite},
		{name: "no SYSCALL", before: concat(nop, mov(nr), []byte{0x0f, 0x34}), want: noSite},
		{name: "int 0x80", before: concat(nop, mov(nr), []byte{0xcd, 0x80}), want: noSite},

		{name: "cmp -4095, rax", before: syscallBytes, after: []byte{0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}, want: cmp95Site},
		{name: "cmp -4096, rax", before: syscallBytes, after: []byte{0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}, want: cmp96Site},
		{name: "cmp -4095, eax", before: syscallBytes, after: []byte{0x3d, 0x01, 0xf0, 0xff, 0xff}, want: short95Site},
		{name: "cmp -4096, eax", before: syscallBytes, after: []byte{0x3d, 0x00, 0xf0, 0xff, 0xff}, want: short96Site},
		{name: "cmp behind mov", before: concat(nop, mov(nr), syscallBytes), after: []byte{0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}, want: cmp95Site},
		{name: "cmp -4094, rax", before: syscallBytes, after: []byte{0x48, 0x3d, 0x02, 0xf0, 0xff, 0xff}, want: noSite},
		{name: "cmp -4095 & 0x00ffffff, eax", before: syscallBytes, after: []byte{0x3d, 0x01, 0xf0, 0xff, 0x00}, want: noSite},
		{name: "cmp -4095, ax", before: syscallBytes, after: []byte{0x66, 0x3d, 0x01, 0xf0, 0xff, 0xff}, want: noSite},
		{name: "cmp -4095, rax with REX.B", before: syscallBytes, after: []byte{0x49, 0x3d, 0x01, 0xf0, 0xff, 0xff}, want: noSite},
		{name: "test", before: syscallBytes, after: []byte{0x48, 0x85, 0xc0}, want: noSite},
		{name: "cmp that goes on on the next page", before: syscallBytes, after: []byte{0x48, 0x3d, 0x01, 0xf0, 0xff}, want: noSite},
		{name: "mov, and a cmp that goes on on the next page", before: concat(nop, mov(nr), syscallBytes), after: []byte{0x48, 0x3d, 0x01, 0xf0, 0xff}, want: movSite},

		// B8 that is no opcode of its own, or an opcode of more.
		{name: "movabs to rax", before: concat([]byte{0x48, 0xb8}, imm(nr), imm(nr)[:0], syscallBytes), want: noSite},
		{name: "mov to r8d", before: concat([]byte{0x41, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov with a REX that says nothing", before: concat([]byte{0x40, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov of 16 bits", before: concat([]byte{0x66, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov with an address size", before: concat([]byte{0x67, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov with a segment", before: concat([]byte{0x64, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "popcnt", before: concat([]byte{0xf3, 0x0f, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov nr(r8), edi", before: concat([]byte{0x41, 0x8b, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov edi, nr(r8)", before: concat([]byte{0x41, 0x89, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "lea nr(r8), rdi", before: concat([]byte{0x49, 0x8d, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movslq nr(r8), rdi", before: concat([]byte{0x49, 0x63, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "add nr(r8), rdi", before: concat([]byte{0x49, 0x03, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "add dil, nr(r8)", before: concat([]byte{0x41, 0x00, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "xchg edi, nr(r8)", before: concat([]byte{0x41, 0x87, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "idivl nr(r8)", before: concat([]byte{0x41, 0xf7, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "sarl nr(r8)", before: concat([]byte{0x41, 0xd1, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movzbl nr(r8), edi", before: concat([]byte{0x41, 0x0f, 0xb6, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movzwl nr(rax), edi", before: concat([]byte{0x0f, 0xb7, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "cmovne nr(r8), edi", before: concat([]byte{0x41, 0x0f, 0x45, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movups nr(r8), xmm7", before: concat([]byte{0x41, 0x0f, 0x10, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movbe nr(r8), edi", before: concat([]byte{0x41, 0x0f, 0x38, 0xf0, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "vmovss nr(r8), xmm7", before: concat([]byte{0xc4, 0xc1, 0x7a, 0x10, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "vmovups nr(r8), zmm7", before: concat([]byte{0x62, 0xd1, 0x7c, 0x48, 0x10, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov nr(r8,rdi,4), edi", before: concat([]byte{0x41, 0x8b, 0xbc, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "mov nr(r8,rdi,4), eax", before: concat([]byte{0x41, 0x8b, 0x84, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movl nr, -0x48(rbp)", before: concat([]byte{0xc7, 0x45, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movl nr, -0x48(rsp)", before: concat([]byte{0xc7, 0x44, 0x24, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "movl nr, -0x48(rsp,rcx,8)", before: concat([]byte{0xc7, 0x44, 0xcc, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "subl nr, -0x48(rbp)", before: concat([]byte{0x81, 0x6d, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "xorl nr, -0x48(rdi)", before: concat([]byte{0x81, 0x77, 0xb8}, imm(nr), syscallBytes), want: noSite},
		{name: "imul nr, -0x48(rdi), edi", before: concat([]byte{0x69, 0x7f, 0xb8}, imm(nr), syscallBytes), want: noSite},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := c.nr
			if call == 0 {
				call = nr
			}
			page := bytes.Repeat(nop, addr.PageSize)
			end := 100
			switch {
			case c.low:
				end = len(c.before)
			case len(c.after) > 0:
				end = len(page) - len(c.after)
			}
			copy(page[end-len(c.before):], c.before)
			copy(page[end:], c.after)
			got, ok := recognize(page, end, call)
			if !ok {
				got = noSite
			}
			if got != c.want {
				t.Errorf("% x | % x is a site of kind %d, want %d", c.before, c.after, got, c.want)
			}
		})
	}
}

// TestPatch checks what becomes of a page.
func TestPatch(t *testing.T) {
	const start, nr = addr.Addr(0x40000000), 0xe8
	s := new(addressSpace)
	page := make([]byte, addr.PageSize)
	copy(page, bytes.Repeat(nop, len(page)))
	code := concat(mov(nr), syscallBytes, nop, syscallBytes, []byte{0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}, syscallBytes)
	copy(page[100:], code)
	for _, c := range []struct {
		end  int
		want bool
	}{{107, true}, {110, true}, {118, false}, {107, false}, {110, false}} {
		before := bytes.Clone(page)
		if got := s.Patch(page, start, start+addr.Addr(c.end), nr); got != c.want {
			t.Errorf("SYSCALL that ends at %d: %t", c.end, got)
		} else if !got && !bytes.Equal(page, before) {
			t.Errorf("SYSCALL that ends at %d: page changed", c.end)
		}
	}
	jump := func(n int) []byte { return concat([]byte{0xff, 0x24, 0x65}, imm(jumpWord(n))) }
	want := concat(jump(siteRanges[movSite]), nop, jump(siteRanges[cmp95Site]), []byte{0xff}, syscallBytes)
	if got := page[100 : 100+len(code)]; !bytes.Equal(got, want) {
		t.Errorf("code is % x\nwant % x", got, want)
	}
	for a, want := range map[addr.Addr]bool{start + 100: true, start + 108: true, start + 101: false, start + 110: false} {
		if _, ok := s.siteAt(a); ok != want {
			t.Errorf("site at %#x: %t", uint64(a), ok)
		}
	}
	s.Unpatch(addr.Range{Start: start, End: start + addr.PageSize})
	if _, ok := s.siteAt(start + 100); ok {
		t.Error("the site is still there")
	}
	// Numbers are not used twice, and there is an end to them.
	for n := siteRanges[movSite] + 1; n < siteRanges[movSite+1]; n++ {
		copy(page[100:], code[:8])
		if !s.Patch(page, start, start+107, nr) || !bytes.Equal(page[100:107], jump(n)) {
			t.Fatalf("site %d: % x", n, page[100:107])
		}
	}
	copy(page[100:], code[:8])
	if s.Patch(page, start, start+107, nr) || !bytes.Equal(page[100:108], code[:8]) {
		t.Error("one site too many")
	}
}
