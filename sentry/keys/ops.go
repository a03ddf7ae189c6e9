package keys

import (
	"fmt"
	"slices"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// ring finds a keyring that the caller may change.
func (t *Table) ring(c *Caller, id Serial) (*key, error) {
	k, _, err := t.lookup(c, id, create, write)
	return k, err
}

// Add is add_key(2): it puts a key into a keyring, or a new payload into one that is there. It keeps payload.
func (t *Table) Add(c *Caller, typ, desc string, payload []byte, ringID Serial) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ring, possessed, err := t.lookup(c, ringID, create, write)
	if err != nil {
		return 0, err
	}
	kt := typeOf(typ)
	switch {
	case kt == nil:
		return 0, errno.ENODEV
	case ring.typ != keyringType:
		return 0, errno.ENOTDIR
	}
	if err := kt.check(payload); err != nil {
		return 0, err
	}
	switch {
	case desc == "":
		return 0, errno.EINVAL
	case ring.restricted:
		return 0, errno.EPERM
	}
	if i := ring.find(kt, desc); i >= 0 && kt.update {
		if k := ring.links[i]; !k.revoked && !k.invalid {
			if !k.permits(c, possessed, write) {
				return 0, errno.EACCES
			}
			if err := t.setPayload(k, payload); err != nil {
				return 0, err
			}
			k.expiry = never
			return k.serial, nil
		}
	}
	own := uint32(view | search | link | setattr)
	if kt.readable {
		own |= read
	}
	if kt == keyringType || kt.update {
		own |= write
	}
	k, err := t.alloc(kt, desc, c.Cred.FSUID, c.Cred.FSGID, rightsOf(own, view), inQuota)
	if err != nil {
		return 0, err
	}
	ref(k)
	defer t.unref(k)
	if err := t.setPayload(k, payload); err != nil {
		return 0, err
	}
	return k.serial, t.link(ring, k, c.Now)
}

// Request is request_key(2): it finds a key in the caller's keyrings and links it into the keyring dest, unless that is 0.
// made says that the caller wants the key made, for which there is nobody: ENOKEY as if it had failed.
func (t *Table) Request(c *Caller, typ, desc string, made bool, dest Serial) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ring *key
	if dest != 0 {
		var err error
		if ring, err = t.ring(c, dest); err != nil {
			return 0, err
		}
	}
	kt := typeOf(typ)
	if kt == nil {
		return 0, errno.ENOKEY
	}
	k, err := t.searchAll(c, &wanted{typ: kt, desc: desc, valid: true, skipExpired: true})
	if err != nil {
		if err == errno.EAGAIN && made && kt == keyringType {
			return 0, errno.EPERM
		}
		return 0, noKey(err)
	}
	return t.linkFound(c, ring, k, true)
}

// linkFound links a key that was found, by possession or not, into a keyring, if there is one, and returns its
// serial number.
func (t *Table) linkFound(c *Caller, ring, k *key, possessed bool) (Serial, error) {
	if ring != nil {
		if !k.permits(c, possessed, link) {
			return 0, errno.EACCES
		}
		if err := t.link(ring, k, c.Now); err != nil {
			return 0, err
		}
	}
	return k.serial, nil
}

// RingID is KEYCTL_GET_KEYRING_ID.
func (t *Table) RingID(c *Caller, id Serial, make bool) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fl := lookupFlags(0)
	if make {
		fl = create
	}
	k, _, err := t.lookup(c, id, fl, search)
	if err != nil {
		return 0, err
	}
	return k.serial, nil
}

// JoinSession is KEYCTL_JOIN_SESSION_KEYRING without a name: a new session keyring.
func (t *Table) JoinSession(c *Caller) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.newSession(c); err != nil {
		return 0, err
	}
	return c.Holder.session.serial, nil
}

