// Package jail takes rights away from the process that calls it: its view of the
// host's files, its capabilities, its way to get new ones. The gofer and the sentry
// go through it right after they start, before they listen to anybody.
//
// Everything here is irrevocable and for all threads. The parts of the process that
// needs a host path must be opened before.
package jail

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EmptyRoot replaces the root directory by an empty read-only one. With proc it holds
// /proc, for a process that needs its own descriptors' links. Call it in a mount
// namespace of its own.
func EmptyRoot(proc bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// /proc exists on every host; what is mounted there is not needed any more.
	const at = "/proc"
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("ringfence", at, "tmpfs", flags, "size=64k,nr_inodes=8,mode=0755"); err != nil {
		return fmt.Errorf("mount empty root: %w", err)
	}
	if proc {
		if err := os.Mkdir(at+"/proc", 0o555); err != nil {
			return fmt.Errorf("make /proc: %w", err)
		}
		// Only processes, where the host can leave out the rest.
		err := unix.Mount("proc", at+"/proc", "proc", flags, "subset=pid")
		if err == unix.EINVAL {
			err = unix.Mount("proc", at+"/proc", "proc", flags, "")
		}
		if err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	if err := unix.Chdir(at); err != nil {
		return fmt.Errorf("enter empty root: %w", err)
	}
	// Old and new root at the same place: the old one lies on top and is detached
	// (pivot_root(2)).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot to empty root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter empty root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|flags, ""); err != nil {
		return fmt.Errorf("make empty root read-only: %w", err)
	}
	return nil
}

// KeepCapabilities drops all capabilities but those named, on all threads and for
// good: no program that is executed later gets any back.
func KeepCapabilities(keep ...uint) error {
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	var set uint64
	for _, c := range keep {
		set |= 1 << c
	}
	for c := uint(0); c <= unix.CAP_LAST_CAP; c++ {
		if set&(1<<c) != 0 {
			continue
		}
		// Without CAP_SETPCAP there is nothing to bound.
		if err := prctl(unix.PR_CAPBSET_DROP, uintptr(c)); err != nil && err != syscall.EINVAL && err != syscall.EPERM {
			return fmt.Errorf("bound capability %d: %w", c, err)
		}
	}
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil && err != syscall.EINVAL {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	have, err := capabilities()
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	if err := setCapabilities(have & set); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// prctl runs on all threads.
func prctl(option int, arg uintptr) error {
	_, _, e := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, uintptr(option), arg, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
