package kernel

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/clock"
	"ringfence/sentry/creds"
	"ringfence/sentry/fs/epoll"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/futex"
	"ringfence/sentry/keys"
	"ringfence/sentry/ktime"
	"ringfence/sentry/loader"
	"ringfence/sentry/memfile"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/net/unix"
	"ringfence/sentry/vfs"
)

// Config is what New needs.
type Config struct {
	Platform platform.Platform
	MemFile  *memfile.File
	VFS      *vfs.VFS
	Timers   *ktime.Manager
	Syscalls *SyscallTable
	// Tracer is told of system calls (--strace); may be nil.
	Tracer Tracer
	// VDSO is mapped into every program; may be nil. Machine is what programs are told
	// about the CPU.
	VDSO    *loader.VDSO
	Machine loader.Machine
	// Hostname is what uname(2) says at first.
	Hostname string
	// CPUs is how many processors guests see; 0 means one.
	CPUs int
	// MaxTasks bounds the tasks, zombies included, as kernel.threads-max does; 0 means
	// DefaultMaxTasks. Each costs host threads: of those the sentry must never run out.
	MaxTasks int
	// Memory is how much memory guests see, in bytes; limits follow from it.
	Memory uint64
}

// DefaultMaxTasks leaves room below what a Go process and a usual host allow: 10,000 threads and
// 32,768 process numbers, of which a task takes up to three.
const DefaultMaxTasks = 6000

// Kernel is one Linux, from the point of view of its guests.
type Kernel struct {
	// Immutable after New.
	Platform platform.Platform
	MemFile  *memfile.File
	VFS      *vfs.VFS
	Timers   *ktime.Manager
	Syscalls *SyscallTable
	Tracer   Tracer
	VDSO     *loader.VDSO
	Machine  loader.Machine
	CPUs     int
	MaxTasks int
	Memory   uint64
	BootTime int64          // CLOCK_REALTIME when the kernel was made, in nanoseconds
	bootMono int64          // CLOCK_MONOTONIC of the same moment
	ticks    *clock.Counter // what CPU time is measured with
	UserNS   *creds.UserNamespace
	PIDNS    *PIDNamespace // the initial one
	UTSNS    *UTSNamespace
	IPCNS    *IPCNamespace

	NetNS      *NetNamespace // the initial one
	cgroupNS   *CgroupNamespace
	rootCgroup *Cgroup
	lastCgroup uint64 // number given out last; guarded by mu
	timeNS     *TimeNamespace
	Pipes      *pipe.FS
	Epolls     *epoll.FS
	Memfds     *tmpfs.Memfds
	Sockets    *socket.FS
	Unix       *unix.FS

	// NSFiles is set before the first task, unless there is no /proc.
	NSFiles NamespaceFiles

	// Futexes are the queues of futex(2).
	Futexes futex.Manager
	// Keys are what add_key(2) and keyctl(2) work on.
	Keys *keys.Table
	// AIOMax is how many requests all contexts of io_setup(2) may have (/proc/sys/fs/aio-max-nr). Each takes
	// memory of the sandbox as soon as it is asked for.
	AIOMax atomic.Int64
	// IOUring says who may make rings.
	IOUring IOUringPolicy

	// UnprivilegedUserfault is vm.unprivileged_userfaultfd.
	UnprivilegedUserfault atomic.Int64

	// mu is the tasklist lock; see the package doc.
	mu sync.RWMutex

	// init is the first process; its end is the kernel's. Guarded by mu.
	init *ThreadGroup
	// status is the wait status of init when it has ended. Guarded by mu.
	status uint32
	// halted says that no more tasks may be made. Guarded by mu.
	halted bool

	tasks sync.WaitGroup // goroutines of tasks

	users userTable

	aio aioWorkers

	// counters for /proc/stat, /proc/loadavg and leak checks.
	Forks     atomic.Int64
	liveTasks atomic.Int64
	// netCookies counts network namespaces (SO_NETNS_COOKIE).
	netCookies atomic.Uint64
}

