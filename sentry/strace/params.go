package strace

import (
	"ringfence/abi/linux"
)

// Parameters that need nothing but the argument.
var (
	intArg   = param{show: func(p *printer, i int) { p.dec(int64(int32(p.arg(i)))) }}
	uintArg  = param{show: func(p *printer, i int) { p.udec(uint64(uint32(p.arg(i)))) }}
	longArg  = param{show: func(p *printer, i int) { p.dec(int64(p.arg(i))) }}
	ulongArg = param{show: func(p *printer, i int) { p.udec(p.arg(i)) }}
	hexArg   = param{show: func(p *printer, i int) { p.hex(p.arg(i)) }}
	hex32Arg = param{show: func(p *printer, i int) { p.hex(uint64(uint32(p.arg(i)))) }}
	ptrArg   = param{show: func(p *printer, i int) { p.ptr(p.arg(i)) }}
	fdArg    = intArg
	pidArg   = intArg
	sizeArg  = ulongArg
	offArg   = longArg
	modeArg  = param{show: func(p *printer, i int) { p.oct(uint64(uint16(p.arg(i)))) }}
	idArg    = param{show: func(p *printer, i int) { p.id(uint32(p.arg(i))) }}
	dirArg   = param{show: func(p *printer, i int) { p.dirfd(p.arg(i)) }}
	pathArg  = param{show: func(p *printer, i int) { p.path(p.arg(i)) }}
	textArg  = param{show: func(p *printer, i int) { p.text(p.arg(i), maxString) }}
	sigArg   = param{show: func(p *printer, i int) { p.signal(p.arg(i)) }}
	devArg   = param{show: func(p *printer, i int) { p.dev(uint64(uint32(p.arg(i)))) }}

	// absent takes the place of an argument that is not shown.
	absent = param{}

	// Words that the call stores.
	outInt   = out(func(p *printer, i int) { p.word(p.arg(i), func(v uint32) { p.dec(int64(int32(v))) }) })
	outUint  = out(func(p *printer, i int) { p.word(p.arg(i), func(v uint32) { p.udec(uint64(v)) }) })
	outID    = out(func(p *printer, i int) { p.word(p.arg(i), func(v uint32) { p.id(v) }) })
	outULong = out(func(p *printer, i int) { p.quad(p.arg(i), func(v uint64) { p.udec(v) }) })
	outHex   = out(func(p *printer, i int) { p.quad(p.arg(i), func(v uint64) { p.hex(v) }) })
	outPair  = out((*printer).pair)

	// Words that the call reads.
	inInt  = param{show: func(p *printer, i int) { p.word(p.arg(i), func(v uint32) { p.dec(int64(int32(v))) }) }}
	inLong = param{show: func(p *printer, i int) { p.quad(p.arg(i), func(v uint64) { p.dec(int64(v)) }) }}
)

// out makes a parameter that is shown on return; if the call failed, as an address.
func out(show func(p *printer, i int)) param {
	return param{out: true, show: func(p *printer, i int) {
		if p.failed() {
			p.ptr(p.arg(i))
			return
		}
		show(p, i)
	}}
}

func flagsArg(s *set) param {
	return param{show: func(p *printer, i int) { p.flags(uint64(uint32(p.arg(i))), s) }}
}

func longFlagsArg(s *set) param {
	return param{show: func(p *printer, i int) { p.flags(p.arg(i), s) }}
}

func enumArg(s *set) param {
	return param{show: func(p *printer, i int) { p.enum(uint64(uint32(p.arg(i))), s) }}
}

// dataArg is memory that the call reads; argument n holds its length.
func dataArg(n int) param {
	return param{show: func(p *printer, i int) { p.data(p.arg(i), p.arg(n)) }}
}

// outData is memory that the call fills; the result is its length.
var outData = out(func(p *printer, i int) { p.data(p.arg(i), p.ret) })

// outRandom is outData in hexadecimal.
var outRandom = out(func(p *printer, i int) {
	b, ok := p.read(p.arg(i), int(min(p.ret, maxString)))
	if !ok && p.ret != 0 {
		p.ptr(p.arg(i))
		return
	}
	p.quoteHex(b, p.ret > maxString)
})

// structArg prints a struct that the call reads.
func structArg[T any, P unmarshaler[T]](show func(*printer, *T)) param {
	return param{show: func(p *printer, i int) {
		object[T, P](p, p.arg(i), func(v *T) { show(p, v) })
	}}
}

// outStruct prints a struct that the call fills.
func outStruct[T any, P unmarshaler[T]](show func(*printer, *T)) param {
	return out(structArg[T, P](show).show)
}

// id prints a user or group id; all ones is -1.
func (p *printer) id(v uint32) {
	if v == linux.NoID {
		p.str("-1")
		return
	}
	p.udec(uint64(v))
}

func (p *printer) dirfd(v uint64) {
	if int32(v) == linux.AT_FDCWD {
		p.str("AT_FDCWD")
		return
	}
	p.dec(int64(int32(v)))
}

func (p *printer) signal(v uint64) {
	if s := linux.Signal(int32(v)); s.Valid() {
		p.str(s.String())
		return
	}
	p.dec(int64(int32(v)))
}

func (p *printer) dev(v uint64) {
	p.str("makedev(")
	p.hex(uint64(linux.Major(uint32(v))))
	p.str(", ")
	p.hex(uint64(linux.Minor(uint32(v))))
	p.str(")")
}

// word prints [v], the 32-bit word at a.
func (p *printer) word(a uint64, show func(uint32)) {
	v, ok := p.u32(a)
	if !ok {
		p.ptr(a)
		return
	}
	p.str("[")
	show(v)
	p.str("]")
}

// quad prints [v], the 64-bit word at a.
func (p *printer) quad(a uint64, show func(uint64)) {
	v, ok := p.u64(a)
	if !ok {
		p.ptr(a)
		return
	}
	p.str("[")
	show(v)
	p.str("]")
}

// pair prints two descriptors.
func (p *printer) pair(i int) {
	a := p.arg(i)
	x, ok1 := p.u32(a)
	y, ok2 := p.u32(a + 4)
	if !ok1 || !ok2 {
		p.ptr(a)
		return
	}
	p.str("[")
	p.dec(int64(int32(x)))
	p.str(", ")
	p.dec(int64(int32(y)))
	p.str("]")
}
