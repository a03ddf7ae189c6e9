package syscalls

import (
	"crypto/rand"
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/platform/cpu"
	"ringfence/platform/hostcall"
	"ringfence/sentry/kernel"
)

var miscCalls = []line{
	{linux.SYS_ARCH_PRCTL, "arch_prctl", sysArchPrctl, kernel.Partial, "SET_FS GET_FS SET_GS GET_GS GET_CPUID SET_CPUID GET_XCOMP_SUPP GET_XCOMP_PERM", "CPUID faulting is not offered"},
	{linux.SYS_GETRANDOM, "getrandom", sysGetrandom, kernel.Full, "GRND_NONBLOCK GRND_RANDOM GRND_INSECURE", ""},
	{linux.SYS_SYSINFO, "sysinfo", sysSysinfo, kernel.Full, "", ""},
	{linux.SYS_GETRUSAGE, "getrusage", sysGetrusage, kernel.Full, "", ""},
	{linux.SYS_GETCPU, "getcpu", sysGetcpu, kernel.Full, "", "near where the task ran"},
	{linux.SYS_MEMBARRIER, "membarrier", sysMembarrier, kernel.Full, "", "every entry to the kernel is a barrier"},
	{linux.SYS_PERSONALITY, "personality", sysPersonality, kernel.Partial, "ADDR_NO_RANDOMIZE UNAME26", "other flags are only remembered"},
	{linux.SYS_SYSLOG, "syslog", sysSyslog, kernel.Full, "", "the log is empty"},
	{linux.SYS_KCMP, "kcmp", sysKcmp, kernel.Full, "KCMP_*", ""},
	{linux.SYS_VHANGUP, "vhangup", sysVhangup, kernel.Full, "", ""},
	{linux.SYS_REBOOT, "reboot", sysReboot, kernel.Partial, "", "EPERM in the first PID namespace: the machine is not the guest's"},
	{linux.SYS_SYSFS, "sysfs", sysSysfs, kernel.Full, "1 2 3", ""},
}

func sysArchPrctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	regs, v := t.Regs(), a[1].Uint64()
	switch a[0].Int() {
	case linux.ARCH_SET_FS:
		if v >= uint64(taskSize) {
			return 0, errno.EPERM
		}
		regs.FsBase = v
		return 0, nil
	case linux.ARCH_SET_GS:
		if v >= uint64(taskSize) {
			return 0, errno.EPERM
		}
		regs.GsBase = v
		return 0, nil
	case linux.ARCH_GET_FS:
		return 0, t.CopyOutUint64(addr.Addr(v), regs.FsBase)
	case linux.ARCH_GET_GS:
		return 0, t.CopyOutUint64(addr.Addr(v), regs.GsBase)
	case linux.ARCH_GET_CPUID:
		return 1, nil
	case linux.ARCH_SET_CPUID:
		return 0, errno.ENODEV
	case linux.ARCH_GET_XCOMP_SUPP, linux.ARCH_GET_XCOMP_PERM:
		return 0, t.CopyOutUint64(addr.Addr(v), cpu.Host().Features)
	}
	return 0, errno.EINVAL
}

// taskSize is Linux's TASK_SIZE_MAX.
const taskSize addr.Addr = 1<<47 - addr.PageSize

// Flags of getrandom(2).
const (
	grndNonblock = 1
	grndRandom   = 2
	grndInsecure = 4
)

func sysGetrandom(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, n, flags := a[0].Addr(), a[1].Size(), a[2].Uint()
	if flags&^(grndNonblock|grndRandom|grndInsecure) != 0 || flags&(grndRandom|grndInsecure) == grndRandom|grndInsecure {
		return 0, errno.EINVAL
	}
	n = min(n, maxRandom)
	var b [1024]byte
	for done := uint64(0); done < n; {
		c := b[:min(n-done, uint64(len(b)))]
		rand.Read(c)
		if err := t.CopyOut(p+addr.Addr(done), c); err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		done += uint64(len(c))
		if t.Interrupted() && done < n {
			return done, nil
		}
	}
	return n, nil
}

// maxRandom bounds one getrandom(2): INT_MAX rounded as Linux rounds it.
const maxRandom = 0x7ffff000

