package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// generator makes the arguments of one thread's calls. Its memory is a part of the
// arena of its own, but for the words that threads share on purpose.
type generator struct {
	*rand.Rand
	mem  *arena
	next uint64 // where the next struct goes in the scratch pages
	pids *pidList
}

func (g *generator) n(n int) int         { return g.IntN(n) }
func (g *generator) one(in int) bool     { return g.IntN(in) == 0 }
func pick[T any](g *generator, v ...T) T { return v[g.IntN(len(v))] }

// bits is some of the bits of mask.
func (g *generator) bits(mask uint64) uint64 {
	switch g.n(8) {
	case 0:
		return 0
	case 1:
		return mask
	case 2:
		return mask & g.Uint64()
	case 3:
		return mask&g.Uint64() | 1<<g.n(64)
	}
	var v uint64
	for range 1 + g.n(3) {
		v |= 1 << g.n(64) & mask
		for i := g.n(64); ; i = (i + 1) % 64 {
			if mask == 0 || mask>>i&1 != 0 {
				v |= 1 << i & mask
				break
			}
		}
	}
	return v
}

// wild is a number without regard to what it is for.
func (g *generator) wild() uint64 {
	switch g.n(6) {
	case 0:
		return uint64(g.n(16))
	case 1:
		return -uint64(g.n(16))
	case 2:
		return 1 << g.n(64)
	case 3:
		return 1<<g.n(64) - 1
	case 4:
		return uint64(g.Uint32())
	}
	return g.Uint64()
}

// size is a length in bytes.
func (g *generator) size() uint64 {
	switch g.n(12) {
	case 0:
		return 0
	case 1:
		return uint64(g.n(5)) * 4096
	case 2:
		return uint64(g.n(40)) * 4096
	case 3:
		return uint64(4090 + g.n(12))
	case 4:
		return uint64(65530 + g.n(12))
	case 5:
		return pick[uint64](g, 1<<20, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<47, 1<<63-1, 1<<63, ^uint64(0), ^uint64(4095))
	}
	return uint64(g.n(300))
}

func (g *generator) offset() uint64 {
	switch g.n(6) {
	case 0:
		return 0
	case 1:
		return uint64(g.n(20)) * 4096
	case 2:
		return g.wild()
	}
	return uint64(g.n(10000))
}

// fd is a descriptor, most often an open one.
func (g *generator) fd() uint64 {
	if g.one(25) {
		return pick[uint64](g, ^uint64(0), ^uint64(99), 1000, 1<<31, 1<<32+3, 1023, 1024)
	}
	return uint64(3 + g.n(67))
}

// scratch is room for a struct of n bytes, now and then at an edge or in a bad place.
func (g *generator) scratch(n int) (address uint64, b []byte) {
	if g.next+uint64(n) > scratchPages*4096 {
		g.next = uint64(g.n(64))
	}
	at := g.next
	g.next += uint64(n+7) &^ 7
	return g.mem.base + at, g.mem.bytes[at : at+uint64(n)]
}

// put writes data to scratch memory and returns its address; rarely the address of
// something else.
func (g *generator) put(data []byte) uint64 {
	if g.one(30) {
		return g.badAddress()
	}
	if g.one(30) && len(data) <= 4096 {
		// It ends with the page, and no more follows.
		at := uint64(scratchPages*4096 - len(data))
		copy(g.mem.bytes[at:], data)
		return g.mem.base + at
	}
	a, b := g.scratch(len(data))
	copy(b, data)
	return a
}

func (g *generator) words(v ...uint64) uint64 {
	b := make([]byte, 0, len(v)*8)
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return g.put(b)
}

func (g *generator) text(s string) uint64 { return g.put(append([]byte(s), 0)) }

func (g *generator) badAddress() uint64 {
	return pick(g, 0, 1, 4096, ^uint64(0), 1<<63, 0xffff800000000000, 0x7ffffffff000, 0x800000000000,
		g.mem.base+noAccessAt, g.mem.base+readOnlyAt, g.mem.base+pastEndAt, g.mem.base+noAccessAt-3, g.Uint64())
}

