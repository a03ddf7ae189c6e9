package kernel

import (
	"sync"

	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// UTSNamespace holds the names of the machine (uts_namespaces(7)).
type UTSNamespace struct {
	identity

	mu                   sync.RWMutex
	hostname, domainname string
}

// clone returns a copy of its own (CLONE_NEWUTS).
func (u *UTSNamespace) clone(id identity) *UTSNamespace {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return &UTSNamespace{identity: id, hostname: u.hostname, domainname: u.domainname}
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
	Net      *NetNamespace
	Cgroup   *CgroupNamespace
	Time     *TimeNamespace
	// ChildTime is where new children and programs go (unshare(CLONE_NEWTIME)).
	ChildTime *TimeNamespace
}

// Namespace is a namespace of any type, as a file of /proc/PID/ns stands for it. It lives as long as
// somebody refers to it, whether tasks are in it or not.
type Namespace interface {
	NSType() uint64  // CLONE_NEW*
	NSInode() uint64 // the number that tells it from others
	// NSOwner is the user namespace whose capabilities count for it, for a user namespace the parent.
	NSOwner() *creds.UserNamespace
}

// NamespaceFiles makes the files that stand for namespaces.
type NamespaceFiles interface {
	// OpenNS returns an open file that stands for ns.
	OpenNS(c vfs.Caller, ns Namespace) *vfs.File
}

// identity is what most namespaces have for Namespace. Immutable.
type identity struct {
	ID    uint64 // inode number in /proc/PID/ns
	Owner *creds.UserNamespace
	hold  *creds.NSHold // nil for initial ones
}

// NSInode and NSOwner implement Namespace.
func (i *identity) NSInode() uint64               { return i.ID }
func (i *identity) NSOwner() *creds.UserNamespace { return i.Owner }

// newIdentity returns that of a new namespace.
func (k *Kernel) newIdentity(owner *creds.UserNamespace, h *creds.NSHold) identity {
	return identity{k.VFS.NewNSInode(), owner, h}
}

// NSType implements Namespace, here and below.
func (*UTSNamespace) NSType() uint64    { return linux.CLONE_NEWUTS }
func (*IPCNamespace) NSType() uint64    { return linux.CLONE_NEWIPC }
func (*PIDNamespace) NSType() uint64    { return linux.CLONE_NEWPID }
func (*NetNamespace) NSType() uint64    { return linux.CLONE_NEWNET }
func (*CgroupNamespace) NSType() uint64 { return linux.CLONE_NEWCGROUP }
func (*TimeNamespace) NSType() uint64   { return linux.CLONE_NEWTIME }

// CgroupNamespace hides where in the hierarchy control groups are (cgroup_namespaces(7)).
type CgroupNamespace struct {
	identity
	Root *Cgroup // the group that is the root in it; immutable
}
