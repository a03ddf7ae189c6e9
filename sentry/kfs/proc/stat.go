package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/vfs"
)

// ticks converts to clock ticks, of which there are 100 a second (sysconf(_SC_CLK_TCK)).
func ticks(d time.Duration) int64 { return int64(d / (10 * time.Millisecond)) }

// since returns nanoseconds between the kernel's start and a monotonic time.
func since(k *kernel.Kernel, mono int64) time.Duration {
	return time.Duration(max(0, mono-(k.Monotonic()-k.Uptime())))
}

// job is what stat and status say of sessions and terminals.
type job struct {
	ppid, pgrp, session int32
	tty, tpgid          int32
}

func jobOf(p *task) job {
	ns := p.in.ns
	j := job{ppid: p.tg.PPID(ns), tpgid: -1}
	if pg := p.tg.ProcessGroup(); pg != nil {
		j.pgrp = pg.PID().In(ns)
		s := pg.Session()
		j.session = s.PID().In(ns)
		if t := s.Terminal(); t != nil {
			j.tty = int32(linux.MakeDev(linux.UNIX98_PTY_SLAVE_MAJOR, uint32(t.Index)))
			if _, g := t.Foreground(); g != nil {
				if pg, ok := g.(*kernel.ProcessGroup); ok {
					j.tpgid = pg.PID().In(ns)
				}
			}
		}
	}
	return j
}

// stat is /proc/PID/stat: 52 fields.
func stat(p *task, c vfs.Caller, b *bytes.Buffer) error {
	t := p.who()
	allowed := mayTrace(c, t)
	j := jobOf(p)

	user, system := p.tg.CPUTimes()
	use, childUse := p.tg.Usage(), p.tg.ChildUsage()
	cuser, csystem := p.tg.ChildCPUTimes()
	if p.single() {
		user, system = t.CPUTimes()
		use, childUse = t.Usage(), kernel.Usage{}
		cuser, csystem = 0, 0
	}
	var st mm.Stats
	var meta mm.Meta
	var brk addr.Addr
	var layout [2]uint64 // whether and where code lies, for those who may not know
	if m := p.mm(); m != nil {
		st = m.Stats()
		if layout = [2]uint64{1, 1}; allowed {
			meta, brk = m.Meta(), m.BrkStart()
			layout = [2]uint64{uint64(meta.StartCode), uint64(meta.EndCode)}
		}
		m.DecUsers()
	}
	pending, _ := t.PendingSignals()
	ignored, caught := p.tg.SignalActions()
	nice := t.Nice()
	policy, rt := t.Policy()
	prio := 20 + nice
	if rt > 0 {
		prio = -1 - rt
	}
	sleeping := 0
	if s := t.State(); s != 'R' {
		sleeping = 1
	}
	var exitCode uint32
	if status, ok := p.tg.Exited(); ok && allowed {
		exitCode = status
	}
	fmt.Fprintf(b, "%d (%s) %c %d %d %d %d %d 0 %d %d %d %d %d %d %d %d %d %d %d 0 %d %d %d %d %d %d %d 0 0 %d %d %d %d %d 0 0 %d %d %d %d 0 0 0 %d %d %d %d %d %d %d %d\n",
		p.id, t.Comm(), t.State(), j.ppid, j.pgrp, j.session, j.tty, j.tpgid,
		use.MinorFaults, childUse.MinorFaults, use.MajorFaults, childUse.MajorFaults,
		ticks(user), ticks(system), ticks(cuser), ticks(csystem),
		prio, nice, len(p.tg.Tasks()), ticks(since(p.in.k, t.StartTime())+ahead(c)),
		st.VmSize, st.VmRSS/addr.PageSize, p.tg.Limits().Cur(linux.RLIMIT_RSS),
		layout[0], layout[1], uint64(meta.StartStack),
		low31(pending), low31(t.Mask()), low31(ignored), low31(caught), sleeping,
		p.tg.ExitSignal(), 0, rt, policy,
		uint64(meta.StartData), uint64(meta.EndData), uint64(brk),
		uint64(meta.ArgStart), uint64(meta.ArgEnd), uint64(meta.EnvStart), uint64(meta.EnvEnd), exitCode)
	return nil
}

// low31 is how stat shows signals: as many as a positive int has bits.
func low31(s linux.SignalSet) uint64 { return uint64(s) & 0x7fffffff }

// statm is /proc/PID/statm, in pages.
func statm(p *task, _ vfs.Caller, b *bytes.Buffer) error {
	var st mm.Stats
	if m := p.mm(); m != nil {
		st = m.Stats()
		m.DecUsers()
	}
	fmt.Fprintf(b, "%d %d %d %d 0 %d 0\n", st.VmSize/addr.PageSize, st.VmRSS/addr.PageSize,
		(st.RssFile+st.RssShmem)/addr.PageSize, st.VmExe/addr.PageSize, (st.VmData+st.VmStk)/addr.PageSize)
	return nil
}

// states are the names of task states in status.
var states = map[byte]string{
	'R': "R (running)", 'S': "S (sleeping)", 'D': "D (disk sleep)", 'T': "T (stopped)",
	't': "t (tracing stop)", 'X': "X (dead)", 'Z': "Z (zombie)",
}

