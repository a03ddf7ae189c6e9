package vfs

import (
	"bytes"
	"testing"

	"ringfence/abi/errno"
	"ringfence/sentry/creds"
)

// FuzzACL: what is read as a list is written as it was, and decides for everybody without a panic.
func FuzzACL(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0, 0, 0})
	f.Add(acl{{aclUserObj, 6, creds.NoID}, {aclUser, 7, 1001}, {aclGroupObj, 4, creds.NoID}, {aclMask, 4, creds.NoID}, {aclOther, 0, creds.NoID}}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseACL(b)
		if err != nil {
			if err != errno.EINVAL && err != errno.EOPNOTSUPP {
				t.Fatal(err)
			}
			return
		}
		if l == nil {
			return
		}
		again, err := parseACL(l.bytes())
		if err != nil || !bytes.Equal(again.bytes(), l.bytes()) {
			t.Fatalf("%v comes back as %v, %v", l, again, err)
		}
		perm, _ := l.mode()
		if got, _ := l.chmod(perm).mode(); got != perm {
			t.Fatalf("mode %o becomes %o", perm, got)
		}
		a := Attr{UID: 1, GID: 2}
		for want := range uint32(8) {
			if err := l.permits(&creds.Credentials{FSUID: 1001, FSGID: 2001}, &a, want); err != nil && err != errno.EACCES {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHandle: a handle that is read is written as it was.
func FuzzHandle(f *testing.F) {
	f.Add(int32(handleOpens), Handle{handleOpens, 7, 9}.Append(nil))
	f.Add(int32(handleTells), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, typ int32, b []byte) {
		h, err := ParseHandle(typ, b)
		if err != nil {
			if err != errno.ESTALE {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("%x is read as %v", b, h)
		}
	})
}
