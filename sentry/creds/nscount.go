package creds

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"ringfence/abi/errno"
)

// NSKind is a type of namespace that users have a limited number of (/proc/sys/user/max_*_namespaces).
type NSKind int

const (
	CgroupNS NSKind = iota
	IPCNS
	MountNS
	NetNS
	PIDNS
	TimeNS
	UserNS
	UTSNS
	nsKinds
)

// NSKindNames are the names as /proc/sys/user has them.
var NSKindNames = [nsKinds]string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

// defaultNSMax is how many of each kind a user of the initial namespace may have.
const defaultNSMax = 15640

// NSHold is what a namespace holds as long as it counts. Namespaces are not released but forgotten, so it is counted by weak
// pointers to it.
type NSHold struct{ owner *UserNamespace }

// nsCounts are the limits of a user namespace, and what counts against them. The zero value has no limits but the greatest.
type nsCounts struct {
	lower [nsKinds]atomic.Int64 // by how much limits are below math.MaxInt32

	mu   sync.Mutex
	held map[nsUser][]weak.Pointer[NSHold]
}

// nsUser is whose namespaces of which kind are counted together.
type nsUser struct {
	uid  UID
	kind NSKind
}

// NSMax returns the limit for namespaces of a kind of each user of ns, and SetNSMax changes it.
func (ns *UserNamespace) NSMax(k NSKind) int64       { return math.MaxInt32 - ns.counts.lower[k].Load() }
func (ns *UserNamespace) SetNSMax(k NSKind, n int64) { ns.counts.lower[k].Store(math.MaxInt32 - n) }

// ChargeNS counts a new namespace that ns is to own, made by uid, there and against who made ns in all namespaces above
// (namespaces(7)). ENOSPC at a limit. The namespace keeps the result.
func (ns *UserNamespace) ChargeNS(uid UID, k NSKind) (*NSHold, error) {
	h := &NSHold{ns}
	for at := ns; at != nil; uid, at = at.Owner, at.Parent {
		if !at.counts.add(nsUser{uid, k}, at.NSMax(k), h) {
			return nil, errno.ENOSPC // what was added below ends with h
		}
	}
	return h, nil
}

// add counts h unless max are held already.
func (c *nsCounts) add(u nsUser, max int64, h *NSHold) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(len(c.held[u])) >= max {
		c.dropLocked(u)
	}
	if int64(len(c.held[u])) >= max && max > 0 {
		// What looks held may only not have been collected yet.
		runtime.GC()
		c.dropLocked(u)
	}
	if int64(len(c.held[u])) >= max {
		return false
	}
	if c.held == nil {
		c.held = make(map[nsUser][]weak.Pointer[NSHold])
	}
	if l := c.held[u]; len(l) == cap(l) {
		c.dropLocked(u) // before it grows
	}
	c.held[u] = append(c.held[u], weak.Make(h))
	return true
}

// dropLocked forgets what has been collected.
func (c *nsCounts) dropLocked(u nsUser) {
	if l, ok := c.held[u]; ok {
		c.held[u] = slices.DeleteFunc(l, func(p weak.Pointer[NSHold]) bool { return p.Value() == nil })
	}
}
