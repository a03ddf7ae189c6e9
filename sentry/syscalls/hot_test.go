package syscalls

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/gofer/server"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/platform/platformtest"
	"ringfence/sentry/fs/dev"
	"ringfence/sentry/fs/goferfs"
	"ringfence/sentry/fs/overlay"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/vfs"
)

// hotCall is something that programs do all the time, as steps that can be repeated.
type hotCall struct {
	name  string
	steps []platformtest.Step
	// allocs is how many allocations a round may make: of objects that outlive the call.
	allocs int
	err    errno.Errno // how the last step fails
}

type withDevices struct {
	*dev.Devices
	*pipe.FS
}

// hostTree makes a host directory for a guest to see.
func hostTree(t testing.TB) string {
	dir := t.TempDir()
	lib := filepath.Join(dir, "usr/lib/python3")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"abc.py", "os.py", "re.py", "stat.py"} {
		if err := os.WriteFile(filepath.Join(lib, name), make([]byte, 10000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mountHost mounts a host directory at a path, below an overlay in memory, as runsc does.
func mountHost(g *kerneltest.Guest, dir, at string) {
	t := g.T
	fd, err := hostcall.Openat(hostcall.AtCwd, dir, linux.O_PATH|linux.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.New([]server.Mount{{Root: fd, ReadOnly: true}}, 10000).Run(theirs) }()
	cl, err := client.New(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cl.Close()
		if err := <-done; err != nil {
			t.Errorf("gofer: %v", err)
		}
	})
	_, root, err := goferfs.New(cl, 0, goferfs.Options{})
	if err == nil {
		err = cl.Serve()
	}
	if err != nil {
		t.Fatal(err)
	}
	sb, top := overlay.New(overlay.Config{Lower: []*vfs.Inode{root}, Memory: g.Mem, Inodes: 1000})
	g.Call(linux.SYS_MKDIR, g.String(at), 0o755)
	p, err := g.K.VFS.Resolve(g.Task, vfs.Path{}, at, vfs.LookupFollow)
	if err != nil {
		t.Fatal(err)
	}
	defer p.DecRef()
	if err := g.K.VFS.MountOn(g.Root, sb, top, "host", p, 0); err != nil {
		t.Fatal(err)
	}
}

// hotGuest boots a guest and returns what it is to repeat.
func hotGuest(t testing.TB) (*kerneltest.Guest, []hotCall) {
	g := kerneltest.NewScript(t, Table())
	g.K.VFS.Special = withDevices{&dev.Devices{Memory: g.Mem}, g.K.Pipes}
	g.Call(linux.SYS_MKDIR, g.String("/dev"), 0o755)
	for name, minor := range map[string]uint32{"/dev/null": linux.NULL_MINOR, "/dev/zero": linux.ZERO_MINOR} {
		g.Call(linux.SYS_MKNOD, g.String(name), linux.S_IFCHR|0o666, uint64(linux.MakeDev(linux.MEM_MAJOR, minor)))
	}
	mountHost(g, hostTree(t), "/mnt")

	const cwd = ^uint64(99) // AT_FDCWD
	call := kerneltest.Syscall
	steps := func(s ...platformtest.Step) []platformtest.Step { return s }
	open := func(path string, flags uint64) uint64 {
		return g.Call(linux.SYS_OPENAT, cwd, g.String(path), flags, 0o644)
	}
	buf := g.Room(1 << 16)
	g.Call(linux.SYS_MKDIR, g.String("/tmp/dir"), 0o755)
	for _, name := range []string{"/tmp/dir/one", "/tmp/dir/two", "/tmp/dir/three"} {
		g.Call(linux.SYS_CLOSE, open(name, linux.O_CREAT|linux.O_RDWR))
	}
	zero, null := open("/dev/zero", linux.O_RDONLY), open("/dev/null", linux.O_WRONLY)
	file := open("/tmp/dir/file", linux.O_CREAT|linux.O_RDWR)
	g.Call(linux.SYS_WRITE, file, buf, 1<<14)
	host := open("/mnt/usr/lib/python3/os.py", linux.O_RDONLY)
	dir, hostDir := open("/tmp/dir", linux.O_RDONLY|linux.O_DIRECTORY), open("/mnt/usr/lib/python3", linux.O_RDONLY|linux.O_DIRECTORY)
	tmpPath, hostPath := g.String("/tmp/dir/file"), g.String("/mnt/usr/lib/python3/os.py")
	missing, hostMissing := g.String("/tmp/dir/nothing"), g.String("/mnt/usr/lib/python3/nothing.py")

	pair := func(nr uint64, args ...uint64) (r, w uint64) {
		at := g.Room(8)
		g.Call(nr, append(args, at)...)
		var b [8]byte
		if _, err := g.Memory().CopyIn(addr.Addr(at), b[:]); err != nil {
			t.Fatal(err)
		}
		return uint64(binary.LittleEndian.Uint32(b[:])), uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	pr, pw := pair(linux.SYS_PIPE)
	ur, uw := pair(linux.SYS_SOCKETPAIR, linux.AF_UNIX, linux.SOCK_STREAM, 0)
	event := g.Call(linux.SYS_EVENTFD2, 1, 0)
	ep, idle := g.Call(linux.SYS_EPOLL_CREATE1, 0), g.Call(linux.SYS_EPOLL_CREATE1, 0)
	ev := linux.EpollEvent{Events: linux.EPOLLIN}
	g.Call(linux.SYS_EPOLL_CTL, ep, linux.EPOLL_CTL_ADD, event, g.Struct(&ev))
	g.Call(linux.SYS_EPOLL_CTL, idle, linux.EPOLL_CTL_ADD, pr, g.Struct(&ev))

	pollfds := g.Room(64)
	for i, fd := range []uint64{pr, event, ur} {
		p := linux.PollFD{FD: int32(fd), Events: linux.POLLIN}
		b := make([]byte, p.SizeBytes())
		p.MarshalBytes(b)
		g.Memory().CopyOut(addr.Addr(pollfds+uint64(8*i)), b)
	}
	var set [128]byte
	for _, fd := range []uint64{pr, event, ur} {
		set[fd/8] |= 1 << (fd % 8)
	}
	fdset := g.Bytes(set[:])
	noTime := g.Bytes(make([]byte, 16))
	word := g.Room(4)
	act := g.Bytes(make([]byte, 32))
	mask := g.Bytes(make([]byte, 8))
	const rw, anon = linux.PROT_READ | linux.PROT_WRITE, linux.MAP_PRIVATE | linux.MAP_ANONYMOUS
	const none = ^uint64(0)
	// Where mmap puts one page next, as long as it is unmapped again.
	spot := g.Call(linux.SYS_MMAP, 0, 4096, rw, anon, none, 0)
	g.Call(linux.SYS_MUNMAP, spot, 4096)
	big := g.Call(linux.SYS_MMAP, 0, 1<<20, rw, anon, none, 0)
	brk := g.Call(linux.SYS_BRK, 0)
	free := g.Call(linux.SYS_DUP, file) // the descriptor that open gives
	g.Call(linux.SYS_CLOSE, free)

	return g, []hotCall{
		{name: "getpid", steps: steps(call(linux.SYS_GETPID))},
		{name: "gettid", steps: steps(call(linux.SYS_GETTID))},
		{name: "getuid", steps: steps(call(linux.SYS_GETUID))},
		{name: "getppid", steps: steps(call(linux.SYS_GETPPID))},
		{name: "sched_yield", steps: steps(call(linux.SYS_SCHED_YIELD))},
		{name: "clock_gettime", steps: steps(call(linux.SYS_CLOCK_GETTIME, linux.CLOCK_MONOTONIC, buf))},
		{name: "read/zero", steps: steps(call(linux.SYS_READ, zero, buf, 1))},
		{name: "read/tmpfs", steps: steps(call(linux.SYS_PREAD64, file, buf, 1, 0))},
		{name: "read/tmpfs_4k", steps: steps(call(linux.SYS_PREAD64, file, buf, 4096, 0))},
		{name: "read/host", steps: steps(call(linux.SYS_PREAD64, host, buf, 1, 0))},
		{name: "write/null", steps: steps(call(linux.SYS_WRITE, null, buf, 1))},
		{name: "write/tmpfs", steps: steps(call(linux.SYS_PWRITE64, file, buf, 1, 0))},
		{name: "write/tmpfs_4k", steps: steps(call(linux.SYS_PWRITE64, file, buf, 4096, 0))},
		{name: "lseek", steps: steps(call(linux.SYS_LSEEK, file, 0, linux.SEEK_SET))},
		{name: "fstat/zero", steps: steps(call(linux.SYS_FSTAT, zero, buf))},
		{name: "fstat/tmpfs", steps: steps(call(linux.SYS_FSTAT, file, buf))},
		{name: "fstat/host", steps: steps(call(linux.SYS_FSTAT, host, buf))},
		{name: "stat/tmpfs", steps: steps(call(linux.SYS_STAT, tmpPath, buf))},
		{name: "stat/host", steps: steps(call(linux.SYS_STAT, hostPath, buf))},
		{name: "stat/missing", steps: steps(call(linux.SYS_STAT, missing, buf)), err: errno.ENOENT},
		{name: "stat/missing_host", steps: steps(call(linux.SYS_STAT, hostMissing, buf)), err: errno.ENOENT},
		{name: "newfstatat", steps: steps(call(linux.SYS_NEWFSTATAT, hostDir, g.String("os.py"), buf, 0))},
		{name: "statx", steps: steps(call(linux.SYS_STATX, cwd, hostPath, 0, linux.STATX_BASIC_STATS, buf))},
		{name: "access", steps: steps(call(linux.SYS_ACCESS, hostPath, linux.R_OK))},
		{name: "open_close/tmpfs", steps: steps(call(linux.SYS_OPENAT, cwd, tmpPath, linux.O_RDONLY), call(linux.SYS_CLOSE, free)), allocs: 1},
		{name: "open_close/host", steps: steps(call(linux.SYS_OPENAT, cwd, hostPath, linux.O_RDONLY), call(linux.SYS_CLOSE, free)), allocs: 2},
		{name: "getdents/tmpfs", steps: steps(call(linux.SYS_LSEEK, dir, 0, 0), call(linux.SYS_GETDENTS64, dir, buf, 32768), call(linux.SYS_GETDENTS64, dir, buf, 32768))},
		{name: "getdents/host", steps: steps(call(linux.SYS_LSEEK, hostDir, 0, 0), call(linux.SYS_GETDENTS64, hostDir, buf, 32768), call(linux.SYS_GETDENTS64, hostDir, buf, 32768))},
		{name: "fcntl", steps: steps(call(linux.SYS_FCNTL, file, linux.F_GETFL))},
		{name: "dup_close", steps: steps(call(linux.SYS_DUP, file), call(linux.SYS_CLOSE, free))},
		{name: "pipe", steps: steps(call(linux.SYS_WRITE, pw, buf, 1), call(linux.SYS_READ, pr, buf, 1))},
		{name: "pipe_4k", steps: steps(call(linux.SYS_WRITE, pw, buf, 4096), call(linux.SYS_READ, pr, buf, 4096))},
		{name: "socketpair", steps: steps(call(linux.SYS_WRITE, uw, buf, 1), call(linux.SYS_READ, ur, buf, 1))},
		{name: "eventfd", steps: steps(call(linux.SYS_READ, event, buf, 8), call(linux.SYS_WRITE, event, g.Bytes([]byte{1, 0, 0, 0, 0, 0, 0, 0}), 8))},
		{name: "epoll_wait", steps: steps(call(linux.SYS_EPOLL_WAIT, ep, buf, 8, 0))},
		{name: "epoll_wait/idle", steps: steps(call(linux.SYS_EPOLL_WAIT, idle, buf, 8, 0))},
		{name: "poll", steps: steps(call(linux.SYS_POLL, pollfds, 3, 0))},
		{name: "poll/waiting", steps: steps(call(linux.SYS_POLL, pollfds, 3, 1000))},
		{name: "ppoll", steps: steps(call(linux.SYS_PPOLL, pollfds, 3, noTime, mask, 8))},
		{name: "select", steps: steps(call(linux.SYS_SELECT, 64, fdset, 0, 0, noTime))},
		{name: "futex/wake", steps: steps(call(linux.SYS_FUTEX, word, linux.FUTEX_WAKE|linux.FUTEX_PRIVATE_FLAG, 1))},
		{name: "futex/wait_changed", steps: steps(call(linux.SYS_FUTEX, word, linux.FUTEX_WAIT|linux.FUTEX_PRIVATE_FLAG, 1)), err: errno.EAGAIN},
		{name: "rt_sigprocmask", steps: steps(call(linux.SYS_RT_SIGPROCMASK, linux.SIG_BLOCK, mask, buf, 8))},
		{name: "rt_sigaction", steps: steps(call(linux.SYS_RT_SIGACTION, uint64(linux.SIGUSR1), act, buf, 8))},
		{name: "mmap_munmap", steps: steps(call(linux.SYS_MMAP, 0, 4096, rw, anon, none, 0), call(linux.SYS_MUNMAP, spot, 4096))},
		{name: "mmap_touch_munmap", steps: steps(call(linux.SYS_MMAP, 0, 4096, rw, anon, none, 0),
			platformtest.Step{Touch: platform.Write, Addr: addr.Addr(spot)}, call(linux.SYS_MUNMAP, spot, 4096))},
		{name: "mprotect", steps: steps(call(linux.SYS_MPROTECT, big+4096, 4096, linux.PROT_READ), call(linux.SYS_MPROTECT, big+4096, 4096, rw))},
		{name: "brk", steps: steps(call(linux.SYS_BRK, brk+65536), call(linux.SYS_BRK, brk))},
		{name: "fault/present", steps: steps(platformtest.Step{Touch: platform.Write, Addr: addr.Addr(buf)})},
	}
}

// TestCalls_allocate_nothing holds the sentry to what it does not do between a guest's entry and its return.
func TestCalls_allocate_nothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget at random")
	}
	g, calls := hotGuest(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // pools forget when garbage is collected
	const rounds = 200
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			for i, r := range g.Do(10, c.steps...) {
				want := uint64(0)
				if i == len(c.steps)-1 {
					want = -uint64(c.err)
				}
				if int64(r) < 0 && int64(r) > -4096 && r != want || want != 0 && r != want {
					t.Errorf("step %d returned %d", i, int64(r))
				}
			}
			n := testing.AllocsPerRun(1, func() { g.Do(rounds, c.steps...) })
			if most := float64(c.allocs*rounds + rounds/10); n > most {
				t.Errorf("%v allocations in %d rounds, of %d each", n, rounds, c.allocs)
			}
		})
	}
}

