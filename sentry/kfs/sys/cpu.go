package sys

import (
	"fmt"
	"strconv"

	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// maxCPUs is how many processors a kernel could have (CONFIG_NR_CPUS).
const maxCPUs = 8192

// cpus is /sys/devices/system/cpu: all processors are cores of one package, each
// with one thread, as /proc/cpuinfo says.
func (in *instance) cpus() tree.Entry {
	const at = "sys/devices/system/cpu"
	n := in.k.CPUs
	all := list(0, n-1)
	entries := []tree.Entry{
		file("enabled", all),
		file("isolated", "\n"),
		file("kernel_max", strconv.Itoa(maxCPUs-1)+"\n"),
		file("nohz_full", "(null)\n"),
		file("offline", "\n"),
		file("online", all),
		file("possible", all),
		power(at),
		file("present", all),
		dir(at+"/smt", file("active", "0\n"), file("control", "notsupported\n")),
		file("uevent", ""),
		dir(at+"/vulnerabilities", vulnerabilities()...),
	}
	for i := range n {
		entries = append(entries, tree.Entry{Name: cpuName(i), Make: oneCPU{in, i}})
	}
	return dir(at, entries...)
}

func cpuName(i int) string { return "cpu" + strconv.Itoa(i) }

// oneCPU is the Maker of /sys/devices/system/cpu/cpuN: there can be many.
type oneCPU struct {
	in *instance
	i  int
}

// Make implements tree.Maker.
func (o oneCPU) Make(c vfs.Caller, sb *vfs.Superblock, ino uint64) *vfs.Inode {
	return o.entries().Make(c, sb, ino)
}

// Type implements tree.Maker.
func (o oneCPU) Type() uint8 { return (*tree.Static)(nil).Type() }

func (o oneCPU) entries() *tree.Static {
	at := "sys/devices/system/cpu/" + cpuName(o.i)
	entries := []tree.Entry{
		dir(at+"/cache", o.caches(at+"/cache")...),
		file("crash_notes", "0\n"),
		link("node0", "../../node/node0"),
		power(at),
		link("subsystem", "../../../../bus/cpu"),
		dir(at+"/topology", o.topology()...),
		file("uevent", "DRIVER=processor\n"),
	}
	if o.i > 0 {
		// The first processor can't be taken offline, and has no such file.
		entries = append(entries, file("online", "1\n"))
	}
	return &tree.Static{Space: at, Perm: 0o755, Entries: entries}
}

func (o oneCPU) topology() []tree.Entry {
	n := o.in.k.CPUs
	own, ownMap := list(o.i, o.i), mask(o.i, o.i, n)
	all, allMap := list(0, n-1), mask(0, n-1, n)
	return []tree.Entry{
		file("cluster_cpus", ownMap), file("cluster_cpus_list", own), file("cluster_id", "65535\n"),
		file("core_cpus", ownMap), file("core_cpus_list", own), file("core_id", own),
		file("core_siblings", allMap), file("core_siblings_list", all),
		file("die_cpus", allMap), file("die_cpus_list", all), file("die_id", "0\n"),
		file("package_cpus", allMap), file("package_cpus_list", all), file("physical_package_id", "0\n"),
		file("thread_siblings", ownMap), file("thread_siblings_list", own),
	}
}

func (o oneCPU) caches(at string) []tree.Entry {
	n := o.in.k.CPUs
	var entries []tree.Entry
	for i := range o.in.caches {
		c := &o.in.caches[i]
		id := o.i >> c.shift
		first := id << c.shift
		last := min(first+1<<c.shift, n) - 1
		name := fmt.Sprintf("index%d", i)
		entries = append(entries, dir(at+"/"+name,
			file("coherency_line_size", number(c.line)),
			file("id", number(id)),
			file("level", number(c.level)),
			file("number_of_sets", number(c.sets)),
			file("physical_line_partition", number(c.partitions)),
			file("shared_cpu_list", list(first, last)),
			file("shared_cpu_map", mask(first, last, n)),
			file("size", fmt.Sprintf("%dK\n", c.size()>>10)),
			file("type", c.kind+"\n"),
			file("uevent", ""),
			file("ways_of_associativity", number(c.ways)),
		))
	}
	return append(entries, file("uevent", ""))
}

func number(n int) string { return strconv.Itoa(n) + "\n" }

// vulnerabilities says what a guest can know of what the host mitigates.
func vulnerabilities() []tree.Entry {
	var entries []tree.Entry
	for _, name := range []string{
		"gather_data_sampling", "indirect_target_selection", "itlb_multihit", "l1tf", "mds", "meltdown",
		"mmio_stale_data", "reg_file_data_sampling", "retbleed", "spec_rstack_overflow", "spec_store_bypass",
		"spectre_v1", "spectre_v2", "srbds", "tsa", "tsx_async_abort",
	} {
		entries = append(entries, file(name, "Unknown: Dependent on hypervisor status\n"))
	}
	return entries
}

// power is the directory of power management that devices have.
func power(at string) tree.Entry {
	return dir(at+"/power",
		file("control", "auto\n"), file("runtime_active_time", "0\n"),
		file("runtime_status", "unsupported\n"), file("runtime_suspended_time", "0\n"))
}
