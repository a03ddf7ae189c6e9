package loader

import (
	_ "embed"
	"sync"
	"sync/atomic"
	"time"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/platform/clock"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/mm"
)

//go:generate go run ringfence/tools/vdsogen -o vdso.so

//go:embed vdso.so
var vdsoImage []byte

// Offsets in a VDSO: a page of parameters, one that always says that the kernel is to be asked, then the image.
const (
	vvarSize  = addr.PageSize
	askStart  = vvarSize
	vdsoStart = 2 * vvarSize
)

// Places of the fields in the page of parameters: struct vvar in
// tools/vdsogen/image/vdso.c.
const (
	vvarSeq     = 0
	vvarUsable  = 4
	vvarBaseTSC = 8
	vvarBaseNS  = 16
	vvarMult    = 24
	vvarRealNS  = 32
	vvarBootNS  = 40
	vvarCPUs    = 48
)

// VDSO is the shared object with the clock calls that every program finds mapped
// (vdso(7)), and the page that it reads them from. One per kernel; all guests map the same pages.
// It is a mappable.Mappable.
type VDSO struct {
	file *memfile.File
	off  uint64 // in file
	size uint64
	page []byte // the parameters, in the sentry's mapping

	// Platform is told what is published, if it is not nil. Set before Follow.
	Platform platform.ClockReader

	mu  sync.Mutex
	cur clock.Params // as published; guarded by mu
}

// NewVDSO makes a vDSO that asks the kernel for the time until Publish tells better.
// cpus is how many CPUs guests see.
func NewVDSO(file *memfile.File, cpus int) (*VDSO, error) {
	image, _ := addr.PageRoundUp(uint64(len(vdsoImage)))
	v := &VDSO{file: file, size: vdsoStart + image}
	off, err := file.Allocate(v.size, memfile.AllocOpts{Kind: memfile.System})
	if err != nil {
		return nil, err
	}
	v.off = off
	b, err := file.Bytes(off, v.size, true)
	if err == nil && uint64(len(b)) < v.size {
		err = errno.EIO
	}
	if err != nil {
		file.DecRef(off, v.size)
		return nil, err
	}
	v.page = b[:vvarSize]
	copy(b[vdsoStart:], vdsoImage)
	for _, page := range [][]byte{v.page, b[askStart:vdsoStart]} {
		atomic.StoreUint32(hostcall.Word32(page, vvarCPUs), uint32(cpus))
	}
	return v, nil
}

// Publish makes guests compute the time from p from now on. What they read never
// goes back.
func (v *VDSO) Publish(p clock.Params) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seq := hostcall.Word32(v.page, vvarSeq)
	atomic.AddUint32(seq, 1)
	// No guest computes by the old parameters from a counter read from here on.
	p = p.Continue(v.cur, clock.TSC())
	put := func(off int, n uint64) { atomic.StoreUint64(hostcall.Word64(v.page, off), n) }
	put(vvarBaseTSC, p.BaseTSC)
	put(vvarBaseNS, uint64(p.BaseNS))
	put(vvarMult, p.Mult)
	put(vvarRealNS, uint64(p.RealNS))
	put(vvarBootNS, uint64(p.BootNS))
	usable := uint32(0)
	if p.Usable {
		usable = 1
	}
	atomic.StoreUint32(hostcall.Word32(v.page, vvarUsable), usable)
	atomic.AddUint32(seq, 1)
	v.cur = p
	if v.Platform != nil {
		v.Platform.SetClock(p)
	}
}

// Follow publishes what c measures until stop is closed. It returns at once if the
// counter of this machine can't be trusted.
func (v *VDSO) Follow(c *clock.Calibrator, stop <-chan struct{}) {
	if !c.Usable() {
		return
	}
	p, wait := c.Step()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		p, wait = c.Step()
		v.Publish(p)
		if !c.Usable() {
			return
		}
		timer.Reset(wait)
	}
}

// Release gives the pages back. No address space may be made with v afterwards.
func (v *VDSO) Release() { v.file.DecRef(v.off, v.size) }

// Translate implements mappable.Mappable.
func (v *VDSO) Translate(off, n, hint uint64, write bool) (mappable.Pages, error) {
	if off >= v.size {
		return mappable.Pages{}, errno.EFAULT
	}
	v.file.IncRef(v.off, v.size)
	return mappable.Pages{Off: 0, Len: v.size, Backing: v.file, Start: v.off}, nil
}

// AddMapping implements mappable.Mappable: nobody writes to the pages but us.
func (v *VDSO) AddMapping(_ mappable.Space, _ addr.Range, _ uint64, writable bool) error {
	if writable {
		return errno.EPERM
	}
	return nil
}

// RemoveMapping implements mappable.Mappable.
func (v *VDSO) RemoveMapping(mappable.Space, addr.Range, uint64, bool) {}

// mapInto maps parameters and image next to each other and returns where the image is (AT_SYSINFO_EHDR). With ask, the
// program always asks the kernel for the time.
func (v *VDSO) mapInto(m *mm.MM, ask bool) (addr.Addr, error) {
	image := v.size - vdsoStart
	base, err := reserve(m, vvarSize+image, addr.PageSize)
	if err != nil {
		return 0, err
	}
	if err := v.mapParams(m, base, ask); err != nil {
		return 0, err
	}
	_, err = m.Map(mm.MapOpts{Addr: base + vvarSize, Length: image, Offset: vdsoStart, Prot: platform.Read | platform.Exec,
		Name: "[vdso]", Fixed: true, Private: true, Mappable: v})
	return base + vvarSize, err
}

func (v *VDSO) mapParams(m *mm.MM, at addr.Addr, ask bool) error {
	o := mm.MapOpts{Addr: at, Length: vvarSize, Prot: platform.Read, MaxProt: platform.Read, Name: paramsName,
		Fixed: true, Private: true, Mappable: v}
	if ask {
		o.Offset = askStart
	}
	_, err := m.Map(o)
	return err
}

// paramsName is what the page of parameters is called in /proc/PID/maps; no guest can give something that name.
const paramsName = "[vvar]"

// Retime makes the program in m compute the time, or ask for it, wherever it has moved the page of parameters to.
func (v *VDSO) Retime(m *mm.MM, ask bool) error {
	var at addr.Addr
	m.ForEachVMA(false, func(i mm.VMAInfo) bool {
		if i.Name == paramsName && i.Range.Len() == vvarSize {
			at = i.Range.Start
		}
		return at == 0
	})
	if at == 0 {
		return nil
	}
	return v.mapParams(m, at, ask)
}
