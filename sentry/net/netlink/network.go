// Package netlink is AF_NETLINK: sockets on which programs ask the kernel about its
// network (netlink(7), rtnetlink(7)).
//
//	network.go   Network: the interfaces, and who listens at which port
//	socket.go    Socket
//	message.go   reading requests and building replies
//	route.go     NETLINK_ROUTE: links, addresses and routes
//
// NETLINK_ROUTE describes the network and refuses to change it. On
// NETLINK_KOBJECT_UEVENT nothing ever happens, as no device comes or goes. There are
// no other protocols.
//
// Requests are hostile bytes: they are copied once, and read by one cursor that
// checks lengths. Replies are built whole, and wait in the socket's queue.
//
// Lock order:
//
//	Network.mu
//	  Socket.mu (a leaf but for socket.Base)
package netlink

import (
	"sync"

	"ringfence/abi/linux"
)

// Network is what the sockets of one network namespace see.
type Network struct {
	devices []device // immutable

	mu    sync.Mutex
	ports map[port]*Socket // guarded by mu
}

// port is where a socket can be reached.
type port struct {
	protocol int32
	id       uint32
}

// device is a network interface.
type device struct {
	index     int32
	name      string
	kind      uint16 // ARPHRD_*
	flags     uint32 // IFF_*
	mtu       uint32
	queue     uint32 // length of the transmit queue
	address   []byte
	broadcast []byte
	addrs     []ifAddr
}

// ifAddr is an address of an interface.
type ifAddr struct {
	family, prefix, scope uint8
	ip                    []byte
}

// Flags of interfaces (netdevice(7)).
const (
	iffUp       = 0x1
	iffLoopback = 0x8
	iffRunning  = 0x40
	iffLowerUp  = 0x10000
)

// NewNetwork returns a network with no more than the loopback interface.
func NewNetwork() *Network {
	lo := device{
		index: 1, name: "lo", kind: linux.ARPHRD_LOOPBACK, flags: iffUp | iffLoopback | iffRunning | iffLowerUp,
		mtu: 65536, queue: 1000, address: make([]byte, 6), broadcast: make([]byte, 6),
		addrs: []ifAddr{
			{linux.AF_INET, 8, linux.RT_SCOPE_HOST, []byte{127, 0, 0, 1}},
			{linux.AF_INET6, 128, linux.RT_SCOPE_HOST, append(make([]byte, 15), 1)},
		},
	}
	return &Network{devices: []device{lo}, ports: make(map[port]*Socket)}
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
