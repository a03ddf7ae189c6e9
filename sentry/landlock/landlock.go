// Package landlock holds what landlock(7) restricts and decides what it allows.
//
//	Object    names a file, for a rule
//	Ruleset   rules that are being written down
//	Domain    rules that some tasks are bound by, for good; one layer on top of others
//
// A Domain hangs on the credentials of a task, so that children and programs inherit it. Tasks without one
// have a nil Domain, which every method takes for "nothing is restricted". The package knows no files: whoever
// asks walks from a file up to the root and shows every object on the way.
//
// Neighbours: sentry/creds carries domains; sentry/vfs asks about files, sentry/net about ports and names,
// sentry/kernel about signals and tracing.
package landlock

import (
	"maps"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// MaxLayers is how many rulesets can lie on top of each other.
const MaxLayers = 16

// All the rights and scopes there are.
const (
	AllFS     = linux.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1
	AllNet    = linux.LANDLOCK_ACCESS_NET_CONNECT_TCP<<1 - 1
	AllScopes = linux.LANDLOCK_SCOPE_SIGNAL<<1 - 1
)

// FileFS are the rights that mean something for what is no directory.
const FileFS = linux.LANDLOCK_ACCESS_FS_EXECUTE | linux.LANDLOCK_ACCESS_FS_WRITE_FILE | linux.LANDLOCK_ACCESS_FS_READ_FILE |
	linux.LANDLOCK_ACCESS_FS_TRUNCATE | linux.LANDLOCK_ACCESS_FS_IOCTL_DEV

// Object is a file: its device and number, and when it was born, which tells it from a later file with the
// same number.
type Object struct {
	Dev, Ino uint64
	Born     int64
}

// Handled is what a ruleset restricts; all else stays as it is.
type Handled struct{ FS, Net, Scoped uint64 }

// rules are what is allowed of what is handled.
type rules struct {
	files map[Object]uint64
	ports map[uint16]uint64
}

// Ruleset is what landlock_create_ruleset(2) makes.
type Ruleset struct {
	Handled Handled // immutable

	mu    sync.Mutex
	rules rules
}

// NewRuleset returns a ruleset without rules.
func NewRuleset(h Handled) *Ruleset {
	return &Ruleset{Handled: h, rules: rules{make(map[Object]uint64), make(map[uint16]uint64)}}
}

// AllowFile allows access beneath o. Preconditions: FS handles it.
func (r *Ruleset) AllowFile(o Object, access uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.files[o] |= access
}

// AllowPort allows access to a TCP port. Preconditions: Net handles it.
func (r *Ruleset) AllowPort(port uint16, access uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.ports[port] |= access
}

// Domain is a layer of rules, and the layers below it. Immutable.
type Domain struct {
	below *Domain
	level int
	// own is what this layer handles, with LANDLOCK_ACCESS_FS_REFER, which nobody need ask for, if it handles
	// files at all.
	own Handled
	// all is what any layer handles.
	all   Handled
	rules rules
}

// Restrict returns d with a copy of r on top of it; E2BIG if there are too many layers.
func (d *Domain) Restrict(r *Ruleset) (*Domain, error) {
	n := &Domain{below: d, own: r.Handled}
	if n.own.FS != 0 {
		n.own.FS |= linux.LANDLOCK_ACCESS_FS_REFER
	}
	n.all = n.own
	if d != nil {
		n.level = d.level + 1
		n.all = Handled{d.all.FS | n.own.FS, d.all.Net | n.own.Net, d.all.Scoped | n.own.Scoped}
	}
	if n.level >= MaxLayers {
		return nil, errno.E2BIG
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n.rules = rules{maps.Clone(r.rules.files), maps.Clone(r.rules.ports)}
	return n, nil
}

// Handles reports whether some layer restricts one of the rights to files.
func (d *Domain) Handles(fs uint64) bool { return d != nil && d.all.FS&fs != 0 }

// Grants are the rights to files that each layer allows at a place, by level.
type Grants [MaxLayers]uint64

// Add adds what the rules of o allow.
func (d *Domain) Add(g *Grants, o Object) {
	for ; d != nil; d = d.below {
		g[d.level] |= d.rules.files[o]
	}
}

// Missing returns those of the rights that some layer handles and does not allow.
func (d *Domain) Missing(g *Grants, rights uint64) (missing uint64) {
	for ; d != nil; d = d.below {
		missing |= rights & d.own.FS &^ g[d.level]
	}
	return missing
}

// Gains reports whether a file would have one of the rights under to that it has not under from, in some layer.
func (d *Domain) Gains(from, to *Grants, rights uint64) bool {
	for ; d != nil; d = d.below {
		if rights&d.own.FS&^from[d.level]&to[d.level] != 0 {
			return true
		}
	}
	return false
}

// MayUsePort returns EACCES unless every layer that handles the right allows it for a TCP port.
func (d *Domain) MayUsePort(port uint16, right uint64) error {
	for ; d != nil; d = d.below {
		if right&d.own.Net&^d.rules.ports[port] != 0 {
			return errno.EACCES
		}
	}
	return nil
}

// HandlesPorts reports whether some layer restricts a right to ports.
func (d *Domain) HandlesPorts(right uint64) bool { return d != nil && d.all.Net&right != 0 }

// Reaches reports whether what is bound by d may reach what is bound by o, as far as scope is concerned: it may
// not leave the layers that keep it within themselves.
func (d *Domain) Reaches(o *Domain, scope uint64) bool {
	for ; d != nil; d = d.below {
		if d.own.Scoped&scope != 0 {
			return d.Within(o)
		}
	}
	return true
}

// Within reports whether o is bound by d, and perhaps by more: then who is bound by d may trace it.
func (d *Domain) Within(o *Domain) bool {
	if d == nil {
		return true
	}
	for o != nil && o.level > d.level {
		o = o.below
	}
	return o == d
}
