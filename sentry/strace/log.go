package strace

import (
	"fmt"
	"io"
	"sync"

	"ringfence/abi/linux"
)

// Log writes the calls of many threads to one stream, as "strace -f" does. Safe for
// concurrent use; what concerns one thread must come in order.
type Log struct {
	mu      sync.Mutex
	w       io.Writer
	threads map[int32]*thread
	// open is the thread whose line has no end yet, or 0.
	open int32
}

// thread is what a Log knows of one thread.
type thread struct {
	call   Call
	inside bool // between Enter and Exit
	column int  // length of the line so far
}

// NewLog returns a Log that writes to w. Write errors are ignored.
func NewLog(w io.Writer) *Log {
	return &Log{w: w, threads: map[int32]*thread{}}
}

// Enter prints the beginning of a call.
func (l *Log) Enter(tid int32, nr uint64, args [6]uint64, mem Memory) {
	call, text := Enter(nr, args, mem) // reads guest memory: not under mu
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.threadLocked(tid)
	l.breakLocked()
	line := l.prefixLocked(tid) + text
	t.call, t.inside, t.column = call, true, len(line)
	l.open = tid
	io.WriteString(l.w, line)
}

// Exit prints the rest of the call that tid entered. err is nil or what the call
// returned, including the restart codes.
func (l *Log) Exit(tid int32, mem Memory, ret uint64, err error) {
	l.mu.Lock()
	t := l.threads[tid]
	if t == nil || !t.inside {
		l.mu.Unlock()
		return
	}
	t.inside = false
	line := ""
	if l.open != tid {
		line = l.prefixLocked(tid) + "<... " + t.call.Name() + " resumed>"
		t.column = len(line)
	}
	l.mu.Unlock()

	text := t.call.Exit(mem, ret, err, t.column)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == tid {
		l.open = 0
	} else {
		if line == "" { // another thread broke the line meanwhile
			line = l.prefixLocked(tid) + "<... " + t.call.Name() + " resumed>"
		}
		l.breakLocked()
	}
	io.WriteString(l.w, line+text+"\n")
}

// Signal prints the delivery of a signal.
func (l *Log) Signal(tid int32, info *linux.SignalInfo) {
	p := &printer{c: &Call{}}
	p.str("--- ")
	p.signal(uint64(uint32(info.Signo)))
	p.str(" ")
	p.siginfo(info)
	p.str(" ---\n")
	l.line(tid, string(p.b))
}

// Stopped prints that a job-control signal stopped the thread's process.
func (l *Log) Stopped(tid int32, sig linux.Signal) {
	l.line(tid, "--- stopped by "+sig.String()+" ---\n")
}

// End prints how a thread ended and forgets it. A call that it was in has no result.
func (l *Log) End(tid int32, status linux.WaitStatus) {
	l.mu.Lock()
	t := l.threads[tid]
	if t != nil && t.inside {
		line := " <unfinished ...>) = ?\n"
		if t.call.Nr == linux.SYS_EXIT || t.call.Nr == linux.SYS_EXIT_GROUP {
			line = t.call.Exit(nil, 0, nil, t.column) + "\n"
		}
		if l.open == tid {
			l.open = 0
		} else {
			l.breakLocked()
			line = l.prefixLocked(tid) + "<... " + t.call.Name() + " resumed>" + line
		}
		io.WriteString(l.w, line)
	}
	l.mu.Unlock()

	switch {
	case status.Exited():
		l.line(tid, fmt.Sprintf("+++ exited with %d +++\n", status.ExitCode()))
	case status.CoreDumped():
		l.line(tid, "+++ killed by "+status.TermSignal().String()+" (core dumped) +++\n")
	default:
		l.line(tid, "+++ killed by "+status.TermSignal().String()+" +++\n")
	}
	l.mu.Lock()
	delete(l.threads, tid)
	l.mu.Unlock()
}

func (l *Log) line(tid int32, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.threadLocked(tid)
	l.breakLocked()
	io.WriteString(l.w, l.prefixLocked(tid)+text)
}

func (l *Log) threadLocked(tid int32) *thread {
	t := l.threads[tid]
	if t == nil {
		t = &thread{}
		l.threads[tid] = t
	}
	return t
}

// breakLocked ends an open line, so that another can start.
func (l *Log) breakLocked() {
	if l.open != 0 {
		io.WriteString(l.w, " <unfinished ...>\n")
		l.open = 0
	}
}

// prefixLocked names the thread once there are several.
func (l *Log) prefixLocked(tid int32) string {
	if len(l.threads) < 2 {
		return ""
	}
	return fmt.Sprintf("[pid %5d] ", tid)
}
