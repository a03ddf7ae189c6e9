package mm

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/sentry/memfile"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
)

// The host as an oracle: the same operations on a range of addresses here and there
// must give the same errors, contents and mappings.

const (
	arena      = addr.Addr(0x200000000000)
	arenaPages = 24
	filePages  = 8
)

func hostSyscall(nr, a, b, c, d, e, f uint64) error {
	_, _, eno := syscall.Syscall6(uintptr(nr), uintptr(a), uintptr(b), uintptr(c), uintptr(d), uintptr(e), uintptr(f))
	if eno != 0 {
		return errno.Errno(eno)
	}
	return nil
}

type oracle struct {
	guest
	fd    hostcall.FD
	store *pagestore.Store
}

func (o *oracle) close() {
	o.m.Unmap(arena, arenaPages*page, nil)
	hostSyscall(linux.SYS_MUNMAP, uint64(arena), arenaPages*page, 0, 0, 0, 0)
	hostcall.Close(o.fd)
	o.store.Release()
}

// randomOp does one operation on both sides and returns its name and both results.
func (o *oracle) randomOp(r *rand.Rand) (name string, ours, host error) {
	a := arena + addr.Addr(r.IntN(arenaPages))*page
	n := uint64(1+r.IntN(6)) * page
	if r.IntN(40) == 0 {
		a += addr.Addr(r.IntN(3)) // unaligned now and then
	}
	if r.IntN(40) == 0 {
		n = uint64(r.IntN(3)) * 100
	}
	if end := arena + arenaPages*page; a+addr.Addr(n) > end {
		n = uint64(end-a) &^ addr.PageMask
	}
	prots := []uint64{0, 1, 3, 3, 3, 1, 5, 7, 2}
	prot := prots[r.IntN(len(prots))]
	switch k := r.IntN(100); {
	case k < 14: // mmap
		opts := MapOpts{Addr: a, Length: n, Prot: platform.Prot(prot), Fixed: true}
		flags := uint64(linux.MAP_FIXED)
		fd := ^uint64(0)
		if r.IntN(4) == 0 {
			opts.NoReplace = true
			flags = linux.MAP_FIXED_NOREPLACE
		}
		if opts.Private = r.IntN(2) == 0; opts.Private {
			flags |= hostcall.MAP_PRIVATE
		} else {
			flags |= hostcall.MAP_SHARED
		}
		if r.IntN(2) == 0 {
			opts.Mappable = o.store
			opts.Offset = uint64(r.IntN(filePages)) * page
			fd = uint64(o.fd)
		} else {
			flags |= linux.MAP_ANONYMOUS
		}
		_, ours = o.m.Map(opts)
		host = hostSyscall(linux.SYS_MMAP, uint64(a), n, prot, flags, fd, opts.Offset)
		name = fmt.Sprintf("mmap(%#x, %#x, %d, %#x, %d, %#x)", uint64(a), n, prot, flags, int64(fd), opts.Offset)
	case k < 22:
		ours = o.m.Unmap(a, n, nil)
		host = hostSyscall(linux.SYS_MUNMAP, uint64(a), n, 0, 0, 0, 0)
		name = fmt.Sprintf("munmap(%#x, %#x)", uint64(a), n)
	case k < 32:
		ours = o.m.Protect(a, n, prot)
		host = hostSyscall(linux.SYS_MPROTECT, uint64(a), n, prot, 0, 0, 0)
		name = fmt.Sprintf("mprotect(%#x, %#x, %d)", uint64(a), n, prot)
	case k < 42:
		all := []int32{linux.MADV_NORMAL, linux.MADV_RANDOM, linux.MADV_DONTNEED, linux.MADV_DONTNEED,
			linux.MADV_WILLNEED, linux.MADV_REMOVE, linux.MADV_DONTFORK, linux.MADV_DOFORK,
			linux.MADV_WIPEONFORK, linux.MADV_KEEPONFORK, linux.MADV_DONTDUMP, linux.MADV_DODUMP,
			linux.MADV_POPULATE_READ, linux.MADV_POPULATE_WRITE, linux.MADV_COLD, linux.MADV_DONTNEED_LOCKED, 5, 77, -1}
		advice := all[r.IntN(len(all))]
		ours = o.m.Advise(a, n, advice)
		host = hostSyscall(linux.SYS_MADVISE, uint64(a), n, uint64(uint32(advice)), 0, 0, 0)
		name = fmt.Sprintf("madvise(%#x, %#x, %d)", uint64(a), n, advice)
	case k < 52:
		opts := RemapOpts{Old: a, OldLength: n, NewLength: uint64(r.IntN(6)) * page}
		opts.New = arena + addr.Addr(r.IntN(arenaPages-6))*page
		opts.Fixed = r.IntN(2) == 0
		opts.MayMove = opts.Fixed && r.IntN(10) > 0
		opts.DontUnmap = opts.Fixed && r.IntN(4) == 0
		if opts.DontUnmap {
			opts.NewLength = opts.OldLength
		}
		if r.IntN(20) == 0 {
			opts.OldLength = 0
		}
		if opts.DontUnmap && !opts.MayMove || !opts.Fixed && uint64(a)+opts.NewLength > uint64(arena)+arenaPages*page {
			return
		}
		if v, ok := o.m.vmas.Find(uint64(a)); !ok || v.End < uint64(a)+opts.OldLength || opts.OldLength == 0 && !v.V.shared {
			return // since Linux 6.17 several mappings can move, and the order of checks is another
		}
		flags := uint64(0)
		for i, on := range []bool{opts.MayMove, opts.Fixed, opts.DontUnmap} {
			if on {
				flags |= 1 << i
			}
		}
		_, ours = o.m.Remap(opts)
		host = hostSyscall(linux.SYS_MREMAP, uint64(a), opts.OldLength, opts.NewLength, flags, uint64(opts.New), 0)
		name = fmt.Sprintf("mremap(%#x, %#x, %#x, %d, %#x)", uint64(a), opts.OldLength, opts.NewLength, flags, uint64(opts.New))
	case k < 54:
		length := uint64(1+r.IntN(filePages)) * page / uint64(1+r.IntN(2))
		ours = o.store.Truncate(length)
		host = hostcall.Ftruncate(o.fd, int64(length))
		name = fmt.Sprintf("ftruncate(%#x)", length)
	case k < 56:
		off, length := uint64(r.IntN(filePages*page)), 1+uint64(r.IntN(3*page))
		ours = o.store.PunchHole(off, length)
		host = hostcall.Fallocate(o.fd, hostcall.FALLOC_FL_PUNCH_HOLE|hostcall.FALLOC_FL_KEEP_SIZE, int64(off), int64(length))
		name = fmt.Sprintf("punch(%#x, %#x)", off, length)
	case k < 58:
		buf := make([]byte, r.IntN(2*page))
		for i := range buf {
			buf[i] = byte(r.Uint32())
		}
		off := uint64(r.IntN(filePages * page))
		seq := usermem.FromBytes(buf)
		_, ours = o.store.Write(&seq, off)
		_, host = hostcall.Pwrite(o.fd, buf, int64(off))
		name = fmt.Sprintf("pwrite(%#x, %#x)", off, len(buf))
	case k < 60:
		flags := []uint32{linux.MS_SYNC, linux.MS_ASYNC, 0, linux.MS_INVALIDATE, 5, 8}[r.IntN(6)]
		ours = o.m.Msync(a, n, flags)
		host = hostSyscall(linux.SYS_MSYNC, uint64(a), n, uint64(flags), 0, 0, 0)
		name = fmt.Sprintf("msync(%#x, %#x, %d)", uint64(a), n, flags)
	case k < 62:
		vec := make([]byte, n/page+1)
		ours = o.m.Mincore(a, vec[:(n+page-1)/page], func(FileRef) bool { return true })
		host = hostSyscall(linux.SYS_MINCORE, uint64(a), n, uint64(hostcall.Address(vec)), 0, 0, 0)
		name = fmt.Sprintf("mincore(%#x, %#x)", uint64(a), n)
	case k < 65:
		ours = o.m.Mlock(a, n, false)
		host = hostSyscall(linux.SYS_MLOCK, uint64(a), n, 0, 0, 0, 0)
		name = fmt.Sprintf("mlock(%#x, %#x)", uint64(a), n)
	case k < 69:
		ours = o.m.Munlock(a, n)
		host = hostSyscall(linux.SYS_MUNLOCK, uint64(a), n, 0, 0, 0, 0)
		name = fmt.Sprintf("munlock(%#x, %#x)", uint64(a), n)
	default:
		a = arena + addr.Addr(r.IntN(arenaPages*page))
		if r.IntN(2) == 0 {
			v := byte(r.Uint32())
			ours = faulted(o.guest.store(a, v))
			_, host = usermem.Copy(hostcall.Bytes(uintptr(a), 1), []byte{v})
			name = fmt.Sprintf("store(%#x)", uint64(a))
		} else {
			v, err := o.load(a)
			ours = faulted(err)
			var b [1]byte
			_, host = usermem.Copy(b[:], hostcall.Bytes(uintptr(a), 1))
			if ours == nil && host == nil && b[0] != v {
				host = fmt.Errorf("read %d, we %d", b[0], v)
			}
			name = fmt.Sprintf("load(%#x)", uint64(a))
		}
	}
	return name, ours, host
}

