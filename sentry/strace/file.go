package strace

import (
	"bytes"
	"encoding/binary"

	"ringfence/abi/linux"
)

// openFlagsOf prints the flags of open(2): the access mode first.
func (p *printer) openFlagsOf(v uint64) {
	p.enum(v&linux.O_ACCMODE, &accessModes)
	if v &^= linux.O_ACCMODE; v != 0 {
		p.str("|")
		p.flags(v, &openFlags)
	}
}

var openFlagsArg = param{show: func(p *printer, i int) { p.openFlagsOf(uint64(uint32(p.arg(i)))) }}

// openFlagsOnly are flags without an access mode, as pipe2(2) and dup3(2) take.
var openFlagsOnly = flagsArg(&openFlags)

// takesMode reports whether open(2) looks at its mode argument.
func takesMode(flags uint64) bool {
	return flags&linux.O_CREAT != 0 || flags&linux.O_TMPFILE == linux.O_TMPFILE
}

var (
	accessArg = param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		if v == linux.F_OK {
			p.str("F_OK")
			return
		}
		p.flags(v, &accessBits)
	}}
	openHowArg = structArg(func(p *printer, v *linux.OpenHow) {
		p.str("{flags=")
		p.openFlagsOf(v.Flags)
		if v.Mode != 0 || takesMode(v.Flags) {
			p.str(", mode=")
			p.oct(v.Mode)
		}
		p.str(", resolve=")
		p.flags(v.Resolve, &resolveFlags)
		p.str("}")
	})
)

// mode prints st_mode.
func (p *printer) mode(m uint32) {
	p.enum(uint64(m)&linux.S_IFMT, &fileTypes)
	for _, b := range [...]name{{linux.S_ISUID, "S_ISUID"}, {linux.S_ISGID, "S_ISGID"}, {linux.S_ISVTX, "S_ISVTX"}} {
		if uint64(m)&b.v != 0 {
			p.str("|", b.s)
		}
	}
	p.str("|")
	p.oct(uint64(m) & 0o777)
}

func isDevice(mode uint32) bool {
	return mode&linux.S_IFMT == linux.S_IFCHR || mode&linux.S_IFMT == linux.S_IFBLK
}

var (
	mknodMode = param{show: func(p *printer, i int) {
		if m := uint32(p.arg(i)); m&linux.S_IFMT != 0 {
			p.mode(m)
		} else {
			p.oct(uint64(m))
		}
	}}

	outStat = outStruct(func(p *printer, v *linux.Stat) {
		p.str("{st_mode=")
		p.mode(v.Mode)
		if isDevice(v.Mode) {
			p.str(", st_rdev=")
			p.dev(v.Rdev)
		} else {
			p.str(", st_size=")
			p.dec(v.Size)
		}
		p.str(", ...}")
	})

	outStatx = outStruct(func(p *printer, v *linux.Statx) {
		p.str("{stx_mask=")
		p.flags(uint64(v.Mask), &statxMask)
		p.str(", stx_attributes=")
		p.flags(v.Attributes, &statxAttrs)
		p.str(", stx_mode=")
		p.mode(uint32(v.Mode))
		p.str(", stx_size=")
		p.udec(v.Size)
		p.str(", ...}")
	})

	statxFlagsArg = param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		p.enum(v&linux.AT_STATX_SYNC_TYPE, &statxSync)
		if v &^= linux.AT_STATX_SYNC_TYPE; v != 0 {
			p.str("|")
			p.flags(v, &atFlags)
		}
	}}

	outStatfs = outStruct(func(p *printer, v *linux.Statfs) {
		p.str("{f_type=")
		p.enum(uint64(v.Type), &fsMagics)
		p.str(", f_bsize=")
		p.dec(v.Bsize)
		p.str(", f_blocks=")
		p.udec(v.Blocks)
		p.str(", f_bfree=")
		p.udec(v.Bfree)
		p.str(", f_bavail=")
		p.udec(v.Bavail)
		p.str(", f_files=")
		p.udec(v.Files)
		p.str(", f_ffree=")
		p.udec(v.Ffree)
		p.str(", f_fsid={val=[")
		p.hex(uint64(uint32(v.FSID[0])))
		p.str(", ")
		p.hex(uint64(uint32(v.FSID[1])))
		p.str("]}, f_namelen=")
		p.dec(v.Namelen)
		p.str(", f_frsize=")
		p.dec(v.Frsize)
		p.str(", f_flags=")
		p.flags(uint64(v.Flags), &statfsFlags)
		p.str("}")
	})
)

