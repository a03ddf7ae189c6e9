package trap

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/platform/stub"
)

// addressSpace implements platform.AddressSpace. It gets a process when a context
// first runs in it; until then orders for the mapper pile up.
type addressSpace struct {
	platform *Platform

	// refs counts the owner and the contexts with a thread here. The last one puts the process back.
	refs atomic.Int32

	// changes counts the orders that the process carried out.
	changes atomic.Uint64

	// table is the process's table, once there is one.
	table atomic.Pointer[[]byte]

	mu       sync.Mutex
	proc     *process     // guarded by mu; set once, and taken away only by adopt
	queued   []stub.Order // guarded by mu: orders for a process to come
	released bool         // guarded by mu: the owner has gone
	sites    sites        // guarded by mu
}

// Map implements platform.AddressSpace.
func (s *addressSpace) Map(r addr.Range, file hostcall.FD, offset uint64, prot platform.Prot, populate platform.Populate) error {
	if prot == 0 {
		return s.Unmap(r)
	}
	return s.do(stub.GuestOrders(platform.Mapping{Range: r, File: file, Offset: offset, Prot: prot, Populate: populate})...)
}

// MapAll implements platform.AddressSpace.
func (s *addressSpace) MapAll(ms []platform.Mapping) error { return s.do(stub.GuestOrders(ms...)...) }

// Unmap implements platform.AddressSpace.
func (s *addressSpace) Unmap(r addr.Range) error { return s.do(stub.UnmapOrder(r)) }

// do has the mapper carry out orders, as soon as there is one.
func (s *addressSpace) do(orders ...stub.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		if !s.released {
			s.queued = append(s.queued, orders...)
		}
		return nil
	}
	s.changes.Add(1)
	return s.proc.stub.Do(orders...)
}

// Release implements platform.AddressSpace.
func (s *addressSpace) Release() {
	s.mu.Lock()
	s.released = true
	s.queued = nil
	if s.proc != nil {
		// The frames that it maps will be somebody else's. A thread that only seems to wait
		// may still run.
		if s.proc.stub.Do(stub.UnmapOrder(s.platform.UserRange())) != nil {
			hostcall.Kill(s.proc.stub.PID(), sigKill)
		}
	}
	s.mu.Unlock()
	s.decRef()
}

func (s *addressSpace) decRef() {
	if s.refs.Add(-1) == 0 && s.proc != nil {
		s.platform.pool.put(s.proc)
	}
}

// enter returns a thread for a context that is going to run in s. from is the thread that it has
// in another address space, or nil; it is given back, or goes on here.
func (s *addressSpace) enter(from *thread, in *addressSpace) (*thread, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil && from != nil && in.abandon(from) {
		// exec: the process goes on with the new program.
		s.setProcLocked(from.proc)
		if err := s.flushLocked(); err != nil {
			return nil, err
		}
		s.refs.Add(1)
		return from, nil
	}
	if s.proc == nil {
		p, err := s.platform.pool.get()
		if err != nil {
			return nil, err
		}
		s.setProcLocked(p)
		if err := s.flushLocked(); err != nil {
			return nil, err
		}
	}
	t, err := s.proc.takeThread()
	if err != nil {
		return nil, err
	}
	s.refs.Add(1)
	if from != nil {
		from.proc.giveThread(from)
		in.decRef()
	}
	return t, nil
}

// flushLocked carries out the orders that have piled up. s.mu is held.
func (s *addressSpace) flushLocked() error {
	s.sites.bindAll(s.proc)
	orders := s.queued
	s.queued = nil
	if len(orders) == 0 {
		return nil
	}
	return s.proc.stub.Do(orders...)
}

// abandon gives up the process if t is its only thread and nobody else will run in s. The
// caller then owns both.
func (s *addressSpace) abandon(t *thread) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.released || s.refs.Load() != 1 || !t.proc.alone() {
		return false
	}
	s.proc = nil
	s.table.Store(nil)
	s.refs.Add(-1)
	return true
}