func faulted(err error) error {
	if err != nil {
		return errno.EFAULT
	}
	return nil
}

type line struct {
	start, end, off uint64
	perms           string
	file            bool
}

func (l line) String() string {
	return fmt.Sprintf("%x-%x %s %x %v", l.start, l.end, l.perms, l.off, l.file)
}

// merge joins what is one mapping but for its history.
func merge(lines []line) (out []line) {
	for _, l := range lines {
		if k := len(out) - 1; k >= 0 && out[k].end == l.start && out[k].perms == l.perms && out[k].file == l.file &&
			(!l.file || out[k].off+out[k].end-out[k].start == l.off) {
			out[k].end = l.end
			continue
		}
		out = append(out, l)
	}
	return out
}

func (o *oracle) maps(t *testing.T) (ours, host []line) {
	o.m.ForEachVMA(true, func(v VMAInfo) bool {
		p := []byte("---p")
		for i, bit := range []platform.Prot{platform.Read, platform.Write, platform.Exec} {
			if v.Prot&bit != 0 {
				p[i] = "rwx"[i]
			}
		}
		if v.Shared {
			p[3] = 's'
		}
		l := line{uint64(v.Range.Start), uint64(v.Range.End), v.Offset, string(p), false}
		if mv, _ := o.m.vmas.Find(l.start); mv.V.mappable() == o.store {
			l.file = true
		} else {
			l.off = 0
		}
		ours = append(ours, l)
		return true
	})
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.Lines(string(text)) {
		var l line
		var rest string
		fmt.Sscanf(s, "%x-%x %s %x", &l.start, &l.end, &l.perms, &l.off)
		rest = s
		if l.start < uint64(arena) || l.start >= uint64(arena)+arenaPages*page {
			continue
		}
		if l.file = strings.Contains(rest, "memfd:oracle"); !l.file {
			l.off = 0
		}
		host = append(host, l)
	}
	return merge(ours), merge(host)
}

