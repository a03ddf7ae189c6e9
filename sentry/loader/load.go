package loader

import (
	"encoding/binary"
	"io"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/sentry/mm"
)

// userTop is Linux's TASK_SIZE: no address of a program lies at or above it.
const userTop addr.Addr = 0x7ffffffff000

// stackExtra is how much stack there is below the initial contents before it has
// to grow.
const stackExtra = 128 << 10

// Machine is what a program is told about the CPU.
type Machine struct {
	HWCAP       uint64 // CPUID 1, EDX
	HWCAP2      uint64 // linux.HWCAP2_*
	MinSigStack uint64 // bytes that a signal frame may take (AT_MINSIGSTKSZ)
}

// LoadParams is what the kernel decides about a new program.
type LoadParams struct {
	Machine Machine
	VDSO    *VDSO // or nil
	OwnTime bool  // the kernel's clocks are not the program's

	// User is the platform's range of guest addresses.
	User addr.Range
	// StackLimit is RLIMIT_STACK in bytes.
	StackLimit uint64
	// Random says whether addresses are randomized; not so with the personality ADDR_NO_RANDOMIZE.
	Random bool
	// Entropy is where random bits come from, for addresses and AT_RANDOM.
	Entropy io.Reader

	// Ids as the program sees them in its user namespace, and AT_SECURE.
	UID, EUID, GID, EGID uint32
	Secure               bool
}

// Load fills m, which must be fresh, with the program and returns the registers with
// which it starts. m's layout, Meta and Exe are set. After an error m is good for nothing.
func (i *Image) Load(m *mm.MM, p *LoadParams) (arch.Registers, error) {
	var regs arch.Registers
	seed, err := random64(p.Entropy)
	if err != nil {
		return regs, err
	}
	layout := mm.NewLayout(p.User, seed, p.Random, p.StackLimit)
	m.SetLayout(layout)

	if err := i.mapStack(m, layout.StackTop); err != nil {
		return regs, err
	}
	var meta mm.Meta
	bias, err := i.mapProgram(m, layout, &meta)
	if err != nil {
		return regs, err
	}
	entry := addr.Addr(i.elf.entry + bias)
	start := entry
	var interpBase addr.Addr
	if i.interp != nil {
		if interpBase, start, err = i.mapInterp(m); err != nil {
			return regs, err
		}
	}
	if start >= userTop {
		return regs, errno.EINVAL
	}
	var vdso addr.Addr
	if p.VDSO != nil {
		if vdso, err = p.VDSO.mapInto(m, p.OwnTime); err != nil {
			return regs, err
		}
	}

	st := stackInfo{args: i.Args, execfn: i.Path, platform: "x86_64"}
	if _, err := io.ReadFull(p.Entropy, st.random[:]); err != nil {
		return regs, errno.EIO
	}
	if layout.Random {
		st.jitter = seed >> 40 & 0x1ff0
	}
	var phdr uint64
	if a := i.elf.phdrAddr(); a != 0 {
		phdr = a + bias
	}
	st.aux = i.auxv(p, vdso, interpBase, entry, phdr)
	l := layoutStack(layout.StackTop, &st)
	if _, err := m.CopyOut(l.sp, l.bytes); err != nil {
		return regs, err
	}

	meta.StartStack = l.sp
	meta.ArgStart, meta.ArgEnd = l.args.Start, l.args.End
	meta.EnvStart, meta.EnvEnd = l.env.Start, l.env.End
	meta.Auxv = l.auxv
	meta.VDSO = vdso
	m.UpdateMeta(func(old *mm.Meta) {
		meta.Dumpable, meta.UserNS = old.Dumpable, old.UserNS
		*old = meta
	})
	m.SetExe(i.File.Ref())
	return arch.NewRegisters(start, l.sp), nil
}

