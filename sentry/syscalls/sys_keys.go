package syscalls

import (
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/keys"
)

const keyTypes = "types user, logon and keyring"

var keyCalls = []line{
	{linux.SYS_ADD_KEY, "add_key", sysAddKey, kernel.Partial, "", keyTypes},
	{linux.SYS_REQUEST_KEY, "request_key", sysRequestKey, kernel.Partial, "", keyTypes + "; there is no upcall, so no key is made"},
	{linux.SYS_KEYCTL, "keyctl", sysKeyctl, kernel.Partial, "all but DH_COMPUTE PKEY_* WATCH_KEY", keyTypes + "; no key waits to be instantiated"},
}

// copyInKeyString reads a string of less than size bytes; EINVAL if it is longer (strndup_user).
func copyInKeyString(t *kernel.Task, a addr.Addr, size int) (string, error) {
	s, err := t.CopyInString(a, size-1)
	if err == errno.ENAMETOOLONG {
		err = errno.EINVAL
	}
	return s, err
}

// copyInKeyType reads the name of a type. Those with a dot are the kernel's own.
func copyInKeyType(t *kernel.Task, a addr.Addr) (string, error) {
	s, err := copyInKeyString(t, a, keys.MaxType)
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", errno.EINVAL
	case s[0] == '.':
		return "", errno.EPERM
	}
	return s, nil
}

