package stub

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

// ErrDead is the error of everything that is asked of a process that the host killed.
var ErrDead = errors.New("stub process died")

// Process is a stub process. Safe for concurrent use; orders are carried out one
// batch after the other.
type Process struct {
	pid     int32
	control []byte      // the control page, as the sentry maps it; immutable
	result  hostcall.FD // memfd of the control page; its position is the result
	event   hostcall.FD // eventfd, nonblocking

	seq    *uint32 // ctlSeq in control
	asleep *uint32 // ctlAsleep in control

	// mu guards the fields below and the control page. It is held while the mapper
	// works, which is as long as a host call of ours would take.
	mu      sync.Mutex
	dead    bool
	first   uint32             // number of the batch that it was started with, until it is awaited
	cpu     int                // CPU that the mapper is confined to, or -1
	threads map[int32]struct{} // guest threads that nobody has waited for yet
}

// newProcess makes what a mapper and the sentry share. The host process comes later.
func newProcess() (*Process, error) {
	p := &Process{result: hostcall.NoFD, event: hostcall.NoFD, threads: map[int32]struct{}{}, cpu: -1}
	var err error
	if p.result, err = hostcall.MemfdCreate("control", hostcall.MFD_CLOEXEC); err == nil {
		if err = hostcall.Ftruncate(p.result, controlSize); err == nil {
			p.control, err = hostcall.MapFile(p.result, 0, controlSize, hostcall.PROT_READ|hostcall.PROT_WRITE)
		}
	}
	if err == nil {
		p.event, err = hostcall.Eventfd(0, hostcall.EFD_CLOEXEC|hostcall.EFD_NONBLOCK)
	}
	if err != nil {
		p.closeShared()
		return nil, err
	}
	p.seq = hostcall.Word32(p.control, ctlSeq)
	p.asleep = hostcall.Word32(p.control, ctlAsleep)
	le := binary.LittleEndian
	le.PutUint32(p.control[ctlSpin:], mapperSpins)
	le.PutUint64(p.control[ctlParent:], uint64(hostcall.Getpid()))
	le.PutUint64(p.control[ctlResultFD:], fd(p.result))
	le.PutUint64(p.control[ctlEventFD:], fd(p.event))
	le.PutUint64(p.control[ctlOne:], 1)
	return p, nil
}

func (p *Process) closeShared() {
	if p.control != nil {
		hostcall.UnmapFile(p.control)
		p.control = nil
	}
	if p.result != hostcall.NoFD {
		hostcall.Close(p.result)
	}
	if p.event != hostcall.NoFD {
		hostcall.Close(p.event)
	}
}

// PID returns the host process id.
func (p *Process) PID() int32 { return p.pid }

// Do has the mapper carry out orders until one fails.
func (p *Process) Do(orders ...Order) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(orders) > maxOrders {
		if _, err := p.doLocked(orders[:maxOrders]...); err != nil {
			return err
		}
		orders = orders[maxOrders:]
	}
	_, err := p.doLocked(orders...)
	return err
}

// StartThread carries out orders, of which the last is a ThreadOrder, and returns the host thread
// id. Whoever traces it and has waited for its end calls ThreadGone.
func (p *Process) StartThread(orders ...Order) (int32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tid, err := p.doLocked(orders...)
	if err != nil {
		return 0, err
	}
	p.threads[tid] = struct{}{}
	return tid, nil
}

// ThreadGone says that the end of a guest thread was waited for.
func (p *Process) ThreadGone(tid int32) {
	p.mu.Lock()
	delete(p.threads, tid)
	p.mu.Unlock()
}

// do has the mapper carry out one order and returns its small result.
func (p *Process) do(o Order) (int32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doLocked(o)
}

// doLocked has the mapper carry out orders until one fails. It returns the id that the
// last clone gave. p.mu is held.
func (p *Process) doLocked(orders ...Order) (int32, error) {
	if p.dead {
		return 0, ErrDead
	}
	if len(orders) > maxOrders {
		panic("stub: batch too long")
	}
	if p.first != 0 {
		if _, err := p.startedLocked(); err != nil {
			return 0, err
		}
	}
	p.comeNearLocked()
	seq := p.writeLocked(orders)
	hostcall.FutexWake(p.seq, 1)
	return p.resultLocked(seq)
}

