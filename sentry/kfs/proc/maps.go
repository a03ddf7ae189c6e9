package proc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// eachVMA calls fn for the task's mappings; with usage their sizes are known.
func (p *task) eachVMA(usage bool, fn func(v *mm.VMAInfo)) {
	m := p.mm()
	if m == nil {
		return
	}
	defer m.DecUsers()
	m.ForEachVMA(usage, func(v mm.VMAInfo) bool {
		fn(&v)
		return true
	})
}

// mapLine writes a line of maps.
func mapLine(b *bytes.Buffer, v *mm.VMAInfo) {
	perm := [4]byte{'-', '-', '-', 'p'}
	for i, x := range [3]struct {
		bit  platform.Prot
		char byte
	}{{platform.Read, 'r'}, {platform.Write, 'w'}, {platform.Exec, 'x'}} {
		if v.Prot&x.bit != 0 {
			perm[i] = x.char
		}
	}
	if v.Shared {
		perm[3] = 's'
	}
	dev := uint32(v.Dev)
	off := v.Offset
	if v.Name == "[vdso]" || v.Name == "[vvar]" {
		off = 0 // where they lie in memory of ours is nobody's business
	}
	start := b.Len()
	fmt.Fprintf(b, "%08x-%08x %s %08x %02x:%02x %d ", uint64(v.Range.Start), uint64(v.Range.End), perm[:],
		off, linux.Major(dev), linux.Minor(dev), v.Ino)
	if v.Name != "" {
		// Names begin in column 73.
		for b.Len()-start < 73 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ReplaceAll(v.Name, "\n", "\\012"))
	}
	b.WriteByte('\n')
}

// vsyscall is the last line of maps on x86-64: calls made there are answered by the kernel.
var vsyscall = mm.VMAInfo{
	Range: addr.Range{Start: 0xffffffffff600000, End: 0xffffffffff601000}, Prot: platform.Exec, Name: "[vsyscall]",
}

func maps(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	some := false
	p.eachVMA(false, func(v *mm.VMAInfo) {
		mapLine(b, v)
		some = true
	})
	if some {
		mapLine(b, &vsyscall)
	}
	return nil
}

// sizes are the amounts of smaps, in bytes.
type sizes struct {
	rss, pss, sharedClean, sharedDirty, privateClean, privateDirty, referenced, anonymous, lazyFree, locked uint64
	pssDirty                                                                                                uint64
}

func (s *sizes) add(v *mm.VMAInfo) {
	s.rss += v.Rss
	s.pss += v.Pss
	s.sharedClean += v.SharedClean
	s.sharedDirty += v.SharedDirty
	s.privateClean += v.PrivateClean
	s.privateDirty += v.PrivateDirty
	s.referenced += v.Referenced
	s.anonymous += v.Anonymous
	s.lazyFree += v.LazyFree
	s.locked += v.Locked
	if v.Rss > 0 {
		s.pssDirty += v.Pss * (v.SharedDirty + v.PrivateDirty) / v.Rss
	}
}

func kb(b *bytes.Buffer, name string, n uint64) {
	fmt.Fprintf(b, "%-16s%8d kB\n", name+":", n>>10)
}

// write writes what smaps and smaps_rollup have in common.
func (s *sizes) write(b *bytes.Buffer, rollup bool) {
	kb(b, "Rss", s.rss)
	kb(b, "Pss", s.pss)
	kb(b, "Pss_Dirty", s.pssDirty)
	if rollup {
		kb(b, "Pss_Anon", min(s.anonymous, s.pss))
		kb(b, "Pss_File", s.pss-min(s.anonymous, s.pss))
		kb(b, "Pss_Shmem", 0)
	}
	kb(b, "Shared_Clean", s.sharedClean)
	kb(b, "Shared_Dirty", s.sharedDirty)
	kb(b, "Private_Clean", s.privateClean)
	kb(b, "Private_Dirty", s.privateDirty)
	kb(b, "Referenced", s.referenced)
	kb(b, "Anonymous", s.anonymous)
	kb(b, "KSM", 0)
	kb(b, "LazyFree", s.lazyFree)
	kb(b, "AnonHugePages", 0)
	kb(b, "ShmemPmdMapped", 0)
	kb(b, "FilePmdMapped", 0)
	kb(b, "Shared_Hugetlb", 0)
	kb(b, "Private_Hugetlb", 0)
	kb(b, "Swap", 0)
	kb(b, "SwapPss", 0)
	kb(b, "Locked", s.locked)
}