func sysAddKey(t *kernel.Task, a *arch.Args) (uint64, error) {
	n := a[3].Size()
	if n > keys.MaxPayload {
		return 0, errno.EINVAL
	}
	typ, err := copyInKeyType(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	desc := ""
	if a[1] != 0 {
		if desc, err = copyInKeyString(t, a[1].Addr(), keys.MaxDesc); err != nil {
			return 0, err
		}
		if strings.HasPrefix(desc, ".") && strings.HasPrefix(typ, "keyring") {
			return 0, errno.EPERM
		}
	}
	b := make([]byte, n)
	if err := t.CopyIn(a[2].Addr(), b); err != nil {
		return 0, err
	}
	return serial(t.Kernel().Keys.Add(t.KeyCaller(), typ, desc, b, serialArg(a[4])))
}

func sysRequestKey(t *kernel.Task, a *arch.Args) (uint64, error) {
	typ, err := copyInKeyType(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	desc, err := copyInKeyString(t, a[1].Addr(), keys.MaxDesc)
	if err != nil {
		return 0, err
	}
	if a[2] != 0 {
		if _, err := copyInKeyString(t, a[2].Addr(), addr.PageSize); err != nil {
			return 0, err
		}
	}
	return serial(t.Kernel().Keys.Request(t.KeyCaller(), typ, desc, a[2] != 0, serialArg(a[3])))
}

func serialArg(a arch.Arg) keys.Serial { return keys.Serial(a.Int()) }

// serial makes a handler's result of a key's number.
func serial(s keys.Serial, err error) (uint64, error) { return result(int32(s), err) }

func sysKeyctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	k, c := t.Kernel().Keys, t.KeyCaller()
	id, second, third := serialArg(a[1]), serialArg(a[2]), serialArg(a[3])
	switch a[0].Int() {
	case linux.KEYCTL_GET_KEYRING_ID:
		return serial(k.RingID(c, id, a[2].Int() != 0))
	case linux.KEYCTL_JOIN_SESSION_KEYRING:
		return joinSession(t, a[1].Addr())
	case linux.KEYCTL_UPDATE:
		return 0, updateKey(t, id, a[2].Addr(), a[3].Size())
	case linux.KEYCTL_REVOKE:
		return 0, k.Revoke(c, id)
	case linux.KEYCTL_DESCRIBE:
		s, err := k.Describe(c, id)
		return keyText(t, append([]byte(s), 0), err, a[2].Addr(), a[3].Size())
	case linux.KEYCTL_CLEAR:
		return 0, k.Clear(c, id)
	case linux.KEYCTL_LINK:
		return 0, k.Link(c, id, second)
	case linux.KEYCTL_UNLINK:
		return 0, k.Unlink(c, id, second)
	case linux.KEYCTL_SEARCH:
		typ, err := copyInKeyType(t, a[2].Addr())
		if err != nil {
			return 0, err
		}
		desc, err := copyInKeyString(t, a[3].Addr(), keys.MaxDesc)
		if err != nil {
			return 0, err
		}
		return serial(k.Search(c, id, typ, desc, serialArg(a[4])))
	case linux.KEYCTL_READ:
		b, err := k.Read(c, id)
		return keyText(t, b, err, a[2].Addr(), a[3].Size())
	case linux.KEYCTL_CHOWN:
		return 0, k.Chown(c, id, a[2].Uint(), a[3].Uint())
	case linux.KEYCTL_SETPERM:
		return 0, k.SetPerm(c, id, a[2].Uint())
	case linux.KEYCTL_INSTANTIATE, linux.KEYCTL_INSTANTIATE_IOV, linux.KEYCTL_NEGATE, linux.KEYCTL_REJECT:
		return 0, instantiate(a)
	case linux.KEYCTL_SET_REQKEY_KEYRING:
		old, err := k.SetRequestRing(c, a[1].Int())
		return result(old, err)
	case linux.KEYCTL_SET_TIMEOUT:
		return 0, k.SetTimeout(c, id, a[2].Uint())
	case linux.KEYCTL_ASSUME_AUTHORITY:
		return assumeAuthority(id)
	case linux.KEYCTL_GET_SECURITY:
		return keyText(t, []byte{0}, k.CheckView(c, id), a[2].Addr(), a[3].Size())
	case linux.KEYCTL_SESSION_TO_PARENT:
		return 0, t.GiveSessionKeyring()
	case linux.KEYCTL_INVALIDATE:
		return 0, k.Invalidate(c, id)
	case linux.KEYCTL_GET_PERSISTENT:
		uid, ok := c.Cred.UserNS.OptionalUID(a[1].Uint())
		if !ok {
			return 0, errno.EINVAL
		}
		if uid == creds.UID(creds.NoID) {
			uid = c.Cred.RUID
		}
		return serial(k.Persistent(c, uid, second))
	case linux.KEYCTL_RESTRICT_KEYRING:
		return 0, restrictKeyring(t, id, a[2].Addr(), a[3].Addr())
	case linux.KEYCTL_MOVE:
		if a[4].Uint()&^linux.KEYCTL_MOVE_EXCL != 0 {
			return 0, errno.EINVAL
		}
		return 0, k.Move(c, id, second, third, a[4].Uint() != 0)
	case linux.KEYCTL_CAPABILITIES:
		return keyCapabilities(t, a[1].Addr(), a[2].Size())
	}
	return 0, errno.EOPNOTSUPP
}

// joinSession is KEYCTL_JOIN_SESSION_KEYRING.
func joinSession(t *kernel.Task, name addr.Addr) (uint64, error) {
	if name == 0 {
		return serial(t.Kernel().Keys.JoinSession(t.KeyCaller()))
	}
	s, err := copyInKeyString(t, name, keys.MaxDesc)
	if err != nil {
		return 0, err
	}
	if strings.HasPrefix(s, ".") {
		return 0, errno.EPERM
	}
	return serial(t.Kernel().Keys.JoinNamedSession(t.KeyCaller(), s))
}

func updateKey(t *kernel.Task, id keys.Serial, payload addr.Addr, n uint64) error {
	if n > addr.PageSize {
		return errno.EINVAL
	}
	b := make([]byte, n)
	if err := t.CopyIn(payload, b); err != nil {
		return err
	}
	return t.Kernel().Keys.Update(t.KeyCaller(), id, b)
}

// keyText copies b out if it fits and returns how long it is.
func keyText(t *kernel.Task, b []byte, err error, a addr.Addr, n uint64) (uint64, error) {
	if err != nil {
		return 0, err
	}
	if a != 0 && n >= uint64(len(b)) {
		if err := t.CopyOut(a, b); err != nil {
			return 0, err
		}
	}
	return uint64(len(b)), nil
}

// instantiate fails: no task has the authority to instantiate a key.
func instantiate(a *arch.Args) error {
	switch a[0].Int() {
	case linux.KEYCTL_INSTANTIATE:
		if a[3].Size() > keys.MaxPayload {
			return errno.EINVAL
		}
	case linux.KEYCTL_REJECT:
		// A key must not be rejected with what asks for a restart.
		if e := a[3].Uint(); e == 0 || e >= 4095 || errno.Errno(e).IsRestart() {
			return errno.EINVAL
		}
	}
	return errno.EPERM
}

// assumeAuthority is KEYCTL_ASSUME_AUTHORITY: there is none but to give up.
func assumeAuthority(id keys.Serial) (uint64, error) {
	switch {
	case id < 0:
		return 0, errno.EINVAL
	case id > 0:
		return 0, errno.ENOKEY
	}
	return 0, nil
}

func restrictKeyring(t *kernel.Task, id keys.Serial, typ, restriction addr.Addr) error {
	k, c := t.Kernel().Keys, t.KeyCaller()
	if (typ == 0) != (restriction == 0) {
		return errno.EINVAL
	}
	if typ == 0 {
		return k.Restrict(c, id)
	}
	name, err := copyInKeyType(t, typ)
	if err != nil {
		return err
	}
	if _, err := copyInKeyString(t, restriction, addr.PageSize); err != nil {
		return err
	}
	return k.RestrictBy(c, id, name)
}

// keyCapabilities is KEYCTL_CAPABILITIES: what this file offers. Room behind what there is becomes zeros.
func keyCapabilities(t *kernel.Task, a addr.Addr, n uint64) (uint64, error) {
	caps := []byte{
		linux.KEYCTL_CAPS0_CAPABILITIES | linux.KEYCTL_CAPS0_PERSISTENT_KEYRINGS | linux.KEYCTL_CAPS0_INVALIDATE |
			linux.KEYCTL_CAPS0_RESTRICT_KEYRING | linux.KEYCTL_CAPS0_MOVE,
		linux.KEYCTL_CAPS1_NS_KEYRING_NAME | linux.KEYCTL_CAPS1_NS_KEY_TAG,
	}
	if n > 0 {
		if err := t.CopyOut(a, caps[:min(n, uint64(len(caps)))]); err != nil {
			return 0, err
		}
		if size := uint64(len(caps)); n > size {
			if _, err := t.Memory().ZeroOut(a+addr.Addr(size), n-size); err != nil {
				return 0, err
			}
		}
	}
	return uint64(len(caps)), nil
}
