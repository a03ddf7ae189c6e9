// Package strace prints what a guest calls, in the words of strace(1).
//
// A Call is one system call under way: Enter prints the arguments that the call
// reads, Exit the rest and the result, once memory holds what the call wrote.
// Log writes the lines of many threads as "strace -f" does, with "<unfinished ...>"
// and "resumed" where they interleave.
//
// The package knows Linux's interface (abi/linux) and nothing of the kernel above
// it. What it reads from a guest is only ever printed: each byte is read once per
// line, and lengths are cut to what strace shows before memory is allocated.
//
// Lock order: Log.mu is a leaf, but for the writer's own locks.
package strace

import "ringfence/abi/addr"

// Memory reads a guest's memory. CopyIn returns how many bytes it could read.
type Memory interface {
	CopyIn(a addr.Addr, dst []byte) (int, error)
}

// Call is one system call of one thread. The zero value is not a call: see Enter.
type Call struct {
	Nr   uint64
	Args [6]uint64

	shown int    // arguments printed by Enter
	saved uint32 // a length on entry that the call may overwrite
}
