package main

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// pidList is whom calls may be about: the batch itself and its own children.
type pidList struct {
	helpers []int
	tids    [threads]int
}

func (p *pidList) own(g *generator) uint64 {
	switch g.n(20) {
	case 0:
		return 0
	case 1:
		return uint64(os.Getpid())
	case 2:
		return uint64(p.tids[g.n(threads)])
	case 3:
		return pick(g, ^uint64(0), 1<<31-1, uint64(-int64(os.Getpid())), 1<<22)
	}
	return uint64(p.helpers[g.n(len(p.helpers))])
}

// selectCalls is table, or the part that only lists.
func selectCalls(table []call, only string) []call {
	if only == "" {
		return table
	}
	names := strings.Split(only, ",")
	return slices.DeleteFunc(table, func(c call) bool { return !slices.Contains(names, c.name) })
}

// restrain keeps a batch from filling the machine's memory and disk, and from spoiling
// mounts for those that follow, most often.
func restrain(r *rand.Rand) {
	unix.Setpgid(0, 0)
	for what, most := range map[int]uint64{
		unix.RLIMIT_FSIZE: 8 << 20, unix.RLIMIT_AS: 2 << 30, unix.RLIMIT_NPROC: 100, unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 600,
	} {
		unix.Setrlimit(what, &unix.Rlimit{Cur: most, Max: most})
	}
	// One by one: what is refused must not take the others along.
	unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWIPC)
	if r.IntN(4) == 0 {
		unix.Unshare(unix.CLONE_NEWUTS)
		unix.Unshare(unix.CLONE_NEWNET)
	}
	unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	unix.Chdir(home)
	unix.Umask(0)
	for _, d := range []string{"d", "d/e", "/dev/shm/d", "/vol/d"} {
		unix.Mkdir(d, 0o777)
	}
	unix.Mkfifo("fifo", 0o666)
	unix.Symlink("d/../d", "link")
	unix.Symlink("loop", "loop")
	// A thread that may raise limits is rare: no CAP_SYS_RESOURCE.
	unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	drop(unix.CAP_SYS_RESOURCE)
	if r.IntN(3) == 0 {
		unix.Setresgid(65534, 65534, 65534)
		unix.Setresuid(65534, 65534, 65534)
	}
}

// drop gives up one capability.
func drop(c uint) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if unix.Capget(&h, &d[0]) != nil {
		return
	}
	d[c/32].Effective &^= 1 << (c % 32)
	d[c/32].Permitted &^= 1 << (c % 32)
	d[c/32].Inheritable &^= 1 << (c % 32)
	unix.Capset(&h, &d[0])
}

func memfd(name string, size int64) int {
	fd, err := unix.MemfdCreate(name, unix.MFD_ALLOW_SEALING)
	if err != nil {
		os.Exit(setupFailed)
	}
	unix.Ftruncate(fd, size)
	return fd
}