// auxv returns the auxiliary vector, in Linux's order. Where a value is an address on the
// stack, layoutStack fills it in.
func (i *Image) auxv(p *LoadParams, vdso, base, entry addr.Addr, phdr uint64) []auxEntry {
	var secure uint64
	if p.Secure {
		secure = 1
	}
	v := make([]auxEntry, 0, 24)
	if vdso != 0 {
		v = append(v, auxEntry{linux.AT_SYSINFO_EHDR, uint64(vdso)})
	}
	if p.Machine.MinSigStack != 0 {
		v = append(v, auxEntry{linux.AT_MINSIGSTKSZ, p.Machine.MinSigStack})
	}
	return append(v, []auxEntry{
		{linux.AT_HWCAP, p.Machine.HWCAP},
		{linux.AT_PAGESZ, addr.PageSize},
		{linux.AT_CLKTCK, 100},
		{linux.AT_PHDR, phdr},
		{linux.AT_PHENT, linux.Elf64PhdrSize},
		{linux.AT_PHNUM, uint64(len(i.elf.phdrs))},
		{linux.AT_BASE, uint64(base)},
		{linux.AT_FLAGS, 0},
		{linux.AT_ENTRY, uint64(entry)},
		{linux.AT_UID, uint64(p.UID)},
		{linux.AT_EUID, uint64(p.EUID)},
		{linux.AT_GID, uint64(p.GID)},
		{linux.AT_EGID, uint64(p.EGID)},
		{linux.AT_SECURE, secure},
		{linux.AT_RANDOM, 0},
		{linux.AT_HWCAP2, p.Machine.HWCAP2},
		{linux.AT_EXECFN, 0},
		{linux.AT_PLATFORM, 0},
		{linux.AT_RSEQ_FEATURE_SIZE, 28},
		{linux.AT_RSEQ_ALIGN, 32},
		{linux.AT_NULL, 0},
	}...)
}

// mapStack maps the stack below top: room for the strings and pointers that it will
// hold, and some more.
func (i *Image) mapStack(m *mm.MM, top addr.Addr) error {
	need := uint64(len(i.Path)) + 64<<10 // auxv, alignment, randomization
	for _, list := range [][]string{i.Args.Argv, i.Args.Envv} {
		for _, s := range list {
			need += uint64(len(s)) + 1 + 8
		}
	}
	size, _ := addr.PageRoundUp(need + stackExtra)
	prot := platform.Read | platform.Write
	if i.elf.execStack {
		prot |= platform.Exec
	}
	_, err := m.Map(mm.MapOpts{
		Addr: top - addr.Addr(size), Length: size, Prot: prot,
		Private: true, Fixed: true, GrowsDown: true, Name: "[stack]",
	})
	return err
}

// mapProgram maps the segments of the program itself, sets where its heap begins and
// returns by how much its addresses are moved.
func (i *Image) mapProgram(m *mm.MM, layout mm.Layout, meta *mm.Meta) (bias uint64, err error) {
	span, err := i.elf.span()
	if err != nil {
		return 0, err
	}
	if i.elf.typ == linux.ET_DYN {
		align := i.elf.alignment()
		base := addr.Addr(uint64(layout.PIEBase) &^ (align - 1))
		if i.interp == nil {
			// The dynamic linker run as a program, or a static PIE: it goes where
			// mappings go, so as not to be in the way of what it may load.
			if base, err = reserve(m, span.Len(), align); err != nil {
				return 0, err
			}
		}
		bias = uint64(base - span.Start)
	}
	if err := mapSegments(m, i.elf, i.File, bias, i.elf.typ == linux.ET_EXEC); err != nil {
		return 0, err
	}

	meta.StartCode = span.Start + addr.Addr(bias)
	var brk addr.Addr
	for n := range i.elf.phdrs {
		p := &i.elf.phdrs[n]
		if p.Type != linux.PT_LOAD {
			continue
		}
		at := addr.Addr(p.Vaddr + bias)
		end := at + addr.Addr(p.Filesz)
		if p.Flags&linux.PF_X != 0 {
			meta.EndCode = max(meta.EndCode, end)
		}
		meta.StartData = max(meta.StartData, at)
		meta.EndData = max(meta.EndData, end)
		brk = max(brk, at+addr.Addr(p.Memsz))
	}
	if layout.Random && i.elf.typ == linux.ET_DYN && i.interp == nil {
		brk = layout.PIEBase
	}
	brk, _ = brk.RoundUp()
	if layout.Random {
		brk += addr.PageSize + addr.Addr(layout.BrkGap)
	}
	m.SetBrkStart(brk)
	return bias, nil
}

