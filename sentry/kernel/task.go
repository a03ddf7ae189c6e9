package kernel

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/futex"
	"ringfence/sentry/keys"
	"ringfence/sentry/limits"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Task is a thread of a guest. It implements vfs.Caller and wait.Waiter.
type Task struct {
	// Immutable after the task is made.
	k  *Kernel
	tg *ThreadGroup
	// principal is whom the task acts for; nil but for actors (async.go), which share it with those made of them.
	principal *atomic.Pointer[Task]

	// Task goroutine only.
	ctx       platform.Context
	regs      arch.Registers
	restart   RestartBlock
	inRestart bool
	args      arch.Args // of the call under way
	// Seq and FutexWaiter are for the handler of the call under way: what lives in them would
	// have to be allocated otherwise, as file systems and futex queues are handed pointers to it.
	Seq         usermem.Sequence
	FutexWaiter futex.Waiter
	paths       pathCache
	memEvents   mm.Events  // see AwaitEvents; task goroutine only
	fileEntry   wait.Entry // of BlockOnFile
	inCall      bool       // a call is under way
	inSyscall   bool       // the last event was a system call: its result may be a restart code
	blocker     blocker
	dying       bool   // run ends the task with exitCode
	exitCode    uint32 // as for wait4, without the core bit of threads
	fault       lastFault
	clearTID    addr.Addr // set_tid_address(2)
	setTID      addr.Addr // where the task stores its number when it starts (CLONE_CHILD_SETTID)
	answering   bool      // the platform answers some calls by itself
	altStack    linux.SignalStack
	// savedMask is what SetTempMask replaced, if maskSaved.
	savedMask linux.SignalSet
	maskSaved bool

	// syscallNo is the number of the call in which the task sleeps, or -1 if it sleeps
	// outside one; of no meaning while it runs.
	syscallNo atomic.Int64
	blocked   atomic.Bool // asleep in Block
	cpu       cpuTime

	// answersStale says that the platform may not know the right answers: see answers.go.
	answersStale atomic.Bool

	// pending says that something waits on the way to the guest: a signal, a
	// stop, a kill. Written under ThreadGroup.sigMu, read anywhere.
	pending atomic.Bool

	// mu guards what other tasks may read. The task's own goroutine is the only
	// writer, so it reads without the lock.
	mu         sync.Mutex
	mm         *mm.MM // nil when the task is past exit
	files      *FDTable
	fs         *fsShare
	ns         *Namespaces
	mounts     *vfs.Namespace
	comm       string
	robustList addr.Addr
	sched      Sched

	// cred is replaced by the task itself, read by all.
	cred atomic.Pointer[creds.Credentials]
	// seccomp is nil for a task without filters; see seccomp.go.
	seccomp atomic.Pointer[seccompState]
	// dispatch is the task's own, or its tracer's while it is stopped.
	dispatch UserDispatch
	// pid changes only when an exec makes the task its group's leader.
	pid atomic.Pointer[PID]

	personality atomic.Uint32
	timerSlack  atomic.Int64
	memPolicy   mm.MemPolicy // set_mempolicy(2); task goroutine only
	parentDeath atomic.Int32 // PR_SET_PDEATHSIG
	startTime   atomic.Int64 // monotonic nanoseconds; an exec may take the old leader's
	usage       usage
	user        *userCount // of the real user id; task goroutine only
	userID      creds.UID
	sysvUndo    *undoList
	keys        keys.Holder // guarded by its table
	aio         *aioTable   // of the address space; task goroutine only
	async       asyncState

	// Guarded by tg.sigMu.
	sigMask     linux.SignalSet
	realMask    linux.SignalSet // what rt_sigtimedwait replaced by sigMask
	signals     pendingSignals
	stop        stopState
	job         jobFlags
	resting     bool // see rest
	fatal       bool // will die of a group exit, an exec or SIGKILL
	exitStarted bool // past the point where it takes signals

	// Guarded by Kernel.mu.
	exitState exitState
	tracer    *Task     // who traces the task, nil if nobody
	tracees   []*Task   // whom the task traces
	cgroup    *Cgroup   // stays when the task ends
	cpuBefore cpuTotals // used before it came to the group
	frozen    bool      // counted in the group's freezer
	vforkOf   *Task     // the task that waits for this one to let go of its mm

	// trace is what ptrace(2) keeps about the task; guarded by tg.sigMu and written
	// by the tracer or the task itself.
	trace traceState
}

// exitState says how far a task is gone.
type exitState uint8

const (
	alive exitState = iota
	zombie
	dead // released: no number finds it
)

// stopState says whether a task is parked. Guarded by sigMu.
type stopState uint8

const (
	notStopped   stopState = iota
	groupStopped           // SIGSTOP and the like
	traceStopped           // for its tracer
)

// Kernel returns the task's kernel.
func (t *Task) Kernel() *Kernel { return t.k }

// ThreadGroup returns the task's process.
func (t *Task) ThreadGroup() *ThreadGroup { return t.tg }

// MM returns the task's address space; it is also its usermem.IO. Task goroutine
// only: others use AcquireMM.
func (t *Task) MM() *mm.MM { return t.mm }

