package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

func nothing(*task, vfs.Caller, *bytes.Buffer) error { return nil }

// ignoreWrite takes what nobody can notice; refuseWrite is for what can't be changed.
func ignoreWrite(*task, vfs.Caller, []byte) error { return nil }
func refuseWrite(*task, vfs.Caller, []byte) error { return errno.EPERM }

// maxArgs bounds what cmdline and environ show, in bytes: more than execve takes.
const maxArgs = 8 << 20

// readRange appends what the task's memory holds in [start, end).
func readRange(p *task, start, end addr.Addr, b *bytes.Buffer) {
	m := p.mm()
	if m == nil || end <= start {
		return
	}
	defer m.DecUsers()
	data := make([]byte, min(uint64(end-start), maxArgs))
	n, _ := m.ReadRemote(start, data)
	b.Write(data[:n])
}

// taskCmdline is /proc/PID/cmdline. A process that wrote over its arguments' end, so that no NUL
// is there, shows one string that may go on into the environment (setproctitle).
func taskCmdline(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	m := p.mm()
	if m == nil {
		return nil
	}
	meta := m.Meta()
	m.DecUsers()
	readRange(p, meta.ArgStart, meta.ArgEnd, b)
	if args := b.Bytes(); len(args) == 0 || args[len(args)-1] == 0 {
		return nil
	}
	if meta.EnvStart == meta.ArgEnd {
		readRange(p, meta.EnvStart, meta.EnvEnd, b)
	}
	if i := bytes.IndexByte(b.Bytes(), 0); i >= 0 {
		b.Truncate(i + 1)
	}
	return nil
}

func environ(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	if m := p.mm(); m != nil {
		meta := m.Meta()
		m.DecUsers()
		readRange(p, meta.EnvStart, meta.EnvEnd, b)
	}
	return nil
}

func auxv(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	if m := p.mm(); m != nil {
		b.Write(m.Meta().Auxv)
		m.DecUsers()
	}
	return nil
}

func comm(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(p.who().Comm() + "\n")
	return nil
}

