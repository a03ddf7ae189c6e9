// Package keys implements keyrings(7): keys, the keyrings that hold them, who may use them and what
// they cost their owners.
//
// A Table holds all keys of a kernel, by serial number. A Holder is what a task has of its own: its thread,
// process and session keyring. A Caller is who asks: credentials, a Holder and the time. The methods of
// Table are the operations of keyctl(2), add_key(2) and request_key(2), with their errors.
//
// Key types are "user", "logon" and "keyring". There is no upcall to /sbin/request-key: a key that is not
// found is not made.
//
// A key lives as long as something refers to it: a keyring, a Holder or the table's list of users' keyrings.
// Pointers to keys never leave the table; what is handed out are serial numbers and copies.
//
// Neighbours: sentry/creds for who is asking. The package knows no tasks; sentry/kernel has a Holder
// in each.
//
// Lock order: Table.mu guards everything, Holders and Keys included, and is a leaf.
package keys

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// Serial is the number of a key; negative ones are the special keyrings (linux.KEY_SPEC_*).
type Serial int32

// Session is the caller's session keyring.
const Session Serial = linux.KEY_SPEC_SESSION_KEYRING

// Limits of keys.
const (
	// MaxDesc bounds descriptions, with their NUL; MaxType names of types, with their NUL.
	MaxDesc = 4096
	MaxType = 32
	// MaxPayload is the most that add_key(2) takes.
	MaxPayload = 1<<20 - 1
	// maxUserPayload is what keys of type user and logon hold.
	maxUserPayload = 32767
	// maxDepth is how deep keyrings are searched (KEYRING_SEARCH_MAX_DEPTH).
	maxDepth = 6
	// linkCost is what a link counts against a quota, in bytes.
	linkCost = 4
	// gcDelay is for how long dead keys stay in their keyrings, in seconds (/proc/sys/kernel/keys/gc_delay).
	gcDelay = 300
	// persistentExpiry is how long persistent keyrings live without use, in seconds.
	persistentExpiry = 3 * 24 * 3600
	// maxTable and maxTableBytes bound the keys of all users together, as there can be many users.
	maxTable      = 1000000
	maxTableBytes = 50000000
)

// Quotas are how many keys, and bytes of keys, a user may have (/proc/sys/kernel/keys). They can be changed
// at any time.
type Quotas struct {
	Keys, Bytes, RootKeys, RootBytes atomic.Int64
}

// never is the expiry of keys that stay.
const never = math.MaxInt64

// keyType is a type of keys.
type keyType struct {
	name     string
	readable bool // KEYCTL_READ
	update   bool // add_key replaces the payload of a key of the same name
}

var (
	userType    = &keyType{"user", true, true}
	logonType   = &keyType{"logon", false, true}
	keyringType = &keyType{"keyring", true, false}
)

// typeOf finds a type by name; nil if there is none.
func typeOf(name string) *keyType {
	for _, t := range []*keyType{userType, logonType, keyringType} {
		if t.name == name {
			return t
		}
	}
	return nil
}

// check is EINVAL unless a key of the type may have such a payload.
func (t *keyType) check(payload []byte) error {
	if t == keyringType {
		if len(payload) != 0 {
			return errno.EINVAL
		}
	} else if len(payload) == 0 || len(payload) > maxUserPayload {
		return errno.EINVAL
	}
	return nil
}

// checkDesc is EINVAL unless a key of the type may be called so.
func (t *keyType) checkDesc(desc string) error {
	if desc == "" || t == logonType && strings.IndexByte(desc, ':') <= 0 {
		return errno.EINVAL
	}
	return nil
}

// key is a key. Guarded by Table.mu.
type key struct {
	serial Serial
	typ    *keyType
	desc   string
	uid    creds.UID
	gid    creds.GID
	perm   uint32 // KEY_POS_*, KEY_USR_*, KEY_GRP_*, KEY_OTH_*
	expiry int64  // seconds since 1970, or never

	revoked, invalid bool
	diedAt           int64 // when it was revoked
	restricted       bool  // a keyring that takes no more links
	ofUser           bool  // a keyring that every user has
	outside          bool  // of the quota
	cost             int   // bytes of the quota

	payload []byte
	links   []*key // of a keyring
	refs    int
}

// noGID is the group of keyrings that belong to a user alone.
const noGID = creds.GID(creds.NoID)

// Permission bits: of one set, and where the sets begin.
const (
	view = 1 << iota
	read
	write
	search
	link
	setattr
	allRights = 1<<iota - 1

	possessor = 24
	owner     = 16
	group     = 8
)

// user is what the keys of a user cost.
type user struct {
	keys          int // all of them
	qkeys, qbytes int // what counts against the quota
}

