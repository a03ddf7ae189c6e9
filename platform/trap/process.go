package trap

import (
	"encoding/binary"
	"sync"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// process is a stub process with its threads. It belongs to one addressSpace.
type process struct {
	platform *Platform
	stub     *stub.Process
	table    uint32 // area number of its table of sites

	mu      sync.Mutex
	threads []*thread // guarded by mu: all of them; they end with the process
	idle    []*thread // guarded by mu: those that no context uses
}

// thread is a host thread for guest code.
type thread struct {
	proc *process
	tid  int32
	slot uint32 // number of its area
	addr uint64 // the area's address in the process
	area *area
	mem  []byte // the area
}

// newProcess begins to make a process with one idle thread: see ready.
func (p *Platform) newProcess() (*process, error) {
	proc := &process{platform: p}
	var ok bool
	if proc.table, ok = p.arena.take(); !ok {
		return nil, errno.ENOMEM
	}
	t, orders, err := proc.newThread()
	if err != nil {
		p.arena.give(proc.table)
		return nil, err
	}
	at := addr.Range{Start: siteTable, End: siteTable + areaSize}
	table := stub.MapOrder(at, p.arena.file, uint64(proc.table)*areaSize, hostcall.PROT_READ, false)
	if proc.stub, err = p.factory.Start(append([]stub.Order{table}, orders...)...); err != nil {
		p.arena.give(t.slot)
		p.arena.give(proc.table)
		return nil, hostShort(err)
	}
	proc.threads = append(proc.threads, t)
	proc.idle = append(proc.idle, t)
	return proc, nil
}

// ready waits until a new process has its thread.
func (p *process) ready() (err error) {
	p.threads[0].tid, err = p.stub.Started()
	return hostShort(err)
}

// hostShort turns what the host is short of into what a guest understands.
func hostShort(err error) error {
	switch err {
	case errno.EMFILE, errno.ENFILE, errno.EAGAIN:
		return errno.ENOMEM
	}
	return err
}

// takeThread returns a thread that no context uses.
func (p *process) takeThread() (*thread, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		t := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return t, nil
	}
	p.mu.Unlock()
	return p.startThread()
}

// giveThread takes a thread back from its context.
func (p *process) giveThread(t *thread) {
	p.mu.Lock()
	p.idle = append(p.idle, t)
	p.mu.Unlock()
}

// alone reports whether the process never had more than one thread.
func (p *process) alone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.threads) == 1
}

// startThread makes a thread.
func (p *process) startThread() (*thread, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, orders, err := p.newThread()
	if err != nil {
		return nil, err
	}
	if t.tid, err = p.stub.StartThread(orders...); err != nil {
		p.platform.arena.give(t.slot)
		return nil, hostShort(err)
	}
	p.threads = append(p.threads, t)
	return t, nil
}

// newThread prepares an area and says what the mapper has to do for a thread. p.mu is held, or
// nobody knows p.
func (p *process) newThread() (*thread, []stub.Order, error) {
	n := len(p.threads)
	if n == maxThreads {
		return nil, nil, errno.EAGAIN
	}
	a := p.platform.arena
	slot, ok := a.take()
	if !ok {
		return nil, nil, errno.EAGAIN
	}
	r := areaRange(n)
	t := &thread{proc: p, slot: slot, addr: uint64(r.Start), mem: a.bytes(slot)}
	t.area = areaOf(t.mem)
	t.init(p.platform.code)
	return t, []stub.Order{
		stub.MapOrder(r, a.file, uint64(slot)*areaSize, hostcall.PROT_READ|hostcall.PROT_WRITE, false),
		stub.ThreadOrder(p.platform.code.marks[enter], t.addr),
	}, nil
}

// init fills a new area.
func (t *thread) init(code *image) {
	a := t.area
	a.self, a.magic = t.addr, magicValue
	a.features = cpu.Host().Features
	a.setGS = t.addr
	a.code, a.codeSize = codeAddr, codeSize
	offset := func(m mark) uint64 { return code.marks[m] - codeAddr }
	a.handlerEnd, a.enter, a.posted, a.postedStop = offset(handlerEnd), offset(enter), offset(posted), offset(postedEnd)
	a.altStack.sp, a.altStack.size = t.addr+stackOffset, stackSize
	a.regs.Cs, a.regs.Ss = arch.UserCS, arch.UserDS
}

// end ends the process. Nothing may use its threads any more.
func (p *process) end() {
	p.platform.factory.Discard(p.stub)
	for _, t := range p.threads {
		p.platform.arena.give(t.slot)
	}
	p.platform.arena.give(p.table)
}

// bind stores what the trampoline of site n needs.
func (p *process) bind(n int, to binding) {
	b := p.platform.arena.bytes(p.table)
	binary.LittleEndian.PutUint64(b[siteReturns+8*n:], to.ret)
	binary.LittleEndian.PutUint32(b[siteNumbers+4*n:], to.nr)
}

// returnOf returns the address behind site n, and numberOf the call of a movSite. Guests
// can't write the table.
func (p *process) returnOf(n int) uint64 {
	return binary.LittleEndian.Uint64(p.platform.arena.bytes(p.table)[siteReturns+8*n:])
}

func (p *process) numberOf(n int) uint64 {
	return uint64(binary.LittleEndian.Uint32(p.platform.arena.bytes(p.table)[siteNumbers+4*n:]))
}