// TestFilteredCalls_allocate_nothing is the same for a task with a seccomp filter, whose calls all come to the sentry.
func TestFilteredCalls_allocate_nothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget at random")
	}
	g := kerneltest.NewScript(t, Table())
	code := make([]byte, 4*8)
	for i, f := range []linux.SockFilter{
		{Code: linux.BPF_LD | linux.BPF_W | linux.BPF_ABS},
		{Code: linux.BPF_JMP | linux.BPF_JEQ | linux.BPF_K, K: linux.SYS_GETUID, Jt: 0, Jf: 1},
		{Code: linux.BPF_RET | linux.BPF_K, K: linux.SECCOMP_RET_ERRNO | uint32(errno.EDOM)},
		{Code: linux.BPF_RET | linux.BPF_K, K: linux.SECCOMP_RET_ALLOW},
	} {
		f.MarshalBytes(code[8*i:])
	}
	g.Call(linux.SYS_SECCOMP, linux.SECCOMP_SET_MODE_FILTER, 0, g.Struct(&linux.SockFprog{Len: 4, Filter: g.Bytes(code)}))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const rounds = 200
	for _, nr := range []uint64{linux.SYS_GETPID, linux.SYS_GETUID} {
		step := kerneltest.Syscall(nr)
		if r := g.Do(10, step); nr == linux.SYS_GETUID && int64(r[0]) != -int64(errno.EDOM) {
			t.Errorf("a filtered call returned %d", int64(r[0]))
		}
		if n := testing.AllocsPerRun(1, func() { g.Do(rounds, step) }); n > rounds/10 {
			t.Errorf("%v allocations in %d calls of %d", n, rounds, nr)
		}
	}
}