// rings are the keyrings that a user always has.
type rings struct{ user, session *key }

// Table is all keys of a kernel. Make it with New.
type Table struct {
	Quotas Quotas

	mu         sync.Mutex
	keys       map[Serial]*key
	users      map[creds.UID]*user
	rings      map[creds.UID]*rings
	persistent map[creds.UID]*key
	bytes      int // that all keys cost
}

// New returns a table without keys.
func New() *Table {
	t := &Table{
		keys: make(map[Serial]*key), users: make(map[creds.UID]*user),
		rings: make(map[creds.UID]*rings), persistent: make(map[creds.UID]*key),
	}
	t.users[0] = &user{}
	t.Quotas.Keys.Store(200)
	t.Quotas.Bytes.Store(20000)
	t.Quotas.RootKeys.Store(1000000)
	t.Quotas.RootBytes.Store(25000000)
	return t
}

// limits returns how many keys and bytes uid may have.
func (t *Table) limits(uid creds.UID) (keys, bytes int) {
	q := &t.Quotas
	if uid == 0 {
		return int(q.RootKeys.Load()), int(q.RootBytes.Load())
	}
	return int(q.Keys.Load()), int(q.Bytes.Load())
}

// userOf returns the count of uid.
func (t *Table) userOf(uid creds.UID) *user {
	u := t.users[uid]
	if u == nil {
		u = &user{}
		t.users[uid] = u
	}
	return u
}

// dropUser forgets the count of uid if it counts nothing. Root's is always there.
func (t *Table) dropUser(uid creds.UID) {
	if u := t.users[uid]; u != nil && u.keys == 0 && uid != 0 {
		delete(t.users, uid)
	}
}

// quota says how a new key counts.
type quota uint8

const (
	inQuota quota = iota
	overrun       // counts, but the user's quota does not refuse it
	outside       // does not count
)

// alloc makes a key without references: EDQUOT, or EINVAL for a bad description. perm is all
// sets of rights.
func (t *Table) alloc(typ *keyType, desc string, uid creds.UID, gid creds.GID, perm uint32, q quota) (*key, error) {
	if err := typ.checkDesc(desc); err != nil {
		return nil, err
	}
	u := t.userOf(uid)
	cost := len(desc) + 1
	maxKeys, maxBytes := t.limits(uid)
	if q == inQuota && (u.qkeys+1 > maxKeys || u.qbytes+cost > maxBytes) ||
		len(t.keys) >= maxTable || t.bytes+cost > maxTableBytes {
		t.dropUser(uid)
		return nil, errno.EDQUOT
	}
	k := &key{typ: typ, desc: desc, uid: uid, gid: gid, perm: perm, expiry: never, cost: cost, outside: q == outside}
	for k.serial < 3 || t.keys[k.serial] != nil {
		k.serial = Serial(rand.Int32())
	}
	t.keys[k.serial] = k
	u.add(k, 1)
	t.bytes += cost
	return k, nil
}

// add counts a key of the user, or with n -1 does so no more.
func (u *user) add(k *key, n int) {
	u.keys += n
	if !k.outside {
		u.qkeys += n
		u.qbytes += n * k.cost
	}
}

// reserve makes k cost delta more: EDQUOT if its owner has no room.
func (t *Table) reserve(k *key, delta int) error {
	if delta > 0 && t.bytes+delta > maxTableBytes {
		return errno.EDQUOT
	}
	if !k.outside {
		u := t.userOf(k.uid)
		if _, maxBytes := t.limits(k.uid); delta > 0 && u.qbytes+delta > maxBytes {
			return errno.EDQUOT
		}
		u.qbytes += delta
	}
	t.bytes += delta
	k.cost += delta
	return nil
}

// setPayload replaces the payload of k.
func (t *Table) setPayload(k *key, b []byte) error {
	if err := t.reserve(k, len(b)-len(k.payload)); err != nil {
		return err
	}
	k.payload = b
	return nil
}

// ref takes a reference to k, if there is one, and returns it.
func ref(k *key) *key {
	if k != nil {
		k.refs++
	}
	return k
}

// unref drops a reference. With the last one the key goes, and what only it referred to.
func (t *Table) unref(k *key) {
	if k == nil {
		return
	}
	if k.refs--; k.refs <= 0 {
		t.destroy(k)
	}
}

// destroy removes a key to which nothing refers. There is no end to how deep keyrings can nest, as long as the
// innermost are made last: so the list of what is to go is kept here, not on the stack.
func (t *Table) destroy(k *key) {
	for gone := []*key{k}; len(gone) > 0; {
		k := gone[len(gone)-1]
		gone = gone[:len(gone)-1]
		delete(t.keys, k.serial)
		t.userOf(k.uid).add(k, -1)
		t.bytes -= k.cost
		t.dropUser(k.uid)
		for _, l := range k.links {
			if l.refs--; l.refs == 0 {
				gone = append(gone, l)
			}
		}
		k.links, k.payload = nil, nil
	}
}

