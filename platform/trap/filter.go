package trap

import (
	"ringfence/abi/addr"
	"ringfence/platform/stub"
)

// rules are what the filter lets through of the host calls that stubCode makes. A thread gives
// up the first ones when it is set up; the others are harmless.
func (i *image) rules() []stub.Rule {
	between := func(from, to mark) addr.Range {
		return addr.Range{Start: addr.Addr(i.marks[from]), End: addr.Addr(i.marks[to])}
	}
	return []stub.Rule{
		{Code: between(enter, common), Calls: []stub.Call{
			{NR: 131}, // sigaltstack: a new thread gets a stack of its own
			{NR: 157}, // prctl: and gives up calls
			{NR: 231}, // exit_group: if any of that fails
		}},
		{Code: between(common, postedEnd), Calls: []stub.Call{
			{NR: 24},                            // sched_yield: a guest's own
			{NR: 202, Below: 2},                 // futex, to wait and wake: who waits for the turn sleeps
			{NR: 14, Is: codeAddr + maskOffset}, // rt_sigprocmask, to unblock all: when a new thread is ready
		}},
	}
}
