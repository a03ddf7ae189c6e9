package keys

import (
	"slices"

	"ringfence/abi/errno"
)

// wanted is what is searched for: one key, or a type and a description.
type wanted struct {
	key  *key
	typ  *keyType
	desc string
	// valid leaves out keys that can't be used; expired ones without a word if skipExpired.
	valid, skipExpired bool
}

func (w *wanted) matches(k *key) bool {
	if w.key != nil {
		return w.key == k
	}
	return k.typ == w.typ && k.desc == w.desc
}

// finder is one search through nested keyrings.
type finder struct {
	c         *Caller
	w         *wanted
	possessed bool
	why       error        // why a key that matched was not taken
	seen      map[*key]int // keyrings by the least depth at which they were looked through
}

// take reports whether k is what is sought and can be had.
func (f *finder) take(k *key) bool {
	if !f.w.matches(k) {
		return false
	}
	if f.w.valid {
		switch {
		case k.invalid || k.revoked:
			f.why = errno.EKEYREVOKED
			return false
		case f.c.Now >= k.expiry:
			if !f.w.skipExpired {
				f.why = errno.EKEYEXPIRED
			}
			return false
		}
	}
	if !k.permits(f.c, f.possessed, search) {
		f.why = errno.EACCES
		return false
	}
	return true
}

// walk looks through ring, first at its own links, then at the keyrings among them.
func (f *finder) walk(ring *key, depth int) *key {
	if d, ok := f.seen[ring]; ok && d <= depth || ring.revoked || ring.invalid {
		return nil
	}
	if f.seen == nil {
		f.seen = make(map[*key]int)
	}
	f.seen[ring] = depth
	for _, k := range ring.links {
		if f.take(k) {
			return k
		}
	}
	if depth >= maxDepth {
		return nil
	}
	for _, k := range ring.links {
		if k.typ == keyringType && k.permits(f.c, f.possessed, search) {
			if found := f.walk(k, depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

// searchRing looks for w in ring and the keyrings below it. EAGAIN if there is none.
func (t *Table) searchRing(c *Caller, ring *key, possessed bool, w *wanted) (*key, error) {
	if ring.typ != keyringType {
		return nil, errno.ENOTDIR
	}
	if !ring.permits(c, possessed, search) {
		return nil, errno.EACCES
	}
	f := finder{c: c, w: w, possessed: possessed, why: errno.EAGAIN}
	if w.matches(ring) {
		if f.take(ring) {
			return ring, nil
		}
		return nil, f.why
	}
	if k := f.walk(ring, 0); k != nil {
		return k, nil
	}
	return nil, f.why
}

// roots returns the keyrings where the caller's searches begin, in order.
func (t *Table) roots(c *Caller) []*key {
	session := c.Holder.session
	if session == nil {
		if r := t.rings[c.Cred.RUID]; r != nil {
			session = r.session
		}
	}
	return slices.DeleteFunc([]*key{c.Holder.thread, c.Holder.process, session}, func(k *key) bool { return k == nil })
}

// searchAll looks for w in all keyrings of the caller. If it fails, EAGAIN (searched, but not
// found) comes before other errors.
func (t *Table) searchAll(c *Caller, w *wanted) (*key, error) {
	var why error = errno.EAGAIN
	searched := false
	for _, ring := range t.roots(c) {
		k, err := t.searchRing(c, ring, true, w)
		switch err {
		case nil:
			return k, nil
		case errno.EAGAIN, errno.ENOKEY:
			searched = true
		default:
			why = err
		}
	}
	if searched {
		return nil, errno.EAGAIN
	}
	return nil, why
}

// possesses reports whether the caller finds k in its keyrings.
func (t *Table) possesses(c *Caller, k *key) bool {
	_, err := t.searchAll(c, &wanted{key: k})
	return err == nil
}

// possessions returns all keys for which possesses is true.
func (t *Table) possessions(c *Caller) map[*key]bool {
	all := make(map[*key]bool)
	seen := make(map[*key]int)
	var walk func(ring *key, depth int)
	walk = func(ring *key, depth int) {
		if d, ok := seen[ring]; ok && d <= depth || ring.revoked || ring.invalid {
			return
		}
		seen[ring] = depth
		for _, k := range ring.links {
			if !k.permits(c, true, search) {
				continue
			}
			all[k] = true
			if k.typ == keyringType && depth < maxDepth {
				walk(k, depth+1)
			}
		}
	}
	for _, ring := range t.roots(c) {
		if ring.permits(c, true, search) {
			all[ring] = true
			walk(ring, 0)
		}
	}
	return all
}

// noKey makes ENOKEY of a search that found nothing.
func noKey(err error) error {
	if err == errno.EAGAIN {
		return errno.ENOKEY
	}
	return err
}