// AcquireMM returns the task's address space with a user for the caller, who calls
// DecUsers; nil if it has none any more.
func (t *Task) AcquireMM() *mm.MM {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mm == nil || !t.mm.TryIncUsers() {
		return nil
	}
	return t.mm
}

// Files returns the task's descriptor table. Task goroutine only.
func (t *Task) Files() *FDTable { return t.files }

// AcquireFiles returns the task's descriptor table with a user for the caller, who
// calls ReleaseFiles; nil if it has none any more.
func (t *Task) AcquireFiles() *FDTable {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files != nil {
		t.files.IncUsers()
	}
	return t.files
}

// FSContext implements vfs.Caller. Task goroutine only.
func (t *Task) FSContext() *vfs.FSContext { return t.fs.ctx }

// AcquireFSContext returns a copy of the task's root, cwd and umask, which the caller
// releases; nil if it has none any more.
func (t *Task) AcquireFSContext() *vfs.FSContext {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fs == nil {
		return nil
	}
	return t.fs.ctx.Clone()
}

// Creds implements vfs.Caller. Safe from any goroutine.
func (t *Task) Creds() *creds.Credentials { return t.cred.Load() }

// Now implements vfs.Caller.
func (t *Task) Now() int64 { return t.k.Now() }

// FileSizeLimit implements vfs.Caller.
func (t *Task) FileSizeLimit() uint64 { return t.tg.limits.Cur(linux.RLIMIT_FSIZE) }

// Limits returns the resource limits of the task's process.
func (t *Task) Limits() *limits.Set { return t.tg.limits }

// Regs returns the registers. Task goroutine only, or a tracer's while the task is stopped.
func (t *Task) Regs() *arch.Registers { return &t.regs }

// Context returns the platform's context. Task goroutine only, or a tracer's while
// the task is stopped.
func (t *Task) Context() platform.Context { return t.ctx }

// TID and TGID return the numbers of the task and its process in the task's own PID namespace.
func (t *Task) TID() int32  { return t.pid.Load().Own() }
func (t *Task) TGID() int32 { return t.tg.pid.Own() }

// TIDIn returns the task's number in ns, 0 if it has none there.
func (t *Task) TIDIn(ns *PIDNamespace) int32 { return t.pid.Load().In(ns) }

// RootTID returns the number in the initial PID namespace: what futex words of the
// sandbox's root, logs and Owner ids use.
func (t *Task) RootTID() int32 { return t.pid.Load().nums[0] }

// PIDNamespace returns the namespace that the task is in.
func (t *Task) PIDNamespace() *PIDNamespace { return t.tg.pid.ns }

// Namespaces returns the task's other namespaces. Task goroutine only: others use AcquireNamespaces.
func (t *Task) Namespaces() *Namespaces { return t.ns }

// AcquireNamespaces returns the task's namespaces; nil if it is past exit.
func (t *Task) AcquireNamespaces() *Namespaces {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ns
}

// Comm returns the task's name (PR_SET_NAME), at most 15 bytes.
func (t *Task) Comm() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.comm
}

// SetComm changes the name; longer ones are cut.
func (t *Task) SetComm(s string) {
	if len(s) > linux.TaskCommLen-1 {
		s = s[:linux.TaskCommLen-1]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.comm = s
}

// IsLeader reports whether the task leads its thread group.
func (t *Task) IsLeader() bool {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.tg.leader == t
}

// Personality returns what personality(2) set.
func (t *Task) Personality() uint32 { return t.personality.Load() }

// SetPersonality changes it. Task goroutine only.
func (t *Task) SetPersonality(p uint32) { t.personality.Store(p) }

// StartTime returns CLOCK_MONOTONIC at the task's start, in nanoseconds.
func (t *Task) StartTime() int64 { return t.startTime.Load() }

// SyscallNo returns the number of the call in which the task sleeps, or -1 if it is not in one.
// Of a task that runs it says nothing.
func (t *Task) SyscallNo() int64 { return t.syscallNo.Load() }

// State returns the letter of ps(1): R S T t Z X.
func (t *Task) State() byte {
	t.k.mu.RLock()
	state := t.exitState
	t.k.mu.RUnlock()
	switch state {
	case zombie:
		return 'Z'
	case dead:
		return 'X'
	}
	t.tg.sigMu.Lock()
	stop := t.stop
	t.tg.sigMu.Unlock()
	switch {
	case stop == traceStopped:
		return 't'
	case stop == groupStopped:
		return 'T'
	case t.blocked.Load():
		return 'S'
	}
	return 'R'
}

// fsShare is an FSContext with the count of the tasks that share it (CLONE_FS); of these, actors are no tasks to the guest.
type fsShare struct {
	users  atomic.Int64
	actors atomic.Int64
	ctx    *vfs.FSContext
}

func newFSShare(ctx *vfs.FSContext) *fsShare {
	s := &fsShare{ctx: ctx}
	s.users.Store(1)
	return s
}

func (s *fsShare) drop() {
	if s.users.Add(-1) == 0 {
		s.ctx.Release()
	}
}