func TestOperations_agree_with_the_host(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := newGuest(t)
			fd, err := hostcall.MemfdCreate("oracle", 0)
			if err != nil {
				t.Fatal(err)
			}
			hostcall.Ftruncate(fd, filePages*page)
			o := &oracle{g, fd, pagestore.NewSized(g.mf, memfile.FileData, filePages*page)}
			o.m.copyWindow = page // as Linux
			defer o.close()
			r := rand.New(rand.NewPCG(seed, 1))
			var log []string
			for i := range 1500 {
				name, ours, host := o.randomOp(r)
				if name == "" {
					continue
				}
				log = append(log, fmt.Sprintf("%s = %v", name, ours))
				if ours != host {
					t.Fatalf("step %d: %s: %v, the host says %v\n%s", i, name, ours, host, tail(log))
				}
				if i%8 != 0 {
					continue
				}
				if a, b := o.maps(t); fmt.Sprint(a) != fmt.Sprint(b) {
					t.Fatalf("step %d: %s:\nours %v\nhost %v\n%s", i, name, a, b, tail(log))
				}
				o.checkSizes(t)
			}
		})
	}
}

func tail(log []string) string { return strings.Join(log[max(0, len(log)-12):], "\n") }

// checkSizes compares the counters with what the maps hold.
func (o *oracle) checkSizes(t *testing.T) {
	t.Helper()
	var s sizes
	o.m.vmas.Ascend(0, maxAddr, func(v vmEntry) bool { s.add(v, 1); return true })
	got := o.m.sizes
	if s.peak = got.peak; s != got {
		t.Fatalf("sizes %+v, counted %+v", got, s)
	}
	var old rss
	old, o.m.rss = o.m.rss, rss{}
	o.m.ptes.Ascend(0, maxAddr, func(e ptEntry) bool { o.m.count(&e.V, e.Len()); return true })
	if o.m.rss.anon != old.anon || o.m.rss.file != old.file || o.m.rss.shmem != old.shmem {
		t.Fatalf("rss %+v, counted %+v", old, o.m.rss)
	}
	o.m.rss = old
}