// status is /proc/PID/status.
func status(p *task, at vfs.Caller, b *bytes.Buffer) error {
	t, ns, users := p.who(), p.in.ns, at.Creds().UserNS
	c := t.Creds()
	line := func(name, format string, args ...any) {
		b.WriteString(name)
		b.WriteString(":\t")
		fmt.Fprintf(b, format, args...)
		b.WriteByte('\n')
	}
	numbers := func(nums []int32) string {
		s := make([]string, len(nums))
		for i, n := range nums {
			s[i] = strconv.Itoa(int(n))
		}
		return strings.Join(s, "\t")
	}
	tracer := int32(0)
	if x := t.Tracer(); x != nil {
		tracer = x.TIDIn(ns)
	}
	fdSize := 0
	if f := t.AcquireFiles(); f != nil {
		fdSize = f.Size()
		p.in.k.ReleaseFiles(f)
	}
	umask := uint32(0)
	fs := t.AcquireFSContext()
	if fs != nil {
		umask = fs.Umask()
		fs.Release()
	}
	line("Name", "%s", escapeComm(t.Comm()))
	if fs != nil {
		line("Umask", "%04o", umask)
	}
	line("State", "%s", states[t.State()])
	line("Tgid", "%d", p.tg.PID().In(ns))
	line("Ngid", "0")
	line("Pid", "%d", t.TIDIn(ns))
	line("PPid", "%d", p.tg.PPID(ns))
	line("TracerPid", "%d", tracer)
	u, g := users.ShowUID, users.ShowGID
	line("Uid", "%d\t%d\t%d\t%d", u(c.RUID), u(c.EUID), u(c.SUID), u(c.FSUID))
	line("Gid", "%d\t%d\t%d\t%d", g(c.RGID), g(c.EGID), g(c.SGID), g(c.FSGID))
	line("FDSize", "%d", fdSize)
	b.WriteString("Groups:\t")
	for _, g := range c.Groups {
		fmt.Fprintf(b, "%d ", users.ShowGID(g))
	}
	b.WriteString("\n")
	line("NStgid", "%s", numbers(p.tg.PID().Numbers(ns)))
	line("NSpid", "%s", numbers(t.PID().Numbers(ns)))
	if pg := p.tg.ProcessGroup(); pg != nil {
		line("NSpgid", "%s", numbers(pg.PID().Numbers(ns)))
		line("NSsid", "%s", numbers(pg.Session().PID().Numbers(ns)))
	}
	line("Kthread", "0")
	if m := p.mm(); m != nil {
		st := m.Stats()
		m.DecUsers()
		for _, v := range []struct {
			name string
			n    uint64
		}{
			{"VmPeak", st.VmPeak}, {"VmSize", st.VmSize}, {"VmLck", st.VmLck}, {"VmPin", st.VmPin},
			{"VmHWM", st.VmHWM}, {"VmRSS", st.VmRSS}, {"RssAnon", st.RssAnon}, {"RssFile", st.RssFile},
			{"RssShmem", st.RssShmem}, {"VmData", st.VmData}, {"VmStk", st.VmStk}, {"VmExe", st.VmExe},
			{"VmLib", st.VmLib}, {"VmPTE", st.VmPTE}, {"VmSwap", st.VmSwap}, {"HugetlbPages", 0},
		} {
			line(v.name, "%8d kB", v.n>>10)
		}
		line("CoreDumping", "0")
		line("THP_enabled", "0")
		line("untag_mask", "0xffffffffffffffff")
	}
	line("Threads", "%d", len(p.tg.Tasks()))
	line("SigQ", "%d/%d", t.QueuedSignals(), p.tg.Limits().Cur(linux.RLIMIT_SIGPENDING))
	pending, shared := t.PendingSignals()
	ignored, caught := p.tg.SignalActions()
	for _, s := range []struct {
		name string
		set  linux.SignalSet
	}{{"SigPnd", pending}, {"ShdPnd", shared}, {"SigBlk", t.Mask()}, {"SigIgn", ignored}, {"SigCgt", caught}} {
		line(s.name, "%016x", uint64(s.set))
	}
	line("CapInh", "%016x", uint64(c.Inheritable))
	line("CapPrm", "%016x", uint64(c.Permitted))
	line("CapEff", "%016x", uint64(c.Effective))
	line("CapBnd", "%016x", uint64(c.Bounding))
	line("CapAmb", "%016x", uint64(c.Ambient))
	noNewPrivs := 0
	if t.NoNewPrivs() {
		noNewPrivs = 1
	}
	line("NoNewPrivs", "%d", noNewPrivs)
	line("Seccomp", "%d", t.SeccompMode())
	line("Seccomp_filters", "%d", t.SeccompFilters())
	line("Speculation_Store_Bypass", "vulnerable")
	line("SpeculationIndirectBranch", "conditional enabled")
	mask, list := cpuMask(p.in.k.CPUs)
	line("Cpus_allowed", "%s", mask)
	line("Cpus_allowed_list", "%s", list)
	line("Mems_allowed", "00000000,00000001")
	line("Mems_allowed_list", "0")
	use := t.Usage()
	line("voluntary_ctxt_switches", "%d", use.VoluntarySwitches)
	line("nonvoluntary_ctxt_switches", "%d", use.InvoluntarySwitches)
	return nil
}

// escapeComm is how status shows a name: with \n and \\ spelled out.
func escapeComm(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\n", "\\n").Replace(s)
}

// cpuMask returns the set of n processors as a mask in words of 32 bits, and as a list.
func cpuMask(n int) (mask, list string) {
	words := (n + 31) / 32
	var parts []string
	for w := words - 1; w >= 0; w-- {
		bits := min(n-32*w, 32)
		v := uint64(1)<<bits - 1
		if w == words-1 {
			parts = append(parts, strconv.FormatUint(v, 16))
		} else {
			parts = append(parts, fmt.Sprintf("%08x", v))
		}
	}
	return strings.Join(parts, ","), cpuList(n)
}

// cpuList is "0-3" for four processors.
func cpuList(n int) string {
	if n == 1 {
		return "0"
	}
	return "0-" + strconv.Itoa(n-1)
}
