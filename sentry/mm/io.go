package mm

import (
	"bytes"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
)

// maxFaults bounds how often one access faults the same page in, while other
// threads take it away.
const maxFaults = 1000

// acquire finds the sentry's bytes for [a, a+n), as much of it as lies in one run,
// faulting it in. On success pageMu is held for reading: the caller uses the bytes and
// unlocks. plain says that touching them can't fault.
func (m *MM) acquire(a addr.Addr, n uint64, access platform.Prot, by touch) (b []byte, plain bool, err error) {
	for range maxFaults {
		m.pageMu.RLock()
		e, ok := m.ptes.Find(uint64(a))
		if ok && m.usable(&e.V, access, by) {
			off := e.OffAt(uint64(a))
			n = min(n, e.End-uint64(a))
			if e.V.file == mappable.Backing(m.mf) {
				b, err = m.mf.Bytes(off, n, true)
				plain = true
			} else {
				b, err = pagesOf(e.V.file, off, n, access)
			}
			if err != nil || len(b) == 0 {
				m.pageMu.RUnlock()
				return nil, false, errno.EFAULT
			}
			return b, plain, nil
		}
		m.pageMu.RUnlock()
		if err := m.fault(a, access, by); err != nil {
			return nil, false, errFault(err)
		}
	}
	return nil, false, errno.EFAULT
}

// usable reports whether the sentry may access a present page as it is.
func (m *MM) usable(p *pte, access platform.Prot, by touch) bool {
	if access&platform.Write != 0 {
		return m.canWrite(p) && (p.prot&platform.Write != 0 || by == byForce && p.owned)
	}
	return p.prot != 0 || by == byForce
}

// pagesOf is Backing.Bytes for any offset.
func pagesOf(f mappable.Backing, off, n uint64, access platform.Prot) ([]byte, error) {
	first := addr.PageRoundDown(off)
	last, _ := addr.PageRoundUp(off + n)
	b, err := f.Bytes(first, last-first, access&platform.Write != 0)
	if err != nil {
		return nil, err
	}
	b = b[off-first:]
	return b[:min(n, uint64(len(b)))], nil
}

// CopyIn implements usermem.IO.
func (m *MM) CopyIn(a addr.Addr, dst []byte) (int, error) { return m.read(a, dst, bySentry) }

// CopyOut implements usermem.IO.
func (m *MM) CopyOut(a addr.Addr, src []byte) (int, error) { return m.write(a, src, bySentry) }

// CopyInString reads a string into dst up to its NUL, and returns its length; ENAMETOOLONG
// if dst ends first. It touches no page behind the NUL.
func (m *MM) CopyInString(a addr.Addr, dst []byte) (int, error) {
	for done := 0; done < len(dst); {
		at := a + addr.Addr(done)
		got, err := m.CopyIn(at, dst[done:min(len(dst), done+addr.PageSize-int(at.Offset()))])
		if i := bytes.IndexByte(dst[done:done+got], 0); i >= 0 {
			return done + i, nil
		}
		if err != nil {
			return 0, err
		}
		done += got
	}
	return 0, errno.ENAMETOOLONG
}

// ReadRemote reads memory as ptrace(2) and /proc/PID/mem do: protections don't matter.
func (m *MM) ReadRemote(a addr.Addr, dst []byte) (int, error) { return m.read(a, dst, byForce) }

// WriteRemote writes memory as ptrace(2) and /proc/PID/mem do: a private mapping that can't be
// written gets a copy of the page.
func (m *MM) WriteRemote(a addr.Addr, src []byte) (int, error) { return m.write(a, src, byForce) }

