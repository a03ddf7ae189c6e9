package creds

import (
	"cmp"
	"slices"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// UserNamespace is a user namespace (user_namespaces(7)). The initial one has no parent and maps every id to itself.
type UserNamespace struct {
	// Immutable.
	ID     uint64 // inode number in /proc/PID/ns
	Parent *UserNamespace
	Level  int // how many are above
	Owner  UID // effective ids of who made it
	Group  GID
	// parentSetfcap: who made it had CAP_SETFCAP, and so may map the parent's root.
	parentSetfcap bool

	// UIDs, GIDs and Projects are written once each.
	UIDs, GIDs, Projects IDMap
	noSetgroups          atomic.Bool

	counts nsCounts
	hold   *NSHold // nil for the initial one; immutable
}

// NewInitial returns an initial namespace.
func NewInitial() *UserNamespace {
	ns := &UserNamespace{ID: linux.USER_NS_INIT_INO}
	for k := range nsKinds {
		ns.SetNSMax(k, defaultNSMax)
	}
	return ns
}

// maxUserNSLevel is how deep user namespaces nest.
const maxUserNSLevel = 32

// NewUserNamespace returns a namespace below c's, made by c: ENOSPC if it lies too deep or c has too many, EPERM if c's ids have no name
// in its own.
func NewUserNamespace(c *Credentials, id uint64) (*UserNamespace, error) {
	p := c.UserNS
	if p.Level > maxUserNSLevel {
		return nil, errno.ENOSPC
	}
	h, err := p.ChargeNS(c.EUID, UserNS)
	if err != nil {
		return nil, err
	}
	if !p.HasUID(c.EUID) || !p.HasGID(c.EGID) {
		return nil, errno.EPERM
	}
	ns := &UserNamespace{hold: h, ID: id, Parent: p, Level: p.Level + 1, Owner: c.EUID, Group: c.EGID, parentSetfcap: c.HasOwn(linux.CAP_SETFCAP)}
	ns.noSetgroups.Store(p.noSetgroups.Load())
	return ns, nil
}

// NSType, NSInode and NSOwner implement kernel.Namespace: what owns a user namespace is its parent.
func (ns *UserNamespace) NSType() uint64          { return linux.CLONE_NEWUSER }
func (ns *UserNamespace) NSInode() uint64         { return ns.ID }
func (ns *UserNamespace) NSOwner() *UserNamespace { return ns.Parent }

// Within reports whether ns is top or below it.
func (ns *UserNamespace) Within(top *UserNamespace) bool {
	for ns != nil && ns != top {
		ns = ns.Parent
	}
	return ns != nil
}

// Initial reports whether ns is the initial one. Nil stands for it.
func (ns *UserNamespace) Initial() bool { return ns == nil || ns.Parent == nil }

// ToUID returns the id that ns calls id; false if that has no meaning there. ToGID is the same for groups.
func (ns *UserNamespace) ToUID(id uint32) (UID, bool) {
	if ns.Initial() {
		return UID(id), id != NoID
	}
	k, ok := ns.UIDs.down(id, 1)
	return UID(k), ok
}

func (ns *UserNamespace) ToGID(id uint32) (GID, bool) {
	if ns.Initial() {
		return GID(id), id != NoID
	}
	k, ok := ns.GIDs.down(id, 1)
	return GID(k), ok
}

// OptionalUID is ToUID for calls that take NoID for "leave as it is".
func (ns *UserNamespace) OptionalUID(id uint32) (UID, bool) {
	if id == NoID {
		return UID(id), true
	}
	return ns.ToUID(id)
}

func (ns *UserNamespace) OptionalGID(id uint32) (GID, bool) {
	if id == NoID {
		return GID(id), true
	}
	return ns.ToGID(id)
}

// FromUID returns what ns calls u, NoID if it has no name for it. FromGID is the same for groups.
func (ns *UserNamespace) FromUID(u UID) uint32 {
	if ns.Initial() {
		return uint32(u)
	}
	return ns.UIDs.up(uint32(u))
}

func (ns *UserNamespace) FromGID(g GID) uint32 {
	if ns.Initial() {
		return uint32(g)
	}
	return ns.GIDs.up(uint32(g))
}

// FromProject returns what ns calls a project (quotas, of which there are none yet).
func (ns *UserNamespace) FromProject(id uint32) uint32 {
	if ns.Initial() {
		return id
	}
	return ns.Projects.up(id)
}

// ShowUID is FromUID for those who want to see some id: that of nobody if there is no other.
func (ns *UserNamespace) ShowUID(u UID) uint32 {
	if ns.Initial() {
		return uint32(u)
	}
	if id := ns.UIDs.up(uint32(u)); id != NoID {
		return id
	}
	return uint32(OverflowUID)
}

func (ns *UserNamespace) ShowGID(g GID) uint32 {
	if ns.Initial() {
		return uint32(g)
	}
	if id := ns.GIDs.up(uint32(g)); id != NoID {
		return id
	}
	return uint32(OverflowGID)
}

// HasUID and HasGID report whether ns has a name for an id.
func (ns *UserNamespace) HasUID(u UID) bool { return ns.FromUID(u) != NoID }
func (ns *UserNamespace) HasGID(g GID) bool { return ns.FromGID(g) != NoID }

// Root is the user that ns calls 0: NoID if there is none.
func (ns *UserNamespace) Root() UID {
	if u, ok := ns.ToUID(0); ok {
		return u
	}
	return UID(NoID)
}

// RootedBy reports whether u is the root of ns or of one above it.
func (ns *UserNamespace) RootedBy(u UID) bool {
	for ; ; ns = ns.Parent {
		if ns.FromUID(u) == 0 {
			return true
		}
		if ns.Initial() {
			return false
		}
	}
}

// Extent is a range of ids: those from First on are called so in the namespace, and Lower and on in
// its parent or, once the map is in force, by the kernel.
type Extent struct{ First, Lower, Count uint32 }

// IDMap translates between the ids of a namespace and those of the kernel.
type IDMap struct {
	// extents, in order of First, and byLower are immutable once they are here.
	m atomic.Pointer[extents]
}

type extents struct{ byFirst, byLower []Extent }

// Extents returns the map, in order of First or, for a small one, as it was written.
func (m *IDMap) Extents() []Extent {
	if e := m.m.Load(); e != nil {
		return e.byFirst
	}
	return nil
}

// Written reports whether there is a map.
func (m *IDMap) Written() bool { return m.m.Load() != nil }

func (m *IDMap) down(id, count uint32) (uint32, bool) {
	for _, e := range m.Extents() {
		if id >= e.First && id-e.First < e.Count {
			return e.Lower + (id - e.First), id-e.First <= e.Count-count && count <= e.Count
		}
	}
	return 0, false
}

// up looks the kernel's id up.
func (m *IDMap) up(id uint32) uint32 {
	e := m.m.Load()
	if e == nil {
		return NoID
	}
	i, ok := slices.BinarySearchFunc(e.byLower, id, func(x Extent, id uint32) int {
		switch {
		case id < x.Lower:
			return 1
		case id-x.Lower >= x.Count:
			return -1
		}
		return 0
	})
	if !ok {
		return NoID
	}
	return e.byLower[i].First + (id - e.byLower[i].Lower)
}

// smallMap is how many extents a map may have to be shown in the order in which it was written.
const smallMap = 5

// set puts a map in force: EPERM if there is one, or if the parent has no name for some id.
func (m *IDMap) set(list []Extent, parent *IDMap, initial bool) error {
	e := &extents{byFirst: slices.Clone(list)}
	for i := range e.byFirst {
		x := &e.byFirst[i]
		if initial {
			continue
		}
		lower, ok := parent.down(x.Lower, x.Count)
		if !ok {
			return errno.EPERM
		}
		x.Lower = lower
	}
	if len(list) > smallMap {
		slices.SortFunc(e.byFirst, func(a, b Extent) int { return cmp.Compare(a.First, b.First) })
	}
	e.byLower = slices.Clone(e.byFirst)
	slices.SortFunc(e.byLower, func(a, b Extent) int { return cmp.Compare(a.Lower, b.Lower) })
	if !m.m.CompareAndSwap(nil, e) {
		return errno.EPERM
	}
	return nil
}