// JoinNamedSession is KEYCTL_JOIN_SESSION_KEYRING with the name of a keyring that anybody made whom the caller may search, or
// else a new one. It returns 0 if the caller is there already.
func (t *Table) JoinNamedSession(c *Caller, name string) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *key
	for _, k := range t.keys {
		if k.typ == keyringType && k.desc == name && !k.revoked && !k.invalid && k.permits(c, false, search) &&
			(found == nil || k.serial < found.serial) {
			found = k
		}
	}
	if found == nil {
		k, err := t.alloc(keyringType, name, c.Cred.RUID, c.Cred.RGID, rightsOf(allRights, view|read|link), inQuota)
		if err != nil {
			return 0, err
		}
		found = k
	} else if found == c.Holder.session {
		return 0, nil
	}
	t.setSession(c.Holder, found)
	return found.serial, nil
}

// Update is KEYCTL_UPDATE. It keeps payload.
func (t *Table) Update(c *Caller, id Serial, payload []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, 0, write)
	if err != nil {
		return err
	}
	if !k.typ.update {
		return errno.EOPNOTSUPP
	}
	if err := k.typ.check(payload); err != nil {
		return err
	}
	if err := t.setPayload(k, payload); err != nil {
		return err
	}
	k.expiry = never
	return nil
}

// Revoke is KEYCTL_REVOKE.
func (t *Table) Revoke(c *Caller, id Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, 0, write)
	if err == errno.EACCES {
		k, _, err = t.lookup(c, id, 0, setattr)
	}
	if err != nil {
		return err
	}
	k.revoked, k.diedAt = true, c.Now
	t.clear(k)
	t.setPayload(k, nil)
	return nil
}

// Invalidate is KEYCTL_INVALIDATE: the key goes from all keyrings at once.
func (t *Table) Invalidate(c *Caller, id Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, 0, search)
	if err != nil {
		return err
	}
	k.invalid = true
	ref(k)
	for _, ring := range t.keys {
		if i := slices.Index(ring.links, k); i >= 0 {
			t.unlinkAt(ring, i)
		}
	}
	t.unref(k)
	return nil
}

// Chown is KEYCTL_CHOWN; creds.NoID leaves an id as it is.
func (t *Table) Chown(c *Caller, id Serial, uid, gid uint32) error {
	if uid == creds.NoID && gid == creds.NoID {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, create, setattr)
	if err != nil {
		return err
	}
	u, uok := c.Cred.UserNS.OptionalUID(uid)
	g, gok := c.Cred.UserNS.OptionalGID(gid)
	if !uok || !gok {
		return errno.EINVAL
	}
	privileged := uid != creds.NoID && u != k.uid || gid != creds.NoID && g != k.gid && !c.Cred.InGroup(g)
	if privileged && !c.Cred.Has(linux.CAP_SYS_ADMIN) {
		return errno.EACCES
	}
	if uid != creds.NoID && u != k.uid {
		to := t.userOf(u)
		if maxKeys, maxBytes := t.limits(u); !k.outside && (to.qkeys+1 > maxKeys || to.qbytes+k.cost > maxBytes) {
			t.dropUser(u)
			return errno.EDQUOT
		}
		t.charge(k, u)
	}
	if gid != creds.NoID {
		k.gid = g
	}
	return nil
}

// SetPerm is KEYCTL_SETPERM.
func (t *Table) SetPerm(c *Caller, id Serial, perm uint32) error {
	const all = allRights<<possessor | allRights<<owner | allRights<<group | allRights
	if perm&^uint32(all) != 0 {
		return errno.EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, create, setattr)
	if err != nil {
		return err
	}
	if k.uid != c.Cred.FSUID && !c.Cred.Has(linux.CAP_SYS_ADMIN) {
		return errno.EACCES
	}
	k.perm = perm
	return nil
}

// Describe is KEYCTL_DESCRIBE.
func (t *Table) Describe(c *Caller, id Serial) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, 0, view)
	if err != nil {
		return "", err
	}
	return k.describe(c.Cred.UserNS), nil
}

// Clear is KEYCTL_CLEAR.
func (t *Table) Clear(c *Caller, id Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.ring(c, id)
	if err != nil {
		return err
	}
	if k.typ != keyringType {
		return errno.ENOTDIR
	}
	t.clear(k)
	return nil
}

