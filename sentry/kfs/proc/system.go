package proc

import (
	"bytes"
	"fmt"
	"time"

	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// busy returns the CPU time of everything that runs or has run in the kernel.
func busy(k *kernel.Kernel) (user, system time.Duration) {
	for _, tg := range k.ThreadGroups(k.PIDNS) {
		u, s := tg.CPUTimes()
		cu, cs := tg.ChildCPUTimes()
		user += u + cu
		system += s + cs
	}
	return user, system
}

func systemStat(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	k := in.k
	user, system := busy(k)
	cpus := int64(k.CPUs)
	idle := time.Duration(max(0, k.Uptime()*cpus-int64(user+system)))
	line := func(name string, n int64) {
		fmt.Fprintf(b, "%s %d 0 %d %d 0 0 0 0 0 0\n", name, ticks(user)/n, ticks(system)/n, ticks(idle)/n)
	}
	line("cpu ", 1)
	for i := range k.CPUs {
		line(fmt.Sprintf("cpu%d", i), cpus)
	}
	var switches int64
	for _, tg := range k.ThreadGroups(k.PIDNS) {
		u, c := tg.Usage(), tg.ChildUsage()
		switches += u.VoluntarySwitches + u.InvoluntarySwitches + c.VoluntarySwitches + c.InvoluntarySwitches
	}
	running, _ := k.TaskCount(k.PIDNS)
	fmt.Fprintf(b, "intr 0\nctxt %d\nbtime %d\nprocesses %d\nprocs_running %d\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		switches, (k.BootTime-int64(ahead(c)))/int64(time.Second), k.Forks.Load(), max(running, 1))
	return nil
}

func uptime(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	user, system := busy(in.k)
	up := time.Duration(in.k.Uptime())
	idle := max(0, up*time.Duration(in.k.CPUs)-user-system)
	up += ahead(c)
	fmt.Fprintf(b, "%.2f %.2f\n", up.Seconds(), idle.Seconds())
	return nil
}

// ahead is how far CLOCK_BOOTTIME of the reader is ahead of the kernel's.
func ahead(c vfs.Caller) time.Duration {
	if t := self(c); t != nil {
		return time.Duration(t.Ahead(linux.CLOCK_BOOTTIME))
	}
	return 0
}

func loadavg(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	running, all := in.k.TaskCount(in.ns)
	// Whoever reads this runs, but is not the load that is asked for.
	avg := in.fs.load.update(in.k.Uptime(), max(running-1, 0))
	fmt.Fprintf(b, "%.2f %.2f %.2f %d/%d %d\n", avg[0], avg[1], avg[2], max(running, 1), all, in.k.LastPID(in.ns))
	return nil
}

func version(_ *instance, _ vfs.Caller, b *bytes.Buffer) error {
	fmt.Fprintf(b, "Linux version %s (ringfence@sandbox) (gcc (Debian 14.2.0) 14.2.0, GNU ld 2.43) %s\n", kernel.Release, kernel.Version)
	return nil
}

func cmdline(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(in.fs.Cmdline + "\n")
	return nil
}

func filesystems(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(in.k.VFS.Filesystems())
	return nil
}

func locksText(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(in.k.VFS.LocksText())
	return nil
}

// memory is how the sandbox's memory is spent, in bytes.
type memory struct {
	total, free, anon, shared, files uint64
}

func memoryOf(k *kernel.Kernel) memory {
	s := k.MemFile.Stats()
	m := memory{total: k.Memory, anon: s.ByKind[memfile.Anonymous] + s.ByKind[memfile.System],
		shared: s.ByKind[memfile.Shared], files: s.ByKind[memfile.FileData]}
	m.free = m.total - min(m.total, s.InUse)
	return m
}

func meminfo(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	m := memoryOf(in.k)
	cached := m.shared + m.files
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"MemTotal", m.total}, {"MemFree", m.free}, {"MemAvailable", m.free}, {"Buffers", 0},
		{"Cached", cached}, {"SwapCached", 0}, {"Active", m.anon + cached}, {"Inactive", 0},
		{"Active(anon)", m.anon + cached}, {"Inactive(anon)", 0}, {"Active(file)", 0}, {"Inactive(file)", 0},
		{"Unevictable", 0}, {"Mlocked", 0}, {"SwapTotal", 0}, {"SwapFree", 0}, {"Zswap", 0}, {"Zswapped", 0},
		{"Dirty", 0}, {"Writeback", 0}, {"AnonPages", m.anon}, {"Mapped", m.shared}, {"Shmem", cached},
		{"KReclaimable", 0}, {"Slab", 0}, {"SReclaimable", 0}, {"SUnreclaim", 0}, {"KernelStack", 0},
		{"PageTables", 0}, {"SecPageTables", 0}, {"NFS_Unstable", 0}, {"Bounce", 0}, {"WritebackTmp", 0},
		{"CommitLimit", m.total / 2}, {"Committed_AS", m.anon + cached}, {"VmallocTotal", 34359738367 << 10},
		{"VmallocUsed", 0}, {"VmallocChunk", 0}, {"Percpu", 0}, {"AnonHugePages", 0}, {"ShmemHugePages", 0},
		{"ShmemPmdMapped", 0}, {"FileHugePages", 0}, {"FilePmdMapped", 0},
	} {
		fmt.Fprintf(b, "%-16s%8d kB\n", l.name+":", l.n>>10)
	}
	fmt.Fprintf(b, "HugePages_Total:   %5d\nHugePages_Free:    %5d\nHugePages_Rsvd:    %5d\nHugePages_Surp:    %5d\n", 0, 0, 0, 0)
	kb(b, "Hugepagesize", 2<<20)
	kb(b, "Hugetlb", 0)
	kb(b, "DirectMap4k", 0)
	kb(b, "DirectMap2M", m.total)
	kb(b, "DirectMap1G", 0)
	return nil
}

