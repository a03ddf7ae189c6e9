package loader

import (
	"math/bits"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// source is where headers are read from; vfs files and byte slices are ones.
type source interface {
	// PRead reads len(b) bytes at off, fewer at the end of the file.
	PRead(b []byte, off int64) (int, error)
}

// elfFile is what the loader keeps of an ELF file's headers, checked as far as that
// is possible without mapping anything.
type elfFile struct {
	typ   uint16
	entry uint64
	phoff uint64
	phdrs []linux.Elf64Phdr

	interp    string // PT_INTERP, or empty
	execStack bool   // PT_GNU_STACK asks for an executable stack
}

// Bounds of Linux's load_elf_phdrs.
const maxPhdrBytes = 65536

// parseELF reads the headers of an ELF file for this machine from src, whose first
// bytes are head. It returns ENOEXEC for everything that is none. With program it
// looks for an interpreter too; an interpreter's own is ignored.
func parseELF(src source, head []byte, program bool) (*elfFile, error) {
	if len(head) < linux.Elf64EhdrSize || string(head[:4]) != linux.ELFMAG {
		return nil, errno.ENOEXEC
	}
	var h linux.Elf64Ehdr
	h.UnmarshalBytes(head)
	if h.Ident[linux.EI_CLASS] != linux.ELFCLASS64 || h.Ident[linux.EI_DATA] != linux.ELFDATA2LSB ||
		h.Machine != linux.EM_X86_64 ||
		(h.Type != linux.ET_EXEC && h.Type != linux.ET_DYN) {
		return nil, errno.ENOEXEC
	}
	size := int(h.Phnum) * linux.Elf64PhdrSize
	if h.Phentsize != linux.Elf64PhdrSize || size == 0 || size > maxPhdrBytes || h.Phoff > 1<<62 {
		return nil, errno.ENOEXEC
	}
	table := make([]byte, size)
	if err := readFull(src, table, int64(h.Phoff)); err != nil {
		return nil, errno.ENOEXEC
	}
	f := &elfFile{typ: h.Type, entry: h.Entry, phoff: h.Phoff, phdrs: make([]linux.Elf64Phdr, h.Phnum)}
	for i := range f.phdrs {
		f.phdrs[i].UnmarshalBytes(table[i*linux.Elf64PhdrSize:])
	}
	for i := range f.phdrs {
		switch p := &f.phdrs[i]; p.Type {
		case linux.PT_INTERP:
			if !program || f.interp != "" {
				continue
			}
			name, err := readInterp(src, p)
			if err != nil {
				return nil, err
			}
			f.interp = name
		case linux.PT_GNU_STACK:
			f.execStack = p.Flags&linux.PF_X != 0
		}
	}
	return f, nil
}

// readInterp returns the path that a PT_INTERP segment holds.
func readInterp(src source, p *linux.Elf64Phdr) (string, error) {
	if p.Filesz > linux.PATH_MAX || p.Filesz < 2 || p.Off > 1<<62 {
		return "", errno.ENOEXEC
	}
	b := make([]byte, p.Filesz)
	if err := readFull(src, b, int64(p.Off)); err != nil {
		return "", err
	}
	if b[len(b)-1] != 0 {
		return "", errno.ENOEXEC
	}
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	if len(b) == 0 {
		// An empty name: open_exec would find nothing there.
		return "", errno.ENOENT
	}
	return string(b), nil
}

// readFull fills b; EIO if the file ends first, as Linux's elf_read.
func readFull(src source, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := src.PRead(b, off)
		if err != nil {
			return err
		}
		if n <= 0 {
			return errno.EIO
		}
		b = b[n:]
		off += int64(n)
	}
	return nil
}

// span returns the page-aligned range of addresses that the PT_LOAD segments
// cover, before any bias; EINVAL if it makes no sense.
func (f *elfFile) span() (addr.Range, error) {
	lo, hi := ^uint64(0), uint64(0)
	for i := range f.phdrs {
		p := &f.phdrs[i]
		if p.Type != linux.PT_LOAD {
			continue
		}
		end := p.Vaddr + p.Memsz
		if end < p.Vaddr || end > uint64(userTop) || p.Filesz > p.Memsz {
			return addr.Range{}, errno.EINVAL
		}
		lo = min(lo, addr.PageRoundDown(p.Vaddr))
		hi = max(hi, end)
	}
	if lo >= hi {
		return addr.Range{}, errno.EINVAL
	}
	hi, _ = addr.PageRoundUp(hi)
	return addr.Range{Start: addr.Addr(lo), End: addr.Addr(hi)}, nil
}

// alignment returns the largest valid p_align of the PT_LOAD segments, at least a page.
func (f *elfFile) alignment() uint64 {
	a := uint64(addr.PageSize)
	for i := range f.phdrs {
		p := &f.phdrs[i]
		if p.Type == linux.PT_LOAD && bits.OnesCount64(p.Align) == 1 && p.Align < uint64(userTop)/4 {
			a = max(a, p.Align)
		}
	}
	return a
}

// phdrAddr returns where the program headers are found in memory, before any
// bias: what AT_PHDR says. 0 if no segment holds them.
func (f *elfFile) phdrAddr() uint64 {
	var a uint64
	for i := range f.phdrs {
		switch p := &f.phdrs[i]; {
		case p.Type == linux.PT_PHDR:
			return p.Vaddr
		case p.Type == linux.PT_LOAD && p.Off <= f.phoff && f.phoff-p.Off < p.Filesz && a == 0:
			a = f.phoff - p.Off + p.Vaddr
		}
	}
	return a
}
