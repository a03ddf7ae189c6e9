package syscalls

import (
	"encoding/binary"
	"slices"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
)

var credCalls = []line{
	{linux.SYS_GETUID, "getuid", sysGetuid, kernel.Full, "", ""},
	{linux.SYS_GETEUID, "geteuid", sysGeteuid, kernel.Full, "", ""},
	{linux.SYS_GETGID, "getgid", sysGetgid, kernel.Full, "", ""},
	{linux.SYS_GETEGID, "getegid", sysGetegid, kernel.Full, "", ""},
	{linux.SYS_GETRESUID, "getresuid", sysGetresuid, kernel.Full, "", ""},
	{linux.SYS_GETRESGID, "getresgid", sysGetresgid, kernel.Full, "", ""},
	{linux.SYS_SETUID, "setuid", sysSetuid, kernel.Full, "", ""},
	{linux.SYS_SETGID, "setgid", sysSetgid, kernel.Full, "", ""},
	{linux.SYS_SETREUID, "setreuid", sysSetreuid, kernel.Full, "", ""},
	{linux.SYS_SETREGID, "setregid", sysSetregid, kernel.Full, "", ""},
	{linux.SYS_SETRESUID, "setresuid", sysSetresuid, kernel.Full, "", ""},
	{linux.SYS_SETRESGID, "setresgid", sysSetresgid, kernel.Full, "", ""},
	{linux.SYS_SETFSUID, "setfsuid", sysSetfsuid, kernel.Full, "", ""},
	{linux.SYS_SETFSGID, "setfsgid", sysSetfsgid, kernel.Full, "", ""},
	{linux.SYS_GETGROUPS, "getgroups", sysGetgroups, kernel.Full, "", ""},
	{linux.SYS_SETGROUPS, "setgroups", sysSetgroups, kernel.Full, "", ""},
	{linux.SYS_CAPGET, "capget", sysCapget, kernel.Full, "", ""},
	{linux.SYS_CAPSET, "capset", sysCapset, kernel.Full, "", ""},
}

func sysGetuid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	c := t.Creds()
	return uint64(c.UserNS.ShowUID(c.RUID)), nil
}

func sysGeteuid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	c := t.Creds()
	return uint64(c.UserNS.ShowUID(c.EUID)), nil
}

func sysGetgid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	c := t.Creds()
	return uint64(c.UserNS.ShowGID(c.RGID)), nil
}

func sysGetegid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	c := t.Creds()
	return uint64(c.UserNS.ShowGID(c.EGID)), nil
}

// copyOutIDs stores three ids at three addresses.
func copyOutIDs(t *kernel.Task, a *arch.Args, ids [3]uint32) (uint64, error) {
	for i, id := range ids {
		if err := t.CopyOutUint32(a[i].Addr(), id); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func sysGetresuid(t *kernel.Task, a *arch.Args) (uint64, error) {
	c := t.Creds()
	return copyOutIDs(t, a, [3]uint32{c.UserNS.ShowUID(c.RUID), c.UserNS.ShowUID(c.EUID), c.UserNS.ShowUID(c.SUID)})
}

func sysGetresgid(t *kernel.Task, a *arch.Args) (uint64, error) {
	c := t.Creds()
	return copyOutIDs(t, a, [3]uint32{c.UserNS.ShowGID(c.RGID), c.UserNS.ShowGID(c.EGID), c.UserNS.ShowGID(c.SGID)})
}

func sysSetuid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	u, ok := old.UserNS.ToUID(a[0].Uint())
	if !ok {
		return 0, errno.EINVAL
	}
	c := old.Clone()
	switch {
	case old.HasOwn(linux.CAP_SETUID):
		c.RUID, c.SUID = u, u
	case u != old.RUID && u != old.SUID:
		return 0, errno.EPERM
	}
	c.EUID, c.FSUID = u, u
	return 0, setUIDs(t, c)
}

// setUIDs commits new user ids: capabilities follow them unless securebits say otherwise (capabilities(7)),
// and RLIMIT_NPROC of a new user shows at the next exec.
func setUIDs(t *kernel.Task, c *creds.Credentials) error {
	if t.Creds().Securebits&linux.SECBIT_NO_SETUID_FIXUP == 0 {
		fixupCaps(t.Creds(), c)
	}
	t.SetCreds(c)
	return nil
}

// fixupCaps adjusts the capabilities of c, whose user ids changed from those of old.
func fixupCaps(old, c *creds.Credentials) {
	root := old.Root
	hadRoot := root(old.RUID) || root(old.EUID) || root(old.SUID)
	hasRoot := root(c.RUID) || root(c.EUID) || root(c.SUID)
	if hadRoot && !hasRoot {
		if c.Securebits&linux.SECBIT_KEEP_CAPS == 0 {
			c.Permitted, c.Effective = 0, 0
		}
		c.Ambient = 0
	}
	if root(old.EUID) && !root(c.EUID) {
		c.Effective = 0
	}
	if !root(old.EUID) && root(c.EUID) {
		c.Effective = c.Permitted
	}
}

func sysSetgid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	g, ok := old.UserNS.ToGID(a[0].Uint())
	if !ok {
		return 0, errno.EINVAL
	}
	c := old.Clone()
	switch {
	case old.HasOwn(linux.CAP_SETGID):
		c.RGID, c.SGID = g, g
	case g != old.RGID && g != old.SGID:
		return 0, errno.EPERM
	}
	c.EGID, c.FSGID = g, g
	t.SetCreds(c)
	return 0, nil
}