// vmstat holds the lines of /proc/vmstat that programs look at.
func vmstat(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	m := memoryOf(in.k)
	var faults, major int64
	for _, tg := range in.k.ThreadGroups(in.k.PIDNS) {
		u, c := tg.Usage(), tg.ChildUsage()
		faults += u.MinorFaults + u.MajorFaults + c.MinorFaults + c.MajorFaults
		major += u.MajorFaults + c.MajorFaults
	}
	cached := m.shared + m.files
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"nr_free_pages", m.free >> 12}, {"nr_inactive_anon", 0}, {"nr_active_anon", (m.anon + cached) >> 12},
		{"nr_inactive_file", 0}, {"nr_active_file", 0}, {"nr_unevictable", 0}, {"nr_mlock", 0},
		{"nr_anon_pages", m.anon >> 12}, {"nr_mapped", m.shared >> 12}, {"nr_file_pages", cached >> 12},
		{"nr_dirty", 0}, {"nr_writeback", 0}, {"nr_slab_reclaimable", 0}, {"nr_slab_unreclaimable", 0},
		{"nr_page_table_pages", 0}, {"nr_kernel_stack", 0}, {"nr_shmem", cached >> 12},
		{"pgpgin", 0}, {"pgpgout", 0}, {"pswpin", 0}, {"pswpout", 0},
		{"pgalloc_normal", 0}, {"pgfree", 0}, {"pgactivate", 0}, {"pgdeactivate", 0},
		{"pgfault", uint64(faults)}, {"pgmajfault", uint64(major)}, {"oom_kill", 0},
	} {
		fmt.Fprintf(b, "%s %d\n", l.name, l.n)
	}
	return nil
}

func interrupts(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("    ")
	for i := range in.k.CPUs {
		fmt.Fprintf(b, "       %-4s", fmt.Sprintf("CPU%d", i))
	}
	b.WriteString("\n")
	for _, l := range [][2]string{{"NMI", "Non-maskable interrupts"}, {"LOC", "Local timer interrupts"}, {"RES", "Rescheduling interrupts"}} {
		fmt.Fprintf(b, "%s:", l[0])
		for range in.k.CPUs {
			fmt.Fprintf(b, " %10d", 0)
		}
		fmt.Fprintf(b, "   %s\n", l[1])
	}
	return nil
}

