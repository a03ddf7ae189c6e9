package stub

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// Host call numbers and constants of orders.
const (
	sysRtSigaction = 13
	sysMmap        = 9
	sysMunmap      = 11
	sysMadvise     = 28
	sysClone       = 56
	sysPrctl       = 157

	cloneVM, cloneFS, cloneFiles, cloneSighand = 0x100, 0x200, 0x400, 0x800
	cloneVfork, cloneParent                    = 0x4000, 0x8000
	cloneThread, cloneSysvsem                  = 0x10000, 0x40000
	cloneClearSighand                          = 1 << 32

	threadFlags   = cloneVM | cloneFS | cloneFiles | cloneSighand | cloneThread | cloneSysvsem
	processFlags  = cloneParent | cloneFiles
	helperFlags   = cloneVM | cloneVfork | cloneFiles
	templateFlags = cloneParent | cloneFiles | cloneClearSighand

	prSetDumpable, prSetName, prSetSeccomp, prSetNoNewPrivs = 4, 15, 22, 38
	seccompModeFilter                                       = 2
	madvPopulateWrite                                       = 23

	sigKill, sigCont = 9, 18
)

// maxIdle is how many released processes are kept for the next Get.
const maxIdle = 16

// Factory makes stub processes. Safe for concurrent use.
type Factory struct {
	image    Image       // immutable
	code     hostcall.FD // memfd of the code page; immutable
	template *Process    // immutable
	quit     chan struct{}

	mu     sync.Mutex
	idle   []*Process            // empty processes
	live   map[*Process]struct{} // those that Get handed out
	closed bool
}

// New makes a factory and its template process.
func New(image Image) (*Factory, error) {
	f := &Factory{image: image, quit: make(chan struct{}), live: map[*Process]struct{}{}}
	var err error
	if f.code, err = newCodeFile(); err != nil {
		return nil, fmt.Errorf("stub code page: %w", err)
	}
	if f.template, err = newProcess(); err != nil {
		hostcall.Close(f.code)
		return nil, fmt.Errorf("stub control page: %w", err)
	}
	forked := make(chan error)
	go f.parent(forked)
	err = <-forked
	if err == nil {
		err = f.prepareTemplate()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("stub template process: %w", err)
	}
	return f, nil
}

func newCodeFile() (hostcall.FD, error) {
	fd, err := hostcall.MemfdCreate("stub", hostcall.MFD_CLOEXEC)
	if err != nil {
		return hostcall.NoFD, err
	}
	if _, err := hostcall.Pwrite(fd, codePage(), 0); err != nil {
		hostcall.Close(fd)
		return hostcall.NoFD, err
	}
	return fd, nil
}

// parent forks the template and then keeps its host thread until Close: stub processes
// die when that thread does.
func (f *Factory) parent(forked chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a := &forkArgs{
		mask:    ^uint64(0),
		helper:  [8]uint64{helperFlags},
		clone:   [8]uint64{templateFlags},
		code:    fd(f.code),
		control: fd(f.template.result),
		parent:  uint64(hostcall.Getpid()),
	}
	helper := forkTemplate(a)
	if helper < 0 {
		forked <- fmt.Errorf("clone3: %w", hostcall.Errno(helper))
		return
	}
	waitEnd(int32(helper))
	if a.pid < 0 {
		forked <- fmt.Errorf("clone3: %w", hostcall.Errno(a.pid))
		return
	}
	f.template.pid = int32(a.pid)
	forked <- nil
	<-f.quit
}