func sysSysinfo(t *kernel.Task, a *arch.Args) (uint64, error) {
	k := t.Kernel()
	used := k.MemFile.Stats().InUse
	s := linux.Sysinfo{
		Uptime:   (k.Uptime() + t.Ahead(linux.CLOCK_BOOTTIME) + 999999999) / 1e9,
		Totalram: k.Memory,
		Freeram:  k.Memory - min(used, k.Memory),
		Procs:    uint16(min(k.LiveTasks(), 1<<16-1)),
		Unit:     1,
	}
	return 0, t.CopyOutStruct(a[0].Addr(), &s)
}

func sysGetrusage(t *kernel.Task, a *arch.Args) (uint64, error) {
	var ru linux.Rusage
	switch a[0].Int() {
	case linux.RUSAGE_SELF:
		ru = t.ThreadGroup().Rusage()
	case linux.RUSAGE_CHILDREN:
		ru = t.ThreadGroup().ChildRusage()
	case linux.RUSAGE_THREAD:
		ru = t.Rusage()
	default:
		return 0, errno.EINVAL
	}
	return 0, t.CopyOutStruct(a[1].Addr(), &ru)
}

// getcpu tells where the sentry's thread for the task runs: near where the task did. There is one node.
func sysGetcpu(t *kernel.Task, a *arch.Args) (uint64, error) {
	if p := a[0].Addr(); p != 0 {
		if err := t.CopyOutUint32(p, uint32(hostcall.CurrentCPU()%t.Kernel().CPUs)); err != nil {
			return 0, err
		}
	}
	if p := a[1].Addr(); p != 0 {
		return 0, t.CopyOutUint32(p, 0)
	}
	return 0, nil
}

// Commands of membarrier(2).
const (
	membarrierQuery                          = 0
	membarrierGlobal                         = 1
	membarrierGlobalExpedited                = 2
	membarrierRegisterGlobalExpedited        = 4
	membarrierPrivateExpedited               = 8
	membarrierRegisterPrivate                = 16
	membarrierPrivateSyncCore                = 32
	membarrierRegisterPrivateSyncCore        = 64
	membarrierPrivateRseq                    = 128
	membarrierRegisterPrivateRseq            = 256
	membarrierGetRegistrations               = 512
	membarrierFlagCPU                 uint32 = 1
)

func sysMembarrier(t *kernel.Task, a *arch.Args) (uint64, error) {
	cmd, flags := a[0].Int(), a[1].Uint()
	if flags != 0 && (cmd != membarrierPrivateRseq || flags != membarrierFlagCPU) {
		return 0, errno.EINVAL
	}
	needs := func(registration uint32) (uint64, error) {
		if t.MM().Meta().Membarrier&registration == 0 {
			return 0, errno.EPERM
		}
		t.KickGroup()
		return 0, nil
	}
	switch cmd {
	case membarrierQuery:
		return membarrierGetRegistrations<<1 - 1, nil
	case membarrierGlobal, membarrierGlobalExpedited:
		t.KickAll()
		return 0, nil
	case membarrierRegisterGlobalExpedited, membarrierRegisterPrivate, membarrierRegisterPrivateSyncCore, membarrierRegisterPrivateRseq:
		t.RegisterMembarrier(uint32(cmd))
		return 0, nil
	case membarrierPrivateExpedited:
		return needs(membarrierRegisterPrivate)
	case membarrierPrivateSyncCore:
		return needs(membarrierRegisterPrivateSyncCore)
	case membarrierPrivateRseq:
		return needs(membarrierRegisterPrivateRseq)
	case membarrierGetRegistrations:
		return uint64(t.MM().Meta().Membarrier), nil
	}
	return 0, errno.EINVAL
}

func sysPersonality(t *kernel.Task, a *arch.Args) (uint64, error) {
	old := t.Personality()
	if p := a[0].Uint(); p != 1<<32-1 {
		t.SetPersonality(p)
	}
	return uint64(old), nil
}

