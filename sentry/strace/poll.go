package strace

import (
	"encoding/binary"

	"ringfence/abi/linux"
)

func (p *printer) pollfds(a, n uint64) {
	p.array(a, n, 8, func(b []byte, _ uint64) {
		var v linux.PollFD
		v.UnmarshalBytes(b)
		p.str("{fd=")
		p.dec(int64(v.FD))
		if v.FD >= 0 {
			p.str(", events=")
			p.flags(uint64(uint16(v.Events)), &pollEvents)
		}
		p.str("}")
	})
}

var inPollFDs = param{show: func(p *printer, i int) { p.pollfds(p.arg(i), uint64(uint32(p.arg(i+1)))) }}

// pollNote says which descriptors are ready.
func pollNote(p *printer) {
	if p.ret == 0 {
		p.str("Timeout")
		return
	}
	n := min(uint64(uint32(p.arg(1))), 4096)
	shown := 0
	for i := range n {
		v, ok := load[linux.PollFD](p, p.arg(0)+i*8)
		if !ok {
			break
		}
		if v.Revents == 0 {
			continue
		}
		if shown++; shown > maxArray {
			p.str(", ...")
			break
		}
		if shown == 1 {
			p.str("[")
		} else {
			p.str(", ")
		}
		p.str("{fd=")
		p.dec(int64(v.FD))
		p.str(", revents=")
		p.flags(uint64(uint16(v.Revents)), &pollEvents)
		p.str("}")
	}
	if shown > 0 {
		p.str("]")
	}
	if p.c.Nr == linux.SYS_PPOLL && p.arg(2) != 0 {
		p.str(", left ")
		object(p, p.arg(2), func(v *linux.Timespec) { p.timespec(*v) })
	}
}

// fdSet prints the members below n of the bit set at a.
func (p *printer) fdSet(a uint64, n int) {
	if a == 0 {
		p.str("NULL")
		return
	}
	n = min(max(n, 0), 4*linux.FDSetSize)
	b, ok := p.read(a, (n+63)/64*8)
	if !ok && n > 0 {
		p.hex(a)
		return
	}
	p.str("[")
	first := true
	for fd := range n {
		if b[fd/8]>>(fd%8)&1 == 0 {
			continue
		}
		if !first {
			p.str(" ")
		}
		first = false
		p.dec(int64(fd))
	}
	p.str("]")
}

var inFDSet = param{show: func(p *printer, i int) { p.fdSet(p.arg(i), int(int32(p.arg(0)))) }}

// selectNote prints the sets that have members left, and the time left.
func selectNote(p *printer) {
	if p.ret == 0 {
		p.str("Timeout")
		return
	}
	sep := ""
	for i, what := range [...]string{"in ", "out ", "except "} {
		a := p.arg(1 + i)
		if a == 0 {
			continue
		}
		at := len(p.b)
		p.str(sep, what)
		mark := len(p.b)
		p.fdSet(a, int(int32(p.arg(0))))
		if string(p.b[mark:]) == "[]" {
			p.b = p.b[:at]
			continue
		}
		sep = ", "
	}
	if p.arg(4) == 0 {
		return
	}
	p.str(sep, "left ")
	if p.c.Nr == linux.SYS_SELECT {
		object(p, p.arg(4), func(v *linux.Timeval) { p.timeval(*v) })
	} else {
		object(p, p.arg(4), func(v *linux.Timespec) { p.timespec(*v) })
	}
}

// sigsetPair is pselect6(2)'s last argument.
var sigsetPair = structArg(func(p *printer, v *linux.SigsetArg) {
	p.str("{sigmask=")
	p.setAt(v.Addr)
	p.str(", sigsetsize=")
	p.udec(v.Size)
	p.str("}")
})

func (p *printer) epollEvent(v *linux.EpollEvent) {
	p.str("{events=")
	p.flags(uint64(v.Events), &epollEvents)
	p.str(", data={u32=")
	p.udec(uint64(uint32(v.Data)))
	p.str(", u64=")
	p.udec(v.Data)
	p.str("}}")
}

var (
	inEpollEvent = structArg((*printer).epollEvent)
	outEpollList = out(func(p *printer, i int) {
		p.array(p.arg(i), p.ret, linux.EpollEventSize, func(b []byte, _ uint64) {
			var v linux.EpollEvent
			v.UnmarshalBytes(b)
			p.epollEvent(&v)
		})
	})
)

