// Package syscalls answers the system calls of guests: one file per family with
// one table each, put together by Table. A handler decodes and checks arguments,
// calls vfs, mm or kernel, and translates the result.
//
// A family file declares its lines as plain data:
//
//	var uioCalls = []line{
//		{linux.SYS_READ, "read", sysRead, kernel.Full, "", ""},
//	}
//
// and is listed in families below.
package syscalls

import (
	"fmt"

	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
)

// line is one system call.
type line struct {
	nr      uint64
	name    string
	handler kernel.Handler // nil: refused, with ENOSYS
	support kernel.Support
	// flags names the flags that are supported, where the call has flags; note is
	// what the published matrix says.
	flags, note string
}

// refusal is a system call that always fails.
type refusal struct {
	nr   uint64
	name string
	err  errno.Errno
	note string
}

// families are the lines of all files of the package.
var families = [][]line{
	processCalls,
	rwCalls,
	openCalls,
	statCalls,
	nameiCalls,
	dirCalls,
	attrCalls,
	xattrCalls,
	lockCalls,
	inotifyCalls,
	fanotifyCalls,
	mountCalls,
	mountFDCalls,
	statmountCalls,
	copyCalls,
	handleCalls,
	signalCalls,
	miscCalls,
	fdCalls,
	credCalls,
	timerCalls,
	prctlCalls,
	seccompCalls,
	ptraceCalls,
	pidfdCalls,
	ipcCalls,
	schedCalls,
	utsCalls,
	rlimitCalls,
	pipeCalls,
	spliceCalls,
	epollCalls,
	pollCalls,
	eventfdCalls,
	signalfdCalls,
	memfdCalls,
	userfaultfdCalls,
	timerfdCalls,
	timeCalls,
	socketCalls,
	socketMsgCalls,
	mmCalls,
	mempolicyCalls,
	processVMCalls,
	futexCalls,
	aioCalls,
	uringCalls,
	cachestatCalls,
	keyCalls,
	lsmCalls,
	landlockCalls,
	quotaCalls,
}

// Table returns the table of system calls. It panics if two lines claim one number.
func Table() *kernel.SyscallTable {
	t := new(kernel.SyscallTable)
	for _, f := range families {
		for _, l := range f {
			e := &t[l.nr]
			if e.Name != "" {
				panic(fmt.Sprintf("syscalls: %s and %s both claim number %d", e.Name, l.name, l.nr))
			}
			*e = kernel.Entry{Name: l.name, Handler: l.handler, Support: l.support, Flags: l.flags, Note: l.note}
		}
	}
	for _, r := range refusals {
		e := &t[r.nr]
		if e.Name != "" {
			panic(fmt.Sprintf("syscalls: %s and %s both claim number %d", e.Name, r.name, r.nr))
		}
		*e = kernel.Entry{Name: r.name, Refusal: r.err, Note: r.note}
	}
	return t
}