func (m *MM) read(a addr.Addr, dst []byte, by touch) (int, error) {
	done := 0
	for done < len(dst) {
		b, plain, err := m.acquire(a+addr.Addr(done), uint64(len(dst)-done), platform.Read, by)
		if err != nil {
			return done, err
		}
		n := 0
		if plain {
			n = copy(dst[done:], b)
		} else {
			n, err = usermem.Copy(dst[done:], b)
		}
		m.pageMu.RUnlock()
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (m *MM) write(a addr.Addr, src []byte, by touch) (int, error) {
	done := 0
	for done < len(src) {
		b, plain, err := m.acquire(a+addr.Addr(done), uint64(len(src)-done), platform.Write, by)
		if err != nil {
			return done, err
		}
		n := 0
		if plain {
			n = copy(b, src[done:])
		} else {
			n, err = usermem.Copy(b, src[done:])
		}
		m.pageMu.RUnlock()
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// ZeroOut implements usermem.IO.
func (m *MM) ZeroOut(a addr.Addr, n uint64) (uint64, error) {
	done := uint64(0)
	for done < n {
		b, plain, err := m.acquire(a+addr.Addr(done), n-done, platform.Write, bySentry)
		if err != nil {
			return done, err
		}
		z := len(b)
		if plain {
			clear(b)
		} else {
			z, err = usermem.Zero(b)
		}
		m.pageMu.RUnlock()
		done += uint64(z)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// maxBlocks is how many slices one Blocks call lends.
const maxBlocks = 16

// loan is what one Blocks call lends.
type loan struct {
	blocks [maxBlocks][]byte
	held   [maxBlocks]run // with references
	n      int
}

var loans = sync.Pool{New: func() any { return new(loan) }}

// end gives the pages back.
func (l *loan) end() {
	for i := range l.n {
		h := &l.held[i]
		h.file.DecRef(h.off, h.n)
		*h, l.blocks[i] = run{}, nil
	}
	l.n = 0
	loans.Put(l)
}

// Blocks implements usermem.IO. The pages lent carry references, and Fork waits, so
// that what fn stores can't get lost in a copy on write.
func (m *MM) Blocks(r addr.Range, write bool, fn func(blocks [][]byte) (int, error)) (used, lent int, err error) {
	if r.Empty() {
		return 0, 0, nil
	}
	access := platform.Read
	if write {
		access = platform.Write
	}
	m.pinMu.RLock()
	defer m.pinMu.RUnlock()
	l := loans.Get().(*loan)
	defer l.end()
	for at := r.Start; l.n < maxBlocks && at < r.End; l.n++ {
		var b []byte
		b, _, err = m.acquire(at, uint64(r.End-at), access, bySentry)
		if err != nil {
			break
		}
		e, _ := m.ptes.Find(uint64(at))
		first := addr.PageRoundDown(e.OffAt(uint64(at)))
		last, _ := addr.PageRoundUp(e.OffAt(uint64(at)) + uint64(len(b)))
		e.V.file.IncRef(first, last-first)
		l.held[l.n] = run{e.V.file, first, last - first}
		m.pageMu.RUnlock()
		l.blocks[l.n] = b
		lent += len(b)
		at += addr.Addr(len(b))
	}
	if l.n == 0 {
		return 0, 0, err
	}
	used, err = fn(l.blocks[:l.n])
	return used, lent, err
}

// word finds the aligned word at a; as acquire.
func (m *MM) word(a addr.Addr, access platform.Prot) ([]byte, error) {
	if a&3 != 0 {
		return nil, errno.EINVAL
	}
	b, _, err := m.acquire(a, 4, access, bySentry)
	return b, err
}

// LoadUint32 implements usermem.IO.
func (m *MM) LoadUint32(a addr.Addr) (uint32, error) {
	b, err := m.word(a, platform.Read)
	if err != nil {
		return 0, err
	}
	defer m.pageMu.RUnlock()
	return usermem.Load32(b)
}

// SwapUint32 implements usermem.IO.
func (m *MM) SwapUint32(a addr.Addr, v uint32) (uint32, error) {
	b, err := m.word(a, platform.Write)
	if err != nil {
		return 0, err
	}
	defer m.pageMu.RUnlock()
	return usermem.Swap32(b, v)
}

// CompareAndSwapUint32 implements usermem.IO.
func (m *MM) CompareAndSwapUint32(a addr.Addr, old, v uint32) (uint32, error) {
	b, err := m.word(a, platform.Write)
	if err != nil {
		return 0, err
	}
	defer m.pageMu.RUnlock()
	return usermem.CompareAndSwap32(b, old, v)
}

// copyBuffers hold what is copied from one host file to another.
var copyBuffers = sync.Pool{New: func() any { return new([copyWindowMax]byte) }}

// copyFrames fills n bytes of new frames at off, at most copyWindowMax, from a Backing.
func (m *MM) copyFrames(off uint64, from mappable.Backing, at, n uint64) error {
	dst, err := m.mf.Bytes(off, n, true)
	if err != nil {
		return err
	}
	hole := m.mf.Hole(off, n)
	switch f := from.(type) {
	case *memfile.File:
		src, err := f.Bytes(at, n, false)
		if err != nil {
			return err
		}
		if hole {
			if k, err := m.mf.Fill(off, [][]byte{src}); err == nil && k == len(src) {
				return nil
			}
		}
		copy(dst, src)
		return nil
	case *memfile.HostFile:
		if hole {
			buf := copyBuffers.Get().(*[copyWindowMax]byte)
			defer copyBuffers.Put(buf)
			src := buf[:n]
			if err := f.ReadAt(src, at); err != nil {
				return err
			}
			if k, err := m.mf.Fill(off, [][]byte{src}); err == nil && k == len(src) {
				return nil
			}
		}
		return f.ReadAt(dst, at)
	}
	for n > 0 {
		src, err := from.Bytes(at, n, false)
		if err != nil {
			return err
		}
		c, err := usermem.Copy(dst, src)
		if err != nil {
			return err
		}
		dst = dst[c:]
		at += uint64(c)
		n -= uint64(c)
	}
	return nil
}
