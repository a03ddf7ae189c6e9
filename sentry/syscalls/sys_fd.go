package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

var fdCalls = []line{
	{linux.SYS_CLOSE, "close", sysClose, kernel.Full, "", ""},
	{linux.SYS_CLOSE_RANGE, "close_range", sysCloseRange, kernel.Full, "CLOSE_RANGE_UNSHARE CLOSE_RANGE_CLOEXEC", ""},
	{linux.SYS_DUP, "dup", sysDup, kernel.Full, "", ""},
	{linux.SYS_DUP2, "dup2", sysDup2, kernel.Full, "", ""},
	{linux.SYS_DUP3, "dup3", sysDup3, kernel.Full, "O_CLOEXEC", ""},
	{linux.SYS_FCNTL, "fcntl", sysFcntl, kernel.Partial, fcntlCommands, "no leases"},
	{linux.SYS_IOCTL, "ioctl", sysIoctl, kernel.Full, "", "what each kind of file knows"},
}

const fcntlCommands = "DUPFD DUPFD_CLOEXEC DUPFD_QUERY CREATED_QUERY GETFD SETFD GETFL SETFL GETLK SETLK SETLKW OFD_* SETOWN GETOWN " +
	"SETOWN_EX GETOWN_EX GETOWNER_UIDS SETSIG GETSIG GETPIPE_SZ SETPIPE_SZ ADD_SEALS GET_SEALS GET_RW_HINT SET_RW_HINT NOTIFY"

func sysClose(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.CloseFD(a[0].Int())
}

func sysCloseRange(t *kernel.Task, a *arch.Args) (uint64, error) {
	first, last, flags := a[0].Uint(), a[1].Uint(), a[2].Uint()
	if flags&^(linux.CLOSE_RANGE_UNSHARE|linux.CLOSE_RANGE_CLOEXEC) != 0 || first > last {
		return 0, errno.EINVAL
	}
	if flags&linux.CLOSE_RANGE_UNSHARE != 0 {
		t.UnshareFiles()
	}
	if flags&linux.CLOSE_RANGE_CLOEXEC != 0 {
		t.Files().CloexecRange(first, last)
		return 0, nil
	}
	t.CloseRange(first, last)
	return 0, nil
}

func sysDup(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetAnyFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	return result(t.InstallNew(f, 0))
}

// result turns a number and an error into what a handler returns.
func result(n int32, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return uint64(n), nil
}

func sysDup2(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Int() == a[1].Int() {
		// Equal descriptors: only that it is open is checked (dup(2)).
		f, err := t.GetAnyFile(a[0].Int())
		if err != nil {
			return 0, err
		}
		f.DecRef()
		return uint64(a[1].Int()), nil
	}
	return dup3(t, a[0].Int(), a[1].Int(), false)
}

func sysDup3(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[2].Uint()
	if flags&^linux.O_CLOEXEC != 0 || a[0].Int() == a[1].Int() {
		return 0, errno.EINVAL
	}
	return dup3(t, a[0].Int(), a[1].Int(), flags != 0)
}

func dup3(t *kernel.Task, from, to int32, cloexec bool) (uint64, error) {
	if to < 0 || uint64(to) >= t.FileLimit() {
		return 0, errno.EBADF
	}
	f, err := t.GetAnyFile(from)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if err := t.ReplaceFD(to, f, cloexec); err != nil {
		return 0, err
	}
	return uint64(to), nil
}