// prepareTemplate makes the template what all stub processes start as.
func (f *Factory) prepareTemplate() error {
	p := f.template
	p.mu.Lock()
	defer p.mu.Unlock()
	data := func(off int) uint64 { return controlAddr + uint64(off) }
	le := binary.LittleEndian

	// Exceptions have a handler, so that the host lays out a frame.
	const action, name, prog, filter = ctlData, ctlData + 32, ctlData + 48, ctlData + 64
	const saSiginfo, saRestorer, saOnstack, saNodefer = 0x4, 0x4000000, 0x8000000, 0x40000000
	for i, w := range []uint64{f.image.Handler, saSiginfo | saRestorer | saOnstack | saNodefer, ExitPC, 0} {
		le.PutUint64(p.control[action+8*i:], w)
	}
	copy(p.control[name:], "ringfence-stub\x00")
	code := f.image.Filter()
	le.PutUint16(p.control[prog:], uint16(len(code)/8))
	le.PutUint64(p.control[prog+8:], data(filter))
	if filter+len(code) > controlSize {
		panic("stub: the filter does not fit into the control page")
	}
	copy(p.control[filter:], code)

	orders := []Order{
		{nr: sysMunmap, args: [6]uint64{0, Base}},
		{nr: sysMunmap, args: [6]uint64{ScratchStart, userEnd - ScratchStart}},
		// Traceable whatever the sentry did to its own memory's flag by dropping privileges.
		{nr: sysPrctl, args: [6]uint64{prSetDumpable, 1}},
		{nr: sysPrctl, args: [6]uint64{prSetName, data(name)}},
		{nr: sysPrctl, args: [6]uint64{prSetNoNewPrivs, 1}},
	}
	if f.image.Scratch {
		orders = append(orders, mapScratch())
	}
	for _, r := range f.image.Regions {
		orders = append(orders, MapOrder(r.Range, r.File, r.Offset, r.Prot, true))
	}
	for _, sig := range f.image.Signals {
		orders = append(orders, Order{nr: sysRtSigaction, args: [6]uint64{uint64(sig), data(action), 0, 8}})
	}
	orders = append(orders, Order{nr: sysPrctl, args: [6]uint64{prSetSeccomp, seccompModeFilter, data(prog)}})
	_, err := p.doLocked(orders...)
	return err
}

func mapScratch() Order {
	return Order{nr: sysMmap, args: [6]uint64{ScratchStart, ScratchEnd - ScratchStart,
		hostcall.PROT_READ | hostcall.PROT_WRITE,
		hostcall.MAP_PRIVATE | hostcall.MAP_ANONYMOUS | hostcall.MAP_NORESERVE | hostcall.MAP_FIXED, ^uint64(0)}}
}

// Get returns a process in which no guest page is mapped. It goes back by Put or Discard.
func (f *Factory) Get() (*Process, error) {
	if p := f.takeIdle(); p != nil {
		return p, nil
	}
	return f.Start()
}

// Start makes a process that carries out orders first of all, and does not wait until it has: see
// Process.Started. It goes back by Put or Discard.
func (f *Factory) Start(orders ...Order) (*Process, error) {
	p, err := f.fork(orders...)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live[p] = struct{}{}
	return p, nil
}

func (f *Factory) takeIdle() *Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.idle)
	if n == 0 {
		return nil
	}
	p := f.idle[n-1]
	f.idle = f.idle[:n-1]
	f.live[p] = struct{}{}
	return p
}

// fork has the template make a process.
func (f *Factory) fork(orders ...Order) (*Process, error) {
	p, err := newProcess()
	if err != nil {
		return nil, err
	}
	if len(orders) > 0 {
		p.mu.Lock()
		p.first = p.writeLocked(orders)
		p.mu.Unlock()
	}
	p.pid, err = f.template.do(Order{nr: sysClone, args: [6]uint64{processFlags, 0, 0, 0, 0, fd(p.result)}, then: thenProcess})
	if err != nil {
		p.closeShared()
		return nil, err
	}
	return p, nil
}

// Put takes a process back. If its guest threads have all been waited for and it can
// be emptied it is kept, else it is killed and waited for.
func (f *Factory) Put(p *Process) {
	empty := p.empty(f.image.Scratch)
	f.mu.Lock()
	delete(f.live, p)
	keep := empty && !f.closed && len(f.idle) < maxIdle
	if keep {
		f.idle = append(f.idle, p)
	}
	f.mu.Unlock()
	if !keep {
		p.kill()
	}
}

// Discard ends a process whatever state it is in. It goes back by this or by Put.
func (f *Factory) Discard(p *Process) {
	f.mu.Lock()
	delete(f.live, p)
	f.mu.Unlock()
	p.kill()
}

// empty removes everything that the guest left in the process.
func (p *Process) empty(scratch bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || len(p.threads) != 0 {
		return false
	}
	orders := []Order{UnmapOrder(addr.Range{Start: 0, End: Base})}
	if scratch {
		orders = append(orders, mapScratch())
	}
	_, err := p.doLocked(orders...)
	clear(p.control[ctlOrders:ctlData]) // The next guest can read it.
	return err == nil
}

// Close ends all processes, also those that were not put back. Nothing may be asked
// of the factory or a process afterwards.
func (f *Factory) Close() {
	f.mu.Lock()
	all := f.idle
	for p := range f.live {
		all = append(all, p)
	}
	f.idle, f.live, f.closed = nil, nil, true
	f.mu.Unlock()
	for _, p := range all {
		p.kill()
	}
	f.template.kill()
	close(f.quit)
	hostcall.Close(f.code)
}