func smaps(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	p.eachVMA(true, func(v *mm.VMAInfo) {
		mapLine(b, v)
		kb(b, "Size", v.Range.Len())
		kb(b, "KernelPageSize", addr.PageSize)
		kb(b, "MMUPageSize", addr.PageSize)
		var s sizes
		s.add(v)
		s.write(b, false)
		thp := 0
		if v.Flags&mm.FlagHugePage != 0 {
			thp = 1
		}
		fmt.Fprintf(b, "THPeligible:           %d\nVmFlags: %s\n", thp, vmFlags(v))
	})
	return nil
}

func smapsRollup(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	var s sizes
	whole := mm.VMAInfo{Name: "[rollup]"}
	p.eachVMA(true, func(v *mm.VMAInfo) {
		s.add(v)
		if whole.Range.End == 0 {
			whole.Range.Start = v.Range.Start
		}
		whole.Range.End = v.Range.End
	})
	if whole.Range.End == 0 {
		return errno.ESRCH
	}
	mapLine(b, &whole)
	s.write(b, true)
	return nil
}

// vmFlags is the last line of an entry in smaps (proc(5)).
func vmFlags(v *mm.VMAInfo) string {
	var b strings.Builder
	add := func(on bool, name string) {
		if on {
			b.WriteString(name)
			b.WriteByte(' ')
		}
	}
	add(v.Prot&platform.Read != 0, "rd")
	add(v.Prot&platform.Write != 0, "wr")
	add(v.Prot&platform.Exec != 0, "ex")
	add(v.Shared, "sh")
	add(v.MaxProt&platform.Read != 0, "mr")
	add(v.MaxProt&platform.Write != 0, "mw")
	add(v.MaxProt&platform.Exec != 0, "me")
	add(v.Shared && v.MaxProt&platform.Write != 0, "ms")
	for _, f := range []struct {
		bit  mm.VMAFlags
		name string
	}{
		{mm.FlagGrowsDown, "gd"}, {mm.FlagLocked, "lo"}, {mm.FlagSequential, "sr"}, {mm.FlagRandom, "rr"},
		{mm.FlagDontFork, "dc"}, {mm.FlagNoReserve, "nr"}, {mm.FlagWipeOnFork, "wf"}, {mm.FlagDontDump, "dd"},
		{mm.FlagHugePage, "hg"}, {mm.FlagNoHugePage, "nh"}, {mm.FlagMergeable, "mg"}, {mm.FlagDroppable, "dp"}, {mm.FlagSealed, "sl"},
		{mm.FlagUffdMissing, "um"}, {mm.FlagUffdWP, "uw"}, {mm.FlagUffdMinor, "ui"},
	} {
		add(v.Flags&f.bit != 0, f.name)
	}
	return b.String()
}

func numaMaps(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	p.eachVMA(true, func(v *mm.VMAInfo) {
		fmt.Fprintf(b, "%x default", uint64(v.Range.Start))
		switch {
		case strings.HasPrefix(v.Name, "/"):
			fmt.Fprintf(b, " file=%s", strings.NewReplacer(" ", "\\040", "\n", "\\012", "\t", "\\011").Replace(v.Name))
		case v.Name == "[heap]":
			b.WriteString(" heap")
		case v.Name == "[stack]":
			b.WriteString(" stack")
		}
		if n := v.Rss / addr.PageSize; n > 0 {
			if a := v.Anonymous / addr.PageSize; a > 0 {
				fmt.Fprintf(b, " anon=%d", a)
			}
			fmt.Fprintf(b, " dirty=%d N0=%d kernelpagesize_kB=4", n, n)
		}
		b.WriteByte('\n')
	})
	return nil
}

