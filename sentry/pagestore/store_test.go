package pagestore

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
)

const page = addr.PageSize

func newStore(t testing.TB, q Quota) *Store {
	t.Helper()
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	s := New(mf, memfile.FileData, q)
	t.Cleanup(func() {
		s.Release()
		if n := mf.Frames(); n != 0 {
			t.Errorf("%d bytes leaked", n)
		}
		mf.Close()
	})
	return s
}

func TestStore_agrees_with_a_host_file(t *testing.T) {
	for seed := range uint64(8) {
		s := newStore(t, nil)
		fd, err := hostcall.MemfdCreate("model", 0)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		const max = 20 * page
		for i := range 2000 {
			off, n := r.IntN(max), r.IntN(3*page)
			if r.IntN(4) == 0 {
				off, n = off&^(page-1), n&^(page-1)
			}
			switch r.IntN(10) {
			case 0, 1, 2:
				buf := make([]byte, n)
				for i := range buf {
					buf[i] = byte(r.Uint32() | 1)
				}
				seq := usermem.FromBytes(buf)
				if m, err := s.Write(&seq, uint64(off)); m != n || err != nil {
					t.Fatal(m, err)
				}
				hostcall.Pwrite(fd, buf, int64(off))
			case 3:
				s.Truncate(uint64(off))
				hostcall.Ftruncate(fd, int64(off))
			case 4:
				s.PunchHole(uint64(off), uint64(n+1))
				hostcall.Fallocate(fd, hostcall.FALLOC_FL_PUNCH_HOLE|hostcall.FALLOC_FL_KEEP_SIZE, int64(off), int64(n+1))
			case 5:
				if seed%2 == 0 {
					continue // see below
				}
				keep := r.IntN(2) == 0
				mode := uint32(0)
				if keep {
					mode = hostcall.FALLOC_FL_KEEP_SIZE
				}
				if err := s.Allocate(uint64(off), uint64(n+1), keep); err != nil {
					t.Fatal(err)
				}
				hostcall.Fallocate(fd, mode, int64(off), int64(n+1))
			default:
				a, b := make([]byte, n), make([]byte, n)
				seq := usermem.FromBytes(a)
				m, err := s.Read(&seq, uint64(off))
				h, _ := hostcall.Pread(fd, b, int64(off))
				if err != nil || m != h || !bytes.Equal(a[:m], b[:m]) {
					t.Fatalf("seed %d step %d: read(%#x, %#x) = %d, %v, the host read %d", seed, i, off, n, m, err, h)
				}
			}
			st, _ := hostcall.Fstat(fd)
			if uint64(st.Size) != s.Size() || uint64(st.Blocks) != s.Pages()*8 {
				t.Fatalf("seed %d step %d: %d bytes in %d pages, the host has %d in %d blocks",
					seed, i, s.Size(), s.Pages(), st.Size, st.Blocks)
			}
			for _, hole := range []bool{false, true} {
				if seed%2 == 1 {
					break // for Linux what was only allocated is a hole, for us it is data
				}
				whence := hostcall.SEEK_DATA
				if hole {
					whence = hostcall.SEEK_HOLE
				}
				want, hostErr := hostcall.Lseek(fd, int64(off), whence)
				got, err := s.Seek(uint64(off), hole)
				if err != hostErr || err == nil && int64(got) != want {
					t.Fatalf("seed %d step %d: seek(%#x, %v) = %#x, %v, the host says %#x, %v", seed, i, off, hole, got, err, want, hostErr)
				}
			}
		}
		hostcall.Close(fd)
	}
}

// faulty is guest memory of which only the first bytes exist.
type faulty struct {
	usermem.IO
	n int
}

func (f faulty) CopyIn(a addr.Addr, dst []byte) (int, error) {
	n := min(len(dst), max(0, f.n-int(a)))
	for i := range dst[:n] {
		dst[i] = 'x'
	}
	if n < len(dst) {
		return n, errno.EFAULT
	}
	return n, nil
}

func (f faulty) Blocks(r addr.Range, write bool, fn func([][]byte) (int, error)) (used, lent int, err error) {
	b := make([]byte, min(r.Len(), page)) // a page at a time
	n, err := f.CopyIn(r.Start, b)
	if n == 0 {
		return 0, 0, err
	}
	used, err = fn([][]byte{b[:n]})
	return used, n, err
}

func TestWrite_that_faults_keeps_what_it_wrote(t *testing.T) {
	s := newStore(t, nil)
	seq := usermem.Single(faulty{n: 5000}, addr.Range{Start: 0, End: 10000})
	if n, err := s.Write(&seq, 100); n != 5000 || err != errno.EFAULT || s.Size() != 5100 || s.Pages() != 2 {
		t.Error(n, err, s.Size(), s.Pages())
	}
	seq = usermem.Single(faulty{}, addr.Range{Start: 0, End: 10000})
	if n, err := s.Write(&seq, 1<<20); n != 0 || err != errno.EFAULT || s.Size() != 5100 || s.Pages() != 2 {
		t.Error(n, err, s.Size(), s.Pages())
	}
}

type quota struct{ left uint64 }

func (q *quota) Charge(n uint64) error {
	if n > q.left {
		return errno.ENOSPC
	}
	q.left -= n
	return nil
}
func (q *quota) Uncharge(n uint64) { q.left += n }