func sysSyslog(t *kernel.Task, a *arch.Args) (uint64, error) {
	action, n := a[0].Int(), a[2].Int()
	if action != linux.SYSLOG_ACTION_READ_ALL && action != linux.SYSLOG_ACTION_SIZE_BUFFER &&
		!t.Creds().Has(linux.CAP_SYSLOG) {
		return 0, errno.EPERM
	}
	switch action {
	case linux.SYSLOG_ACTION_READ:
		if a[1].Addr() == 0 || n < 0 {
			return 0, errno.EINVAL
		}
		for t.Block() == nil {
		}
		return 0, kernel.ErrInterrupted
	case linux.SYSLOG_ACTION_READ_ALL, linux.SYSLOG_ACTION_READ_CLEAR:
		if a[1].Addr() == 0 || n < 0 {
			return 0, errno.EINVAL
		}
		return 0, nil
	case linux.SYSLOG_ACTION_CONSOLE_LEVEL:
		if n < 1 || n > 8 {
			return 0, errno.EINVAL
		}
		return 0, nil
	case linux.SYSLOG_ACTION_SIZE_BUFFER:
		return 1 << 17, nil
	case linux.SYSLOG_ACTION_CLOSE, linux.SYSLOG_ACTION_OPEN, linux.SYSLOG_ACTION_CLEAR,
		linux.SYSLOG_ACTION_CONSOLE_OFF, linux.SYSLOG_ACTION_CONSOLE_ON, linux.SYSLOG_ACTION_SIZE_UNREAD:
		return 0, nil
	}
	return 0, errno.EINVAL
}

func sysKcmp(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := findTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	y, err := findTask(t, a[1].Int())
	if err != nil {
		return 0, err
	}
	if !t.MayTrace(x, false) || !t.MayTrace(y, false) {
		return 0, errno.EPERM
	}
	var slot linux.KcmpEpollSlot
	if a[2].Int() == linux.KCMP_EPOLL_TFD {
		if err := t.CopyInStruct(a[4].Addr(), &slot); err != nil {
			return 0, err
		}
	}
	r, err := kernel.Compare(x, y, a[2].Int(), a[3].Uint64(), a[4].Uint64(), slot)
	return uint64(r), err
}

func sysVhangup(t *kernel.Task, _ *arch.Args) (uint64, error) {
	if !t.Creds().Has(linux.CAP_SYS_TTY_CONFIG) {
		return 0, errno.EPERM
	}
	if s := t.ThreadGroup().Session(); s != nil {
		if p := s.Terminal(); p != nil {
			p.Hangup()
		}
	}
	return 0, nil
}

// sysReboot ends the caller's PID namespace, unless it is the first: the machine is not the guest's.
func sysReboot(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.Creds().HasIn(linux.CAP_SYS_BOOT, t.PIDNamespace().Owner) {
		return 0, errno.EPERM
	}
	if a[0].Uint() != linux.LINUX_REBOOT_MAGIC1 {
		return 0, errno.EINVAL
	}
	switch a[1].Uint() {
	case linux.LINUX_REBOOT_MAGIC2, linux.LINUX_REBOOT_MAGIC2A, linux.LINUX_REBOOT_MAGIC2B, linux.LINUX_REBOOT_MAGIC2C:
	default:
		return 0, errno.EINVAL
	}
	switch ns := t.PIDNamespace(); {
	case ns == t.Kernel().PIDNS:
		return 0, errno.EPERM
	case a[2].Uint() == linux.LINUX_REBOOT_CMD_RESTART, a[2].Uint() == linux.LINUX_REBOOT_CMD_RESTART2:
		t.EndNamespace(linux.SIGHUP)
	case a[2].Uint() == linux.LINUX_REBOOT_CMD_HALT, a[2].Uint() == linux.LINUX_REBOOT_CMD_POWER_OFF:
		t.EndNamespace(linux.SIGINT)
	default:
		return 0, errno.EINVAL
	}
	return 0, nil
}

// sysSysfs numbers the types of file systems as /proc/filesystems lists them.
func sysSysfs(t *kernel.Task, a *arch.Args) (uint64, error) {
	lines := strings.Split(strings.TrimSuffix(t.Kernel().VFS.Filesystems(), "\n"), "\n")
	name := func(l string) string { return l[strings.IndexByte(l, '\t')+1:] }
	switch a[0].Int() {
	case 1:
		want, err := t.CopyInPath(a[1].Addr())
		if err != nil {
			return 0, err
		}
		if want == "" {
			return 0, errno.ENOENT
		}
		for i, l := range lines {
			if name(l) == want {
				return uint64(i), nil
			}
		}
		return 0, errno.EINVAL
	case 2:
		i := a[1].Uint()
		if uint64(i) >= uint64(len(lines)) {
			return 0, errno.EINVAL
		}
		return 0, t.CopyOut(a[2].Addr(), append([]byte(name(lines[i])), 0))
	case 3:
		return uint64(len(lines)), nil
	}
	return 0, errno.EINVAL
}
