// Package unix implements sockets of AF_UNIX (unix(7)): streams, datagrams and sequenced
// packets, named by paths, by abstract names, or not at all.
//
//	FS         what the sockets of one kernel share: sockets bound to inodes, files in flight
//	Namespace  the abstract names of a network namespace
//	Socket     a socket of any of the three types
//	message    bytes on their way, in the receiver's queue, charged to the sender
//
// All bytes stay in the sentry. A message lies in the receiver's queue and counts against
// its sender's SO_SNDBUF until it is read; datagrams to others than the receiver's own peer
// also count against the length of its queue.
//
// Files:
//
//	socket.go   types, creation, close, shutdown, readiness
//	addr.go     names: binding and finding
//	connect.go  listen, connect, accept
//	queue.go    messages and queues
//	stream.go, dgram.go   sending and receiving
//	rights.go   files in flight and the collection of those that nobody can receive
//	options.go  socket options and ioctls
//
// Lock order:
//
//	FS.gcMu
//	Socket.recvMu
//	  Socket.mu (of two sockets, the older first)
//	    FS.mu, Namespace.mu
//	queues are notified without locks of this package, except FS.gcMu and recvMu
package unix