// address is a page, or near one, of the part of the arena that calls may spoil.
func (g *generator) address() uint64 {
	switch g.n(12) {
	case 0:
		return 0
	case 1:
		if g.one(5) {
			return g.badAddress()
		}
		fallthrough
	case 2:
		return g.mem.base + spoilAt + uint64(g.n(spoilPages*4096))
	}
	return g.mem.base + spoilAt + uint64(g.n(spoilPages))*4096
}

// buffer is where a call may write.
func (g *generator) buffer() uint64 {
	switch g.n(14) {
	case 0:
		return g.badAddress()
	case 1:
		return g.mem.base + noAccessAt - uint64(g.n(64))
	case 2:
		return g.address()
	}
	return g.mem.base + outAt + uint64(g.n(outPages*4096-65536))&^7
}

// input is the address of a struct that a call reads: zeros, small numbers, noise.
func (g *generator) input() uint64 {
	b := make([]byte, 8*(1+g.n(32)))
	mode := g.n(5)
	for i := 0; i < len(b); i += 4 {
		var v uint64
		switch mode {
		case 0:
		case 1:
			v = uint64(g.n(8))
		case 2:
			v = g.wild()
		case 3:
			if i%8 == 0 {
				v = pick(g, uint64(g.n(80)), 0, g.wild(), g.buffer())
				binary.LittleEndian.PutUint64(b[i:], v)
			}
			continue
		case 4:
			v = uint64(g.n(80))
		}
		binary.LittleEndian.PutUint32(b[i:], uint32(v))
	}
	if g.one(20) {
		return g.badAddress()
	}
	return g.put(b)
}

var paths = []string{
	"a", "b", "c", "d/a", "d/b", "d", "d/..", "d/e/f", "fifo", "sock", "link", "loop", "/tmp/sysfuzz/a", "/tmp/sysfuzz/d",
	"/vol/a", "/vol/b", "/vol/d", "/vol/d/a", "/vol", "/dev/shm/a", "/dev/shm/d", "/dev/shm",
	".", "..", "/", "", "//", "/..", "a/", "a/b", "nothing/here", "/tmp", "/etc/passwd", "/etc", "/usr", "/bin/true", "/usr/bin",
	"/proc", "/proc/self", "/proc/self/fd", "/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/fd/9", "/proc/self/fd/12", "/proc/self/maps", "/proc/self/mem",
	"/proc/self/status", "/proc/self/stat", "/proc/self/cwd", "/proc/self/root", "/proc/self/exe", "/proc/self/task",
	"/proc/self/environ", "/proc/self/cmdline", "/proc/self/smaps", "/proc/self/pagemap", "/proc/self/oom_score_adj",
	"/proc/self/comm", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/self/mountinfo", "/proc/self/mounts",
	"/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/user", "/proc/self/ns", "/proc/self/fdinfo", "/proc/self/fdinfo/4",
	"/proc/self/limits", "/proc/self/auxv", "/proc/self/clear_refs", "/proc/self/attr/current", "/proc/self/coredump_filter",
	"/proc/thread-self", "/proc/thread-self/status", "/proc/1/maps", "/proc/1/fd", "/proc/1/status", "/proc/1/cwd",
	"/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/mounts", "/proc/sys/kernel/hostname", "/proc/sys/kernel", "/proc/sys/vm/overcommit_memory",
	"/proc/net/unix", "/proc/net/tcp", "/proc/filesystems", "/proc/kmsg", "/proc/uptime", "/proc/sysvipc/shm", "/proc/locks",
	"/sys", "/sys/devices/system/cpu", "/sys/devices/system/cpu/online", "/sys/fs/cgroup", "/sys/class/net",
	"/dev", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/pts/0", "/dev/pts/1", "/dev/pts/2", "/dev/pts/ptmx", "/dev/fd/3", "/dev/stdin",
	"/var", "/root", "/usr/lib",
}

func (g *generator) path() string {
	switch g.n(25) {
	case 0:
		b := make([]byte, pick(g, 255, 256, 4094, 4095, 4096, 5000, 100))
		for i := range b {
			b[i] = pick[byte](g, 'a', 'a', '/', '.')
		}
		return string(b)
	case 1:
		b := make([]byte, g.n(40))
		for i := range b {
			b[i] = byte(g.Uint32())
		}
		return string(b)
	case 2:
		return paths[g.n(len(paths))] + "/" + paths[g.n(len(paths))]
	}
	if g.one(2) {
		return paths[g.n(22)] // its own
	}
	return paths[g.n(len(paths))]
}

