package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/inet"
	"ringfence/sentry/net/netlink"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/net/unix"
	"ringfence/sentry/vfs"
)

// NetNamespace is a network (network_namespaces(7)): its interfaces, and what sockets made in it share. A socket
// stays in the one that it was made in.
type NetNamespace struct {
	identity
	Net     *socket.Net
	Inet    *inet.Stack // the loopback
	Netlink *netlink.Network
	Unix    *unix.Namespace // abstract names
}

// newNetNamespace returns a network that has nothing but the loopback interface, which is down.
func (k *Kernel) newNetNamespace(id identity) *NetNamespace {
	n := socket.NewNet(id.Owner, k.netCookies.Add(1))
	ns := &NetNamespace{identity: id, Net: n, Inet: inet.NewStack(n), Unix: unix.NewNamespace(n)}
	ns.Netlink = netlink.NewNetwork(n, netlink.Sockets{
		Inet: ns.Inet.States,
		Unix: func() []socket.UnixState { return k.Unix.States(ns.Unix) },
	})
	n.Namespace = ns
	return ns
}

// initialNetwork makes the network of the kernel's first process: the loopback is up, and everybody may have
// ping sockets.
func (k *Kernel) initialNetwork() *NetNamespace {
	ns := k.newNetNamespace(identity{ID: linux.NET_NS_INIT_INO, Owner: k.UserNS})
	if err := ns.Net.Links.SetFlags(socket.LoopbackIndex, linux.IFF_UP, linux.IFF_UP); err != nil {
		panic("a network without a loopback: " + err.Error())
	}
	ns.Inet.SetPingGroups(inet.EveryGroup)
	return ns
}

// OpenFor implements socket.Namespace.
func (ns *NetNamespace) OpenFor(c vfs.Caller) (int32, error) {
	t, ok := vfs.Who(c).(*Task)
	if !ok || t.k.NSFiles == nil {
		return 0, errno.EOPNOTSUPP
	}
	return t.InstallNew(t.k.NSFiles.OpenNS(t, ns), linux.O_CLOEXEC)
}

// Net returns the network that the task's sockets are made in. Only for the task itself; others
// look at its Namespaces.
func (t *Task) Net() *NetNamespace { return t.ns.Net }