// outEntries prints the number of directory entries that fill the buffer; head is
// the offset of the name, and reclen stands at 16 in both formats.
var outEntries = out(func(p *printer, i int) {
	b, ok := p.read(p.arg(i), int(min(p.ret, 1<<20)))
	if !ok && p.ret != 0 {
		p.ptr(p.arg(i))
		return
	}
	n := 0
	for len(b) >= linux.DirentHeadSize {
		l := int(binary.LittleEndian.Uint16(b[16:]))
		if l < linux.DirentHeadSize || l > len(b) {
			break
		}
		b = b[l:]
		n++
	}
	p.ptr(p.arg(i))
	p.str(" /* ")
	p.dec(int64(n))
	p.str(" entries */")
})

// outPath is a path whose length, with its NUL, is the result (getcwd(2)).
var outPath = out(func(p *printer, i int) { p.path(p.arg(i)) })

// inStrings is a list of pointers to strings, ended by NULL (execve(2)).
var inStrings = param{show: func(p *printer, i int) {
	a := p.arg(i)
	if a == 0 {
		p.str("NULL")
		return
	}
	for n := 0; ; n++ {
		s, ok := p.u64(a + uint64(8*n))
		if !ok {
			if n == 0 {
				p.hex(a)
				return
			}
			p.str(", ... /* ")
			p.hex(a + uint64(8*n))
			p.str(" */]")
			return
		}
		if s == 0 {
			if n == 0 {
				p.str("[")
			}
			p.str("]")
			return
		}
		if n == 0 {
			p.str("[")
		} else {
			p.str(", ")
		}
		if n >= maxArray {
			p.str("...]")
			return
		}
		p.text(s, maxString)
	}
}}

// inEnviron is the count of such a list.
var inEnviron = param{show: func(p *printer, i int) {
	a := p.arg(i)
	p.ptr(a)
	if a == 0 {
		return
	}
	n := 0
	for n < 1<<16 {
		s, ok := p.u64(a + uint64(8*n))
		if !ok {
			p.str(" /* ")
			p.dec(int64(n))
			p.str(" vars, unterminated */")
			return
		}
		if s == 0 {
			break
		}
		n++
	}
	p.str(" /* ")
	p.dec(int64(n))
	if n == 1 {
		p.str(" var */")
	} else {
		p.str(" vars */")
	}
}}

// iovecs prints n iovecs at a; limit is how many bytes of data they hold together.
func (p *printer) iovecs(a, n, limit uint64) {
	p.array(a, n, 16, func(b []byte, _ uint64) {
		var v linux.Iovec
		v.UnmarshalBytes(b)
		got := min(v.Len, limit)
		limit -= got
		p.str("{iov_base=")
		p.data(v.Base, got)
		p.str(", iov_len=")
		p.udec(v.Len)
		p.str("}")
	})
}

var (
	inIovec  = param{show: func(p *printer, i int) { p.iovecs(p.arg(i), p.arg(i+1), 1<<63) }}
	outIovec = out(func(p *printer, i int) { p.iovecs(p.arg(i), p.arg(i+1), p.ret) })
	// rawIovec names other memory (process_vm_readv(2)'s remote side).
	rawIovec = param{show: func(p *printer, i int) {
		p.array(p.arg(i), p.arg(i+1), 16, func(b []byte, _ uint64) {
			var v linux.Iovec
			v.UnmarshalBytes(b)
			p.str("{iov_base=")
			p.ptr(v.Base)
			p.str(", iov_len=")
			p.udec(v.Len)
			p.str("}")
		})
	}}
)

// lock prints struct flock; F_GETLK also says who holds it.
func (p *printer) lock(v *linux.Flock, pid bool) {
	p.str("{l_type=")
	p.enum(uint64(uint16(v.Type)), &lockTypes)
	p.str(", l_whence=")
	p.enum(uint64(uint16(v.Whence)), &whences)
	p.str(", l_start=")
	p.dec(v.Start)
	p.str(", l_len=")
	p.dec(v.Len)
	if pid {
		p.str(", l_pid=")
		p.dec(int64(v.PID))
	}
	p.str("}")
}

