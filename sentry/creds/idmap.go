package creds

import (
	"strconv"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// What is written to /proc/PID/uid_map and its like.

// maxExtents is UID_GID_MAP_MAX_EXTENTS.
const maxExtents = 340

// parseExtents reads lines of three numbers each: EINVAL for all that Linux refuses.
func parseExtents(text string) ([]Extent, error) {
	text = strings.TrimSuffix(text, "\n")
	var list []Extent
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' })
		if len(f) != 3 || len(list) == maxExtents {
			return nil, errno.EINVAL
		}
		var v [3]uint32
		for i := range v {
			n, err := strconv.ParseUint(f[i], 10, 64)
			if err != nil {
				return nil, errno.EINVAL
			}
			v[i] = uint32(n)
		}
		e := Extent{v[0], v[1], v[2]}
		if e.First == NoID || e.Lower == NoID || e.First+e.Count <= e.First || e.Lower+e.Count <= e.Lower {
			return nil, errno.EINVAL
		}
		for _, o := range list {
			if overlap(e.First, o.First, e.Count, o.Count) || overlap(e.Lower, o.Lower, e.Count, o.Count) {
				return nil, errno.EINVAL
			}
		}
		list = append(list, e)
	}
	return list, nil
}

func overlap(a, b, countA, countB uint32) bool {
	return a <= b+countB-1 && b <= a+countA-1
}

// WriteUIDs, WriteGIDs and WriteProjects put a map in force, for a task with credentials writer that writes to a file
// which opener opened.
func (ns *UserNamespace) WriteUIDs(writer, opener *Credentials, text string) error {
	list, err := ns.newMap(&ns.UIDs, opener, text, true)
	if err != nil {
		return err
	}
	if !ns.mayMapRoot(opener, list) {
		return errno.EPERM
	}
	if e, ok := ns.single(opener, list); ok {
		if u, ok := ns.Parent.ToUID(e.Lower); ok && u == opener.EUID {
			return ns.UIDs.set(list, &ns.Parent.UIDs, ns.Parent.Initial())
		}
	}
	if !writer.HasIn(linux.CAP_SETUID, ns.Parent) || !opener.HasIn(linux.CAP_SETUID, ns.Parent) {
		return errno.EPERM
	}
	return ns.UIDs.set(list, &ns.Parent.UIDs, ns.Parent.Initial())
}

func (ns *UserNamespace) WriteGIDs(writer, opener *Credentials, text string) error {
	list, err := ns.newMap(&ns.GIDs, opener, text, true)
	if err != nil {
		return err
	}
	if e, ok := ns.single(opener, list); ok && ns.noSetgroups.Load() {
		if g, ok := ns.Parent.ToGID(e.Lower); ok && g == opener.EGID {
			return ns.GIDs.set(list, &ns.Parent.GIDs, ns.Parent.Initial())
		}
	}
	if !writer.HasIn(linux.CAP_SETGID, ns.Parent) || !opener.HasIn(linux.CAP_SETGID, ns.Parent) {
		return errno.EPERM
	}
	return ns.GIDs.set(list, &ns.Parent.GIDs, ns.Parent.Initial())
}

func (ns *UserNamespace) WriteProjects(_, opener *Credentials, text string) error {
	list, err := ns.newMap(&ns.Projects, opener, text, false)
	if err != nil {
		return err
	}
	return ns.Projects.set(list, &ns.Parent.Projects, ns.Parent.Initial())
}

// newMap checks what is the same for all maps.
func (ns *UserNamespace) newMap(m *IDMap, opener *Credentials, text string, admin bool) ([]Extent, error) {
	if ns.Initial() || opener.UserNS != ns && opener.UserNS != ns.Parent {
		return nil, errno.EPERM
	}
	if m.Written() || admin && !opener.HasIn(linux.CAP_SYS_ADMIN, ns) {
		return nil, errno.EPERM
	}
	return parseExtents(text)
}

// single returns the extent if it is what everybody may map: one id, by who made the namespace.
func (ns *UserNamespace) single(opener *Credentials, list []Extent) (Extent, bool) {
	return list[0], len(list) == 1 && list[0].Count == 1 && ns.Owner == opener.EUID
}

// mayMapRoot reports whether the parent's root may have a name in ns: that allows to give files capabilities there.
func (ns *UserNamespace) mayMapRoot(opener *Credentials, list []Extent) bool {
	for _, e := range list {
		if e.Lower == 0 {
			if opener.UserNS == ns {
				return ns.parentSetfcap
			}
			return opener.HasIn(linux.CAP_SETFCAP, ns.Parent)
		}
	}
	return true
}

// Settled reports whether the names for ids do not change any more.
func (ns *UserNamespace) Settled() bool {
	return ns.Initial() || ns.UIDs.Written() && ns.GIDs.Written()
}

// MaySetgroups reports whether setgroups(2) is possible in ns.
func (ns *UserNamespace) MaySetgroups() bool {
	return ns.Initial() || ns.GIDs.Written() && !ns.noSetgroups.Load()
}

// SetgroupsDenied reports what /proc/PID/setgroups shows.
func (ns *UserNamespace) SetgroupsDenied() bool { return ns.noSetgroups.Load() }

// AllowSetgroups is a write to /proc/PID/setgroups: EPERM to allow what is denied, or to deny it when there
// are groups already.
func (ns *UserNamespace) AllowSetgroups(allow bool) error {
	if allow {
		if ns.noSetgroups.Load() {
			return errno.EPERM
		}
		return nil
	}
	if ns.Initial() || ns.GIDs.Written() {
		return errno.EPERM
	}
	ns.noSetgroups.Store(true)
	return nil
}
