package keys

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringfence/sentry/creds"
)

// Text is /proc/keys: the keys that the caller may view.
func (t *Table) Text(c *Caller) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	possessed := t.possessions(c)
	for _, s := range slices.Sorted(maps.Keys(t.keys)) {
		k := t.keys[s]
		if ns := c.Cred.UserNS; ns.HasUID(k.uid) && k.permits(c, possessed[k], view) {
			k.write(&b, ns, c.Now)
		}
	}
	return b.String()
}

// AllText is Text for who may view everything: logs and tests.
func (t *Table) AllText() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, s := range slices.Sorted(maps.Keys(t.keys)) {
		t.keys[s].write(&b, nil, 0)
	}
	return b.String()
}

// write writes a line of /proc/keys, with ids as ns shows them.
func (k *key) write(b *strings.Builder, ns *creds.UserNamespace, now int64) {
	flag := func(on bool, c byte) byte {
		if on {
			return c
		}
		return '-'
	}
	fmt.Fprintf(b, "%08x I%c-%c--%c %5d %4s %08x %5d %5d %-9.9s %s", uint32(k.serial), flag(k.revoked, 'R'), flag(!k.outside, 'Q'),
		flag(k.invalid, 'i'), k.refs, k.timeout(now), k.perm, ns.ShowUID(k.uid), shownGID(ns, k.gid), k.typ.name, k.desc)
	switch {
	case k.typ != keyringType:
		fmt.Fprintf(b, ": %d\n", len(k.payload))
	case len(k.links) == 0:
		b.WriteString(": empty\n")
	default:
		fmt.Fprintf(b, ": %d\n", len(k.links))
	}
}

// timeout says when a key expires.
func (k *key) timeout(now int64) string {
	left := k.expiry - now
	switch {
	case k.expiry == never:
		return "perm"
	case left <= 0:
		return "expd"
	case left < 60:
		return fmt.Sprintf("%ds", left)
	case left < 60*60:
		return fmt.Sprintf("%dm", left/60)
	case left < 24*60*60:
		return fmt.Sprintf("%dh", left/(60*60))
	case left < 7*24*60*60:
		return fmt.Sprintf("%dd", left/(24*60*60))
	}
	return fmt.Sprintf("%dw", left/(7*24*60*60))
}

// UsersText is /proc/key-users: what users spend, as ns shows them.
func (t *Table) UsersText(ns *creds.UserNamespace) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, uid := range slices.Sorted(maps.Keys(t.users)) {
		if !ns.HasUID(uid) {
			continue
		}
		u := t.users[uid]
		maxKeys, maxBytes := t.limits(uid)
		fmt.Fprintf(&b, "%5d: %5d %d/%d %d/%d %d/%d\n", ns.ShowUID(uid), u.keys+1, u.keys, u.keys, u.qkeys, maxKeys, u.qbytes, maxBytes)
	}
	return b.String()
}