var (
	inLock  = structArg(func(p *printer, v *linux.Flock) { p.lock(v, false) })
	outLock = outStruct(func(p *printer, v *linux.Flock) { p.lock(v, true) })
	inOwner = structArg((*printer).owner)
)

func (p *printer) owner(v *linux.FOwnerEx) {
	p.str("{type=")
	p.enum(uint64(uint32(v.Type)), &ownerTypes)
	p.str(", pid=")
	p.dec(int64(v.PID))
	p.str("}")
}

// fcntlParams chooses fcntl(2)'s third argument by its second.
func fcntlParams(a *[6]uint64) []param {
	cmd := enumArg(&fcntlCmds)
	three := func(x param) []param { return []param{fdArg, cmd, x} }
	switch uint32(a[1]) {
	case linux.F_GETFD, linux.F_GETFL, linux.F_GETOWN, linux.F_GETSIG, linux.F_GETLEASE, linux.F_GETPIPE_SZ, linux.F_GET_SEALS, linux.F_CREATED_QUERY:
		return []param{fdArg, cmd}
	case linux.F_SETFD:
		return three(flagsArg(&fdFlags))
	case linux.F_SETFL:
		return three(openFlagsArg)
	case linux.F_SETLK, linux.F_SETLKW, linux.F_OFD_SETLK, linux.F_OFD_SETLKW:
		return three(inLock)
	case linux.F_GETLK, linux.F_OFD_GETLK:
		return three(outLock)
	case linux.F_SETOWN_EX:
		return three(inOwner)
	case linux.F_GETOWN_EX:
		return three(outStruct((*printer).owner))
	case linux.F_SETSIG:
		return three(sigArg)
	case linux.F_SETLEASE:
		return three(enumArg(&lockTypes))
	case linux.F_ADD_SEALS:
		return three(flagsArg(&seals))
	case linux.F_NOTIFY:
		return three(flagsArg(&notifyFlags))
	case linux.F_GET_RW_HINT, linux.F_SET_RW_HINT, linux.F_GET_FILE_RW_HINT, linux.F_SET_FILE_RW_HINT:
		return three(ptrArg)
	case linux.F_DUPFD, linux.F_DUPFD_CLOEXEC, linux.F_SETOWN, linux.F_SETPIPE_SZ, linux.F_DUPFD_QUERY:
		return three(intArg)
	}
	return three(hexArg)
}

// fcntlResult prints flags in hexadecimal and sizes in decimal.
func fcntlResult(p *printer) {
	switch uint32(p.arg(1)) {
	case linux.F_GETFD, linux.F_GETFL, linux.F_GET_SEALS, linux.F_GETLEASE:
		p.hex(p.ret)
	default:
		p.dec(int64(int32(p.ret)))
	}
}

func fcntlNote(p *printer) {
	switch uint32(p.arg(1)) {
	case linux.F_GETFD:
		if p.ret != 0 {
			p.str("flags ")
			p.flags(p.ret, &fdFlags)
		}
	case linux.F_GETFL:
		p.str("flags ")
		p.openFlagsOf(p.ret)
	case linux.F_GET_SEALS:
		p.str("seals ")
		p.flags(p.ret, &seals)
	case linux.F_GETLEASE:
		p.str(lockTypes.find(p.ret))
	}
}

// mountData is mount(2)'s last argument: a string, for most file systems.
var mountData = param{show: func(p *printer, i int) { p.text(p.arg(i), maxString) }}

var mountFlagsArg = param{show: func(p *printer, i int) {
	v := uint64(uint32(p.arg(i)))
	if v&0xffff0000 == linux.MS_MGC_VAL {
		p.str("MS_MGC_VAL")
		if v &= 0xffff; v == 0 {
			return
		}
		p.str("|")
	}
	p.flags(v, &mountFlags)
}}

var inMountAttr = structArg(func(p *printer, v *linux.MountAttr) {
	p.str("{attr_set=")
	p.flags(v.Set, &mountAttrs)
	p.str(", attr_clr=")
	p.flags(v.Clr, &mountAttrs)
	p.str(", propagation=")
	p.flags(v.Propagation, &mountFlags)
	p.str(", userns_fd=")
	p.udec(v.UsernsFD)
	p.str("}")
})

// cstr prints a string in a fixed-size field.
func (p *printer) cstr(b []byte) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	p.quote(b, false)
}
