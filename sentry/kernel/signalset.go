package kernel

import (
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
)

// SignalHandlers are the actions of a process (Linux's struct sighand_struct), shared
// by CLONE_SIGHAND.
type SignalHandlers struct {
	users   atomic.Int64
	mu      sync.Mutex
	actions [linux.NSIG + 1]linux.SigAction // by signal
}

func newSignalHandlers() *SignalHandlers {
	h := &SignalHandlers{}
	h.users.Store(1)
	return h
}

func (h *SignalHandlers) clone() *SignalHandlers {
	n := newSignalHandlers()
	h.mu.Lock()
	defer h.mu.Unlock()
	n.actions = h.actions
	return n
}

// get returns the action of sig.
func (h *SignalHandlers) get(sig linux.Signal) linux.SigAction {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.actions[sig]
}

// flush resets the actions as exec and CLONE_CLEAR_SIGHAND do: handlers become the default, ignored
// signals stay ignored.
func (h *SignalHandlers) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.actions {
		if h.actions[i].Handler != linux.SIG_IGN {
			h.actions[i] = linux.SigAction{}
		} else {
			h.actions[i] = linux.SigAction{Handler: linux.SIG_IGN}
		}
	}
}

// Sets of signals with something in common (include/linux/signal.h).
var (
	stopSignals = linux.MakeSignalSet(linux.SIGSTOP, linux.SIGTSTP, linux.SIGTTIN, linux.SIGTTOU)
	// syncSignals are caused by what the task itself does; they come first.
	syncSignals = linux.MakeSignalSet(linux.SIGSEGV, linux.SIGBUS, linux.SIGILL, linux.SIGTRAP, linux.SIGFPE, linux.SIGSYS)
	// coreSignals dump core by default.
	coreSignals = linux.MakeSignalSet(linux.SIGQUIT, linux.SIGILL, linux.SIGTRAP, linux.SIGABRT, linux.SIGFPE,
		linux.SIGSEGV, linux.SIGBUS, linux.SIGSYS, linux.SIGXCPU, linux.SIGXFSZ)
	// ignoredSignals do nothing by default.
	ignoredSignals = linux.MakeSignalSet(linux.SIGCONT, linux.SIGCHLD, linux.SIGWINCH, linux.SIGURG)
)

// defaultIgnored reports whether a does nothing about sig.
func defaultIgnored(sig linux.Signal, a *linux.SigAction) bool {
	return a.Handler == linux.SIG_IGN || a.Handler == linux.SIG_DFL && ignoredSignals.Has(sig)
}

// pendingSignals are signals that were sent and not delivered (Linux's struct
// sigpending). Guarded by sigMu.
type pendingSignals struct {
	set  linux.SignalSet
	list []*queuedSignal // in order of sending; a signal in set need not be here
}

// queuedSignal is one instance of a signal with what its handler will be told.
type queuedSignal struct {
	info  linux.SignalInfo
	user  *userCount // whose RLIMIT_SIGPENDING it counts against, or nil
	uid   creds.UID
	timer *posixTimer // that it came from, or nil
}

// take removes the first instance of sig. Without an instance it makes up an info as Linux
// does for signals that were not queued for want of room.
func (p *pendingSignals) take(k *Kernel, sig linux.Signal) (linux.SignalInfo, *posixTimer) {
	first, more := -1, false
	for i, q := range p.list {
		if q.info.Signal() != sig {
			continue
		}
		if first >= 0 {
			more = true
			break
		}
		first = i
	}
	if !more {
		p.set.Remove(sig)
	}
	if first < 0 {
		return linux.SignalInfo{Signo: int32(sig), Code: linux.SI_USER}, nil
	}
	q := p.list[first]
	p.list = slices.Delete(p.list, first, first+1)
	q.free(k)
	return q.info, q.timer
}

// remove drops all instances of the signals in s.
func (p *pendingSignals) remove(k *Kernel, s linux.SignalSet) {
	if p.set&s == 0 {
		return
	}
	p.set &^= s
	p.list = slices.DeleteFunc(p.list, func(q *queuedSignal) bool {
		if !s.Has(q.info.Signal()) {
			return false
		}
		q.free(k)
		return true
	})
}

func (q *queuedSignal) free(k *Kernel) {
	if q.user != nil {
		q.user.signals.Add(-1)
		k.putUser(q.uid, q.user)
		q.user = nil
	}
	if q.timer != nil {
		q.timer.queued = false
	}
}

// nextSignal picks the signal of set to deliver next: those that the task caused
// itself first, then in order of their numbers.
func nextSignal(set linux.SignalSet) linux.Signal {
	if set == 0 {
		return 0
	}
	if s := set & syncSignals; s != 0 {
		set = s
	}
	for sig := linux.Signal(1); sig <= linux.SIGRTMAX; sig++ {
		if set.Has(sig) {
			return sig
		}
	}
	return 0
}

// signalReady is what queues are told of a signal's arrival.
const signalReady = wait.In | wait.RdNorm