func TestQuota(t *testing.T) {
	q := &quota{10}
	s := newStore(t, q)
	seq := usermem.FromBytes(make([]byte, 20*page))
	if n, err := s.Write(&seq, 0); n != 10*page || err != errno.ENOSPC {
		t.Error(n, err)
	}
	if err := s.Truncate(3 * page); err != nil || q.left != 7 {
		t.Error(err, q.left)
	}
	if err := s.Allocate(0, 11*page, false); err != errno.ENOSPC {
		t.Error(err)
	}
	s.PunchHole(0, MaxSize)
	if q.left != 10 {
		t.Error(q.left)
	}
}

// Frames that nobody touches cost the host nothing, but a guest must not promise itself
// more memory than there is.
func TestAllocate_beyond_memory_gives_ENOSPC(t *testing.T) {
	s := newStore(t, nil)
	s.mf.SetLimit(16 << 20)
	for _, keep := range []bool{true, false} {
		if err := s.Allocate(0, 1<<40, keep); err != errno.ENOSPC {
			t.Errorf("keep size %v: %v", keep, err)
		}
	}
	s.PunchHole(0, MaxSize)
	if err := s.Allocate(0, 8<<20, false); err != nil {
		t.Error(err)
	}
}

func TestSeals(t *testing.T) {
	s := newStore(t, nil)
	s.Truncate(page)
	r := addr.Range{Start: 0x1000, End: 0x2000}
	if err := s.AddMapping(nil, r, 0, true); err != nil {
		t.Fatal(err)
	}
	if err := s.AddSeals(linux.F_SEAL_WRITE); err != errno.EBUSY {
		t.Error("write seal while mapped:", err)
	}
	s.RemoveMapping(nil, r, 0, true)
	if err := s.AddSeals(linux.F_SEAL_WRITE | linux.F_SEAL_GROW | linux.F_SEAL_SHRINK); err != nil {
		t.Fatal(err)
	}
	seq := usermem.FromBytes([]byte("x"))
	if _, err := s.Write(&seq, 0); err != errno.EPERM {
		t.Error("write:", err)
	}
	if err := s.Truncate(0); err != errno.EPERM {
		t.Error("shrink:", err)
	}
	if err := s.Truncate(2 * page); err != errno.EPERM {
		t.Error("grow:", err)
	}
	if err := s.PunchHole(0, 1); err != errno.EPERM {
		t.Error("punch:", err)
	}
	if err := s.AddMapping(nil, r, 0, true); err != errno.EPERM {
		t.Error("writable mapping:", err)
	}
	if err := s.AddMapping(nil, r, 0, false); err != nil {
		t.Error("mapping:", err)
	}
	s.AddSeals(linux.F_SEAL_SEAL)
	if err := s.AddSeals(linux.F_SEAL_EXEC); err != errno.EPERM {
		t.Error("seal after F_SEAL_SEAL:", err)
	}
}

type recorder struct{ got []addr.Range }

func (r *recorder) Invalidate(_ mappable.Mappable, at addr.Range, private bool) {
	r.got = append(r.got, at)
}

func TestMappings_are_told_what_goes(t *testing.T) {
	s := newStore(t, nil)
	s.Truncate(10 * page)
	sp := &recorder{}
	s.AddMapping(sp, addr.Range{Start: 0x10000, End: 0x16000}, 2*page, false)
	s.RemoveMapping(sp, addr.Range{Start: 0x12000, End: 0x13000}, 4*page, false)
	s.Truncate(3 * page)
	want := []addr.Range{{Start: 0x11000, End: 0x12000}, {Start: 0x13000, End: 0x16000}}
	if len(sp.got) != 2 || sp.got[0] != want[0] || sp.got[1] != want[1] {
		t.Error(sp.got)
	}
	s.RemoveMapping(sp, addr.Range{Start: 0x10000, End: 0x16000}, 2*page, false)
	if s.Mapped() {
		t.Error("mappings are left")
	}
}

func TestTranslate_fills_holes_up_to_the_end_of_the_file(t *testing.T) {
	s := newStore(t, nil)
	s.Truncate(5*page + 1)
	p, err := s.Translate(5*page, page, 64<<10, true)
	if err != nil || p.Off > 5*page || p.Off+p.Len != 6*page || !p.Writable {
		t.Fatalf("%+v, %v", p, err)
	}
	p.Backing.DecRef(p.Start, p.Len)
	if _, err := s.Translate(6*page, page, 64<<10, false); err != errno.EFAULT {
		t.Error(err)
	}
}

func BenchmarkWrite(b *testing.B) { benchmark(b, true) }
func BenchmarkRead(b *testing.B)  { benchmark(b, false) }

func benchmark(b *testing.B, write bool) {
	for _, size := range []int{64, page, 16 * page} {
		b.Run(map[int]string{64: "64", page: "4K", 16 * page: "64K"}[size], func(b *testing.B) {
			s := newStore(b, nil)
			buf := make([]byte, size)
			for off := 0; off < 1<<22; off += size {
				seq := usermem.FromBytes(buf)
				s.Write(&seq, uint64(off))
			}
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				off := uint64(i*size) % (1 << 22)
				seq := usermem.FromBytes(buf)
				if write {
					s.Write(&seq, off)
				} else {
					s.Read(&seq, off)
				}
			}
		})
	}
}
