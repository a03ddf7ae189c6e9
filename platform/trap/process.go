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

// newProcess makes a process with one idle thread.
func (p *Platform) newProcess() (*process, error) {
	host, err := p.factory.Get()
	if err != nil {
		return nil, hostShort(err)
	}
	proc := &process{platform: p, stub: host}
	table, ok := p.arena.take()
	if !ok {
		p.factory.Discard(host)
		return nil, errno.ENOMEM
	}
	proc.table = table
	at := addr.Range{Start: siteTable, End: siteTable + areaSize}
	t, err := proc.startThread(stub.MapOrder(at, p.arena.file, uint64(table)*areaSize, hostcall.PROT_READ, true))
	if err != nil {
		proc.end()
		return nil, err
	}
	proc.idle = append(proc.idle, t)
	return proc, nil
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

// startThread makes a thread, after the orders in before.
func (p *process) startThread(before ...stub.Order) (*thread, error) {
	a := p.platform.arena
	slot, ok := a.take()
	if !ok {
		return nil, errno.EAGAIN
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.threads)
	if n == maxThreads {
		a.give(slot)
		return nil, errno.EAGAIN
	}
	r := areaRange(n)
	t := &thread{proc: p, slot: slot, addr: uint64(r.Start), mem: a.bytes(slot)}
	t.area = areaOf(t.mem)
	t.init(p.platform.code)
	before = append(before, stub.MapOrder(r, a.file, uint64(slot)*areaSize, hostcall.PROT_READ|hostcall.PROT_WRITE, false))
	err := p.stub.Do(before...)
	if err == nil {
		t.tid, err = p.stub.StartThread(p.platform.code.marks[enter], t.addr)
	}
	if err != nil {
		a.give(slot)
		return nil, hostShort(err)
	}
	p.threads = append(p.threads, t)
	return t, nil
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
