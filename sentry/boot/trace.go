package boot

import (
	"io"

	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/strace"
)

// tracer prints system calls for --strace. It implements kernel.Tracer.
type tracer struct{ log *strace.Log }

func newTracer(w io.Writer) *tracer { return &tracer{strace.NewLog(w)} }

func number(t *kernel.Task) int32 { return t.PID().In(t.Kernel().PIDNS) }

// Enter implements kernel.Tracer.
func (tr *tracer) Enter(t *kernel.Task, nr uint64, a *arch.Args) {
	var args [6]uint64
	for i := range a {
		args[i] = uint64(a[i])
	}
	tr.log.Enter(number(t), nr, args, t.MM())
}

// Exit implements kernel.Tracer.
func (tr *tracer) Exit(t *kernel.Task, _ uint64, _ *arch.Args, ret uint64, err error) {
	tr.log.Exit(number(t), t.MM(), ret, err)
}

// Signal implements kernel.Tracer.
func (tr *tracer) Signal(t *kernel.Task, info *[128]byte) {
	var si linux.SignalInfo
	si.UnmarshalBytes(info[:])
	tr.log.Signal(number(t), &si)
}

// End implements kernel.Tracer.
func (tr *tracer) End(t *kernel.Task) { tr.log.End(number(t), linux.WaitStatus(t.ExitStatus())) }