func sysSetreuid(t *kernel.Task, a *arch.Args) (uint64, error) {
	const none = creds.UID(creds.NoID)
	old := t.Creds()
	r, rok := old.UserNS.OptionalUID(a[0].Uint())
	e, eok := old.UserNS.OptionalUID(a[1].Uint())
	if !rok || !eok {
		return 0, errno.EINVAL
	}
	c := old.Clone()
	free := old.HasOwn(linux.CAP_SETUID)
	if r != none {
		c.RUID = r
		if c.RUID != old.RUID && c.RUID != old.EUID && !free {
			return 0, errno.EPERM
		}
	}
	if e != none {
		c.EUID = e
		if c.EUID != old.RUID && c.EUID != old.EUID && c.EUID != old.SUID && !free {
			return 0, errno.EPERM
		}
	}
	if r != none || e != none && c.EUID != old.RUID {
		c.SUID = c.EUID
	}
	c.FSUID = c.EUID
	return 0, setUIDs(t, c)
}

func sysSetregid(t *kernel.Task, a *arch.Args) (uint64, error) {
	const none = creds.GID(creds.NoID)
	old := t.Creds()
	r, rok := old.UserNS.OptionalGID(a[0].Uint())
	e, eok := old.UserNS.OptionalGID(a[1].Uint())
	if !rok || !eok {
		return 0, errno.EINVAL
	}
	c := old.Clone()
	free := old.HasOwn(linux.CAP_SETGID)
	if r != none {
		c.RGID = r
		if c.RGID != old.RGID && c.RGID != old.EGID && !free {
			return 0, errno.EPERM
		}
	}
	if e != none {
		c.EGID = e
		if c.EGID != old.RGID && c.EGID != old.EGID && c.EGID != old.SGID && !free {
			return 0, errno.EPERM
		}
	}
	if r != none || e != none && c.EGID != old.RGID {
		c.SGID = c.EGID
	}
	c.FSGID = c.EGID
	t.SetCreds(c)
	return 0, nil
}

func sysSetresuid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	var ids [3]creds.UID
	for i := range ids {
		var ok bool
		if ids[i], ok = old.UserNS.OptionalUID(a[i].Uint()); !ok {
			return 0, errno.EINVAL
		}
	}
	c := old.Clone()
	for i, p := range []*creds.UID{&c.RUID, &c.EUID, &c.SUID} {
		if ids[i] == creds.UID(creds.NoID) {
			continue
		}
		*p = ids[i]
		if *p != old.RUID && *p != old.EUID && *p != old.SUID && !old.HasOwn(linux.CAP_SETUID) {
			return 0, errno.EPERM
		}
	}
	c.FSUID = c.EUID
	return 0, setUIDs(t, c)
}

func sysSetresgid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	var ids [3]creds.GID
	for i := range ids {
		var ok bool
		if ids[i], ok = old.UserNS.OptionalGID(a[i].Uint()); !ok {
			return 0, errno.EINVAL
		}
	}
	c := old.Clone()
	for i, p := range []*creds.GID{&c.RGID, &c.EGID, &c.SGID} {
		if ids[i] == creds.GID(creds.NoID) {
			continue
		}
		*p = ids[i]
		if *p != old.RGID && *p != old.EGID && *p != old.SGID && !old.HasOwn(linux.CAP_SETGID) {
			return 0, errno.EPERM
		}
	}
	c.FSGID = c.EGID
	t.SetCreds(c)
	return 0, nil
}

// fsCaps are the capabilities that come and go with file system user id 0.
const fsCaps creds.CapSet = 1<<linux.CAP_CHOWN | 1<<linux.CAP_MKNOD | 1<<linux.CAP_DAC_OVERRIDE |
	1<<linux.CAP_DAC_READ_SEARCH | 1<<linux.CAP_FOWNER | 1<<linux.CAP_FSETID | 1<<linux.CAP_LINUX_IMMUTABLE |
	1<<linux.CAP_MAC_OVERRIDE

// setfsuid reports no errors: it returns the old id, changed or not.
func sysSetfsuid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	u, ok := old.UserNS.ToUID(a[0].Uint())
	if ok && u != old.FSUID &&
		(u == old.RUID || u == old.EUID || u == old.SUID || old.HasOwn(linux.CAP_SETUID)) {
		c := old.Clone()
		c.FSUID = u
		if old.Securebits&linux.SECBIT_NO_SETUID_FIXUP == 0 {
			if old.Root(old.FSUID) {
				c.Effective &^= fsCaps
			} else if old.Root(u) {
				c.Effective |= c.Permitted & fsCaps
			}
		}
		t.SetCreds(c)
	}
	return uint64(old.UserNS.ShowUID(old.FSUID)), nil
}

