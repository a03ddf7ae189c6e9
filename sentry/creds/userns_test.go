package creds

import (
	"strings"
	"testing"

	"ringfence/abi/linux"
)

// below returns a namespace below ns that maps uids and gids as text says.
func below(t *testing.T, ns *UserNamespace, text string) *UserNamespace {
	t.Helper()
	root := NewRoot(ns)
	root.EUID, root.EGID = ns.Root(), GID(ns.Root())
	n, err := NewUserNamespace(root, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.WriteUIDs(root, root, text); err != nil {
		t.Fatal(err)
	}
	if err := n.WriteGIDs(root, root, text); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIDsAreTranslatedBetweenNamespaces(t *testing.T) {
	initial := &UserNamespace{}
	outer := below(t, initial, "0 1000 100\n500 5000 10\n")
	inner := below(t, outer, "0 0 1\n7 500 3\n")
	for _, c := range []struct {
		ns *UserNamespace
		id uint32
		k  UID
	}{
		{initial, 42, 42}, {outer, 0, 1000}, {outer, 99, 1099}, {outer, 509, 5009}, {inner, 0, 1000}, {inner, 9, 5002},
	} {
		if k, ok := c.ns.ToUID(c.id); !ok || k != c.k {
			t.Errorf("ToUID(%d) = %d, %v, want %d", c.id, k, ok, c.k)
		}
		if id := c.ns.FromUID(c.k); id != c.id {
			t.Errorf("FromUID(%d) = %d, want %d", c.k, id, c.id)
		}
	}
	if _, ok := outer.ToUID(100); ok || outer.ShowUID(0) != uint32(OverflowUID) || inner.HasUID(1001) {
		t.Error("ids without a name have one")
	}
	if !inner.RootedBy(1000) || !inner.RootedBy(0) || inner.RootedBy(5000) {
		t.Error("RootedBy")
	}
}

func TestCapabilitiesCountInNamespaces(t *testing.T) {
	initial := &UserNamespace{}
	outer := below(t, initial, "0 1000 10\n")
	inside := NewRoot(outer)
	inside.EUID, inside.FSUID = 1000, 1000
	inner := below(t, outer, "0 0 1\n")
	owner := New(outer.Owner, 0, nil, initial)
	for _, c := range []struct {
		what string
		got  bool
		want bool
	}{
		{"inside, the machine", inside.Has(linux.CAP_SYS_ADMIN), false},
		{"inside, above", inside.HasIn(linux.CAP_SYS_ADMIN, initial), false},
		{"inside, none", inside.HasIn(linux.CAP_SYS_ADMIN, nil), false},
		{"inside, own", inside.HasIn(linux.CAP_SYS_ADMIN, outer), true},
		{"inside, below", inside.HasIn(linux.CAP_SYS_ADMIN, inner), true},
		{"owner, own", owner.HasIn(linux.CAP_SYS_ADMIN, initial), false},
		{"owner, below", owner.HasIn(linux.CAP_SYS_ADMIN, inner), true},
		{"inside, a file of its", inside.HasOver(linux.CAP_CHOWN, 1001, 1001), true},
		{"inside, a file of another", inside.HasOver(linux.CAP_CHOWN, 1001, 1), false},
		{"inside, a file of another", inside.Owns(1), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", c.what, c.got)
		}
	}
}

func TestMapsThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "\n", "0 0", "0 0 0", "0 0 1 1", "0 0 1\n\n", "x 0 1", "4294967295 0 1", "1 0 4294967295",
		"0 0 10\n5 100 1", "0 0 10\n100 9 1", strings.Repeat("0 0 1\n", 2),
	} {
		if list, err := parseExtents(text); err == nil {
			t.Errorf("%q is %v", text, list)
		}
	}
}

func FuzzParseExtents(f *testing.F) {
	f.Add("0 0 1\n", uint32(0))
	f.Add("0 1000 100\n500 5000 10", uint32(505))
	f.Add("  7\t9 4294967288", uint32(7))
	f.Fuzz(func(t *testing.T, text string, id uint32) {
		list, err := parseExtents(text)
		if err != nil {
			return
		}
		ns := &UserNamespace{Parent: &UserNamespace{}}
		if err := ns.UIDs.set(list, nil, true); err != nil {
			t.Fatal(err)
		}
		// What has a name gets it back.
		if k, ok := ns.ToUID(id); ok && ns.FromUID(k) != id {
			t.Errorf("%d is %d is %d", id, k, ns.FromUID(k))
		}
		for _, e := range list {
			if k, ok := ns.ToUID(e.First + e.Count - 1); !ok || uint32(k) != e.Lower+e.Count-1 {
				t.Errorf("the last of %v is %d, %v", e, k, ok)
			}
		}
	})
}
