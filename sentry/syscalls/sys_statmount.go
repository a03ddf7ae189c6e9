package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var statmountCalls = []line{
	{linux.SYS_STATMOUNT, "statmount", sysStatmount, kernel.Full, "STATMOUNT_* of Linux 6.12", ""},
	{linux.SYS_LISTMOUNT, "listmount", sysListmount, kernel.Full, "LISTMOUNT_REVERSE", ""},
}

// copyInMntIDReq reads the request of statmount(2) and listmount(2), which says itself how long it is.
func copyInMntIDReq(t *kernel.Task, at addr.Addr) (r linux.MntIDReq, err error) {
	size, err := t.CopyInUint32(at)
	if err != nil {
		return r, err
	}
	if err := copyInExtensible(t, at, uint64(size), linux.MNT_ID_REQ_SIZE_VER0, &r); err != nil {
		return r, err
	}
	if r.Spare != 0 || r.MntID <= vfs.FirstUniqueMountID {
		return r, errno.EINVAL
	}
	return r, nil
}

// withMountNamespace calls fn with the mount namespace that has an ID, or with the task's own for 0. ENOENT if
// there is none, or the caller may not look into it.
func withMountNamespace(t *kernel.Task, id uint64, fn func(ns *vfs.Namespace, own bool) error) error {
	own := t.MountNamespace()
	if id == 0 || id == own.ID {
		return fn(own, true)
	}
	ns := t.Kernel().VFS.MountNamespace(id)
	if ns == nil {
		return errno.ENOENT
	}
	defer ns.DecRef()
	if !t.Creds().HasIn(linux.CAP_SYS_ADMIN, ns.Owner) {
		return errno.ENOENT
	}
	return fn(ns, false)
}

func sysStatmount(t *kernel.Task, a *arch.Args) (uint64, error) {
	buf, size := a[1].Addr(), a[2].Size()
	if a[3].Uint() != 0 {
		return 0, errno.EINVAL
	}
	r, err := copyInMntIDReq(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	return 0, withMountNamespace(t, r.MntNSID, func(ns *vfs.Namespace, own bool) error {
		const texts = linux.STATMOUNT_MNT_ROOT | linux.STATMOUNT_MNT_POINT | linux.STATMOUNT_FS_TYPE | linux.STATMOUNT_MNT_OPTS
		head := uint64(new(linux.Statmount).SizeBytes())
		if r.Param&texts != 0 && size == head {
			return errno.EOVERFLOW
		}
		s, err := t.Kernel().VFS.StatMount(t, ns, own, r.MntID)
		if err != nil {
			return err
		}
		defer s.Mount.DecRef()
		b, err := statmountBytes(&s, ns.ID, r.Param, size)
		if err != nil {
			return err
		}
		// The strings first, as Linux does.
		if uint64(len(b)) > head {
			strings, ok := buf.Add(head)
			if !ok {
				return errno.EFAULT
			}
			if err := t.CopyOut(strings, b[head:]); err != nil {
				return err
			}
		}
		return t.CopyOut(buf, b[:min(head, size)])
	})
}

// statmountBytes makes struct statmount with its strings, for a buffer of size bytes. EOVERFLOW if they do not fit.
func statmountBytes(s *vfs.MountStat, nsID, mask, size uint64) ([]byte, error) {
	m := s.Mount
	var x linux.Statmount
	if mask&linux.STATMOUNT_SB_BASIC != 0 {
		dev := uint32(m.SB.Dev)
		x.SBDevMajor, x.SBDevMinor, x.SBMagic = linux.Major(dev), linux.Minor(dev), uint64(m.SB.Magic)
		if m.SB.ReadOnly() {
			x.SBFlags = linux.MS_RDONLY
		}
	}
	if mask&linux.STATMOUNT_MNT_BASIC != 0 {
		x.MntID, x.MntParentID = vfs.UniqueMountID(s.ID), vfs.UniqueMountID(s.ParentID)
		x.MntIDOld, x.MntParentIDOld = uint32(s.ID), uint32(s.ParentID)
		x.MntAttr, x.MntPropagation = flagsToAttrs(m.Flags()), s.Propagation
		x.MntPeerGroup, x.MntMaster = uint64(s.Group), uint64(s.Master)
	}
	if mask&linux.STATMOUNT_PROPAGATE_FROM != 0 {
		x.PropagateFrom = uint64(s.From)
	}
	if mask&linux.STATMOUNT_MNT_NS_ID != 0 {
		x.MntNSID = nsID
	}
	x.Mask = mask & (linux.STATMOUNT_SB_BASIC | linux.STATMOUNT_MNT_BASIC | linux.STATMOUNT_PROPAGATE_FROM | linux.STATMOUNT_MNT_NS_ID)
	b := make([]byte, x.SizeBytes())
	for _, f := range [...]struct {
		bit  uint64
		text func() string
		at   *uint32
	}{
		{linux.STATMOUNT_FS_TYPE, func() string { return m.SB.Type }, &x.FSType},
		{linux.STATMOUNT_MNT_ROOT, func() string { return s.Root }, &x.MntRoot},
		{linux.STATMOUNT_MNT_POINT, func() string { return s.Point }, &x.MntPoint},
		{linux.STATMOUNT_MNT_OPTS, func() string { return m.SB.Ops.Options(m.SB) }, &x.MntOpts},
	} {
		if mask&f.bit == 0 {
			continue
		}
		if len(b) == x.SizeBytes() {
			b = append(b, 0) // where the strings that are not told are
		}
		text := f.text()
		if uint64(len(b)+len(text)) >= size {
			return nil, errno.EOVERFLOW
		}
		if text == "" {
			continue
		}
		*f.at = uint32(len(b) - x.SizeBytes())
		b = append(append(b, text...), 0)
		x.Mask |= f.bit
	}
	x.Size = uint32(min(size, uint64(x.SizeBytes()))) + uint32(len(b)-x.SizeBytes())
	x.MarshalBytes(b)
	return b, nil
}

// flagsToAttrs turns the MS_* flags of a mount into MOUNT_ATTR_*.
func flagsToAttrs(flags uint32) (attrs uint64) {
	for _, p := range mountAttrs {
		if flags&p.ms != 0 {
			attrs |= uint64(p.attr)
		}
	}
	switch {
	case flags&linux.MS_NOATIME != 0:
		attrs |= linux.MOUNT_ATTR_NOATIME
	case flags&linux.MS_RELATIME == 0:
		attrs |= linux.MOUNT_ATTR_STRICTATIME
	}
	return attrs
}

// maxListed is how many mounts listmount(2) may be asked for.
const maxListed = 1000000

func sysListmount(t *kernel.Task, a *arch.Args) (uint64, error) {
	out, n, flags := a[1].Addr(), a[2].Size(), a[3].Uint()
	if flags&^linux.LISTMOUNT_REVERSE != 0 {
		return 0, errno.EINVAL
	}
	if n > maxListed {
		return 0, errno.EOVERFLOW
	}
	r, err := copyInMntIDReq(t, a[0].Addr())
	if err != nil {
		return 0, err
	}
	if r.Param != 0 && r.Param <= vfs.FirstUniqueMountID {
		return 0, errno.EINVAL
	}
	var ids []uint64
	err = withMountNamespace(t, r.MntNSID, func(ns *vfs.Namespace, own bool) (err error) {
		ids, err = t.Kernel().VFS.ListMounts(t, ns, own, r.MntID, r.Param, int(n), flags&linux.LISTMOUNT_REVERSE != 0)
		return err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	b := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, id)
	}
	return uint64(len(ids)), t.CopyOut(out, b)
}
