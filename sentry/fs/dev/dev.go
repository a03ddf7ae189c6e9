// Package dev has the devices that every Linux system has, and the file system in which
// programs find them: /dev/null, zero, full, random, urandom, tty, console, ptmx and userfaultfd.
//
//	Devices  opens a device by number, for vfs.SpecialFiles
//	FS       devtmpfs: a tmpfs filled with the usual nodes, links and directories
//
// Terminals are package tty's; which of them /dev/ptmx belongs to is decided by
// who implements Terminals (devpts).
package dev

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/memfile"
	"ringfence/sentry/tty"
	"ringfence/sentry/vfs"
)

// Terminals makes pseudo terminals.
type Terminals interface {
	// OpenPTMX makes a new pair and opens its master, for an open of the device n.
	OpenPTMX(c vfs.Caller, n *vfs.Inode) (vfs.FileOps, error)
}

// Userfaults makes userfaultfds.
type Userfaults interface {
	// OpenUserfaultfd opens /dev/userfaultfd.
	OpenUserfaultfd() vfs.FileOps
}

// Devices opens devices. Its fields are set before the first open.
type Devices struct {
	// Memory is where the pages of mappings of /dev/zero come from.
	Memory *memfile.File
	// Terminals serves /dev/ptmx; may be nil.
	Terminals Terminals
	// Console is /dev/console; may be nil.
	Console *tty.PTY
	// Userfaults serves /dev/userfaultfd; may be nil.
	Userfaults Userfaults
}

// OpenDevice opens a device by number; ENXIO if there is none.
func (d *Devices) OpenDevice(c vfs.Caller, n *vfs.Inode, rdev uint64, char bool, flags uint32) (vfs.FileOps, error) {
	if !char {
		return nil, errno.ENXIO
	}
	major, minor := linux.Major(uint32(rdev)), linux.Minor(uint32(rdev))
	switch major {
	case linux.MEM_MAJOR:
		switch minor {
		case linux.NULL_MINOR:
			return null{}, nil
		case linux.ZERO_MINOR:
			return &zero{memory: d.Memory}, nil
		case linux.FULL_MINOR:
			return full{}, nil
		case linux.RANDOM_MINOR, linux.URANDOM_MINOR:
			return random{}, nil
		}
	case linux.MISC_MAJOR:
		if minor == linux.USERFAULTFD_MINOR && d.Userfaults != nil {
			return d.Userfaults.OpenUserfaultfd(), nil
		}
	case linux.TTYAUX_MAJOR:
		switch minor {
		case linux.TTY_MINOR:
			p, err := tty.ControllingTerminal(c)
			if err != nil {
				return nil, err
			}
			return openSlave(p, c, flags)
		case linux.CONSOLE_MINOR:
			if d.Console != nil {
				return openSlave(d.Console, c, flags)
			}
		case linux.PTMX_MINOR:
			if d.Terminals != nil {
				return d.Terminals.OpenPTMX(c, n)
			}
		}
	}
	return nil, errno.ENXIO
}

func openSlave(p *tty.PTY, c vfs.Caller, flags uint32) (vfs.FileOps, error) {
	s, err := p.OpenSlave(c, flags|linux.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	return s, nil
}
