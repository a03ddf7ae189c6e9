package devpts

import (
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/tty"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// master is an open master that takes its slave's node away when it is closed.
type master struct {
	*tty.Master
	in *Instance
}

// Release implements vfs.FileOps.
func (m *master) Release(f *vfs.File) {
	m.in.Remove(m.PTY())
	m.Master.Release(f)
}

// Ioctl implements vfs.FileOps.
func (m *master) Ioctl(c vfs.Caller, f *vfs.File, mem usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd == linux.TIOCGPTPEER {
		return m.openPeer(c, f, arg.Uint())
	}
	return m.Master.Ioctl(c, f, mem, cmd, arg)
}

// openPeer opens the slave without regard to where devpts is mounted (TIOCGPTPEER).
func (m *master) openPeer(c vfs.Caller, f *vfs.File, flags uint32) (uint64, error) {
	t, ok := c.(*kernel.Task)
	if !ok {
		return 0, errno.ENOTTY
	}
	p, err := m.slavePath(c, f)
	if err != nil {
		return 0, err
	}
	defer p.DecRef()
	s, err := t.Kernel().VFS.OpenPath(c, p, flags)
	if err != nil {
		return 0, err
	}
	fd, err := t.InstallNew(s, flags)
	return uint64(fd), err
}

// slavePath returns the slave's place in the mount where the master was opened, or
// where /dev/pts is.
func (m *master) slavePath(c vfs.Caller, f *vfs.File) (vfs.Path, error) {
	v := m.in.k.VFS
	name := strconv.Itoa(m.PTY().Index)
	if f.Path.Mount.SB == m.in.sb {
		dir := vfs.Path{Mount: f.Path.Mount, Dentry: f.Path.Dentry.Parent()}
		return v.Resolve(c, dir, name, 0)
	}
	root := c.FSContext().Root()
	defer root.DecRef()
	return v.Resolve(c, root, "/dev/pts/"+name, 0)
}
