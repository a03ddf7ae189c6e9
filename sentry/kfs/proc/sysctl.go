package proc

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// sysctl is a value that a guest may set without effect on anything else but who reads it
// back: a knob of a machine that it does not have.
type sysctl struct {
	mu    sync.Mutex
	value string // without newline; guarded by mu
	form  form
}

// form says what a value may be.
type form struct {
	numbers  int   // how many integers it holds; 0 for any text
	min, max int64 // of integers
	rising   bool  // none is less than the one before
}

// Text implements tree.Text.
func (s *sysctl) Text(vfs.Caller) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(s.value + "\n"), nil
}

// Set implements tree.Setter.
func (s *sysctl) Set(c vfs.Caller, b []byte) error {
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	v, err := s.form.parse(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
	return nil
}

// parse returns what was written as the value is kept; EINVAL if it may not be that.
func (f *form) parse(b []byte) (string, error) {
	v := strings.TrimRight(string(b), " \t\n\x00")
	if f.numbers == 0 {
		return v, nil
	}
	fields := strings.Fields(v)
	if len(fields) != f.numbers {
		return "", errno.EINVAL
	}
	last := f.min
	for i, s := range fields {
		n, err := strconv.ParseInt(s, 0, 64)
		if err != nil || n < f.min || n > f.max || f.rising && n < last {
			return "", errno.EINVAL
		}
		last, fields[i] = n, strconv.FormatInt(n, 10)
	}
	return strings.Join(fields, "\t"), nil
}

// entryOf is a file that can be set.
func entryOf(name string, t tree.Text) tree.Entry {
	return tree.Entry{Name: name, Make: tree.TextFile{Perm: 0o644, Text: t}}
}

// knob is an integer from min to max.
func knob(name string, v, min, max int64) tree.Entry {
	return entryOf(name, &sysctl{value: strconv.FormatInt(v, 10), form: form{numbers: 1, min: min, max: max}})
}

// knobs are several integers.
func knobs(name, v string) tree.Entry {
	return entryOf(name, &sysctl{value: v, form: form{numbers: len(strings.Fields(v)), max: 1<<63 - 1}})
}

// tunable is an integer that counts from when it is set.
type tunable struct {
	v        *atomic.Int64
	min, max int64
}

// tuned is a tunable that is not below 0.
func tuned(v *atomic.Int64) tunable { return tunable{v, 0, maxInt} }

// Text implements tree.Text.
func (x tunable) Text(vfs.Caller) ([]byte, error) {
	return []byte(strconv.FormatInt(x.v.Load(), 10) + "\n"), nil
}

// Set implements tree.Setter.
func (x tunable) Set(c vfs.Caller, b []byte) error {
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	n, err := strconv.ParseInt(strings.TrimRight(string(b), " \t\n\x00"), 0, 64)
	if err != nil || n < x.min || n > x.max {
		return errno.EINVAL
	}
	x.v.Store(n)
	return nil
}

// mqLimit is a limit of message queues in the reader's namespace.
type mqLimit struct {
	in       *instance
	min, max int64
	of       func(*kernel.MqLimits) *atomic.Int64
}

func (x mqLimit) tunable(c vfs.Caller) tunable {
	ns, _ := sysvOf(x.in, c)
	return tunable{x.of(&ns.MqLimits), x.min, x.max}
}

// Text implements tree.Text.
func (x mqLimit) Text(c vfs.Caller) ([]byte, error) { return x.tunable(c).Text(c) }

// Set implements tree.Setter.
func (x mqLimit) Set(c vfs.Caller, b []byte) error { return x.tunable(c).Set(c, b) }

// word is a text that can be set.
func word(name, v string) tree.Entry {
	return entryOf(name, &sysctl{value: v})
}

// fixed can't be set.
func fixed(name, v string) tree.Entry { return constant(name, v+"\n") }

func dir(space, name string, entries ...tree.Entry) tree.Entry {
	return tree.Entry{Name: name, Make: &tree.Static{Space: space, Entries: entries}}
}

const maxInt = 1<<31 - 1

// sysctls is /proc/sys.
func (in *instance) sysctls() *tree.Static {
	pages := int64(in.k.Memory >> 12)
	minAddr := max(linux.DefaultMmapMinAddr, uint64(in.k.Platform.UserRange().Start))
	return &tree.Static{Space: "sys", Entries: []tree.Entry{
		dir("sys/abi", "abi"),
		dir("sys/debug", "debug", knob("exception-trace", 1, 0, 1)),
		dir("sys/dev", "dev", dir("sys/dev/tty", "tty", knob("ldisc_autoload", 1, 0, 1), knob("legacy_tiocsti", 0, 0, 0))),
		dir("sys/fs", "fs",
			entryOf("aio-max-nr", tuned(&in.k.AIOMax)),
			in.file("aio-nr", 0o444, aioNr),
			fixed("dentry-state", "0\t0\t45\t0\t0\t0"),
			dir("sys/fs/epoll", "epoll", knob("max_user_watches", max(pages*4096/25/160, 1), 0, 1<<62)),
			dir("sys/fs/fanotify", "fanotify", fixed("max_queued_events", strconv.Itoa(vfs.MaxFanQueue)), fixed("max_user_marks", strconv.Itoa(vfs.MaxFanMarks))),
			knob("file-max", 1<<63-1, 0, 1<<63-1),
			in.file("file-nr", 0o444, fileNr),
			fixed("inode-nr", "0\t0"),
			fixed("inode-state", "0\t0\t0\t0\t0\t0\t0"),
			dir("sys/fs/inotify", "inotify", knob("max_queued_events", 16384, 0, maxInt), knob("max_user_instances", 128, 0, maxInt), knob("max_user_watches", 65536, 0, maxInt)),
			knob("lease-break-time", 45, 0, maxInt),
			knob("leases-enable", 1, 0, 1),
			knob("mount-max", 100000, 1, maxInt),
			dir("sys/fs/mqueue", "mqueue",
				entryOf("msg_default", mqLimit{in, 1, kernel.MqHardMessages, func(l *kernel.MqLimits) *atomic.Int64 { return &l.DefaultMessages }}),
				entryOf("msg_max", mqLimit{in, 1, kernel.MqHardMessages, func(l *kernel.MqLimits) *atomic.Int64 { return &l.Messages }}),
				entryOf("msgsize_default", mqLimit{in, 128, kernel.MqHardSize, func(l *kernel.MqLimits) *atomic.Int64 { return &l.DefaultSize }}),
				entryOf("msgsize_max", mqLimit{in, 128, kernel.MqHardSize, func(l *kernel.MqLimits) *atomic.Int64 { return &l.Size }}),
				entryOf("queues_max", mqLimit{in, 0, maxInt, func(l *kernel.MqLimits) *atomic.Int64 { return &l.Queues }})),
			knob("nr_open", linux.NR_OPEN, 64, maxInt),
			knob("overflowgid", linux.OverflowGID, 0, 65535),
			knob("overflowuid", linux.OverflowUID, 0, 65535),
			knob("pipe-max-size", 1<<20, 4096, maxInt),
			knob("pipe-user-pages-hard", 0, 0, maxInt),
			knob("pipe-user-pages-soft", 16384, 0, maxInt),
			fixed("protected_fifos", "1"),
			fixed("protected_hardlinks", "1"),
			fixed("protected_regular", "2"),
			fixed("protected_symlinks", "1"),
			knob("suid_dumpable", 0, 0, 2),
		),
		dir("sys/kernel", "kernel",
			knob("auto_msgmni", 0, 0, 1),
			fixed("bootloader_type", "114"),
			fixed("cap_last_cap", "40"),
			word("core_pattern", "core"),
			knob("core_pipe_limit", 0, 0, maxInt),
			knob("core_uses_pid", 0, 0, 1),
			knob("ctrl-alt-del", 0, 0, 1),
			knob("dmesg_restrict", 1, 0, 1),
			entryOf("domainname", utsName{in, true}),
			entryOf("hostname", utsName{in, false}),
			entryOf("io_uring_disabled", tunable{v: &in.k.IOUring.Disabled, max: 2}),
			entryOf("io_uring_group", tunable{v: &in.k.IOUring.Group, min: -1, max: maxInt}),
			dir("sys/kernel/keys", "keys", fixed("gc_delay", "300"),
				entryOf("maxbytes", tuned(&in.k.Keys.Quotas.Bytes)), entryOf("maxkeys", tuned(&in.k.Keys.Quotas.Keys)),
				fixed("persistent_keyring_expiry", "259200"),
				entryOf("root_maxbytes", tuned(&in.k.Keys.Quotas.RootBytes)), entryOf("root_maxkeys", tuned(&in.k.Keys.Quotas.RootKeys))),
			knob("kptr_restrict", 1, 0, 2),
			fixed("modules_disabled", "1"),
			knob("msgmax", 8192, 0, maxInt),
			knob("msgmnb", 16384, 0, maxInt),
			knob("msgmni", 32000, 0, maxInt),
			fixed("ngroups_max", "65536"),
			fixed("osrelease", kernel.Release),
			fixed("ostype", "Linux"),
			knob("overflowgid", linux.OverflowGID, 0, 65535),
			knob("overflowuid", linux.OverflowUID, 0, 65535),
			knob("panic", 0, -maxInt, maxInt),
			knob("panic_on_oops", 0, 0, 1),
			knob("perf_event_max_sample_rate", 100000, 0, maxInt),
			fixed("perf_event_paranoid", "4"),
			knob("pid_max", kernel.PIDMax, 301, kernel.PIDMax),
			knobs("printk", "4\t4\t1\t7"),
			dir("sys/kernel/pty", "pty", knob("max", 4096, 0, maxInt), knob("reserve", 1024, 0, maxInt), fixed("nr", "0")),
			dir("sys/kernel/random", "random",
				fixed("boot_id", in.fs.bootID()),
				fixed("entropy_avail", "256"),
				fixed("poolsize", "256"),
				knob("urandom_min_reseed_secs", 60, 0, maxInt),
				in.file("uuid", 0o444, newUUID),
				knob("write_wakeup_threshold", 256, 0, maxInt),
			),
			knob("randomize_va_space", 2, 0, 2),
			knob("sched_child_runs_first", 0, 0, 1),
			knob("sched_rr_timeslice_ms", 100, 0, maxInt),
			knob("sched_rt_period_us", 1000000, 1, maxInt),
			knob("sched_rt_runtime_us", 950000, -1, maxInt),
			dir("sys/kernel/seccomp", "seccomp", fixed("actions_avail", "kill_process kill_thread trap errno user_notif trace log allow"), word("actions_logged", "kill_process kill_thread trap errno user_notif trace log")),
			knobs("sem", "32000\t1024000000\t500\t32000"),
			knob("shm_rmid_forced", 0, 0, 1),
			word("shmall", "18446744073692774399"),
			word("shmmax", "18446744073692774399"),
			knob("shmmni", 4096, 0, 32768),
			knob("sysrq", 0, 0, maxInt),
			fixed("tainted", "0"),
			knob("threads-max", int64(in.k.MaxTasks), 20, maxInt),
			fixed("unprivileged_bpf_disabled", "2"),
			knob("unprivileged_userns_clone", 0, 0, 1),
			fixed("version", kernel.Version),
		),
		dir("sys/net", "net", in.netSysctls()...),
		dir("sys/user", "user", userLimits()...),
		dir("sys/vm", "vm",
			knob("admin_reserve_kbytes", 8192, 0, 1<<62),
			knob("compaction_proactiveness", 20, 0, 100),
			knob("dirty_background_bytes", 0, 0, 1<<62),
			knob("dirty_background_ratio", 10, 0, 100),
			knob("dirty_bytes", 0, 0, 1<<62),
			knob("dirty_expire_centisecs", 3000, 0, maxInt),
			knob("dirty_ratio", 20, 0, 100),
			knob("dirty_writeback_centisecs", 500, 0, maxInt),
			knob("laptop_mode", 0, 0, maxInt),
			knob("legacy_va_layout", 0, 0, 1),
			knobs("lowmem_reserve_ratio", "256\t256\t32\t0\t0"),
			knob("max_map_count", 65530, 0, maxInt),
			fixed("memfd_noexec", "0"),
			knob("min_free_kbytes", 67584, 0, maxInt),
			fixed("mmap_min_addr", strconv.FormatUint(minAddr, 10)),
			fixed("mmap_rnd_bits", "28"),
			knob("nr_hugepages", 0, 0, 0),
			knob("nr_overcommit_hugepages", 0, 0, maxInt),
			knob("oom_dump_tasks", 1, 0, 1),
			knob("oom_kill_allocating_task", 0, 0, 1),
			knob("overcommit_kbytes", 0, 0, 1<<62),
			knob("overcommit_memory", 0, 0, 2),
			knob("overcommit_ratio", 50, 0, maxInt),
			knob("page-cluster", 3, 0, 31),
			knob("panic_on_oom", 0, 0, 2),
			knob("swappiness", 60, 0, 200),
			entryOf("unprivileged_userfaultfd", tunable{&in.k.UnprivilegedUserfault, 0, 1}),
			knob("user_reserve_kbytes", 131072, 0, 1<<62),
			knob("vfs_cache_pressure", 100, 0, maxInt),
			knob("watermark_scale_factor", 10, 1, 3000),
			knob("zone_reclaim_mode", 0, 0, 7),
		),
	}}
}

func userLimits() (out []tree.Entry) {
	for kind, name := range creds.NSKindNames {
		out = append(out, entryOf("max_"+name+"_namespaces", nsMax(kind)))
	}
	return append(out, knob("max_inotify_instances", 128, 0, maxInt), knob("max_inotify_watches", 65536, 0, maxInt))
}

// nsMax is how many namespaces of a kind each user may have in the user namespace of who looks.
type nsMax creds.NSKind

// Text implements tree.Text.
func (k nsMax) Text(c vfs.Caller) ([]byte, error) {
	return []byte(strconv.FormatInt(c.Creds().UserNS.NSMax(creds.NSKind(k)), 10) + "\n"), nil
}

// Granted implements tree.Granter.
func (nsMax) Granted(c vfs.Caller) bool {
	return c.Creds().HasIn(linux.CAP_SYS_RESOURCE, c.Creds().UserNS)
}

// Permission implements tree.Guard: root's files are for those who have the capability.
func (k nsMax) Permission(c vfs.Caller, mask uint32) error {
	if mask&vfs.MayWrite != 0 && !k.Granted(c) {
		return errno.EACCES
	}
	return nil
}

// Set implements tree.Setter.
func (k nsMax) Set(c vfs.Caller, b []byte) error {
	n, err := parseInt(b)
	if err != nil || n < 0 || n > maxInt {
		return errno.EINVAL
	}
	c.Creds().UserNS.SetNSMax(creds.NSKind(k), n)
	return nil
}

// fileNr is how many files are open: nobody counts.
func fileNr(_ *instance, _ vfs.Caller, b *bytes.Buffer) error {
	fmt.Fprintf(b, "0\t0\t%d\n", int64(1<<63-1))
	return nil
}

// aioNr is how many requests io_setup(2) has been asked for.
func aioNr(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	fmt.Fprintf(b, "%d\n", in.k.AIORequests())
	return nil
}

// utsName is hostname and domainname, of the caller's UTS namespace.
type utsName struct {
	in     *instance
	domain bool
}

func (u utsName) ns(c vfs.Caller) *kernel.UTSNamespace {
	if t := self(c); t != nil {
		return t.Namespaces().UTS
	}
	return u.in.k.UTSNS
}

// Text implements tree.Text.
func (u utsName) Text(c vfs.Caller) ([]byte, error) {
	host, domain := u.ns(c).Names()
	if u.domain {
		host = domain
	}
	return []byte(host + "\n"), nil
}

// Set implements tree.Setter.
func (u utsName) Set(c vfs.Caller, b []byte) error {
	ns := u.ns(c)
	if !c.Creds().HasIn(linux.CAP_SYS_ADMIN, ns.Owner) {
		return errno.EPERM
	}
	name := strings.TrimRight(string(b), "\n\x00")
	name = name[:min(len(name), linux.UTSLen)]
	if u.domain {
		ns.SetDomainname(name)
	} else {
		ns.SetHostname(name)
	}
	return nil
}

// uuid returns a random UUID (version 4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func newUUID(_ *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(uuid() + "\n")
	return nil
}

// bootID is the same as long as the kernel runs.
func (fs *FS) bootID() string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.boot == "" {
		fs.boot = uuid()
	}
	return fs.boot
}
