package trap

import "sync"

// spares is how many processes are kept ready.
const spares = 3

// backlog is how many used processes may wait for their end.
const backlog = 16

// pool makes processes ahead of their use and ends used ones, so that fork and exit wait for
// neither.
type pool struct {
	platform *Platform
	wake     chan struct{} // capacity 1

	mu     sync.Mutex
	ready  []*process // guarded by mu
	old    []*process // guarded by mu
	closed bool       // guarded by mu
	done   chan struct{}
}

func newPool(p *Platform) *pool {
	l := &pool{platform: p, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	l.poke()
	return l
}

func (l *pool) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// get returns a process with one idle thread.
func (l *pool) get() (*process, error) {
	l.mu.Lock()
	var p *process
	n := len(l.ready)
	if n > 0 {
		p = l.ready[0]
		l.ready = append(l.ready[:0], l.ready[1:]...)
	}
	l.mu.Unlock()
	l.poke()
	if n == 0 {
		var err error
		if p, err = l.platform.newProcess(); err != nil {
			return nil, err
		}
	}
	if err := p.ready(); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// put takes a process that is no longer used. Nothing of a guest is mapped in it.
func (l *pool) put(p *process) {
	l.mu.Lock()
	later := len(l.old) < backlog && !l.closed
	if later {
		l.old = append(l.old, p)
	}
	l.mu.Unlock()
	if later {
		l.poke()
	} else {
		p.end()
	}
}

func (l *pool) run() {
	defer close(l.done)
	for range l.wake {
		for l.step() {
		}
		l.mu.Lock()
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return
		}
	}
}

// step does one piece of work and reports whether there may be more.
func (l *pool) step() bool {
	l.mu.Lock()
	old := l.old
	l.old = nil
	if l.closed {
		old = append(old, l.ready...)
		l.ready = nil
	}
	more := !l.closed && len(l.ready) < spares
	l.mu.Unlock()
	if more {
		p, err := l.platform.newProcess()
		if err != nil {
			more = false // Whoever needs one will be told.
		} else {
			l.mu.Lock()
			l.ready = append(l.ready, p)
			l.mu.Unlock()
		}
	}
	for _, p := range old {
		p.end()
	}
	return more || len(old) > 0
}

// close ends the processes that nobody uses, and the pool.
func (l *pool) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.poke()
	<-l.done
}