func sysFcntl(t *kernel.Task, a *arch.Args) (uint64, error) {
	fd, cmd, arg := a[0].Int(), a[1].Int(), a[2]
	f, err := t.GetAnyFile(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	switch cmd {
	case linux.F_DUPFD, linux.F_DUPFD_CLOEXEC:
		if arg.Uint64() >= t.FileLimit() {
			return 0, errno.EINVAL
		}
		return result(t.Files().Install(f, arg.Int(), t.FileLimit(), cmd == linux.F_DUPFD_CLOEXEC))
	case linux.F_DUPFD_QUERY:
		g, err := t.GetAnyFile(arg.Int())
		if err != nil {
			return 0, err
		}
		defer g.DecRef()
		if f == g {
			return 1, nil
		}
		return 0, nil
	case linux.F_CREATED_QUERY:
		return asInt(f.Mode&vfs.FModeCreated != 0), nil
	case linux.F_GETFD:
		on, err := t.Files().Cloexec(fd)
		if err != nil || !on {
			return 0, err
		}
		return linux.FD_CLOEXEC, nil
	case linux.F_SETFD:
		return 0, t.Files().SetCloexec(fd, arg.Uint64()&linux.FD_CLOEXEC != 0)
	case linux.F_GETFL:
		return uint64(f.Flags()), nil
	}
	if f.Mode&vfs.FModePath != 0 {
		return 0, errno.EBADF
	}
	switch cmd {
	case linux.F_SETFL:
		return 0, f.SetFlags(t, arg.Uint(), fd)
	case linux.F_GETLK, linux.F_SETLK, linux.F_SETLKW, linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW:
		return 0, fcntlLock(t, f, cmd, arg.Addr())
	case linux.F_SETOWN, linux.F_GETOWN, linux.F_SETOWN_EX, linux.F_GETOWN_EX, linux.F_GETOWNER_UIDS:
		return fcntlOwner(t, f, cmd, arg)
	case linux.F_SETSIG:
		if sig := arg.Int64(); sig < 0 || sig > int64(linux.SIGRTMAX) {
			return 0, errno.EINVAL
		}
		f.SetSignal(arg.Int())
		return 0, nil
	case linux.F_GETSIG:
		return uint64(f.Signal()), nil
	case linux.F_GETPIPE_SZ, linux.F_SETPIPE_SZ:
		p := pipe.Of(f)
		if p == nil {
			return 0, errno.EBADF
		}
		if cmd == linux.F_GETPIPE_SZ {
			return uint64(p.Size()), nil
		}
		n, err := p.SetSize(arg.Uint(), t.Creds().Has(linux.CAP_SYS_RESOURCE))
		return uint64(n), err
	case linux.F_ADD_SEALS, linux.F_GET_SEALS:
		s, ok := f.Ops.(sealer)
		if !ok {
			return 0, errno.EINVAL
		}
		if cmd == linux.F_GET_SEALS {
			return uint64(s.Seals()), nil
		}
		if f.Writable() != nil {
			return 0, errno.EPERM
		}
		return 0, s.AddSeals(arg.Uint())
	case linux.F_NOTIFY:
		return 0, fcntlNotify(t, f, fd, arg.Uint())
	case linux.F_SETLEASE, linux.F_GETLEASE:
		return fcntlLease(t, f, cmd, arg)
	case linux.F_GET_RW_HINT, linux.F_GET_FILE_RW_HINT:
		return 0, t.CopyOutUint64(arg.Addr(), linux.RWH_WRITE_LIFE_NOT_SET)
	case linux.F_SET_RW_HINT, linux.F_SET_FILE_RW_HINT:
		v, err := t.CopyInUint64(arg.Addr())
		if err == nil && v > linux.RWH_WRITE_LIFE_EXTREME {
			err = errno.EINVAL
		}
		return 0, err
	}
	return 0, errno.EINVAL
}

// sealer is a file of a memfd.
type sealer interface {
	Seals() uint32
	AddSeals(seals uint32) error
}

// fcntlNotify is F_NOTIFY. Signals go to the caller, if nobody else was chosen.
func fcntlNotify(t *kernel.Task, f *vfs.File, fd int32, mask uint32) error {
	err := f.WatchDir(fd, mask)
	if err == nil && f.Owner().ID == 0 {
		err = setOwner(t, f, linux.F_OWNER_PID, t.TGID())
	}
	return err
}

// fcntlLease is F_SETLEASE and F_GETLEASE: no leases are given, so there is none to be had or released.
func fcntlLease(t *kernel.Task, f *vfs.File, cmd int32, arg arch.Arg) (uint64, error) {
	if f.Inode().Type() != linux.S_IFREG && cmd == linux.F_SETLEASE {
		return 0, errno.EINVAL
	}
	if cmd == linux.F_GETLEASE {
		return linux.F_UNLCK, nil
	}
	switch arg.Int() {
	case linux.F_UNLCK:
		return 0, errno.EAGAIN
	case linux.F_RDLCK, linux.F_WRLCK:
		return 0, errno.EOPNOTSUPP
	}
	return 0, errno.EINVAL
}

// fcntlOwner is F_SETOWN and its relatives. The vfs keeps owners by number in the initial PID namespace.
func fcntlOwner(t *kernel.Task, f *vfs.File, cmd int32, arg arch.Arg) (uint64, error) {
	switch cmd {
	case linux.F_GETOWN:
		typ, id := t.OwnerID(f.Owner())
		if typ == linux.F_OWNER_PGRP {
			id = -id
		}
		return uint64(int64(id)), nil
	case linux.F_GETOWN_EX:
		typ, id := t.OwnerID(f.Owner())
		return 0, t.CopyOutStruct(arg.Addr(), &linux.FOwnerEx{Type: typ, PID: id})
	case linux.F_GETOWNER_UIDS:
		o := f.Owner()
		if err := t.CopyOutUint32(arg.Addr(), t.Creds().UserNS.FromUID(o.UID)); err != nil {
			return 0, err
		}
		return 0, t.CopyOutUint32(arg.Addr()+4, t.Creds().UserNS.FromUID(o.EUID))
	case linux.F_SETOWN:
		id := arg.Int()
		typ := int32(linux.F_OWNER_PID)
		if id < 0 {
			if id == -1<<31 {
				return 0, errno.EINVAL
			}
			typ, id = linux.F_OWNER_PGRP, -id
		}
		return 0, setOwner(t, f, typ, id)
	}
	var x linux.FOwnerEx
	if err := t.CopyInStruct(arg.Addr(), &x); err != nil {
		return 0, err
	}
	if x.Type < linux.F_OWNER_TID || x.Type > linux.F_OWNER_PGRP {
		return 0, errno.EINVAL
	}
	return 0, setOwner(t, f, x.Type, x.PID)
}

func setOwner(t *kernel.Task, f *vfs.File, typ, id int32) error {
	o, err := t.MakeOwner(typ, id)
	if err != nil {
		return err
	}
	f.SetOwner(o)
	return nil
}

func sysIoctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	fd, cmd, arg := a[0].Int(), a[1].Uint(), a[2]
	f, err := t.GetFile(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	switch cmd {
	case linux.FIOCLEX:
		return 0, t.Files().SetCloexec(fd, true)
	case linux.FIONCLEX:
		return 0, t.Files().SetCloexec(fd, false)
	case linux.FIONBIO, linux.FIOASYNC:
		on, err := t.CopyInUint32(arg.Addr())
		if err != nil {
			return 0, err
		}
		bit := uint32(linux.O_NONBLOCK)
		if cmd == linux.FIOASYNC {
			bit = linux.FASYNC
		}
		flags := f.Flags() &^ bit
		if on != 0 {
			flags |= bit
		}
		return 0, f.SetFlags(t, flags, fd)
	case linux.FIOSETOWN, linux.SIOCSPGRP:
		if socket.Of(f) == nil {
			break
		}
		id, err := t.CopyInUint32(arg.Addr())
		if err != nil {
			return 0, err
		}
		return fcntlOwner(t, f, linux.F_SETOWN, arch.Arg(id))
	case linux.FIOGETOWN, linux.SIOCGPGRP:
		if socket.Of(f) == nil {
			break
		}
		id, err := fcntlOwner(t, f, linux.F_GETOWN, 0)
		if err != nil {
			return 0, err
		}
		return 0, t.CopyOutUint32(arg.Addr(), uint32(id))
	case linux.FIOQSIZE:
		switch f.Inode().Type() {
		case linux.S_IFREG, linux.S_IFDIR, linux.S_IFLNK:
			st, err := t.Kernel().VFS.Stat(t, f.Path)
			if err != nil {
				return 0, err
			}
			return 0, t.CopyOutUint64(arg.Addr(), uint64(st.Size))
		}
		return 0, errno.ENOTTY
	case linux.FS_IOC_GETFLAGS, linux.FS_IOC_SETFLAGS, linux.FS_IOC_FSGETXATTR, linux.FS_IOC_FSSETXATTR:
		if f.HasFileFlags() {
			return 0, ioctlFileFlags(t, f, cmd, arg.Addr())
		}
	case linux.FIGETBSZ:
		st, err := t.Kernel().VFS.Stat(t, f.Path)
		if err != nil {
			return 0, err
		}
		if st.BlkSize == 0 {
			return 0, errno.EINVAL
		}
		return 0, t.CopyOutUint32(arg.Addr(), st.BlkSize)
	case linux.FIONREAD:
		if f.Inode().Type() == linux.S_IFREG {
			st, err := t.Kernel().VFS.Stat(t, f.Path)
			if err != nil {
				return 0, err
			}
			f.PosMu.Lock()
			left := st.Size - f.Pos
			f.PosMu.Unlock()
			return 0, t.CopyOutUint32(arg.Addr(), uint32(left))
		}
	}
	if err := f.LandlockedIoctl(cmd); err != nil {
		return 0, err
	}
	return f.Ops.Ioctl(t, f, t.Memory(), cmd, arg)
}
