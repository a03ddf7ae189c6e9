package kernel

import (
	"ringfence/abi/linux"
	"ringfence/platform/arch"
)

// traceState is what ptrace(2) keeps about a traced task. Guarded by sigMu of the tracee.
type traceState struct {
	traced  bool
	seized  bool
	options uint32

	stopSig linux.Signal // of the last group stop (JOBCTL_STOP_SIGMASK)
	code    int32        // what the tracer's wait4 will see of the present stop; 0 once it has
	message uint64       // PTRACE_GETEVENTMSG
	info    linux.SignalInfo
	hasInfo bool
}

func (t *Task) traceStart() bool { return false }
func (t *Task) traceSignal(sig linux.Signal, info *linux.SignalInfo) linux.Signal {
	return sig
}
func (t *Task) doJobTrap()                                                      { t.tg.sigMu.Unlock() }
func (t *Task) traceHandlerStart()                                              {}
func (t *Task) trapNotifyLocked()                                               {}
func (t *Task) sysTraced() bool                                                 { return false }
func (t *Task) traceSyscallEnter(nr *uint64, a *arch.Args) bool                 { return false }
func (t *Task) traceSyscallExit(nr uint64, a *arch.Args, ret uint64, err error) {}
func (t *Task) cloneEvent(a *CloneArgs) int                                     { return 0 }
func (t *Task) traceEvent(event int, message uint64)                            {}
func (t *Task) traceVforkDone(message uint64)                                   {}
func (t *Task) traceExit()                                                      {}
func (t *Task) traceChildLocked(n *Task, a *CloneArgs, event int)               {}
func (t *Task) releaseTraceesLocked()                                           {}
func (t *Task) unlinkTracerLocked()                                             {}
func (t *Task) tracedByOtherLocked() bool                                       { return false }
func (t *Task) traceExec()                                                      {}
func (t *Task) traceLeaderChange(old *PID)                                      {}