// futexParams chooses futex(2)'s arguments by its operation.
func futexParams(a *[6]uint64) []param {
	op := param{show: func(p *printer, i int) { p.futexOp(uint32(p.arg(i))) }}
	ps := []param{ptrArg, op}
	switch uint32(a[1]) & linux.FUTEX_CMD_MASK {
	case linux.FUTEX_WAIT:
		return append(ps, uintArg, inTimespec)
	case linux.FUTEX_WAKE, linux.FUTEX_FD:
		return append(ps, uintArg)
	case linux.FUTEX_WAIT_BITSET:
		return append(ps, uintArg, inTimespec, absent, bitset)
	case linux.FUTEX_WAKE_BITSET:
		return append(ps, uintArg, absent, absent, bitset)
	case linux.FUTEX_REQUEUE:
		return append(ps, uintArg, uintArg, ptrArg)
	case linux.FUTEX_CMP_REQUEUE, linux.FUTEX_CMP_REQUEUE_PI:
		return append(ps, uintArg, uintArg, ptrArg, uintArg)
	case linux.FUTEX_WAKE_OP:
		return append(ps, uintArg, uintArg, ptrArg, param{show: func(p *printer, i int) { p.wakeOp(uint32(p.arg(i))) }})
	case linux.FUTEX_LOCK_PI, linux.FUTEX_LOCK_PI2:
		return append(ps, absent, inTimespec)
	case linux.FUTEX_UNLOCK_PI, linux.FUTEX_TRYLOCK_PI:
		return ps
	case linux.FUTEX_WAIT_REQUEUE_PI:
		return append(ps, uintArg, inTimespec, ptrArg)
	}
	return append(ps, uintArg, ptrArg, ptrArg, uintArg)
}

var bitset = param{show: func(p *printer, i int) {
	if v := uint32(p.arg(i)); v == linux.FUTEX_BITSET_MATCH_ANY {
		p.str("FUTEX_BITSET_MATCH_ANY")
	} else {
		p.hex(uint64(v))
	}
}}

func (p *printer) futexOp(v uint32) {
	cmd := v & linux.FUTEX_CMD_MASK
	p.enum(uint64(cmd), &futexOps)
	if v&linux.FUTEX_PRIVATE_FLAG != 0 {
		p.str("_PRIVATE")
	}
	if v&linux.FUTEX_CLOCK_REALTIME != 0 {
		p.str("|FUTEX_CLOCK_REALTIME")
	}
}

// wakeOp prints the operation that FUTEX_WAKE_OP packs into a word.
func (p *printer) wakeOp(v uint32) {
	op := v >> 28
	if op&linux.FUTEX_OP_OPARG_SHIFT != 0 {
		p.str("FUTEX_OP_OPARG_SHIFT<<28|")
	}
	p.enum(uint64(op&7), &futexWakeOps)
	p.str("<<28|")
	if arg := v >> 12 & 0xfff; arg != 0 {
		p.hex(uint64(arg))
	} else {
		p.str("0")
	}
	p.str("<<12|")
	p.enum(uint64(v>>24&15), &futexCmps)
	p.str("<<24|")
	p.hex(uint64(v & 0xfff))
}

var inFutexWaitv = param{show: func(p *printer, i int) {
	p.array(p.arg(i), uint64(uint32(p.arg(i+1))), 24, func(b []byte, _ uint64) {
		var v linux.FutexWaitv
		v.UnmarshalBytes(b)
		p.str("{val=")
		p.hex(v.Val)
		p.str(", uaddr=")
		p.ptr(v.Uaddr)
		p.str(", flags=")
		p.flags(uint64(v.Flags), &futex2Flags)
		p.str("}")
	})
}}

var inSembufs = param{show: func(p *printer, i int) {
	p.array(p.arg(i), p.arg(i+1), 6, func(b []byte, _ uint64) {
		p.str("{sem_num=")
		p.udec(uint64(binary.LittleEndian.Uint16(b)))
		p.str(", sem_op=")
		p.dec(int64(int16(binary.LittleEndian.Uint16(b[2:]))))
		p.str(", sem_flg=")
		p.flags(uint64(binary.LittleEndian.Uint16(b[4:])), &semFlags)
		p.str("}")
	})
}}