// launch opens one descriptor of each kind, at 3 and up. What can't be opened is left out.
func launch(r *rand.Rand, pids *pidList) {
	next := 3
	add := func(fds ...int) {
		for _, fd := range fds {
			if fd < 0 || next >= 70 {
				continue
			}
			if fd != next {
				unix.Dup3(fd, next, 0)
				if fd >= 70 {
					unix.Close(fd)
				}
			}
			next++
		}
	}
	// high moves a descriptor out of the fleet's range.
	high := func(fd int, err error) int {
		if err != nil {
			return -1
		}
		if fd >= 70 {
			return fd
		}
		n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 110)
		if err != nil {
			return -1
		}
		if fd > 2 {
			unix.Close(fd)
		}
		return n
	}
	open := func(path string, flags int) { add(high(unix.Open(path, flags|unix.O_NONBLOCK, 0o666))) }
	pair := func(p [2]int, err error) {
		if err == nil {
			add(high(p[0], nil), high(p[1], nil))
		}
	}
	open(".", unix.O_DIRECTORY)
	open("/", unix.O_DIRECTORY)
	open("d", unix.O_PATH)
	const rwc = unix.O_RDWR | unix.O_CREAT
	open("a", rwc)
	open("b", rwc|unix.O_APPEND)
	open("d/a", rwc)
	open("/vol", unix.O_DIRECTORY)
	open("/vol/a", rwc)
	open("/vol/b", rwc|unix.O_TRUNC)
	open("/dev/shm", unix.O_DIRECTORY)
	open("/dev/shm/a", rwc)
	open("/dev/shm", unix.O_TMPFILE|unix.O_RDWR)
	open("/etc/passwd", 0)
	open("/bin/true", unix.O_PATH)
	open("/proc", unix.O_DIRECTORY)
	open("/proc/self", unix.O_DIRECTORY)
	open("/proc/self/maps", 0)
	open("/proc/self/mem", unix.O_RDWR)
	open("/proc/self/fd", unix.O_DIRECTORY)
	open("/proc/self/mountinfo", 0)
	open("/proc/self/ns/mnt", 0)
	open("/proc/self/ns/uts", 0)
	open("/sys/devices/system/cpu", unix.O_DIRECTORY)
	open("/dev/zero", unix.O_RDWR)
	open("/dev/null", unix.O_RDWR)
	open("fifo", unix.O_RDWR)
	ptmx := high(unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0))
	if ptmx >= 0 {
		unix.IoctlSetPointerInt(ptmx, unix.TIOCSPTLCK, 0)
		n, _ := unix.IoctlGetInt(ptmx, unix.TIOCGPTN)
		open("/dev/pts/"+string(rune('0'+n%10)), unix.O_RDWR|unix.O_NOCTTY)
		add(ptmx)
	}
	var p [2]int
	for range 3 {
		pair(p, unix.Pipe2(p[:], unix.O_NONBLOCK))
	}
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		pair(unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK, 0))
	}
	socket := func(family, kind int) int {
		fd := high(unix.Socket(family, kind|unix.SOCK_NONBLOCK, 0))
		add(fd)
		return next - 1
	}
	l := socket(unix.AF_UNIX, unix.SOCK_STREAM)
	unix.Unlink("sock")
	unix.Bind(l, &unix.SockaddrUnix{Name: "sock"})
	unix.Listen(l, 5)
	l = socket(unix.AF_INET, unix.SOCK_STREAM)
	local := &unix.SockaddrInet4{Port: 7000, Addr: [4]byte{127, 0, 0, 1}}
	unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	unix.Bind(l, local)
	unix.Listen(l, 5)
	unix.Connect(socket(unix.AF_INET, unix.SOCK_STREAM), local)
	accepted, _, err := unix.Accept(l)
	add(high(accepted, err))
	unix.Bind(socket(unix.AF_INET, unix.SOCK_DGRAM), &unix.SockaddrInet4{Port: 7001})
	socket(unix.AF_INET6, unix.SOCK_STREAM)
	socket(unix.AF_INET6, unix.SOCK_DGRAM)
	socket(unix.AF_NETLINK, unix.SOCK_RAW)
	e := high(unix.EpollCreate1(0))
	add(e)
	for range 6 {
		fd := 3 + r.IntN(60)
		unix.EpollCtl(e, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: r.Uint32(), Fd: int32(fd)})
	}
	add(high(unix.EpollCreate1(0)))
	add(high(unix.Eventfd(0, unix.EFD_NONBLOCK)))
	add(high(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK)))
	add(high(unix.Signalfd(-1, &unix.Sigset_t{Val: [16]uint64{1 << 33}}, unix.SFD_NONBLOCK)))
	add(high(unix.InotifyInit1(unix.IN_NONBLOCK)))
	unix.InotifyAddWatch(next-1, ".", unix.IN_ALL_EVENTS)
	unix.InotifyAddWatch(next-1, "d", unix.IN_ALL_EVENTS)
	add(high(unix.PidfdOpen(pids.helpers[0], 0)))
	add(memfd("m", 10000))
}
