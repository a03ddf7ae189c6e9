package kernel

import (
	"sync"

	"ringfence/sentry/creds"
)

// UTSNamespace holds the names of the machine (uts_namespaces(7)).
type UTSNamespace struct {
	ID    uint64 // inode number in /proc/PID/ns
	Owner *creds.UserNamespace

	mu                   sync.RWMutex
	hostname, domainname string
}

// Clone returns a copy of its own (CLONE_NEWUTS).
func (u *UTSNamespace) clone(id uint64, owner *creds.UserNamespace) *UTSNamespace {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return &UTSNamespace{ID: id, Owner: owner, hostname: u.hostname, domainname: u.domainname}
}

// Names returns the host name and the NIS domain name.
func (u *UTSNamespace) Names() (hostname, domainname string) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.hostname, u.domainname
}

// SetHostname and SetDomainname change the names; callers check the length.
func (u *UTSNamespace) SetHostname(s string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hostname = s
}

func (u *UTSNamespace) SetDomainname(s string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.domainname = s
}

// Namespaces are the namespaces of a task other than its user namespace, which is in
// its credentials, and its mount namespace (Linux's struct nsproxy). Immutable: a change makes a copy.
type Namespaces struct {
	UTS *UTSNamespace
	IPC *IPCNamespace
	// ChildPID is where new children go (unshare(CLONE_NEWPID)); the task's own is that of its PID.
	ChildPID *PIDNamespace
	// Net and Cgroup are no more than identities yet: one network and one hierarchy per kernel.
	NetID, CgroupID, TimeID uint64
}