// clearRefs takes the numbers that Linux takes. Nobody can tell that the reference bits
// stay.
func clearRefs(p *task, _ vfs.Caller, b []byte) error {
	switch strings.TrimSpace(string(b)) {
	case "1", "2", "3", "4", "5":
		return nil
	}
	return errno.EINVAL
}

// memFile is /proc/PID/mem: what ptrace(2) can reach.
type memFile struct {
	vfs.BaseFile
	p *task
}

func openMem(p *task, c vfs.Caller, _ uint32) (vfs.FileOps, error) {
	return &memFile{p: p}, nil
}

// Seek implements vfs.FileOps.
func (f *memFile) Seek(_ vfs.Caller, _ *vfs.File, off int64, whence int) (int64, error) {
	if whence != linux.SEEK_SET && whence != linux.SEEK_CUR {
		return 0, errno.EINVAL
	}
	return off, nil
}

// memChunk is how much is copied at a time, in bytes.
const memChunk = 64 << 10

// Read implements vfs.FileOps.
func (f *memFile) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	m := f.p.mm()
	if m == nil {
		return 0, nil
	}
	defer m.DecUsers()
	buf := make([]byte, min(dst.Len(), memChunk))
	total := 0
	for dst.Len() > 0 {
		n, err := m.ReadRemote(addr.Addr(off)+addr.Addr(total), buf[:min(uint64(len(buf)), dst.Len())])
		n2, err2 := dst.CopyOut(buf[:n])
		total += n2
		if err2 != nil {
			return total, err2
		}
		if err != nil || n == 0 {
			if total > 0 {
				return total, nil
			}
			return 0, errno.EIO
		}
	}
	return total, nil
}

// Write implements vfs.FileOps.
func (f *memFile) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	m := f.p.mm()
	if m == nil {
		return 0, nil
	}
	defer m.DecUsers()
	buf := make([]byte, min(src.Len(), memChunk))
	total := 0
	for src.Len() > 0 {
		n, err := src.CopyIn(buf[:min(uint64(len(buf)), src.Len())])
		if err != nil {
			return total, err
		}
		w, err := m.WriteRemote(addr.Addr(off)+addr.Addr(total), buf[:n])
		total += w
		if err != nil || w < n {
			if total > 0 {
				return total, nil
			}
			return 0, errno.EIO
		}
	}
	return total, nil
}

// pagemapFile is /proc/PID/pagemap: which pages are there. Frame numbers are hidden, as
// from all who lack CAP_SYS_ADMIN on Linux.
type pagemapFile struct {
	vfs.BaseFile
	p *task
}

func openPagemap(p *task, _ vfs.Caller, _ uint32) (vfs.FileOps, error) {
	return &pagemapFile{p: p}, nil
}

// Read implements vfs.FileOps.
func (f *pagemapFile) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, off int64, _ uint32) (int, error) {
	const entry = 8
	if off%entry != 0 || dst.Len()%entry != 0 {
		return 0, errno.EINVAL
	}
	m := f.p.mm()
	if m == nil {
		return 0, nil
	}
	defer m.DecUsers()
	first := uint64(off) / entry
	n := min(dst.Len()/entry, 4096)
	if last := uint64(0x7ffffffff000) / addr.PageSize; first >= last {
		return 0, nil
	} else {
		n = min(n, last-first)
	}
	const present, exclusive, file, protected = 1 << 63, 1 << 56, 1 << 61, 1 << 57
	out := make([]byte, 0, n*entry)
	for i := range n {
		a := addr.Addr((first + i) * addr.PageSize)
		var e uint64
		if v, ok := m.VMAAt(a); !ok {
			// Nothing above: the rest is empty.
			out = out[:n*entry]
			break
		} else if v.Range.Contains(a) && m.Present(a) == nil {
			e = present | exclusive
			if v.Ino != 0 {
				e = present | file
			}
		}
		if m.WriteProtected(a) {
			e |= protected
		}
		out = binary.LittleEndian.AppendUint64(out, e)
	}
	return dst.CopyOut(out)
}