// validate is the error of a key that can't be used any more.
func (k *key) validate(now int64) error {
	switch {
	case k.invalid:
		return errno.ENOKEY
	case k.revoked:
		return errno.EKEYREVOKED
	case now >= k.expiry:
		return errno.EKEYEXPIRED
	}
	return nil
}

// permits reports whether k grants all rights to c, who possesses it or not.
func (k *key) permits(c *Caller, possessed bool, rights uint32) bool {
	granted := k.perm
	switch cr := c.Cred; {
	case k.uid == cr.FSUID:
		granted >>= owner
	case k.gid != noGID && k.perm>>group&allRights != 0 && cr.InGroup(k.gid):
		granted >>= group
	}
	if possessed {
		granted |= k.perm >> possessor
	}
	return rights&^granted&allRights == 0
}

// find returns the link of a keyring to a key with a type and a description, -1 if there is none.
func (k *key) find(typ *keyType, desc string) int {
	for i, l := range k.links {
		if l.typ == typ && l.desc == desc {
			return i
		}
	}
	return -1
}

// unlinkAt drops a link of a keyring.
func (t *Table) unlinkAt(ring *key, i int) {
	k := ring.links[i]
	ring.links = slices.Delete(ring.links, i, i+1)
	t.reserve(ring, -linkCost)
	t.unref(k)
}

// link links k into ring in place of one of the same type and description: EPERM if ring is restricted,
// EDEADLK or ELOOP if the keyrings would form a cycle or lie too deep, EDQUOT.
func (t *Table) link(ring, k *key, now int64) error {
	switch {
	case ring.typ != keyringType:
		return errno.ENOTDIR
	case ring.restricted:
		return errno.EPERM
	}
	if err := detectCycle(ring, k); err != nil {
		return err
	}
	// What goes below may have been all that held k.
	ref(k)
	defer t.unref(k)
	t.prune(ring, now)
	if i := ring.find(k.typ, k.desc); i >= 0 {
		old := ring.links[i]
		ring.links[i] = ref(k)
		t.unref(old)
		return nil
	}
	if err := t.reserve(ring, linkCost); err != nil {
		return err
	}
	ring.links = append(ring.links, ref(k))
	return nil
}

// prune drops links to keys that have been dead for some time.
func (t *Table) prune(ring *key, now int64) {
	for i := len(ring.links) - 1; i >= 0; i-- {
		k := ring.links[i]
		if k.revoked && now >= k.diedAt+gcDelay || k.expiry != never && now >= k.expiry+gcDelay {
			t.unlinkAt(ring, i)
		}
	}
}

// clear drops all links of a keyring.
func (t *Table) clear(ring *key) {
	links := ring.links
	ring.links = nil
	t.reserve(ring, -linkCost*len(links))
	for _, k := range links {
		t.unref(k)
	}
}

// detectCycle is EDEADLK if ring can be reached from k, and ELOOP if keyrings lie deeper below k than
// they are searched.
func detectCycle(ring, k *key) error {
	if k.typ != keyringType {
		return nil
	}
	// A keyring is looked at again only when it is reached on a longer way.
	seen := make(map[*key]int)
	var walk func(k *key, depth int) error
	walk = func(k *key, depth int) error {
		if k == ring {
			return errno.EDEADLK
		}
		if d, ok := seen[k]; ok && d >= depth {
			return nil
		}
		seen[k] = depth
		for _, l := range k.links {
			if l.typ != keyringType {
				continue
			}
			if l == ring {
				return errno.EDEADLK
			}
			if depth >= maxDepth {
				return errno.ELOOP
			}
			if err := walk(l, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(k, 0)
}

// describe is what KEYCTL_DESCRIBE says, with ids as ns shows them.
func (k *key) describe(ns *creds.UserNamespace) string {
	return fmt.Sprintf("%s;%d;%d;%08x;%s", k.typ.name, ns.ShowUID(k.uid), shownGID(ns, k.gid), k.perm, k.desc)
}

// shownGID is how a group is told: there is no name for none.
func shownGID(ns *creds.UserNamespace, g creds.GID) uint32 {
	if g == noGID {
		return uint32(creds.OverflowGID)
	}
	return ns.ShowGID(g)
}

// rightsOf puts rights of possessors and owners together.
func rightsOf(possessors, owners uint32) uint32 { return possessors<<possessor | owners<<owner }
