package strace

import "ringfence/abi/linux"

// ioctlParams chooses ioctl(2)'s third argument by its request.
func ioctlParams(a *[6]uint64) []param {
	req := param{show: func(p *printer, i int) { p.ioctlRequest(uint32(p.arg(i))) }}
	three := func(x param) []param { return []param{fdArg, req, x} }
	switch uint32(a[1]) {
	case linux.TCGETS:
		return three(outStruct((*printer).termios))
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF:
		return three(structArg((*printer).termios))
	case linux.TIOCGWINSZ:
		return three(outStruct((*printer).winsize))
	case linux.TIOCSWINSZ:
		return three(structArg((*printer).winsize))
	case linux.TIOCGPGRP, linux.TIOCGSID, linux.FIONREAD, linux.TIOCOUTQ, linux.TIOCGPTN,
		linux.TIOCGPTLCK, linux.TIOCGPKT, linux.TIOCGEXCL, linux.TIOCGETD, linux.SIOCATMARK, linux.RNDGETENTCNT:
		return three(outInt)
	case linux.TIOCSPGRP, linux.FIONBIO, linux.FIOASYNC, linux.TIOCSPTLCK, linux.TIOCPKT, linux.TIOCSETD:
		return three(inInt)
	case linux.TIOCMGET:
		return three(out(func(p *printer, i int) {
			p.word(p.arg(i), func(v uint32) { p.flags(uint64(v), &modemLines) })
		}))
	case linux.TIOCMSET, linux.TIOCMBIS, linux.TIOCMBIC:
		return three(param{show: func(p *printer, i int) {
			p.word(p.arg(i), func(v uint32) { p.flags(uint64(v), &modemLines) })
		}})
	case linux.TCFLSH:
		return three(enumArg(&flushQueues))
	case linux.TCXONC:
		return three(enumArg(&flowActions))
	case linux.TCSBRK, linux.TCSBRKP, linux.TIOCSCTTY, linux.FICLONE, linux.NS_GET_NSTYPE:
		return three(intArg)
	case linux.TIOCGPTPEER:
		return three(openFlagsArg)
	case linux.FIOCLEX, linux.FIONCLEX, linux.TIOCNOTTY, linux.TIOCEXCL, linux.TIOCNXCL, linux.TIOCSBRK,
		linux.TIOCCBRK, linux.TIOCVHANGUP, linux.NS_GET_USERNS, linux.NS_GET_PARENT:
		return []param{fdArg, req}
	case linux.FS_IOC_GETFLAGS, linux.FS_IOC_GETVERSION:
		return three(outInt)
	case linux.FS_IOC_SETFLAGS, linux.FS_IOC_SETVERSION:
		return three(inInt)
	}
	return three(hexArg)
}

// ioctlRequest prints a request's name, or its parts.
func (p *printer) ioctlRequest(v uint32) {
	if n := ioctlRequests.find(uint64(v)); n != "" {
		p.str(n)
		return
	}
	p.str("_IOC(")
	switch v >> linux.IOC_DIRSHIFT {
	case linux.IOC_NONE:
		p.str("_IOC_NONE")
	case linux.IOC_WRITE:
		p.str("_IOC_WRITE")
	case linux.IOC_READ:
		p.str("_IOC_READ")
	default:
		p.str("_IOC_READ|_IOC_WRITE")
	}
	p.str(", ")
	p.hex(uint64(v >> linux.IOC_TYPESHIFT & 0xff))
	p.str(", ")
	p.hex(uint64(v & 0xff))
	p.str(", ")
	p.hex(uint64(v >> linux.IOC_SIZESHIFT & 0x3fff))
	p.str(")")
}

// termios prints the four flag words.
func (p *printer) termios(v *linux.Termios) {
	p.str("{c_iflag=")
	p.flags(uint64(v.Iflag), &ttyInputFlags)

	p.str(", c_oflag=")
	o := v.Oflag
	for _, d := range [...]struct {
		mask  uint32
		shift int
		name  string
	}{
		{linux.NLDLY, 8, "NL"}, {linux.CRDLY, 9, "CR"}, {linux.TABDLY, 11, "TAB"},
		{linux.BSDLY, 13, "BS"}, {linux.VTDLY, 14, "VT"}, {linux.FFDLY, 15, "FF"},
	} {
		p.str(d.name)
		p.udec(uint64(o & d.mask >> d.shift))
		p.str("|")
		o &^= d.mask
	}
	p.rest(o, &ttyOutputFlags)

	p.str(", c_cflag=")
	p.enum(uint64(v.Cflag&linux.CBAUD), &bauds)
	p.str("|CS")
	p.udec(uint64(5 + v.Cflag&linux.CSIZE>>4))
	p.str("|")
	p.rest(v.Cflag&^(linux.CBAUD|linux.CSIZE|linux.CIBAUD), &ttyControlFlags)

	p.str(", c_lflag=")
	p.flags(uint64(v.Lflag), &ttyLocalFlags)
	p.str(", ...}")
}

// rest prints flags behind a bar, or takes the bar away.
func (p *printer) rest(v uint32, s *set) {
	if v == 0 {
		p.b = p.b[:len(p.b)-1]
		return
	}
	p.flags(uint64(v), s)
}

func (p *printer) winsize(v *linux.Winsize) {
	p.str("{ws_row=")
	p.udec(uint64(v.Row))
	p.str(", ws_col=")
	p.udec(uint64(v.Col))
	p.str(", ws_xpixel=")
	p.udec(uint64(v.Xpixel))
	p.str(", ws_ypixel=")
	p.udec(uint64(v.Ypixel))
	p.str("}")
}