var flavours = []string{"tmpfs", "proc", "sysfs", "devpts", "overlay", "bind", "devtmpfs", "ramfs", "mqueue", "cgroup2", "ext4", ""}

var texts = []string{
	"", "x", "size=1M", "mode=755,size=64k", "lowerdir=/tmp/sysfuzz/d,upperdir=/dev/shm/a,workdir=/dev/shm/d", "lowerdir=/:/etc",
	"newinstance,ptmxmode=666", "gid=5,mode=620,max=1", "hidepid=2", "source", "size", "nr_inodes=1", "size=-1", "user", "memfd", "ro",
}

var xattrs = []string{"user.a", "user.b", "user.", "trusted.a", "security.capability", "security.selinux", "system.posix_acl_access", "system.posix_acl_default", "nothing", ""}

// sockaddr is an address of some family, and its length is remembered for salen.
func (g *generator) sockaddr() []byte {
	b := make([]byte, pick(g, 16, 110, 28, 12, 20, 128))
	if g.one(10) {
		for i := range b {
			b[i] = byte(g.Uint32())
		}
	}
	f := pick[uint16](g, 1, 1, 1, 2, 2, 10, 16, 0, 0xffff)
	binary.LittleEndian.PutUint16(b, f)
	switch f {
	case 1:
		if g.one(2) {
			copy(b[2:], pick(g, "sock", "/vol/sock", "/tmp/sysfuzz/s2", "a", "/dev/shm/s"))
		} else {
			copy(b[3:], pick(g, "abstract", "x", ""))
		}
	case 2, 10:
		binary.BigEndian.PutUint16(b[2:], uint16(pick(g, 0, 7000, 7001, 80)))
		copy(b[4:], pick(g, "\x7f\x00\x00\x01", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x08\x08\x08\x08", "\xe0\x00\x00\x01"))
		if f == 10 && len(b) >= 28 && g.one(2) {
			b[23] = 1
		}
	case 16:
		clear(b[2:])
	}
	return b
}

// iovecs is an array of n buffers.
func (g *generator) iovecs() uint64 {
	var w []uint64
	for range 1 + g.n(6) {
		l := uint64(g.n(5000))
		if g.one(20) {
			l = g.size()
		}
		w = append(w, g.buffer(), l)
	}
	return g.words(w...)
}

// control is a block of control messages: SCM_RIGHTS, SCM_CREDENTIALS, noise.
func (g *generator) control() []byte {
	var b []byte
	for range g.n(3) {
		var body []byte
		level, kind := uint32(1), pick[uint32](g, 1, 1, 1, 2, 3)
		switch kind {
		case 1:
			for range g.n(pick(g, 4, 4, 4, 300)) {
				body = binary.LittleEndian.AppendUint32(body, uint32(g.fd()))
			}
		case 2:
			for range 3 {
				body = binary.LittleEndian.AppendUint32(body, uint32(pick(g, 0, self(), 1)))
			}
		}
		n := uint64(16 + len(body))
		if g.one(10) {
			n = g.wild()
		}
		if g.one(20) {
			level = uint32(g.wild())
		}
		b = binary.LittleEndian.AppendUint64(b, n)
		b = binary.LittleEndian.AppendUint32(b, level)
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = append(b, body...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

// msghdr is the seven words of a struct msghdr.
func (g *generator) msghdr() []uint64 {
	var name, nameLen, control, controlLen uint64
	if g.one(3) {
		sa := g.sockaddr()
		name, nameLen = g.put(sa), uint64(len(sa))
	}
	if g.one(2) {
		c := g.control()
		control, controlLen = g.put(append(c, make([]byte, 64)...)), uint64(len(c)+pick(g, 0, 0, 64))
	}
	if g.one(20) {
		controlLen = g.size()
	}
	if g.one(20) {
		nameLen = g.size()
	}
	count := uint64(g.n(4))
	if g.one(20) {
		count = g.wild()
	}
	return []uint64{name, nameLen, g.iovecs(), count, control, controlLen, 0}
}

// nanoseconds and seconds of a short or impossible time.
func (g *generator) time() (sec, nsec uint64) {
	switch g.n(10) {
	case 0:
		return g.wild(), g.wild()
	case 1, 2, 3:
		return 0, 0
	}
	return 0, uint64(g.n(3_000_000))
}

func (g *generator) openFlags() uint64 {
	return 0o4000 ^ g.bits(0o37777703)&^pick[uint64](g, 0, 0o20000000)
}

// cloneFlags are of a process, a thread, vfork, or a mixture.
func (g *generator) cloneFlags() uint64 {
	fl := pick[uint64](g, 0, 0x4000, 0x3d0f00, 0x100, 0x10f00, 0x50f00) | pick[uint64](g, 17, 17, 0, 10)
	if g.one(2) {
		fl ^= g.bits(0x1ff7fff00)
	}
	return fl
}

// makers are the kinds that have names.
var makers = map[string]maker{
	"fd": (*generator).fd,
	// A descriptor to close or replace: rather not one of the standard fleet.
	"fdx": func(g *generator) uint64 {
		if g.one(4) {
			return g.fd()
		}
		return uint64(70 + g.n(30))
	},
	"dir":  func(g *generator) uint64 { return pick(g, uint64(1<<64-100), uint64(1<<64-100), g.fd(), 3, 4, 5) },
	"path": func(g *generator) uint64 { return g.text(g.path()) },
	"str":  func(g *generator) uint64 { return g.text(texts[g.n(len(texts))]) },
	"fstype": func(g *generator) uint64 {
		return g.text(flavours[g.n(len(flavours))])
	},
	"xname": func(g *generator) uint64 { return g.text(xattrs[g.n(len(xattrs))]) },
	"out":   (*generator).buffer,
	"in":    (*generator).input,
	"arg": func(g *generator) uint64 {
		return pick(g, g.input(), g.buffer(), g.wild(), uint64(g.n(70)))
	},
	"sz": (*generator).size,
	"msz": func(g *generator) uint64 { // of a mapping, rarely one that hits the Go runtime
		if g.one(40) {
			return g.size()
		}
		return uint64(g.n(40))*4096 + pick[uint64](g, 0, 0, 0, 1)
	},
	"off":  (*generator).offset,
	"n":    (*generator).wild,
	"wild": (*generator).wild,
	"cnt": func(g *generator) uint64 {
		if g.one(20) {
			return pick(g, 1024, 1025, g.wild())
		}
		return uint64(g.n(7))
	},
	"ms":   func(g *generator) uint64 { return pick[uint64](g, 0, 0, 1, 2, ^uint64(0), 5) },
	"mode": func(g *generator) uint64 { return pick(g, 0, 0o644, 0o777, 0o4755, 0o2755, 0o1777, g.wild()) },
	"id":   func(g *generator) uint64 { return pick(g, 0, 0, 65534, 1<<32-1, 1000, g.wild()) },
	"ipc": func(g *generator) uint64 {
		return pick(g, uint64(g.n(8)), uint64(g.n(8)), uint64(g.n(4))<<15, g.wild())
	},
	"sig": func(g *generator) uint64 {
		return pick(g, 0, 10, 12, 17, 18, 28, 23, uint64(34+g.n(31)), uint64(g.n(70)), g.wild())
	},
	"pid":  func(g *generator) uint64 { return g.pids.own(g) },
	"pidr": func(g *generator) uint64 { return pick(g, g.pids.own(g), 1, uint64(g.n(100))) },
	"clk": func(g *generator) uint64 {
		return pick(g, uint64(g.n(13)), uint64(g.n(13)), 0, 1, ^uint64(5), g.wild())
	},
	"addr": (*generator).address,
	"prot": func(g *generator) uint64 { return pick(g, 3, 3, 1, 0, 7, 5, g.wild()) },
	"mfl": func(g *generator) uint64 {
		return pick[uint64](g, 1, 2, 2, 3) | pick(g, 0x20, 0x20, 0, g.bits(0x15e174))
	},
	"ofl":   (*generator).openFlags,
	"atfl":  func(g *generator) uint64 { return g.bits(0x1f900) },
	"msgfl": func(g *generator) uint64 { return 0x40 ^ g.bits(0x6406ffff)&^pick[uint64](g, 0x40, 0) },
	"mntfl": func(g *generator) uint64 {
		return pick(g, 0, 0x1000, 0x5000, 0x2000, 0x20, 0x1021, 1<<20, 1<<18, 1<<17, 1<<19|1<<14, g.bits(0x3fffff))
	},
	"salen": func(g *generator) uint64 { return pick(g, 16, 110, 28, 12, 2, 3, 8, uint64(g.n(130)), g.wild()) },
	"sa":    func(g *generator) uint64 { return g.put(g.sockaddr()) },
	"iov":   (*generator).iovecs,
	"msg":   func(g *generator) uint64 { return g.words(g.msghdr()...) },
	"mmsg": func(g *generator) uint64 {
		var w []uint64
		for range 5 {
			w = append(append(w, g.msghdr()...), 0)
		}
		return g.words(w...)
	},
	"lenp": func(g *generator) uint64 { return g.words(pick(g, 0, 4, 8, 16, 128, g.wild())) },
	"offp": func(g *generator) uint64 { return pick(g, 0, 0, g.words(g.offset())) },
	"ts": func(g *generator) uint64 {
		s, n := g.time()
		return g.words(s, n)
	},
	"its": func(g *generator) uint64 {
		a, b := g.time()
		c, d := g.time()
		return g.words(a, b, c, d)
	},
	"set": func(g *generator) uint64 { return g.words(pick(g, 0, ^uint64(0), 1<<g.n(64), g.Uint64())) },
	"fdset": func(g *generator) uint64 {
		return pick(g, 0, g.words(g.Uint64(), g.Uint64()), g.words(1<<g.n(64), 0))
	},
	"pfd": func(g *generator) uint64 {
		var w []uint64
		for range 20 {
			w = append(w, uint64(uint32(g.fd()))|uint64(g.n(0x4000))<<32)
		}
		return g.words(w...)
	},
	"act": func(g *generator) uint64 {
		return g.words(pick(g, 0, 1, g.mem.handler(), g.mem.handler(), g.wild()), 0x04000000|g.bits(0xdc000007), g.mem.restorer(), pick(g, 0, g.Uint64()))
	},
	"sigev": func(g *generator) uint64 {
		return g.words(g.wild(), pick[uint64](g, 0, 10, 12, 34)|pick[uint64](g, 0, 1, 2, 4)<<32, g.pids.own(g), 0, 0, 0, 0, 0)
	},
	"argv": func(g *generator) uint64 {
		return pick(g, g.words(g.text("true"), g.text("x"), 0), g.words(0), g.words(g.text(g.path()), g.buffer(), 0), 0)
	},
	"how": func(g *generator) uint64 {
		return g.words(g.openFlags(), pick[uint64](g, 0, 0, 0o644), g.bits(0x3f))
	},
	"handle": func(g *generator) uint64 {
		return g.words(pick[uint64](g, 128, 8, 0, 16, 1<<31)|pick[uint64](g, 0, 1, 129)<<32, g.wild(), g.wild(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	},
	"fut": func(g *generator) uint64 {
		return pick(g, g.mem.shared()+uint64(g.n(4))*4, g.mem.shared()+uint64(g.n(4))*4, g.address())
	},
	"futop": func(g *generator) uint64 { return uint64(g.n(14)) | g.bits(0x180) },
	"robust": func(g *generator) uint64 {
		a := g.buffer() &^ 7
		return g.words(pick(g, a, g.badAddress(), g.mem.base), g.wild(), g.badAddress())
	},
	"clonefl": (*generator).cloneFlags,
	"stack":   func(g *generator) uint64 { return g.mem.stack() },
	"clone3": func(g *generator) uint64 {
		fl := g.cloneFlags()
		return g.words(fl&^0xff, g.buffer(), g.buffer(), g.buffer(), pick[uint64](g, 17, 0, 10), g.mem.stack()-4096, 4096, 0, pick(g, 0, g.buffer()), uint64(g.n(3)), pick(g, 0, g.fd()))
	},
}
