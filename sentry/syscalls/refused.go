package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// refusals are calls that fail whatever their arguments: what a sandbox does not
// offer, and what Linux itself has dropped.
var refusals = []refusal{
	{linux.SYS_RSEQ, "rseq", errno.ENOSYS, "a platform can't tell when the host preempts a thread; libraries have other ways"},
	{linux.SYS_USELIB, "uselib", errno.ENOSYS, "dropped by Linux"},
}
