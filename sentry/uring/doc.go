// Package uring is the memory that io_uring(7) shares with guests, and how it is read and written.
//
//	Ring       the submission and the completion ring, and the array of submissions
//	Region     pages of the memory file that a guest may map
//	Layout     which Region an mmap offset of the ring's file means
//	Buffers    a group of buffers that requests take from (IOSQE_BUFFER_SELECT)
//
// It knows no tasks and no files: sentry/syscalls carries requests out. Whatever lies in shared memory may change at any
// time: each word is read once, then checked, then used; what the sentry itself counts by (the tail of the completion ring, the
// head of the submission ring) it keeps in memory of its own, and the guest sees only a copy.
//
// Neighbours: memfile gives the pages, mappable.Mappable is how address spaces map them.
//
// Locks: Ring and Buffers have none, their owner serializes. Layout.mu is a leaf.
package uring