// writeLocked stores a batch for the mapper to find and returns its number. p.mu is held.
func (p *Process) writeLocked(orders []Order) uint32 {
	le := binary.LittleEndian
	at := p.control[ctlOrders:]
	for _, o := range orders {
		le.PutUint64(at, o.nr)
		for i, a := range o.args {
			le.PutUint64(at[8+8*i:], a)
		}
		le.PutUint64(at[56:], o.then)
		at = at[orderSize:]
	}
	le.PutUint32(p.control[ctlCount:], uint32(len(orders)))
	return atomic.AddUint32(p.seq, 1)
}

// resultLocked waits for the result of batch seq.
func (p *Process) resultLocked(seq uint32) (int32, error) {
	n, err := p.await(seq)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, errno.Errno(-n)
	}
	return n, nil
}

// Started waits until the orders that Factory.Start was given have been carried out, and
// returns the id of the thread that the last of them made.
func (p *Process) Started() (tid int32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startedLocked()
}

func (p *Process) startedLocked() (int32, error) {
	seq := p.first
	p.first = 0
	tid, err := p.resultLocked(seq)
	if err == nil && tid != 0 {
		p.threads[tid] = struct{}{}
	}
	return tid, err
}

// comeNearLocked confines the mapper to our CPU. We are about to wait for it, and to get
// another CPU out of its sleep takes longer than the orders. p.mu is held.
func (p *Process) comeNearLocked() {
	if cpu := hostcall.Getcpu(); cpu != p.cpu && p.pid > 0 {
		p.cpu = cpu
		hostcall.SchedSetaffinity(p.pid, []int{cpu})
	}
}

const (
	// senderSpins is how often the sentry asks for the result before it sleeps, each
	// time costing a host call of about 0.1 us; mapperSpins how often a mapper looks
	// for orders before it does.
	senderSpins = 0
	mapperSpins = 0

	// patience is after what time without an answer the sentry sees whether somebody
	// stopped or killed the process.
	patience = 100 * time.Millisecond
)

// await returns the result of batch seq.
func (p *Process) await(seq uint32) (int32, error) {
	for range senderSpins {
		if n, ok, err := p.poll(seq); ok || err != nil {
			return n, err
		}
	}
	atomic.StoreUint32(p.asleep, 1)
	defer atomic.StoreUint32(p.asleep, 0)
	for {
		if n, ok, err := p.poll(seq); ok || err != nil {
			return n, err
		}
		ready, err := hostcall.Ppoll([]hostcall.PollFd{{Fd: int32(p.event), Events: hostcall.POLLIN}}, patience)
		switch {
		case err == errno.EINTR:
		case err != nil:
			return 0, err
		case ready > 0:
			var count [8]byte
			if _, err := hostcall.Read(p.event, count[:]); err != nil && err != errno.EAGAIN {
				return 0, err
			}
		case p.gone():
			p.dead = true
			return 0, ErrDead
		default:
			// A SIGSTOP from outside also stops the mapper.
			hostcall.Kill(p.pid, sigCont)
		}
	}
}

// poll reads the result of batch seq if it is there.
func (p *Process) poll(seq uint32) (n int32, ok bool, err error) {
	pos, err := hostcall.Lseek(p.result, 0, hostcall.SEEK_CUR)
	if err != nil {
		return 0, false, err
	}
	return int32(pos), uint32(pos>>32) == seq&0x7fffffff, nil
}

// gone reports whether the host killed the process. The leader can't be waited for as
// long as a traced thread has not been, so its threads count as well.
func (p *Process) gone() bool {
	if hostcall.Exited(p.pid) {
		return true
	}
	for tid := range p.threads {
		if hostcall.Exited(tid) {
			return true
		}
	}
	return false
}

// kill ends the process and waits for it and its threads.
func (p *Process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	if p.pid > 0 {
		p.comeToEndLocked()
		hostcall.Kill(p.pid, sigKill)
		for tid := range p.threads {
			waitEnd(tid)
			delete(p.threads, tid)
		}
		waitEnd(p.pid)
	}
	p.closeShared()
}

// comeToEndLocked confines all threads to our CPU. We wait for their end, which takes longer than
// most of what they did; elsewhere they would keep others from their work. p.mu is held.
func (p *Process) comeToEndLocked() {
	here := []int{hostcall.Getcpu()}
	hostcall.SchedSetaffinity(p.pid, here)
	for tid := range p.threads {
		hostcall.SchedSetaffinity(tid, here)
	}
}

// waitEnd waits until a child or traced thread has ended. Other news are passed over.
func waitEnd(tid int32) {
	for {
		_, ws, err := hostcall.Wait4(tid, hostcall.WALL)
		if err != nil || ws.Exited() || ws.Signaled() {
			return
		}
	}
}
