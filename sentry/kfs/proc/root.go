package proc

import (
	"bytes"
	"strconv"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// root is the first level.
type root struct{ in *instance }

// pidPos is the position of process 0 in the directory: behind everything else.
const pidPos = 1 << 16

// Lookup implements tree.Dir.
func (r root) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	if pid, ok := number(name); ok {
		p := r.in.process(pid)
		if p == nil {
			return nil, errno.ENOENT
		}
		return p.inode(c), nil
	}
	return r.in.sys.Lookup(c, sb, name)
}

// List implements tree.Dir.
func (r root) List(c vfs.Caller, from int64) ([]vfs.Dirent, error) {
	out, err := r.in.sys.List(c, from)
	if err != nil {
		return nil, err
	}
	for _, tg := range r.in.k.ThreadGroups(r.in.ns) {
		pid := tg.PID().In(r.in.ns)
		out = append(out, vfs.Dirent{Ino: pidIno(pid, 0), Type: linux.DT_DIR, Name: strconv.Itoa(int(pid)), Next: pidPos + int64(pid)})
	}
	return out, nil
}

// Current implements tree.Reviser.
func (r root) Current(_ vfs.Caller, name string, n *vfs.Inode) bool {
	p, ok := tree.DirOf(n).(*task)
	return !ok || !p.gone()
}

// number parses a process number as a name in /proc.
func number(name string) (int32, bool) {
	if name == "" || name[0] < '1' || name[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil
}

// global is a file about the system as a whole.
type global struct {
	in   *instance
	text func(in *instance, c vfs.Caller, b *bytes.Buffer) error
}

// Text implements tree.Text.
func (g *global) Text(c vfs.Caller) ([]byte, error) {
	var b bytes.Buffer
	err := g.text(g.in, c, &b)
	return b.Bytes(), err
}

// file makes an entry of a generated file.
func (in *instance) file(name string, perm uint32, text func(*instance, vfs.Caller, *bytes.Buffer) error) tree.Entry {
	return tree.Entry{Name: name, Make: tree.TextFile{Perm: perm, Text: &global{in, text}}}
}

func constant(name, text string) tree.Entry {
	return tree.Entry{Name: name, Make: tree.TextFile{Perm: 0o444, Text: tree.Const(text)}}
}

func link(name string, l tree.Link) tree.Entry {
	return tree.Entry{Name: name, Make: tree.LinkFile{Link: l}}
}

func (in *instance) rootEntries() *tree.Static {
	return &tree.Static{Space: "proc", Entries: []tree.Entry{
		link("self", selfLink{in}),
		link("thread-self", threadSelfLink{in}),
		constant("buddyinfo", ""),
		in.file("cgroups", 0o444, cgroups),
		in.file("cmdline", 0o444, cmdline),
		constant("consoles", "tty1                 -WU (EC p  )    4:1\n"),
		in.file("cpuinfo", 0o444, cpuinfo),
		constant("crypto", ""),
		constant("devices", devicesText),
		in.file("diskstats", 0o444, empty),
		{Name: "driver", Make: &tree.Static{Space: "proc/driver"}},
		constant("execdomains", "0-0\tLinux           \t[kernel]\n"),
		in.file("filesystems", 0o444, filesystems),
		{Name: "fs", Make: &tree.Static{Space: "proc/fs"}},
		in.file("interrupts", 0o444, interrupts),
		constant("iomem", ""),
		constant("ioports", ""),
		{Name: "irq", Make: &tree.Static{Space: "proc/irq"}},
		constant("kallsyms", ""),
		in.file("key-users", 0o444, keyUsers),
		in.file("keys", 0o444, keysText),
		in.file("loadavg", 0o444, loadavg),
		in.file("locks", 0o444, locksText),
		in.file("meminfo", 0o444, meminfo),
		constant("misc", ""),
		constant("modules", ""),
		link("mounts", tree.StaticLink("self/mounts")),
		link("net", tree.StaticLink("self/net")),
		in.file("partitions", 0o444, empty),
		in.file("softirqs", 0o444, softirqs),
		in.file("stat", 0o444, systemStat),
		constant("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
		{Name: "sys", Make: in.sysctls()},
		{Name: "sysvipc", Make: &tree.Static{Space: "proc/sysvipc", Entries: []tree.Entry{
			in.file("msg", 0o444, sysvMsg), in.file("sem", 0o444, sysvSem), in.file("shm", 0o444, sysvShm),
		}}},
		{Name: "tty", Make: &tree.Static{Space: "proc/tty", Entries: []tree.Entry{
			constant("drivers", ttyDrivers), constant("ldiscs", "n_tty       0\n"),
			{Name: "driver", Make: &tree.Static{Space: "proc/tty/driver"}},
		}}},
		in.file("uptime", 0o444, uptime),
		in.file("version", 0o444, version),
		in.file("vmstat", 0o444, vmstat),
		in.file("zoneinfo", 0o444, empty),
	}}
}

func empty(*instance, vfs.Caller, *bytes.Buffer) error { return nil }

// selfLink is /proc/self.
type selfLink struct{ in *instance }

// Target implements tree.Link.
func (l selfLink) Target(c vfs.Caller) (string, error) {
	t := self(c)
	if t == nil {
		return "", errno.ENOENT
	}
	pid := t.ThreadGroup().PID().In(l.in.ns)
	if pid == 0 {
		return "", errno.ENOENT
	}
	return strconv.Itoa(int(pid)), nil
}

// threadSelfLink is /proc/thread-self.
type threadSelfLink struct{ in *instance }

// Target implements tree.Link.
func (l threadSelfLink) Target(c vfs.Caller) (string, error) {
	pid, err := selfLink(l).Target(c)
	if err != nil {
		return "", err
	}
	return pid + "/task/" + strconv.Itoa(int(self(c).TIDIn(l.in.ns))), nil
}
