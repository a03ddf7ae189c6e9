// Package sys is sysfs: the machine as a tree of files (sysfs(5)). It describes what
// programs ask for: processors, their caches, memory, the loopback interface; there are no
// devices beyond that.
//
// Everything is fixed when it is mounted.
package sys

import (
	"fmt"
	"strings"

	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// FS is the file system type.
type FS struct {
	Kernel *kernel.Kernel
}

// Mount implements vfs.FSType.
func (fs *FS) Mount(c vfs.Caller, _ string, _ uint64, data string) (*vfs.Superblock, *vfs.Inode, error) {
	sb := vfs.NewSuperblock("sysfs", linux.SYSFS_MAGIC, tree.Flags, &tree.Super{})
	return sb, tree.NewDir(c, sb, 1, 0o555, fs.root(), nil), nil
}

// file is a file with a fixed text, to which a newline is added.
func file(name, text string) tree.Entry {
	return tree.Entry{Name: name, Make: tree.TextFile{Perm: 0o444, Text: tree.Const(text + "\n")}}
}

// dir is a directory; path is its place below /sys.
func dir(path string, entries ...tree.Entry) tree.Entry {
	return tree.Entry{Name: path[strings.LastIndexByte(path, '/')+1:], Make: &tree.Static{Space: "sys/" + path, Perm: 0o755, Entries: entries}}
}

func link(name, target string) tree.Entry {
	return tree.Entry{Name: name, Make: tree.LinkFile{Link: tree.StaticLink(target)}}
}

func (fs *FS) root() *tree.Static {
	return &tree.Static{Space: "sys", Entries: []tree.Entry{
		dir("block"),
		dir("bus", dir("bus/cpu", dir("bus/cpu/devices"), dir("bus/cpu/drivers"))),
		dir("class",
			dir("class/block"), dir("class/mem"), dir("class/misc"),
			dir("class/net", link("lo", "../../devices/virtual/net/lo")),
			dir("class/power_supply"), dir("class/thermal"), dir("class/tty"),
		),
		dir("dev", dir("dev/block"), dir("dev/char")),
		dir("devices",
			dir("devices/system", fs.cpus(), fs.nodes(), dir("devices/system/clocksource", dir("devices/system/clocksource/clocksource0",
				file("available_clocksource", "tsc "), file("current_clocksource", "tsc")))),
			dir("devices/virtual", dir("devices/virtual/mem"), dir("devices/virtual/misc"), dir("devices/virtual/net", loopback()), dir("devices/virtual/tty")),
		),
		dir("firmware"),
		dir("fs", dir("fs/bpf"), dir("fs/cgroup")),
		dir("hypervisor"),
		dir("kernel",
			file("address_bits", "64"),
			file("cpu_byteorder", "little"),
			dir("kernel/debug"),
			dir("kernel/mm", hugepages(), transparentHugepage(), dir("kernel/mm/ksm", file("run", "0"), file("pages_shared", "0"), file("pages_sharing", "0"))),
			file("profiling", "0"),
			dir("kernel/security"),
			file("uevent_helper", ""),
			file("uevent_seqnum", "0"),
		),
		dir("module"),
		dir("power", file("state", "")),
	}}
}

func hugepages() tree.Entry {
	return dir("kernel/mm/hugepages", dir("kernel/mm/hugepages/hugepages-2048kB",
		file("free_hugepages", "0"), file("nr_hugepages", "0"), file("nr_overcommit_hugepages", "0"),
		file("resv_hugepages", "0"), file("surplus_hugepages", "0")))
}

func transparentHugepage() tree.Entry {
	return dir("kernel/mm/transparent_hugepage",
		file("defrag", "always defer defer+madvise [madvise] never"),
		file("enabled", "always [madvise] never"),
		file("hpage_pmd_size", "2097152"),
		file("shmem_enabled", "always within_size advise [never] deny force"),
		file("use_zero_page", "1"))
}

// loopback is the interface lo.
func loopback() tree.Entry {
	const at = "devices/virtual/net/lo"
	var counters []tree.Entry
	for _, d := range []string{"rx", "tx"} {
		for _, what := range []string{"bytes", "packets", "errors", "dropped"} {
			counters = append(counters, file(d+"_"+what, "0"))
		}
	}
	return dir(at,
		file("addr_assign_type", "0"), file("addr_len", "6"), file("address", "00:00:00:00:00:00"), file("broadcast", "00:00:00:00:00:00"),
		file("carrier", "1"), file("dev_id", "0x0"), file("dormant", "0"), file("flags", "0x9"), file("ifalias", ""),
		file("ifindex", "1"), file("iflink", "1"), file("link_mode", "0"), file("mtu", "65536"), file("netdev_group", "0"),
		file("operstate", "unknown"), dir(at+"/statistics", counters...), link("subsystem", "../../../../class/net"),
		file("tx_queue_len", "1000"), file("type", "772"), file("uevent", "INTERFACE=lo\nIFINDEX=1"))
}

// cpus is devices/system/cpu.
func (fs *FS) cpus() tree.Entry {
	const at = "devices/system/cpu"
	n := fs.Kernel.CPUs
	all := list(0, n-1)
	caches := hostCaches()
	var entries []tree.Entry
	for i := range n {
		entries = append(entries, fs.cpu(fmt.Sprintf("%s/cpu%d", at, i), i, caches))
	}
	entries = append(entries,
		file("isolated", ""), file("kernel_max", "8191"), file("offline", ""), file("online", all),
		file("possible", all), file("present", all),
		dir(at+"/smt", file("active", "0"), file("control", "notsupported")))
	return dir(at, entries...)
}

func (fs *FS) cpu(at string, i int, caches []cache) tree.Entry {
	n := fs.Kernel.CPUs
	own, all := mask(i, i), mask(0, n-1)
	ownList, allList := list(i, i), list(0, n-1)
	topology := dir(at+"/topology",
		file("cluster_cpus", own), file("cluster_cpus_list", ownList), file("cluster_id", "65535"),
		file("core_cpus", own), file("core_cpus_list", ownList), file("core_id", fmt.Sprint(i)),
		file("core_siblings", all), file("core_siblings_list", allList),
		file("die_cpus", all), file("die_cpus_list", allList), file("die_id", "0"),
		file("package_cpus", all), file("package_cpus_list", allList), file("physical_package_id", "0"),
		file("thread_siblings", own), file("thread_siblings_list", ownList))
	var indices []tree.Entry
	for j, c := range caches {
		shared, sharedList := own, ownList
		if c.level >= 3 {
			shared, sharedList = all, allList
		}
		id := i
		if c.level >= 3 {
			id = 0
		}
		indices = append(indices, dir(fmt.Sprintf("%s/cache/index%d", at, j),
			file("coherency_line_size", fmt.Sprint(c.line)), file("id", fmt.Sprint(id)), file("level", fmt.Sprint(c.level)),
			file("number_of_sets", fmt.Sprint(c.sets)), file("physical_line_partition", fmt.Sprint(c.partitions)),
			file("shared_cpu_list", sharedList), file("shared_cpu_map", shared),
			file("size", fmt.Sprintf("%dK", c.size()>>10)), file("type", c.kind), file("ways_of_associativity", fmt.Sprint(c.ways))))
	}
	entries := []tree.Entry{dir(at+"/cache", indices...), topology, link("node0", "../../node/node0")}
	if i > 0 {
		entries = append(entries, file("online", "1"))
	}
	return dir(at, entries...)
}

// nodes is devices/system/node: all memory is alike.
func (fs *FS) nodes() tree.Entry {
	const at = "devices/system/node"
	n := fs.Kernel.CPUs
	kb := fs.Kernel.Memory >> 10
	node := []tree.Entry{
		file("cpulist", list(0, n-1)), file("cpumap", mask(0, n-1)), file("distance", "10"),
		file("meminfo", fmt.Sprintf("Node 0 MemTotal:       %8d kB\nNode 0 MemFree:        %8d kB\nNode 0 MemUsed:        %8d kB", kb, kb, 0)),
		file("numastat", "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0"),
		file("vmstat", "nr_free_pages 0"),
	}
	for i := range n {
		node = append(node, link(fmt.Sprintf("cpu%d", i), fmt.Sprintf("../../cpu/cpu%d", i)))
	}
	return dir(at, file("has_cpu", "0"), file("has_memory", "0"), file("has_normal_memory", "0"),
		dir(at+"/node0", node...), file("online", "0"), file("possible", "0"))
}

// list is "first-last", as the kernel writes sets of processors.
func list(first, last int) string {
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// mask is the same set as words of 32 bits.
func mask(first, last int) string {
	words := make([]string, last/32+1)
	for w := range words {
		var v uint32
		for b := range 32 {
			if c := 32*w + b; c >= first && c <= last {
				v |= 1 << b
			}
		}
		words[len(words)-1-w] = fmt.Sprintf("%08x", v)
	}
	words[0] = strings.TrimLeft(words[0], "0")
	return strings.Join(words, ",")
}