// BenchmarkCalls measures the sentry's part of each.
func BenchmarkCalls(b *testing.B) {
	g, calls := hotGuest(b)
	for _, c := range calls {
		b.Run(c.name, func(b *testing.B) {
			g.Do(100, c.steps...)
			b.ReportAllocs()
			b.ResetTimer()
			g.Do(b.N, c.steps...)
		})
	}
}

// BenchmarkPingPong measures two threads that wait for each other's bytes.
func BenchmarkPingPong(b *testing.B) {
	g := kerneltest.NewScript(b, Table())
	buf := g.Room(64)
	var fds [4]uint64
	for i := 0; i < 4; i += 2 {
		at := g.Room(8)
		g.Call(linux.SYS_PIPE, at)
		var p [8]byte
		if _, err := g.Memory().CopyIn(addr.Addr(at), p[:]); err != nil {
			b.Fatal(err)
		}
		fds[i], fds[i+1] = uint64(binary.LittleEndian.Uint32(p[:])), uint64(binary.LittleEndian.Uint32(p[4:]))
	}
	other := g.Thread()
	b.ReportAllocs()
	b.ResetTimer()
	other.Start(b.N, kerneltest.Syscall(linux.SYS_READ, fds[0], buf, 1), kerneltest.Syscall(linux.SYS_WRITE, fds[3], buf, 1))
	g.Do(b.N, kerneltest.Syscall(linux.SYS_WRITE, fds[1], buf+8, 1), kerneltest.Syscall(linux.SYS_READ, fds[2], buf+8, 1))
	other.Wait()
}