// Link is KEYCTL_LINK.
func (t *Table) Link(c *Caller, id, ringID Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ring, err := t.ring(c, ringID)
	if err != nil {
		return err
	}
	// The next look-up may give the caller another session keyring, and end what only the old one held.
	ref(ring)
	defer t.unref(ring)
	k, _, err := t.lookup(c, id, create, link)
	if err != nil {
		return err
	}
	return t.link(ring, k, c.Now)
}

// Unlink is KEYCTL_UNLINK. As on Linux, keys are told apart by type and description.
func (t *Table) Unlink(c *Caller, id, ringID Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ring, _, err := t.lookup(c, ringID, 0, write)
	if err != nil {
		return err
	}
	k, _, err := t.lookup(c, id, noCheck, 0)
	if err != nil {
		return err
	}
	if ring.typ != keyringType {
		return errno.ENOTDIR
	}
	i := ring.find(k.typ, k.desc)
	if i < 0 {
		return errno.ENOENT
	}
	t.unlinkAt(ring, i)
	return nil
}

// Search is KEYCTL_SEARCH: it looks below one keyring and links what it finds into the keyring dest, unless that is 0.
func (t *Table) Search(c *Caller, ringID Serial, typ, desc string, dest Serial) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ring, possessed, err := t.lookup(c, ringID, 0, search)
	if err != nil {
		return 0, err
	}
	var into *key
	if dest != 0 {
		if into, err = t.ring(c, dest); err != nil {
			return 0, err
		}
	}
	kt := typeOf(typ)
	if kt == nil {
		return 0, errno.ENOKEY
	}
	k, err := t.searchRing(c, ring, possessed, &wanted{typ: kt, desc: desc, valid: true})
	if err != nil {
		return 0, noKey(err)
	}
	return t.linkFound(c, into, k, possessed)
}

// Read is KEYCTL_READ: the payload, or the serial numbers in a keyring. Who possesses a key may read it.
func (t *Table) Read(c *Caller, id Serial) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, possessed, err := t.lookup(c, id, noCheck, 0)
	if err != nil {
		return nil, errno.ENOKEY
	}
	switch {
	case !k.permits(c, possessed, read) && !possessed:
		return nil, errno.EACCES
	case !k.typ.readable:
		return nil, errno.EOPNOTSUPP
	}
	if err := k.validate(c.Now); err != nil {
		return nil, err
	}
	if k.typ != keyringType {
		return slices.Clone(k.payload), nil
	}
	b := make([]byte, 0, 4*len(k.links))
	for _, l := range k.links {
		n := uint32(l.serial)
		b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	return b, nil
}

// SetRequestRing is KEYCTL_SET_REQKEY_KEYRING: it returns what held before.
func (t *Table) SetRequestRing(c *Caller, where int32) (int32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := c.Holder.requested
	switch where {
	case linux.KEY_REQKEY_DEFL_NO_CHANGE:
		return old, nil
	case linux.KEY_REQKEY_DEFL_THREAD_KEYRING:
		if err := t.installThread(c); err != nil {
			return 0, err
		}
	case linux.KEY_REQKEY_DEFL_PROCESS_KEYRING:
		if err := t.installProcess(c); err != nil {
			return 0, err
		}
	case linux.KEY_REQKEY_DEFL_DEFAULT, linux.KEY_REQKEY_DEFL_SESSION_KEYRING, linux.KEY_REQKEY_DEFL_USER_KEYRING,
		linux.KEY_REQKEY_DEFL_USER_SESSION_KEYRING, linux.KEY_REQKEY_DEFL_REQUESTOR_KEYRING:
	default:
		return 0, errno.EINVAL
	}
	c.Holder.requested = where
	return old, nil
}

// SetTimeout is KEYCTL_SET_TIMEOUT: the key expires in so many seconds, or with 0 never.
func (t *Table) SetTimeout(c *Caller, id Serial, seconds uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, create, setattr)
	if err != nil {
		return err
	}
	k.expiry = never
	if seconds > 0 {
		k.expiry = c.Now + int64(seconds)
	}
	return nil
}

// CheckView is the error of KEYCTL_GET_SECURITY: without a security module that labels keys it says no more. Who may not view
// the key could still have the authority to instantiate it, and is told that it has not.
func (t *Table) CheckView(c *Caller, id Serial) error {
	_, err := t.Describe(c, id)
	if err == errno.EACCES {
		err = errno.ENOKEY
	}
	return err
}

