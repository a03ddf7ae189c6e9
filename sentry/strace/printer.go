package strace

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
)

// Limits of strace(1): bytes of a string, elements of an array.
const (
	maxString = 32
	maxArray  = 32
)

// name is a value and its name.
type name struct {
	v uint64
	s string
}

// set is the names that an argument knows. unknown stands in a comment beside
// values that have no name.
type set struct {
	unknown string
	names   []name
}

// find returns the name of v, or "".
func (s *set) find(v uint64) string {
	for i := range s.names {
		if s.names[i].v == v {
			return s.names[i].s
		}
	}
	return ""
}

// printer appends the text of one call to b.
type printer struct {
	c   *Call
	mem Memory
	b   []byte

	// Results; valid if exiting.
	exiting bool
	ret     uint64
	err     error
}

func (p *printer) arg(i int) uint64 { return p.c.Args[i] }

// failed reports whether the call has failed, so that what it returns in memory is void.
func (p *printer) failed() bool { return p.err != nil }

func (p *printer) str(s ...string) {
	for _, x := range s {
		p.b = append(p.b, x...)
	}
}

func (p *printer) dec(v int64)   { p.b = strconv.AppendInt(p.b, v, 10) }
func (p *printer) udec(v uint64) { p.b = strconv.AppendUint(p.b, v, 10) }

// hex prints as %#x does: 0 has no prefix.
func (p *printer) hex(v uint64) {
	if v != 0 {
		p.str("0x")
	}
	p.b = strconv.AppendUint(p.b, v, 16)
}

// oct prints as %#03o does, strace's form of modes.
func (p *printer) oct(v uint64) {
	s := strconv.FormatUint(v, 8)
	if s[0] != '0' {
		s = "0" + s
	}
	p.str("00"[:max(0, 3-len(s))], s)
}

func (p *printer) ptr(v uint64) {
	if v == 0 {
		p.str("NULL")
		return
	}
	p.hex(v)
}

// enum prints the name of v, or v in hexadecimal.
func (p *printer) enum(v uint64, s *set) {
	if n := s.find(v); n != "" {
		p.str(n)
		return
	}
	p.hex(v)
	if s.unknown != "" {
		p.str(" /* ", s.unknown, " */")
	}
}

// flags prints the names of v's bits, joined by bars; 0 has its own name or is a number.
func (p *printer) flags(v uint64, s *set) {
	if v == 0 {
		if n := s.find(0); n != "" {
			p.str(n)
		} else {
			p.str("0")
		}
		return
	}
	first, rest := true, v
	for _, n := range s.names {
		if n.v != 0 && rest&n.v == n.v {
			if !first {
				p.str("|")
			}
			p.str(n.s)
			rest &^= n.v
			first = false
		}
	}
	if rest == 0 {
		return
	}
	if !first {
		p.str("|")
	}
	p.hex(rest)
	if first && s.unknown != "" {
		p.str(" /* ", s.unknown, " */")
	}
}

// read returns n bytes at a, or false if they cannot all be read.
func (p *printer) read(a uint64, n int) ([]byte, bool) {
	if a == 0 || p.mem == nil {
		return nil, false
	}
	b := make([]byte, n)
	got, _ := p.mem.CopyIn(addr.Addr(a), b)
	return b, got == n
}

