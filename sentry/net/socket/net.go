package socket

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/link"
	"ringfence/sentry/vfs"
)

// Net is what the sockets of one network namespace share, whatever their family (network_namespaces(7)).
type Net struct {
	Owner  *creds.UserNamespace // in which capabilities count
	Cookie uint64               // SO_NETNS_COOKIE
	Links  *link.Table
	// Namespace is the kernel's object that this is part of. May be nil in tests.
	Namespace Namespace

	used atomic.Int32 // open files that are sockets of the network

	mu       sync.Mutex
	settings map[string]string // below /proc/sys/net, by path, that were changed
}

// Namespace is a network namespace as the kernel knows it.
type Namespace interface {
	// OpenFor returns a new descriptor of c's that stands for the namespace (SIOCGSKNS).
	OpenFor(c vfs.Caller) (int32, error)
}

// LoopbackIndex is the index of the loopback interface.
const LoopbackIndex = link.Loopback

// NewNet returns a network that has nothing but the loopback interface, which is down.
func NewNet(owner *creds.UserNamespace, cookie uint64) *Net {
	return &Net{Owner: owner, Cookie: cookie, Links: link.NewTable()}
}

// Used returns how many sockets are open (/proc/net/sockstat).
func (n *Net) Used() int { return int(n.used.Load()) }

// Has reports whether a capability of c's counts in the network.
func (n *Net) Has(c vfs.Caller, capability int) bool { return c.Creds().HasIn(capability, n.Owner) }

// Admin reports whether c may change the network.
func (n *Net) Admin(c vfs.Caller) bool { return n.Has(c, linux.CAP_NET_ADMIN) }

// Setting returns what a file below /proc/sys/net was set to, "" if it was not.
func (n *Net) Setting(path string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings[path]
}

// Set changes a file below /proc/sys/net.
func (n *Net) Set(path, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.settings == nil {
		n.settings = make(map[string]string)
	}
	n.settings[path] = value
}

// Numbers returns the numbers of a file below /proc/sys/net, which are those of otherwise if it was not set.
func (n *Net) Numbers(path string, otherwise ...int64) []int64 {
	s := n.Setting(path)
	if s == "" {
		return otherwise
	}
	fields := strings.Fields(s)
	for i := range otherwise {
		if i < len(fields) {
			otherwise[i], _ = strconv.ParseInt(fields[i], 10, 64) // it was checked when it was set
		}
	}
	return otherwise
}

// Number returns the one number of such a file.
func (n *Net) Number(path string, otherwise int64) int64 { return n.Numbers(path, otherwise)[0] }

// Somaxconn bounds the backlog of listeners.
func (n *Net) Somaxconn() int32 { return int32(n.Number("core/somaxconn", linux.SOMAXCONN)) }