func sysSetfsgid(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Creds()
	g, ok := old.UserNS.ToGID(a[0].Uint())
	if ok && g != old.FSGID &&
		(g == old.RGID || g == old.EGID || g == old.SGID || old.HasOwn(linux.CAP_SETGID)) {
		c := old.Clone()
		c.FSGID = g
		t.SetCreds(c)
	}
	return uint64(old.UserNS.ShowGID(old.FSGID)), nil
}

func sysGetgroups(t *kernel.Task, a *arch.Args) (uint64, error) {
	size, ns, groups := a[0].Int(), t.Creds().UserNS, t.Creds().Groups
	if size < 0 {
		return 0, errno.EINVAL
	}
	if size == 0 {
		return uint64(len(groups)), nil
	}
	if int(size) < len(groups) {
		return 0, errno.EINVAL
	}
	b := make([]byte, 4*len(groups))
	for i, g := range groups {
		binary.LittleEndian.PutUint32(b[4*i:], ns.ShowGID(g))
	}
	return uint64(len(groups)), t.CopyOut(a[1].Addr(), b)
}

// maxGroups is NGROUPS_MAX.
const maxGroups = 65536

func sysSetgroups(t *kernel.Task, a *arch.Args) (uint64, error) {
	n := a[0].Int()
	ns := t.Creds().UserNS
	if !t.Creds().HasOwn(linux.CAP_SETGID) || !ns.MaySetgroups() {
		return 0, errno.EPERM
	}
	if n < 0 || n > maxGroups {
		return 0, errno.EINVAL
	}
	b := make([]byte, 4*n)
	if err := t.CopyIn(a[1].Addr(), b); err != nil {
		return 0, err
	}
	groups := make([]creds.GID, n)
	for i := range groups {
		g, ok := ns.ToGID(binary.LittleEndian.Uint32(b[4*i:]))
		if !ok {
			return 0, errno.EINVAL
		}
		groups[i] = g
	}
	slices.Sort(groups)
	c := t.Creds().Clone()
	c.Groups = groups
	t.SetCreds(c)
	return 0, nil
}

// capHeader reads the header of capget(2) and capset(2) and returns how many words the sets have. For an unknown
// version it stores the preferred one and fails.
func capHeader(t *kernel.Task, p addr.Addr) (linux.CapUserHeader, int, error) {
	var h linux.CapUserHeader
	if err := t.CopyInStruct(p, &h); err != nil {
		return h, 0, err
	}
	switch h.Version {
	case linux.LINUX_CAPABILITY_VERSION_1:
		return h, 1, nil
	case linux.LINUX_CAPABILITY_VERSION_2, linux.LINUX_CAPABILITY_VERSION_3:
		return h, 2, nil
	}
	if err := t.CopyOutUint32(p, linux.LINUX_CAPABILITY_VERSION_3); err != nil {
		return h, 0, err
	}
	return h, 0, errno.EINVAL
}

func sysCapget(t *kernel.Task, a *arch.Args) (uint64, error) {
	h, words, err := capHeader(t, a[0].Addr())
	if err != nil {
		if err == errno.EINVAL && a[1].Addr() == 0 {
			return 0, nil // a probe for the version
		}
		return 0, err
	}
	if h.PID < 0 {
		return 0, errno.EINVAL
	}
	x, err := findTask(t, h.PID)
	if err != nil {
		return 0, err
	}
	if a[1].Addr() == 0 {
		return 0, nil
	}
	c := x.Creds()
	for i := range words {
		shift := 32 * i
		d := linux.CapUserData{
			Effective:   uint32(c.Effective >> shift),
			Permitted:   uint32(c.Permitted >> shift),
			Inheritable: uint32(c.Inheritable >> shift),
		}
		if err := t.CopyOutStruct(a[1].Addr()+addr.Addr(i*d.SizeBytes()), &d); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func sysCapset(t *kernel.Task, a *arch.Args) (uint64, error) {
	h, words, err := capHeader(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	if h.PID != 0 && h.PID != t.TID() {
		return 0, errno.EPERM
	}
	var eff, perm, inh creds.CapSet
	for i := range words {
		var d linux.CapUserData
		if err := t.CopyInStruct(a[1].Addr()+addr.Addr(i*d.SizeBytes()), &d); err != nil {
			return 0, err
		}
		shift := 32 * i
		eff |= creds.CapSet(d.Effective) << shift
		perm |= creds.CapSet(d.Permitted) << shift
		inh |= creds.CapSet(d.Inheritable) << shift
	}
	eff, perm, inh = eff&creds.AllCaps, perm&creds.AllCaps, inh&creds.AllCaps
	old := t.Creds()
	switch {
	case !old.HasOwn(linux.CAP_SETPCAP) && inh&^(old.Inheritable|old.Permitted) != 0,
		inh&^(old.Inheritable|old.Bounding) != 0,
		perm&^old.Permitted != 0,
		eff&^perm != 0:
		return 0, errno.EPERM
	}
	c := old.Clone()
	c.Effective, c.Permitted, c.Inheritable = eff, perm, inh
	c.Ambient &= perm & inh
	t.SetCreds(c)
	return 0, nil
}
