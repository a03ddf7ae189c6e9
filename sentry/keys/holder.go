package keys

import (
	"fmt"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// Holder is the keyrings that a task has for itself, and where keys that it requests go. The zero value has
// none. Guarded by Table.mu.
type Holder struct {
	thread, process, session *key
	// requested is KEY_REQKEY_DEFL_*: where request_key(2) would put a key that it makes.
	requested int32
}

// Caller is who asks for something.
type Caller struct {
	Cred   *creds.Credentials
	Holder *Holder
	Now    int64 // seconds since 1970
}

// Fork fills in what the child of a task has: the session keyring; a process keyring if it is a thread of the same
// process; and as such a thread keyring of its own if its parent has one. c is the parent.
func (t *Table) Fork(c *Caller, child *Holder, thread bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := c.Holder
	*child = Holder{session: ref(h.session), requested: h.requested}
	if !thread {
		return
	}
	child.process = ref(h.process)
	if h.thread != nil {
		t.installThread(&Caller{Cred: c.Cred, Holder: child, Now: c.Now}) // without one if there is no room
	}
}

// Exec drops what another program does not inherit.
func (t *Table) Exec(h *Holder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unref(h.thread)
	t.unref(h.process)
	h.thread, h.process = nil, nil
}

// Release drops all of it.
func (t *Table) Release(h *Holder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unref(h.thread)
	t.unref(h.process)
	t.unref(h.session)
	*h = Holder{}
}

// SetOwner tells of new file system ids: the thread keyring follows them.
func (t *Table) SetOwner(h *Holder, uid creds.UID, gid creds.GID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := h.thread; k != nil {
		if uid != k.uid {
			t.charge(k, uid)
		}
		k.gid = gid
	}
}

// charge makes uid the owner of k, whatever its quota says.
func (t *Table) charge(k *key, uid creds.UID) {
	t.userOf(k.uid).add(k, -1)
	t.userOf(uid).add(k, 1)
	t.dropUser(k.uid)
	k.uid = uid
}

// install makes a keyring of a task, unless it is there.
func (t *Table) install(c *Caller, at **key, desc string) error {
	if *at != nil {
		return nil
	}
	k, err := t.alloc(keyringType, desc, c.Cred.RUID, c.Cred.RGID, rightsOf(allRights, view), overrun)
	*at = ref(k)
	return err
}

func (t *Table) installThread(c *Caller) error  { return t.install(c, &c.Holder.thread, "_tid") }
func (t *Table) installProcess(c *Caller) error { return t.install(c, &c.Holder.process, "_pid") }

// newSession gives the caller an anonymous session keyring. Who had one already pays for it.
func (t *Table) newSession(c *Caller) error {
	q := overrun
	if c.Holder.session != nil {
		q = inQuota
	}
	k, err := t.alloc(keyringType, "_ses", c.Cred.RUID, c.Cred.RGID, rightsOf(allRights, view|read), q)
	if err != nil {
		return err
	}
	t.setSession(c.Holder, k)
	return nil
}

func (t *Table) setSession(h *Holder, k *key) {
	old := h.session
	h.session = ref(k)
	t.unref(old)
}

// userRings returns the keyrings of the caller's real user, which are made at their first use and stay.
func (t *Table) userRings(c *Caller) (*rings, error) {
	uid := c.Cred.RUID
	r := t.rings[uid]
	if r == nil {
		r = &rings{}
		t.rings[uid] = r
	}
	for _, x := range []struct {
		at   **key
		name string
	}{{&r.user, "_uid."}, {&r.session, "_uid_ses."}} {
		if *x.at != nil && !(*x.at).invalid {
			continue
		}
		k, err := t.alloc(keyringType, fmt.Sprint(x.name, uid), uid, noGID, rightsOf(allRights&^setattr, allRights), overrun)
		if err != nil {
			return nil, err
		}
		k.ofUser = true
		t.unref(*x.at)
		*x.at = ref(k)
		if x.at == &r.session {
			t.link(k, r.user, c.Now)
		}
	}
	return r, nil
}

// needSession sees to it that the caller has a session keyring. The user's will do, but who wants to change it gets
// one of its own.
func (t *Table) needSession(c *Caller, own bool) error {
	h := c.Holder
	switch {
	case own && (h.session == nil || h.session.ofUser):
		return t.newSession(c)
	case h.session != nil:
		return nil
	}
	r, err := t.userRings(c)
	if err == nil {
		t.setSession(h, r.session)
	}
	return err
}

// How lookup treats its key.
type lookupFlags uint8

const (
	create  lookupFlags = 1 << iota // a special keyring that is not there
	noCheck                         // neither whether it is valid nor rights
)

// lookup finds the key of a serial number or a special keyring, checks that it is valid and grants rights, and
// reports whether the caller possesses it.
func (t *Table) lookup(c *Caller, id Serial, fl lookupFlags, rights uint32) (k *key, possessed bool, err error) {
	k, possessed, err = t.lookupAny(c, id, fl)
	if err != nil || fl&noCheck != 0 {
		return k, possessed, err
	}
	if err := k.validate(c.Now); err != nil {
		return nil, false, err
	}
	if !k.permits(c, possessed, rights) {
		return nil, false, errno.EACCES
	}
	return k, possessed, nil
}

func (t *Table) lookupAny(c *Caller, id Serial, fl lookupFlags) (*key, bool, error) {
	h, make := c.Holder, fl&create != 0
	switch id {
	case linux.KEY_SPEC_THREAD_KEYRING:
		if h.thread == nil && !make {
			return nil, false, errno.ENOKEY
		}
		err := t.installThread(c)
		return h.thread, true, err
	case linux.KEY_SPEC_PROCESS_KEYRING:
		if h.process == nil && !make {
			return nil, false, errno.ENOKEY
		}
		err := t.installProcess(c)
		return h.process, true, err
	case linux.KEY_SPEC_SESSION_KEYRING:
		err := t.needSession(c, make)
		return h.session, true, err
	case linux.KEY_SPEC_USER_KEYRING, linux.KEY_SPEC_USER_SESSION_KEYRING:
		r, err := t.userRings(c)
		switch {
		case err != nil:
			return nil, false, err
		case id == linux.KEY_SPEC_USER_KEYRING:
			return r.user, true, nil
		}
		return r.session, true, nil
	case linux.KEY_SPEC_REQKEY_AUTH_KEY, linux.KEY_SPEC_REQUESTOR_KEYRING:
		return nil, false, errno.ENOKEY
	}
	if id < 1 {
		return nil, false, errno.EINVAL
	}
	k := t.keys[id]
	if k == nil || k.invalid {
		return nil, false, errno.ENOKEY
	}
	return k, t.possesses(c, k), nil
}