func (p *printer) u32(a uint64) (uint32, bool) {
	b, ok := p.read(a, 4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

func (p *printer) u64(a uint64) (uint64, bool) {
	b, ok := p.read(a, 8)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// cstring returns the string at a without its NUL, at most limit bytes of it; ended
// says whether the NUL was seen.
func (p *printer) cstring(a uint64, limit int) (s []byte, ended, ok bool) {
	if p.mem == nil {
		return nil, false, false
	}
	for len(s) <= limit {
		// Not across a page end ahead of need: the next page may be unmapped.
		chunk := make([]byte, min(256, addr.PageSize-int(a&addr.PageMask), limit+1-len(s)))
		n, err := p.mem.CopyIn(addr.Addr(a), chunk)
		chunk = chunk[:n]
		if i := bytes.IndexByte(chunk, 0); i >= 0 {
			return append(s, chunk[:i]...), true, true
		}
		s = append(s, chunk...)
		if err != nil || n == 0 {
			return nil, false, false
		}
		a += uint64(n)
	}
	return s[:limit], false, true
}

// quote prints b in double quotes, escaped; more adds dots for what was left out.
func (p *printer) quote(b []byte, more bool) {
	p.b = append(p.b, '"')
	for i, c := range b {
		switch {
		case c == '"' || c == '\\':
			p.b = append(p.b, '\\', c)
		case c >= ' ' && c < 0x7f:
			p.b = append(p.b, c)
		case c >= '\t' && c <= '\r':
			p.b = append(p.b, '\\', "tnvfr"[c-'\t'])
		case i+1 < len(b) && b[i+1] >= '0' && b[i+1] <= '9':
			p.b = append(p.b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			p.b = append(p.b, '\\')
			p.b = strconv.AppendUint(p.b, uint64(c), 8)
		}
	}
	p.b = append(p.b, '"')
	if more {
		p.str("...")
	}
}

// quoteHex prints b as random bytes are printed.
func (p *printer) quoteHex(b []byte, more bool) {
	const digits = "0123456789abcdef"
	p.b = append(p.b, '"')
	for _, c := range b {
		p.b = append(p.b, '\\', 'x', digits[c>>4], digits[c&15])
	}
	p.b = append(p.b, '"')
	if more {
		p.str("...")
	}
}

// text prints the NUL-terminated string at a, shortened to limit bytes.
func (p *printer) text(a uint64, limit int) {
	if a == 0 {
		p.str("NULL")
		return
	}
	s, ended, ok := p.cstring(a, limit)
	if !ok {
		p.hex(a)
		return
	}
	p.quote(s, !ended)
}

// path prints a path in full.
func (p *printer) path(a uint64) { p.text(a, linux.PATH_MAX) }

// data prints n bytes at a as a string, shortened.
func (p *printer) data(a, n uint64) {
	if a == 0 {
		p.str("NULL")
		return
	}
	b, ok := p.read(a, int(min(n, maxString)))
	if !ok {
		p.hex(a)
		return
	}
	p.quote(b, n > maxString)
}

// array prints up to maxArray of n elements of size bytes at a.
func (p *printer) array(a, n, size uint64, elem func(b []byte, a uint64)) {
	switch {
	case a == 0:
		p.str("NULL")
		return
	case n == 0:
		p.str("[]")
		return
	}
	for i := range min(n, maxArray) {
		b, ok := p.read(a+i*size, int(size))
		if !ok {
			if i == 0 {
				p.hex(a)
				return
			}
			p.str(", ... /* ")
			p.hex(a + i*size)
			p.str(" */]")
			return
		}
		if i == 0 {
			p.str("[")
		} else {
			p.str(", ")
		}
		elem(b, a+i*size)
	}
	if n > maxArray {
		p.str(", ...")
	}
	p.str("]")
}

// unmarshaler is what the structs of abi/linux have.
type unmarshaler[T any] interface {
	*T
	SizeBytes() int
	UnmarshalBytes([]byte)
}

// load reads a struct.
func load[T any, P unmarshaler[T]](p *printer, a uint64) (v T, ok bool) {
	b, ok := p.read(a, P(&v).SizeBytes())
	if ok {
		P(&v).UnmarshalBytes(b)
	}
	return v, ok
}

// object prints the struct at a with show, or the address if it cannot be read.
func object[T any, P unmarshaler[T]](p *printer, a uint64, show func(*T)) {
	v, ok := load[T, P](p, a)
	if !ok {
		p.ptr(a)
		return
	}
	show(&v)
}