func softirqs(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("                    ")
	for i := range in.k.CPUs {
		fmt.Fprintf(b, "%-8s   ", fmt.Sprintf("CPU%d", i))
	}
	b.WriteString("\n")
	for _, name := range []string{"HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"} {
		fmt.Fprintf(b, "%12s:", name)
		for range in.k.CPUs {
			fmt.Fprintf(b, " %10d", 0)
		}
		b.WriteString("\n")
	}
	return nil
}

func cgroups(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
	below, _ := in.k.RootCgroup().Descendants()
	fmt.Fprintf(b, "pids\t0\t%d\t1\n", below+1)
	return nil
}

func keyUsers(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(in.k.Keys.UsersText(c.Creds().UserNS))
	return nil
}

// keysText lists the keys that the reader may view.
func keysText(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	if t := self(c); t != nil {
		b.WriteString(in.k.Keys.Text(t.KeyCaller()))
	}
	return nil
}

// devicesText is /proc/devices: the drivers that there are.
const devicesText = "Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n128 ptm\n136 pts\n\nBlock devices:\n"

// ttyDrivers is /proc/tty/drivers.
const ttyDrivers = "/dev/tty             /dev/tty        5       0 system:/dev/tty\n" +
	"/dev/console         /dev/console    5       1 system:console\n" +
	"/dev/ptmx            /dev/ptmx       5       2 system\n" +
	"pty_slave            /dev/pts      136 0-1048575 pty:slave\n" +
	"pty_master           /dev/ptm      128 0-1048575 pty:master\n"

// sysvOf returns what the reader sees of System V IPC: its namespace, and that of its process numbers.
func sysvOf(in *instance, c vfs.Caller) (*kernel.IPCNamespace, *kernel.PIDNamespace) {
	if t, ok := c.(*kernel.Task); ok {
		return t.Namespaces().IPC, t.PIDNamespace()
	}
	return in.k.IPCNS, in.k.PIDNS
}

func sysvMsg(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n")
	ns, pids := sysvOf(in, c)
	for _, o := range ns.SysVMsg(c.Creds().UserNS, pids) {
		d := o.Msg
		fmt.Fprintf(b, "%10d %10d  %4o  %10d %10d %5d %5d %5d %5d %5d %5d %10d %10d %10d\n", d.Perm.Key, o.ID, d.Perm.Mode, d.Cbytes, d.Qnum,
			d.Lspid, d.Lrpid, d.Perm.UID, d.Perm.GID, d.Perm.CUID, d.Perm.CGID, d.Stime, d.Rtime, d.Ctime)
	}
	return nil
}

func sysvSem(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n")
	ns, _ := sysvOf(in, c)
	for _, o := range ns.SysVSem(c.Creds().UserNS) {
		d := o.Sem
		fmt.Fprintf(b, "%10d %10d  %4o %10d %5d %5d %5d %5d %10d %10d\n", d.Perm.Key, o.ID, d.Perm.Mode, d.Nsems,
			d.Perm.UID, d.Perm.GID, d.Perm.CUID, d.Perm.CGID, d.Otime, d.Ctime)
	}
	return nil
}

func sysvShm(in *instance, c vfs.Caller, b *bytes.Buffer) error {
	b.WriteString("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n")
	ns, pids := sysvOf(in, c)
	for _, o := range ns.SysVShm(c.Creds().UserNS, pids) {
		d := o.Shm
		fmt.Fprintf(b, "%10d %10d  %4o %21d %5d %5d  %5d %5d %5d %5d %5d %10d %10d %10d %21d %21d\n", d.Perm.Key, o.ID, d.Perm.Mode, d.Segsz,
			d.Cpid, d.Lpid, d.Nattch, d.Perm.UID, d.Perm.GID, d.Perm.CUID, d.Perm.CGID, d.Atime, d.Dtime, d.Ctime, o.Rss, 0)
	}
	return nil
}