// setComm renames a thread: of the writer's process only.
func setComm(p *task, c vfs.Caller, b []byte) error {
	if t := self(c); t != nil && t.ThreadGroup() != p.tg {
		return errno.EINVAL
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	p.who().SetComm(strings.TrimSuffix(string(b), "\n"))
	return nil
}

func personality(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	fmt.Fprintf(b, "%08x\n", p.who().Personality())
	return nil
}

// limitNames are the lines of /proc/PID/limits.
var limitNames = []struct {
	resource   int
	name, unit string
}{
	{linux.RLIMIT_CPU, "Max cpu time", "seconds"},
	{linux.RLIMIT_FSIZE, "Max file size", "bytes"},
	{linux.RLIMIT_DATA, "Max data size", "bytes"},
	{linux.RLIMIT_STACK, "Max stack size", "bytes"},
	{linux.RLIMIT_CORE, "Max core file size", "bytes"},
	{linux.RLIMIT_RSS, "Max resident set", "bytes"},
	{linux.RLIMIT_NPROC, "Max processes", "processes"},
	{linux.RLIMIT_NOFILE, "Max open files", "files"},
	{linux.RLIMIT_MEMLOCK, "Max locked memory", "bytes"},
	{linux.RLIMIT_AS, "Max address space", "bytes"},
	{linux.RLIMIT_LOCKS, "Max file locks", "locks"},
	{linux.RLIMIT_SIGPENDING, "Max pending signals", "signals"},
	{linux.RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"},
	{linux.RLIMIT_NICE, "Max nice priority", ""},
	{linux.RLIMIT_RTPRIO, "Max realtime priority", ""},
	{linux.RLIMIT_RTTIME, "Max realtime timeout", "us"},
}

func limitsText(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	show := func(v uint64) string {
		if v == linux.RLIM_INFINITY {
			return "unlimited"
		}
		return strconv.FormatUint(v, 10)
	}
	fmt.Fprintf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units")
	for _, l := range limitNames {
		v := p.tg.Limits().Get(l.resource)
		fmt.Fprintf(b, "%-25s %-20s %-20s ", l.name, show(v.Cur), show(v.Max))
		if l.unit != "" {
			fmt.Fprintf(b, "%-10s", l.unit)
		}
		b.WriteByte('\n')
	}
	return nil
}

func sched(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	t := p.who()
	user, system := t.CPUTimes()
	use := t.Usage()
	policy, _ := t.Policy()
	fmt.Fprintf(b, "%s (%d, #threads: %d)\n", t.Comm(), p.id, len(p.tg.Tasks()))
	b.WriteString(strings.Repeat("-", 67) + "\n")
	line := func(name string, v any) { fmt.Fprintf(b, "%-45s:%21v\n", name, v) }
	line("se.sum_exec_runtime", fmt.Sprintf("%.6f", (user+system).Seconds()*1000))
	line("se.nr_migrations", 0)
	line("nr_switches", use.VoluntarySwitches+use.InvoluntarySwitches)
	line("nr_voluntary_switches", use.VoluntarySwitches)
	line("nr_involuntary_switches", use.InvoluntarySwitches)
	line("policy", policy)
	line("prio", 120+t.Nice())
	return nil
}

func schedstat(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	user, system := p.who().CPUTimes()
	use := p.who().Usage()
	fmt.Fprintf(b, "%d 0 %d\n", int64(user+system), use.VoluntarySwitches+use.InvoluntarySwitches+1)
	return nil
}

// syscallText is /proc/PID/syscall. Registers belong to a task that runs, so only the
// number is shown.
func syscallText(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	t := p.who()
	if t.State() == 'R' {
		b.WriteString("running\n")
		return nil
	}
	fmt.Fprintf(b, "%d 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n", t.SyscallNo())
	return nil
}

func wchan(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteByte('0')
	return nil
}

// children is /proc/PID/task/TID/children.
func children(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	if !p.who().IsLeader() {
		return nil
	}
	for _, tg := range p.tg.Children() {
		if pid := tg.PID().In(p.in.ns); pid != 0 {
			fmt.Fprintf(b, "%d ", pid)
		}
	}
	return nil
}

func cpuset(_ *task, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("/\n")
	return nil
}

// cgroup shows paths in the reader's cgroup namespace.
func cgroup(p *task, c vfs.Caller, b *bytes.Buffer) error {
	root := p.in.k.RootCgroup()
	if t := self(c); t != nil {
		root = t.Namespaces().Cgroup.Root
	}
	fmt.Fprintf(b, "0::%s\n", p.who().CgroupPath(root))
	return nil
}

// oomScore is 0 to 2000: how much of memory the process has, in thousandths, plus its own adjustment.
func oomScore(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	score := int64(666)
	if m := p.mm(); m != nil {
		score += int64(m.Stats().VmRSS*1000/p.in.k.Memory) * 2 / 3
		m.DecUsers()
	}
	score += int64(p.tg.OOMScoreAdj()) * 2 / 3
	fmt.Fprintf(b, "%d\n", max(score, 0))
	return nil
}

func oomScoreAdj(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	fmt.Fprintf(b, "%d\n", p.tg.OOMScoreAdj())
	return nil
}

const (
	oomScoreAdjMax = 1000
	oomDisable     = -17
	oomAdjustMax   = 15
)

// oomAdj is the older scale of oom_score_adj, -17 to 15.
func oomAdj(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	v := p.tg.OOMScoreAdj()
	if v == oomScoreAdjMax {
		v = oomAdjustMax
	} else {
		v = v * -oomDisable / oomScoreAdjMax
	}
	fmt.Fprintf(b, "%d\n", v)
	return nil
}

func setOOMAdj(p *task, c vfs.Caller, b []byte) error {
	v, err := parseInt(b)
	if err != nil || (v < -16 || v > oomAdjustMax) && v != oomDisable {
		return errno.EINVAL
	}
	if v == oomAdjustMax {
		v = oomScoreAdjMax
	} else {
		v = v * oomScoreAdjMax / -oomDisable
	}
	return p.adjustOOM(c, int32(v))
}

func setOOMScoreAdj(p *task, c vfs.Caller, b []byte) error {
	v, err := parseInt(b)
	if err != nil || v < -oomScoreAdjMax || v > oomScoreAdjMax {
		return errno.EINVAL
	}
	return p.adjustOOM(c, int32(v))
}

// adjustOOM sets oom_score_adj; making it smaller needs CAP_SYS_RESOURCE.
func (p *task) adjustOOM(c vfs.Caller, v int32) error {
	if v < p.tg.OOMScoreAdj() && !c.Creds().Has(linux.CAP_SYS_RESOURCE) {
		return errno.EACCES
	}
	p.tg.SetOOMScoreAdj(v)
	return nil
}

func parseInt(b []byte) (int64, error) {
	return strconv.ParseInt(strings.TrimSpace(string(b)), 0, 64)
}

// unsetID is loginuid and sessionid without audit.
func unsetID(_ *task, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("4294967295")
	return nil
}

func coredumpFilter(_ *task, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("00000033\n")
	return nil
}

func ioText(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	use := p.tg.Usage()
	if p.single() {
		use = p.who().Usage()
	}
	fmt.Fprintf(b, "rchar: %d\nwchar: %d\nsyscr: 0\nsyscw: 0\nread_bytes: %d\nwrite_bytes: %d\ncancelled_write_bytes: 0\n",
		use.ReadBlocks*512, use.WriteBlocks*512, use.ReadBlocks*512, use.WriteBlocks*512)
	return nil
}

func timerSlack(p *task, c vfs.Caller, b *bytes.Buffer) error {
	if t := self(c); t != nil && t.ThreadGroup() != p.tg && !c.Creds().HasIn(linux.CAP_SYS_NICE, p.who().Creds().UserNS) {
		return errno.EPERM
	}
	fmt.Fprintf(b, "%d\n", p.who().TimerSlack())
	return nil
}

func setTimerSlack(p *task, c vfs.Caller, b []byte) error {
	if t := self(c); t != nil && t.ThreadGroup() != p.tg && !c.Creds().HasIn(linux.CAP_SYS_NICE, p.who().Creds().UserNS) {
		return errno.EPERM
	}
	v, err := parseInt(b)
	if err != nil || v < 0 {
		return errno.EINVAL
	}
	if v == 0 {
		v = 50000
	}
	p.who().SetTimerSlack(v)
	return nil
}

// attrs is /proc/PID/attr: there is no security module.
type attrs struct{ p *task }

var attrNames = []string{"current", "prev", "exec", "fscreate", "keycreate", "sockcreate"}

// Lookup implements tree.Dir.
func (d attrs) Lookup(c vfs.Caller, sb *vfs.Superblock, name string) (*vfs.Inode, error) {
	for _, n := range attrNames {
		if n == name {
			return tree.NewText(c, sb, tree.Ino("attr/"+name, uint64(d.p.id)), 0o666, attr{}, owner{p: d.p}), nil
		}
	}
	return nil, errno.ENOENT
}

// List implements tree.Dir.
func (d attrs) List(vfs.Caller, int64) ([]vfs.Dirent, error) {
	var out []vfs.Dirent
	for i, n := range attrNames {
		out = append(out, vfs.Dirent{Ino: tree.Ino("attr/"+n, uint64(d.p.id)), Type: linux.DT_REG, Name: n, Next: int64(3 + i)})
	}
	return out, nil
}

// attr is a file in it.
type attr struct{}

// Text implements tree.Text.
func (attr) Text(vfs.Caller) ([]byte, error) { return nil, errno.EINVAL }

// Set implements tree.Setter.
func (attr) Set(vfs.Caller, []byte) error { return errno.EINVAL }
