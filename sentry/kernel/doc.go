// Package kernel holds what runs: tasks, thread groups, process groups and
// sessions, descriptors, signals, wait, exec and exit. The words are Linux's;
// a Task is a thread, a ThreadGroup a process.
//
// Everything is reachable from one Kernel, and several kernels can live in one
// process. Each task has a goroutine that runs Task.run (run.go): to the guest and
// back, one system call, fault or signal at a time. A task blocks in one place
// (block.go), restarts and delivers signals in one place, on the way back to the
// guest (deliver.go), and ends in one place (exit.go). Handlers never end a
// task themselves: they say that it shall end, and return.
//
// Lock order:
//
//	Kernel.mu (Linux's tasklist_lock: the tree of tasks, groups and sessions, tracers, numbers)
//	  ThreadGroup.sigMu (Linux's siglock: pending signals, masks, stops, group exit)
//	    SignalHandlers.mu (actions)
//	    Task.mu (what other tasks may read of a task: mm, descriptors, fs, name)
//	      FDTable.mu
//	keys.Table's lock and those of aio.go: leaves
//
// No lock is held while a task blocks, runs the guest, touches guest memory or drops
// the last reference to a file or an mm.
package kernel
