package keys

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

const process = Serial(linux.KEY_SPEC_PROCESS_KEYRING)

func caller(uid creds.UID) *Caller {
	cr := creds.New(uid, creds.GID(uid), nil, nil)
	if uid == 0 {
		cr = creds.NewRoot(nil)
	}
	return &Caller{Cred: cr, Holder: &Holder{}, Now: 1000}
}

func (t *Table) mustAdd(tb testing.TB, c *Caller, typ, desc string, ring Serial) Serial {
	tb.Helper()
	var payload []byte
	if typ != "keyring" {
		payload = []byte("payload")
	}
	s, err := t.Add(c, typ, desc, payload, ring)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// check verifies what must hold of a table at any time.
func (t *Table) check(tb testing.TB, holders ...*Holder) {
	tb.Helper()
	refs := map[*key]int{}
	users := map[creds.UID]user{0: {}}
	bytes := 0
	hold := func(k *key) {
		if k != nil {
			refs[k]++
		}
	}
	for _, h := range holders {
		hold(h.thread)
		hold(h.process)
		hold(h.session)
	}
	for _, r := range t.rings {
		hold(r.user)
		hold(r.session)
	}
	for _, k := range t.persistent {
		hold(k)
	}
	for _, k := range t.keys {
		cost := len(k.desc) + 1 + len(k.payload) + linkCost*len(k.links)
		if cost != k.cost {
			tb.Errorf("%s costs %d, want %d", k.desc, k.cost, cost)
		}
		bytes += cost
		u := users[k.uid]
		u.add(k, 1)
		users[k.uid] = u
		for _, l := range k.links {
			hold(l)
		}
	}
	for _, k := range t.keys {
		if k.refs != refs[k] || k.refs == 0 {
			tb.Errorf("%s has %d references, want %d", k.desc, k.refs, refs[k])
		}
		delete(refs, k)
	}
	if len(refs) != 0 || t.bytes != bytes || len(t.users) != len(users) {
		tb.Errorf("%d keys that are gone are held, %d bytes, want %d, %d users, want %d", len(refs), t.bytes, bytes, len(t.users), len(users))
	}
	for uid, u := range t.users {
		if *u != users[uid] {
			tb.Errorf("user %d: %+v, want %+v", uid, *u, users[uid])
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	tb, c := New(), caller(1000)
	r := tb.mustAdd(t, c, "keyring", "r", process)
	for i := range 30 {
		tb.mustAdd(t, c, "user", fmt.Sprint(i), r)
	}
	var child Holder
	tb.Fork(c, &child, true)
	tb.check(t, c.Holder, &child)
	tb.Release(c.Holder)
	tb.check(t, &child)
	if len(tb.keys) != 32 {
		t.Errorf("%d keys while a thread is left", len(tb.keys))
	}
	tb.Release(&child)
	if tb.check(t); len(tb.keys) != 0 || len(tb.users) != 1 {
		t.Errorf("%d keys, %d users are left", len(tb.keys), len(tb.users))
	}
}

func TestDeepNestsAreFreed(t *testing.T) {
	// Grown from the inside out: each keyring is put into a new one.
	tb, c := New(), caller(0)
	inner := tb.mustAdd(t, c, "keyring", "0", process)
	for i := 1; i < 1000; i++ {
		outer := tb.mustAdd(t, c, "keyring", fmt.Sprint(i), process)
		err := tb.Link(c, inner, outer)
		if i <= maxDepth+1 && err != nil || i > maxDepth+1 && err != errno.ELOOP {
			t.Fatal(i, err)
		}
		if err == nil {
			inner = outer
		}
	}
	tb.Release(c.Holder)
	if tb.check(t); len(tb.keys) != 0 {
		t.Errorf("%d keys are left", len(tb.keys))
	}
}

// TestWideNestsAreSearchedOnce searches keyrings that lead to each other on very many ways.
func TestWideNestsAreSearchedOnce(t *testing.T) {
	tb, c := New(), caller(0)
	var upper []Serial
	for level := range maxDepth {
		var rings []Serial
		for i := range 60 {
			r := tb.mustAdd(t, c, "keyring", fmt.Sprintf("%d.%d", level, i), process)
			rings = append(rings, r)
			for _, u := range upper {
				if err := tb.Link(c, r, u); err != nil {
					t.Fatal(err)
				}
			}
		}
		upper = rings
	}
	if _, err := tb.Request(c, "user", "none", false, 0); err != errno.ENOKEY {
		t.Error(err)
	}
	tb.check(t, c.Holder)
}

// TestRandomCalls does random things and checks the books after each.
func TestRandomCalls(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		tb := New()
		cs := []*Caller{caller(0), caller(1), caller(2)}
		holders := []*Holder{cs[0].Holder, cs[1].Holder, cs[2].Holder}
		for range 2000 {
			c := cs[rnd.IntN(len(cs))]
			c.Now += rnd.Int64N(100)
			pick := func() Serial {
				if rnd.IntN(3) == 0 {
					return Serial(-1 - rnd.IntN(5))
				}
				// In the order of serial numbers, which are random as well: only with luck does a seed fail twice.
				all := slices.Sorted(maps.Keys(tb.keys))
				return append(all, -2)[rnd.IntN(len(all)+1)]
			}
			name := fmt.Sprint("n", rnd.IntN(6))
			switch rnd.IntN(18) {
			case 0, 1, 2:
				tb.Add(c, "keyring", name, nil, pick())
			case 3, 4:
				tb.Add(c, "user", name, make([]byte, 1+rnd.IntN(9000)), pick())
			case 5, 6:
				tb.Link(c, pick(), pick())
			case 7:
				tb.Unlink(c, pick(), pick())
			case 8:
				tb.Clear(c, pick())
			case 9:
				tb.Revoke(c, pick())
			case 10:
				tb.Invalidate(c, pick())
			case 11:
				tb.Chown(c, pick(), uint32(rnd.IntN(3)), creds.NoID)
			case 12:
				tb.Move(c, pick(), pick(), pick(), rnd.IntN(2) == 0)
			case 13:
				tb.SetPerm(c, pick(), 0x3f3f3f3f)
			case 14:
				tb.Persistent(c, creds.UID(rnd.IntN(3)), pick())
			case 15:
				if rnd.IntN(2) == 0 {
					tb.JoinSession(c)
				} else {
					tb.JoinNamedSession(c, name)
				}
			case 16:
				switch i := rnd.IntN(3); rnd.IntN(4) {
				case 0:
					tb.Exec(c.Holder)
				case 1:
					tb.Release(c.Holder)
				case 2:
					if cs[i] != c {
						tb.Release(cs[i].Holder)
						tb.Fork(c, cs[i].Holder, rnd.IntN(2) == 0)
					}
				case 3:
					tb.SetOwner(c.Holder, creds.UID(i), creds.GID(i))
				}
			case 17:
				tb.SetTimeout(c, pick(), uint32(rnd.IntN(1000)))
				tb.Update(c, pick(), []byte("x"))
				tb.GiveSession(c, cs[rnd.IntN(3)].Holder, c.Cred)
				tb.Search(c, pick(), "user", name, pick())
				tb.Text(c)
			}
			tb.check(t, holders...)
			possessed := tb.possessions(c)
			for _, k := range tb.keys {
				if got, want := possessed[k], tb.possesses(c, k); got != want {
					t.Errorf("possessions of %s: %v, want %v", k.desc, got, want)
				}
			}
			if t.Failed() {
				t.Fatal("seed ", seed)
			}
		}
	}
}