// Persistent is KEYCTL_GET_PERSISTENT: it links the persistent keyring of uid into the keyring dest.
func (t *Table) Persistent(c *Caller, uid creds.UID, dest Serial) (Serial, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uid != c.Cred.RUID && uid != c.Cred.EUID && !c.Cred.HasOwn(linux.CAP_SETUID) {
		return 0, errno.EPERM
	}
	ring, err := t.ring(c, dest)
	if err != nil {
		return 0, err
	}
	if ring.typ != keyringType {
		return 0, errno.ENOTDIR
	}
	k := t.persistent[uid]
	if k == nil || k.validate(c.Now) != nil {
		made, err := t.alloc(keyringType, fmt.Sprint("_persistent.", uid), uid, noGID, rightsOf(allRights&^setattr, view|read), outside)
		if err != nil {
			return 0, err
		}
		defer t.unref(k)
		k = ref(made)
		t.persistent[uid] = k
	}
	if !k.permits(c, true, link) {
		return 0, errno.EACCES
	}
	if err := t.link(ring, k, c.Now); err != nil {
		return 0, err
	}
	k.expiry = c.Now + persistentExpiry
	return k.serial, nil
}

// Restrict is KEYCTL_RESTRICT_KEYRING without a type: no more links go into the keyring.
func (t *Table) Restrict(c *Caller, id Serial) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, err := t.restrictable(c, id)
	if err != nil {
		return err
	}
	if k.restricted {
		return errno.EEXIST
	}
	k.restricted = true
	return nil
}

// restrictable finds a keyring that the caller may restrict.
func (t *Table) restrictable(c *Caller, id Serial) (*key, error) {
	k, _, err := t.lookup(c, id, 0, setattr)
	if err == nil && k.typ != keyringType {
		err = errno.ENOTDIR
	}
	return k, err
}

// RestrictBy is Restrict by the rules of a type, of which no type has any.
func (t *Table) RestrictBy(c *Caller, id Serial, typ string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.restrictable(c, id); err != nil {
		return err
	}
	if typeOf(typ) == nil {
		return errno.ENOKEY
	}
	return errno.ENOENT
}

// Move is KEYCTL_MOVE; with excl a key of the same name is not replaced.
func (t *Table) Move(c *Caller, id, fromID, toID Serial, excl bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, id, create, link)
	if err != nil {
		return err
	}
	ref(k)
	defer t.unref(k)
	from, _, err := t.lookup(c, fromID, 0, write)
	if err != nil {
		return err
	}
	ref(from)
	defer t.unref(from)
	to, err := t.ring(c, toID)
	switch {
	case err != nil:
		return err
	case from == to:
		return nil
	case from.typ != keyringType || to.typ != keyringType:
		return errno.ENOTDIR
	}
	i := from.find(k.typ, k.desc)
	switch {
	case i < 0:
		return errno.ENOENT
	case excl && to.find(k.typ, k.desc) >= 0:
		return errno.EEXIST
	}
	if err := t.link(to, k, c.Now); err != nil {
		return err
	}
	if i := from.find(k.typ, k.desc); i >= 0 {
		t.unlinkAt(from, i)
	}
	return nil
}

// GiveSession is KEYCTL_SESSION_TO_PARENT: the caller's session keyring becomes that of its parent, whose credentials are
// cred and who has nothing but one thread.
func (t *Table) GiveSession(c *Caller, parent *Holder, cred *creds.Credentials) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _, err := t.lookup(c, linux.KEY_SPEC_SESSION_KEYRING, 0, link)
	if err != nil {
		return err
	}
	if parent.session == k {
		return nil
	}
	u, g := c.Cred.EUID, c.Cred.EGID
	if cred.RUID != u || cred.EUID != u || cred.SUID != u || cred.RGID != g || cred.EGID != g || cred.SGID != g ||
		parent.session != nil && parent.session.uid != u || k.uid != u {
		return errno.EPERM
	}
	t.setSession(parent, k)
	return nil
}
