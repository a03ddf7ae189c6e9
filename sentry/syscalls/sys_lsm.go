package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

const modulesOffered = `as with no security modules but "capability" and "landlock"`

var lsmCalls = []line{
	{linux.SYS_LSM_LIST_MODULES, "lsm_list_modules", sysLsmListModules, kernel.Full, "", modulesOffered},
	{linux.SYS_LSM_GET_SELF_ATTR, "lsm_get_self_attr", sysLsmGetSelfAttr, kernel.Full, "LSM_FLAG_SINGLE", modulesOffered},
	{linux.SYS_LSM_SET_SELF_ATTR, "lsm_set_self_attr", sysLsmSetSelfAttr, kernel.Full, "", modulesOffered},
}

// lsmModules are the ids of the security modules.
var lsmModules = []uint64{linux.LSM_ID_CAPABILITY, linux.LSM_ID_LANDLOCK}

func sysLsmListModules(t *kernel.Task, a *arch.Args) (uint64, error) {
	ids, size := a[0].Addr(), a[1].Addr()
	if a[2].Uint() != 0 {
		return 0, errno.EINVAL
	}
	room, err := t.CopyInUint32(size)
	if err != nil {
		return 0, err
	}
	total := uint32(8 * len(lsmModules))
	if err := t.CopyOutUint32(size, total); err != nil {
		return 0, err
	}
	if room < total {
		return 0, errno.E2BIG
	}
	for i, id := range lsmModules {
		if err := t.CopyOutUint64(ids+addr.Addr(8*i), id); err != nil {
			return 0, err
		}
	}
	return uint64(len(lsmModules)), nil
}

// sysLsmGetSelfAttr finds no attributes: the modules here have none.
func sysLsmGetSelfAttr(t *kernel.Task, a *arch.Args) (uint64, error) {
	ctx, size, flags := a[1].Addr(), a[2].Addr(), a[3].Uint()
	if a[0].Uint() == linux.LSM_ATTR_UNDEF || size == 0 {
		return 0, errno.EINVAL
	}
	if _, err := t.CopyInUint32(size); err != nil {
		return 0, err
	}
	if flags != 0 {
		if flags != linux.LSM_FLAG_SINGLE || ctx == 0 {
			return 0, errno.EINVAL
		}
		var c linux.LSMCtx
		if err := t.CopyInStruct(ctx, &c); err != nil {
			return 0, err
		}
		if c.ID == linux.LSM_ID_UNDEF {
			return 0, errno.EINVAL
		}
	}
	if err := t.CopyOutUint32(size, 0); err != nil {
		return 0, err
	}
	return 0, errno.EOPNOTSUPP
}

func sysLsmSetSelfAttr(t *kernel.Task, a *arch.Args) (uint64, error) {
	var c linux.LSMCtx
	size := a[2].Uint()
	switch {
	case a[3].Uint() != 0, size < uint32(c.SizeBytes()):
		return 0, errno.EINVAL
	case size > addr.PageSize:
		return 0, errno.E2BIG
	}
	b := make([]byte, size)
	if err := t.CopyIn(a[1].Addr(), b); err != nil {
		return 0, err
	}
	c.UnmarshalBytes(b)
	need := uint64(c.SizeBytes()) + c.CtxLen
	if uint64(size) < c.Len || need < c.CtxLen || c.Len < need {
		return 0, errno.EINVAL
	}
	return 0, errno.EOPNOTSUPP
}
