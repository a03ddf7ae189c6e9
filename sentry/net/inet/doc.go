// Package inet implements sockets of AF_INET and AF_INET6 (ip(7), tcp(7), udp(7), icmp(7), raw(7)), and
// of AF_PACKET (packet(7)), on the loopback interface: whoever talks to one of its addresses talks to another
// socket of the network namespace, or to the host's echo service.
//
//	Stack    the ports of a network, of which sentry/net/link holds the addresses
//	TCP      a stream socket: a listener, or one end of two pipes of bytes
//	UDP      a datagram socket
//	Ping     a socket that sends echo requests
//	Raw      a socket of packets
//	Frames   a packet socket, which sees what all others exchange
//	failure  what the queue of errors tells of a datagram
//	packet   an IP packet, where a Raw or a Ping sends or sees one
//	stream   the bytes on their way in one direction of a connection
//
// Between TCP and UDP sockets there are no packets: a connection is a pair of sockets that know
// each other, as unix sockets do. What guests can see of TCP beyond bytes - when connect(2)
// reports, what a reset does, how an end polls - is as on Linux. Only while there are raw or packet
// sockets are packets made up for them to see (Stack.tap). What a Raw sends reaches other Raws, UDP
// sockets and the echo service, but no connections.
//
// Lock order:
//
//	TCP.mu (of a listener before that of its client before that of its new end)
//	  Stack.mu
//	  stream.mu
//	    guest memory
//	UDP.mu, endpoint.mu
//	  Stack.mu
//	wait queues are notified without these locks
package inet
