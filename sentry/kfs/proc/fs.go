// Package proc is procfs: processes and the kernel as files (proc(5)).
//
//	fs.go, root.go       the file system and its first level
//	ns.go, nsfs.go       /proc/PID/ns, and the files that stand for namespaces
//	task.go              /proc/PID and /proc/PID/task/TID: one table of files
//	stat.go, maps.go, fd.go, links.go, taskmisc.go   what those files say
//	system.go, cpu.go    files about the system as a whole
//	sysctl.go, net.go    /proc/sys and /proc/net
//
// Texts are Linux 6.12's, field for field. What nobody in a sandbox can know is 0.
// Files are made when they are read and know the kernel only through its
// exported methods; locks are the kernel's.
package proc

import (
	"math"
	"strconv"
	"sync"

	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// FS is the file system type. Its fields are set before the first mount.
type FS struct {
	Kernel *kernel.Kernel
	// Cmdline is /proc/cmdline without the newline.
	Cmdline string
	// CPU is the first processor's part of the host's /proc/cpuinfo: guests run on it
	// directly, so what it can do is no secret.
	CPU string

	load loadAverage

	mu      sync.Mutex
	nsSuper *vfs.Superblock // of files that stand for namespaces; guarded by mu
	boot    string          // /proc/sys/kernel/random/boot_id; guarded by mu
}

// nsfs returns the file system of namespaces.
func (fs *FS) nsfs(v *vfs.VFS) *vfs.Superblock {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.nsSuper == nil {
		fs.nsSuper = vfs.NewSuperblock("nsfs", linux.NSFS_MAGIC, 0, vfs.BaseSuper{})
		fs.nsSuper.Dev = v.NewDev()
	}
	return fs.nsSuper
}

// instance is one mounted procfs: it shows the processes of a PID namespace.
type instance struct {
	tree.Super
	fs  *FS
	k   *kernel.Kernel
	ns  *kernel.PIDNamespace
	sb  *vfs.Superblock
	sys *tree.Static // everything but processes
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, _ string, _ uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	in := &instance{fs: fs, k: fs.Kernel, ns: fs.Kernel.PIDNS}
	if t, ok := c.(*kernel.Task); ok {
		in.ns = t.PIDNamespace()
	}
	in.sb = vfs.NewSuperblock("proc", linux.PROC_SUPER_MAGIC, tree.Flags|vfs.SBNoNew, in)
	in.sys = in.rootEntries()
	return in.sb, tree.NewDir(c, in.sb, 1, 0o555, root{in}, nil), nil
}

// MountOwner implements vfs.UserMounter: the processes that it shows are those of c's PID namespace.
func (fs *FS) MountOwner(c vfs.Caller) *creds.UserNamespace {
	if t, ok := c.(*kernel.Task); ok {
		return t.PIDNamespace().Owner
	}
	return nil
}

// Revealing implements vfs.UserMounter.
func (fs *FS) Revealing() bool { return true }

// CheckOption implements vfs.OptionChecker. As with mount(2), processes are shown to everybody whatever is asked.
func (fs *FS) CheckOption(key, value string, hasValue bool) (known, good bool) {
	switch key {
	case "hidepid":
		switch value {
		case "0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable":
			good = true
		}
	case "gid":
		_, err := strconv.ParseUint(value, 10, 32)
		good = err == nil
	case "subset":
		good = value == "pid"
	default:
		return false, false
	}
	return true, good && hasValue
}

// Statfs implements vfs.SuperOps.
func (in *instance) Statfs(vfs.Caller, *vfs.Superblock) (vfs.Statfs, error) {
	return vfs.Statfs{BlockSize: 4096, NameLen: 255}, nil
}

// self returns the task that looks, or nil if it is none.
func self(c vfs.Caller) *kernel.Task {
	t, _ := vfs.Who(c).(*kernel.Task)
	return t
}

// mayTrace reports whether c may look into t.
func mayTrace(c vfs.Caller, t *kernel.Task) bool {
	s := self(c)
	return s == nil || t != nil && s.MayTraceFS(t)
}

// loadAverage is what /proc/loadavg shows: exponential averages of how many tasks run,
// brought up to date when somebody looks.
type loadAverage struct {
	mu   sync.Mutex
	last int64 // nanoseconds of uptime; guarded by mu
	avg  [3]float64
}

// minutes are the periods of the averages.
var minutes = [3]float64{1, 5, 15}

// update takes running tasks as the load since the last update, and returns the averages.
func (l *loadAverage) update(uptime int64, running int) [3]float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	passed := float64(uptime-l.last) / 1e9
	l.last = uptime
	for i, m := range minutes {
		keep := math.Exp(-passed / (60 * m))
		l.avg[i] = l.avg[i]*keep + float64(running)*(1-keep)
	}
	return l.avg
}
