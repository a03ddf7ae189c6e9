// Package gofer is the gofer process: it opens the trees that it is to serve, gives up
// everything else, and then answers a sentry through gofer/server.
package gofer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ringfence/gofer/server"
	"ringfence/platform/hostcall"
	"ringfence/runsc/jail"
)

// Config says what to serve. It crosses to the gofer process as JSON.
type Config struct {
	Mounts []Mount
	// Conn is the first connection to the sentry. Lifeline is a pipe to it, which says why the
	// gofer ended.
	Conn, Lifeline int
}

// Mount is a host path to serve.
type Mount struct {
	Source   string
	ReadOnly bool
	// Hide names directories below Source that are shown empty.
	Hide []string
}

// capabilities are what a gofer needs to act on files for users of the sandbox.
var capabilities = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_SETFCAP,
}

// reserved descriptors are not for handles: connections, donations under way, the
// Go runtime's own.
const reserved = 256

// Run serves until the sentry hangs up. What goes wrong is told to the sentry, which knows
// who wants to hear of it.
func Run(r io.Reader) error {
	var c Config
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return fmt.Errorf("gofer configuration: %w", err)
	}
	if err := c.serve(); err != nil {
		unix.Write(c.Lifeline, []byte(err.Error()))
		os.Exit(1)
	}
	return nil
}

func (c *Config) serve() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	mounts := make([]server.Mount, len(c.Mounts))
	for i, m := range c.Mounts {
		fd, err := open(m)
		if err != nil {
			return fmt.Errorf("serve %q: %w", m.Source, err)
		}
		mounts[i] = server.Mount{Root: fd, ReadOnly: m.ReadOnly}
	}
	if err := jail.EmptyRoot(true); err != nil {
		return err
	}
	limit, err := hostcall.RlimitNofile()
	if err != nil {
		return fmt.Errorf("raise descriptor limit: %w", err)
	}
	hostcall.Umask(0)
	if err := jail.KeepCapabilities(capabilities...); err != nil {
		return err
	}
	return server.New(mounts, int(max(limit, 2*reserved)-reserved)).Run(hostcall.FD(c.Conn))
}

// open returns a detached copy of the tree at m.Source, so that nothing else of the host can
// be reached from it and the host's kernel enforces what the gofer does too.
func open(m Mount) (hostcall.FD, error) {
	for _, h := range m.Hide {
		p := filepath.Join(m.Source, h)
		err := unix.Mount("ringfence", p, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555")
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return hostcall.NoFD, fmt.Errorf("hide %s: %w", p, err)
		}
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return hostcall.NoFD, err
	}
	// Not MOUNT_ATTR_NOEXEC: guests map programs from descriptors of this mount.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if m.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	// A kernel before 5.12 can't; the server refuses changes by itself.
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil && !errors.Is(err, unix.ENOSYS) {
		unix.Close(fd)
		return hostcall.NoFD, fmt.Errorf("restrict mount: %w", err)
	}
	return hostcall.FD(fd), nil
}