// mapInterp maps the ELF interpreter and returns its bias and its entry point.
func (i *Image) mapInterp(m *mm.MM) (base, entry addr.Addr, err error) {
	span, err := i.interpELF.span()
	if err != nil {
		return 0, 0, err
	}
	var bias uint64
	if i.interpELF.typ == linux.ET_DYN {
		at, err := reserve(m, span.Len(), i.interpELF.alignment())
		if err != nil {
			return 0, 0, err
		}
		bias = uint64(at - span.Start)
	}
	if err := mapSegments(m, i.interpELF, i.interp, bias, false); err != nil {
		return 0, 0, err
	}
	entry = addr.Addr(i.interpELF.entry + bias)
	if entry >= userTop {
		return 0, 0, errno.EINVAL
	}
	return addr.Addr(bias), entry, nil
}

// reserve finds n free bytes at a multiple of align, a power of two. Nothing stays mapped
// there: m is not running yet, so nobody takes the place.
func reserve(m *mm.MM, n, align uint64) (addr.Addr, error) {
	total := n + align - addr.PageSize
	if total < n {
		return 0, errno.ENOMEM
	}
	a, err := m.Map(mm.MapOpts{Length: total, Private: true, NoReserve: true})
	if err != nil {
		return 0, err
	}
	if err := m.Unmap(a, total, nil); err != nil {
		return 0, err
	}
	return (a + addr.Addr(align-1)) &^ addr.Addr(align-1), nil
}

// mapSegments maps the PT_LOAD segments of f, moved by bias. With keep the first one
// must not fall on anything mapped before.
func mapSegments(m *mm.MM, f *elfFile, file File, bias uint64, keep bool) error {
	target, err := file.Mappable()
	if err != nil {
		return errno.ENOEXEC
	}
	for i := range f.phdrs {
		p := &f.phdrs[i]
		if p.Type != linux.PT_LOAD {
			continue
		}
		s := segment{
			start: addr.Addr(p.Vaddr + bias), file: p.Filesz, mem: p.Memsz, off: p.Off, prot: segmentProt(p.Flags),
		}
		if s.start >= userTop || uint64(userTop-s.start) < p.Memsz || p.Filesz > p.Memsz {
			return errno.EINVAL
		}
		err := s.load(m, mm.MapOpts{Mappable: target, File: file.Ref(), NoReplace: keep, Soon: s.prot&platform.Write == 0})
		if err != nil {
			return err
		}
		keep = false
	}
	return nil
}

func segmentProt(flags uint32) (p platform.Prot) {
	if flags&linux.PF_R != 0 {
		p |= platform.Read
	}
	if flags&linux.PF_W != 0 {
		p |= platform.Write
	}
	if flags&linux.PF_X != 0 {
		p |= platform.Exec
	}
	return p
}

// segment is a PT_LOAD segment at its final place.
type segment struct {
	start     addr.Addr
	file, mem uint64 // bytes in the file and in memory
	off       uint64
	prot      platform.Prot
}

// load maps the segment's part of the file, and zeroed memory behind it.
func (s *segment) load(m *mm.MM, o mm.MapOpts) error {
	head := s.start.Offset()
	zero := s.start.RoundDown()
	end, _ := (s.start + addr.Addr(s.mem)).RoundUp()
	if s.file > 0 {
		n, ok := addr.PageRoundUp(head + s.file)
		if !ok || s.off < head || (s.off-head)&addr.PageMask != 0 || s.off > 1<<62 {
			return errno.EINVAL
		}
		o.Addr, o.Length, o.Offset = zero, n, s.off-head
		o.Prot, o.Private, o.Fixed = s.prot, true, true
		if _, err := m.Map(o); err != nil {
			return err
		}
		zero += addr.Addr(n)
		// What the page holds of the file behind the segment must not be seen.
		if last := s.start + addr.Addr(s.file); s.mem > s.file && last < zero && s.prot&platform.Write != 0 {
			if _, err := m.ZeroOut(last, uint64(zero-last)); err != nil {
				return errno.EFAULT
			}
		}
	}
	if zero >= end || s.mem == 0 {
		return nil
	}
	_, err := m.Map(mm.MapOpts{
		Addr: zero, Length: uint64(end - zero), Private: true, Fixed: true, NoReplace: o.NoReplace && s.file == 0,
		Prot: platform.Read | platform.Write | s.prot&platform.Exec,
	})
	return err
}

func random64(r io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, errno.EIO
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}