// New returns a kernel without tasks.
func New(c Config) *Kernel {
	k := &Kernel{
		Platform: c.Platform,
		MemFile:  c.MemFile,
		VFS:      c.VFS,
		Timers:   c.Timers,
		Syscalls: c.Syscalls,
		Tracer:   c.Tracer,
		VDSO:     c.VDSO,
		Machine:  c.Machine,
		CPUs:     max(c.CPUs, 1),
		MaxTasks: c.MaxTasks,
		Memory:   c.Memory,
		UserNS:   creds.NewInitial(),
		ticks:    clock.NewCounter(),
		Keys:     keys.New(),
	}
	if k.MaxTasks == 0 {
		k.MaxTasks = DefaultMaxTasks
	}
	if k.Memory == 0 {
		k.Memory = 2 << 30
	}
	k.BootTime = k.Timers.Clocks.Realtime()
	k.bootMono = k.Timers.Clocks.Monotonic()
	k.PIDNS = newPIDNamespace(nil, identity{ID: linux.PID_NS_INIT_INO, Owner: k.UserNS})
	k.UTSNS = &UTSNamespace{identity: identity{ID: linux.UTS_NS_INIT_INO, Owner: k.UserNS}, hostname: c.Hostname, domainname: "(none)"}
	k.IPCNS = k.newIPCNamespace(identity{ID: linux.IPC_NS_INIT_INO, Owner: k.UserNS})
	k.rootCgroup = newCgroup(k, nil, "")
	k.cgroupNS = &CgroupNamespace{identity{ID: linux.CGROUP_NS_INIT_INO, Owner: k.UserNS}, k.rootCgroup}
	k.timeNS = &TimeNamespace{identity: identity{ID: linux.TIME_NS_INIT_INO, Owner: k.UserNS}, frozen: true}
	k.aio.dev = c.VFS.NewDev()
	k.IOUring.Group.Store(-1)
	k.AIOMax.Store(defaultAIOMax)
	k.Pipes = pipe.NewFS(c.VFS)
	k.Epolls = epoll.NewFS(c.VFS)
	k.Memfds = tmpfs.NewMemfds(c.VFS, c.MemFile)
	c.VFS.Signals = k
	k.Sockets = socket.NewFS(c.VFS)
	k.Unix = unix.NewFS(c.VFS)
	k.NetNS = k.initialNetwork()
	k.users.m = make(map[creds.UID]*userCount)
	return k
}

// Monotonic returns CLOCK_MONOTONIC in nanoseconds.
func (k *Kernel) Monotonic() int64 { return k.Timers.Clocks.Monotonic() }

// Now returns CLOCK_REALTIME in nanoseconds since 1970.
func (k *Kernel) Now() int64 { return k.Timers.Clocks.Realtime() }

// Uptime returns the nanoseconds since the kernel was made.
func (k *Kernel) Uptime() int64 { return k.Monotonic() - k.bootMono }

// LiveTasks returns how many tasks have not been released, zombies included. A
// kernel whose init has ended and been waited for has none.
func (k *Kernel) LiveTasks() int64 { return k.liveTasks.Load() }

// userTable counts what each user spends against limits that are per user.
type userTable struct {
	mu sync.Mutex
	m  map[creds.UID]*userCount
}

// userCount is what one real user id spends (Linux's struct user_struct and ucounts).
type userCount struct {
	refs int // guarded by userTable.mu

	tasks   atomic.Int64 // RLIMIT_NPROC
	signals atomic.Int64 // RLIMIT_SIGPENDING
	mqBytes atomic.Int64 // RLIMIT_MSGQUEUE
}

// user returns the count of uid with a reference.
func (k *Kernel) user(uid creds.UID) *userCount {
	k.users.mu.Lock()
	defer k.users.mu.Unlock()
	u := k.users.m[uid]
	if u == nil {
		u = &userCount{}
		k.users.m[uid] = u
	}
	u.refs++
	return u
}

// putUser drops a reference to the count of uid.
func (k *Kernel) putUser(uid creds.UID, u *userCount) {
	k.users.mu.Lock()
	defer k.users.mu.Unlock()
	if u.refs--; u.refs == 0 {
		delete(k.users.m, uid)
	}
}
