// Package netlink is AF_NETLINK: sockets on which programs ask the kernel about its
// network, change it and hear of changes (netlink(7), rtnetlink(7)).
//
//	network.go   Network: who listens at which port and to which groups
//	socket.go    Socket
//	options.go   their options
//	message.go   reading requests and building replies
//	route.go     NETLINK_ROUTE: what requests ask
//	describe.go  links, addresses and routes as messages
//	change.go    changes of links and addresses
//	diag.go      NETLINK_SOCK_DIAG: sockets as messages
//	diagfilter.go  the programs that choose among them
//	list.go      /proc/net/netlink
//
// On NETLINK_KOBJECT_UEVENT nothing ever happens, as no device comes or goes. There are
// no other protocols.
//
// Requests are hostile bytes: they are copied once, and read by one cursor that
// checks lengths. Replies are built whole, and wait in the socket's queue.
//
// Lock order:
//
//	link.Table's
//	  Network.mu
//	    Socket.mu (a leaf but for socket.Base)
package netlink

import (
	"sync"

	"ringfence/abi/linux"
	"ringfence/sentry/net/link"
	"ringfence/sentry/net/socket"
)

// Network is what the sockets of one network namespace see.
type Network struct {
	net     *socket.Net // immutable
	sockets Sockets     // immutable

	mu    sync.Mutex
	ports map[port]*Socket // guarded by mu
	// listeners are the sockets that are in groups. Guarded by mu.
	listeners map[*Socket]struct{}
}

// port is where a socket can be reached.
type port struct {
	protocol int32
	id       uint32
}

// NewNetwork returns the view of n's interfaces, of whose changes it tells, and of its sockets.
func NewNetwork(n *socket.Net, sockets Sockets) *Network {
	w := &Network{net: n, sockets: sockets, ports: make(map[port]*Socket), listeners: make(map[*Socket]struct{})}
	n.Links.Watch(w)
	return w
}

// claim gives s the port id, or if that is 0 one of the kernel's choice, first of all
// prefer. It reports false if the port is taken.
func (n *Network) claim(s *Socket, id, prefer uint32) (uint32, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := port{s.protocol, id}
	if id == 0 {
		// As on Linux the numbers beyond those of processes follow.
		p.id = prefer
		for next := ^uint32(4095); p.id == 0 || n.ports[p] != nil; next-- {
			p.id = next
		}
	}
	if n.ports[p] != nil {
		return 0, false
	}
	n.ports[p] = s
	return p.id, true
}

func (n *Network) release(s *Socket, id uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := (port{s.protocol, id}); n.ports[p] == s {
		delete(n.ports, p)
	}
}

// listen makes groups those that s hears of, a bit each, the lowest for group 1.
func (n *Network) listen(s *Socket, change func(groups uint64) uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups = change(s.groups); s.groups != 0 {
		n.listeners[s] = struct{}{}
	} else {
		delete(n.listeners, s)
	}
}

// announce sends a message to all of a group of NETLINK_ROUTE.
func (n *Network) announce(group uint32, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.listeners {
		if s.protocol == linux.NETLINK_ROUTE && s.in(group) {
			s.post(b, group)
		}
	}
}

// Changed implements link.Watcher.
func (n *Network) Changed(old, now *link.Link) {
	tell := func(group uint32, fill func(r *reply)) {
		var r reply
		fill(&r)
		n.announce(group, r.b)
	}
	addr := func(a *link.Address, kind uint16) {
		group := uint32(linux.RTNLGRP_IPV4_IFADDR)
		if a.Addr().Is6() {
			group = linux.RTNLGRP_IPV6_IFADDR
		}
		tell(group, func(r *reply) { r.addr(now, a, kind, 0) })
	}
	routes := func(from, but *link.Link, kind uint16) {
		gone := routesOf(but)
		for _, rt := range routesOf(from) {
			if contains(gone, rt) {
				continue
			}
			group := uint32(linux.RTNLGRP_IPV4_ROUTE)
			if rt.dst.Addr().Is6() {
				group = linux.RTNLGRP_IPV6_ROUTE
			}
			tell(group, func(r *reply) { r.route(&rt, kind, 0) })
		}
	}
	if old.Told() != now.Told() || old.MTU != now.MTU || old.Queue != now.Queue {
		tell(linux.RTNLGRP_LINK, func(r *reply) { r.link(now, 0, old.Told()^now.Told()) })
	}
	for i := range old.Addrs {
		if a := &old.Addrs[i]; !now.Holds(a) {
			addr(a, linux.RTM_DELADDR)
		}
	}
	routes(old, now, linux.RTM_DELROUTE)
	for i := range now.Addrs {
		if a := &now.Addrs[i]; !old.Holds(a) {
			addr(a, linux.RTM_NEWADDR)
		}
	}
	routes(now, old, linux.RTM_NEWROUTE)
}
