// Package pipe implements pipes and FIFOs (pipe(7), fifo(7)).
//
//	FS      pipefs: makes pipes, and finds the pipe of an open FIFO
//	Pipe    the ring of bytes between the ends, and who has it open
//	end     the FileOps of an open end
//
// A pipe holds bytes in slots of a page, as Linux's does, because guests can
// tell: by when a pipe is full, by what fits, by what PIPE_BUF promises.
//
// Lock order:
//
//	FS.mu
//	  Pipe.mu (of two pipes, the older first)
//	    guest memory; the other file of a splice
//	wait queues are notified without Pipe.mu
package pipe
