package syscalls

import (
	"encoding/binary"
	"math"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/landlock"
	"ringfence/sentry/vfs"
)

var landlockCalls = []line{
	{linux.SYS_LANDLOCK_CREATE_RULESET, "landlock_create_ruleset", sysLandlockCreateRuleset, kernel.Full, "LANDLOCK_CREATE_RULESET_VERSION", "ABI 6"},
	{linux.SYS_LANDLOCK_ADD_RULE, "landlock_add_rule", sysLandlockAddRule, kernel.Full, "LANDLOCK_RULE_*", ""},
	{linux.SYS_LANDLOCK_RESTRICT_SELF, "landlock_restrict_self", sysLandlockRestrictSelf, kernel.Full, "", ""},
}

// rulesetFile is the open file of a ruleset.
type rulesetFile struct {
	vfs.BaseFile
	rules *landlock.Ruleset
}

func sysLandlockCreateRuleset(t *kernel.Task, a *arch.Args) (uint64, error) {
	at, size, flags := a[0].Addr(), a[1].Size(), a[2].Uint()
	if flags != 0 {
		if flags != linux.LANDLOCK_CREATE_RULESET_VERSION || at != 0 || size != 0 {
			return 0, errno.EINVAL
		}
		return linux.LANDLOCK_ABI, nil
	}
	if at == 0 {
		return 0, errno.EFAULT
	}
	var attr linux.LandlockRulesetAttr
	if err := copyInExtensible(t, at, size, linux.LandlockRulesetAttrSizeVer0, &attr); err != nil {
		return 0, err
	}
	h := landlock.Handled{FS: attr.HandledAccessFS, Net: attr.HandledAccessNet, Scoped: attr.Scoped}
	switch {
	case h.FS&^landlock.AllFS != 0, h.Net&^landlock.AllNet != 0, h.Scoped&^landlock.AllScopes != 0:
		return 0, errno.EINVAL
	case h == landlock.Handled{}:
		return 0, errno.ENOMSG
	}
	return installAnon(t, "[landlock-ruleset]", &rulesetFile{rules: landlock.NewRuleset(h)}, linux.O_CLOEXEC, 0)
}

// atRuleset calls fn with the ruleset of fd; EBADFD if it is something else.
func atRuleset(t *kernel.Task, fd int32, fn func(r *landlock.Ruleset) error) error {
	return atFile(t, fd, func(f *vfs.File) error {
		r, ok := f.Ops.(*rulesetFile)
		if !ok {
			return errno.EBADFD
		}
		return fn(r.rules)
	})
}

func sysLandlockAddRule(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[3].Uint() != 0 {
		return 0, errno.EINVAL
	}
	return 0, atRuleset(t, a[0].Int(), func(r *landlock.Ruleset) error {
		switch a[1].Uint() {
		case linux.LANDLOCK_RULE_PATH_BENEATH:
			return addPathRule(t, r, a[2])
		case linux.LANDLOCK_RULE_NET_PORT:
			return addPortRule(t, r, a[2])
		}
		return errno.EINVAL
	})
}

// checkRule returns how a rule is refused that allows nothing, or more than is handled.
func checkRule(allowed, handled uint64) error {
	switch {
	case allowed == 0:
		return errno.ENOMSG
	case allowed&^handled != 0:
		return errno.EINVAL
	}
	return nil
}

func addPathRule(t *kernel.Task, r *landlock.Ruleset, at arch.Arg) error {
	var b [linux.LandlockPathBeneathAttrSize]byte
	if err := t.CopyIn(at.Addr(), b[:]); err != nil {
		return err
	}
	allowed, fd := binary.LittleEndian.Uint64(b[:]), int32(binary.LittleEndian.Uint32(b[8:]))
	if err := checkRule(allowed, r.Handled.FS); err != nil {
		return err
	}
	f, err := t.GetAnyFile(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	o, err := f.Path.LandlockObject()
	if err != nil {
		return err
	}
	if f.Inode().Type() != linux.S_IFDIR && allowed&^landlock.FileFS != 0 {
		return errno.EINVAL
	}
	r.AllowFile(o, allowed)
	return nil
}

func addPortRule(t *kernel.Task, r *landlock.Ruleset, at arch.Arg) error {
	var p linux.LandlockNetPortAttr
	if err := t.CopyInStruct(at.Addr(), &p); err != nil {
		return err
	}
	if err := checkRule(p.AllowedAccess, r.Handled.Net); err != nil {
		return err
	}
	if p.Port > math.MaxUint16 {
		return errno.EINVAL
	}
	r.AllowPort(uint16(p.Port), p.AllowedAccess)
	return nil
}

func sysLandlockRestrictSelf(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.NoNewPrivs() && !t.Creds().HasOwn(linux.CAP_SYS_ADMIN) {
		return 0, errno.EPERM
	}
	if a[1].Uint() != 0 {
		return 0, errno.EINVAL
	}
	return 0, atRuleset(t, a[0].Int(), func(r *landlock.Ruleset) error {
		c := t.Creds().Clone()
		d, err := c.Landlock.Restrict(r)
		if err != nil {
			return err
		}
		c.Landlock = d
		t.SetCreds(c)
		return nil
	})
}
