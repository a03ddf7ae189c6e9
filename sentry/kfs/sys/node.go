package sys

import (
	"bytes"
	"fmt"

	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/memfile"
	"ringfence/sentry/vfs"
)

// nodes is /sys/devices/system/node.
func (in *instance) nodes() tree.Entry {
	const at = "sys/devices/system/node"
	n := in.k.CPUs
	node := []tree.Entry{
		file("cpulist", list(0, n-1)),
		file("cpumap", mask(0, n-1, n)),
		file("distance", "10\n"),
		hugePages(at + "/node0/hugepages"),
		{Name: "meminfo", Make: attribute{nodeMemory{in.k}}},
		file("numastat", "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0\n"),
		power(at + "/node0"),
		link("subsystem", "../../../../bus/node"),
		file("uevent", ""),
	}
	for i := range n {
		node = append(node, link(cpuName(i), "../../cpu/"+cpuName(i)))
	}
	return dir(at,
		file("has_cpu", "0\n"), file("has_memory", "0\n"), file("has_normal_memory", "0\n"),
		dir(at+"/node0", node...),
		file("online", "0\n"), file("possible", "0\n"),
		power(at), file("uevent", ""),
	)
}

// nodeMemory is node0/meminfo: as /proc/meminfo, as there is no other node.
type nodeMemory struct{ k *kernel.Kernel }

// Text implements tree.Text.
func (m nodeMemory) Text(vfs.Caller) ([]byte, error) {
	s := m.k.MemFile.Stats()
	anon := s.ByKind[memfile.Anonymous] + s.ByKind[memfile.System]
	files := s.ByKind[memfile.Shared] + s.ByKind[memfile.FileData]
	used := min(anon+files, m.k.Memory)
	var b bytes.Buffer
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"MemTotal", m.k.Memory}, {"MemFree", m.k.Memory - used}, {"MemUsed", used}, {"SwapCached", 0},
		{"Active", used}, {"Inactive", 0}, {"Active(anon)", used}, {"Inactive(anon)", 0},
		{"Active(file)", 0}, {"Inactive(file)", 0}, {"Unevictable", 0}, {"Mlocked", 0},
		{"Dirty", 0}, {"Writeback", 0}, {"FilePages", files}, {"Mapped", s.ByKind[memfile.Shared]},
		{"AnonPages", anon}, {"Shmem", files}, {"KernelStack", 0}, {"PageTables", 0}, {"SecPageTables", 0},
		{"NFS_Unstable", 0}, {"Bounce", 0}, {"WritebackTmp", 0}, {"KReclaimable", 0}, {"Slab", 0},
		{"SReclaimable", 0}, {"SUnreclaim", 0}, {"AnonHugePages", 0}, {"ShmemHugePages", 0},
		{"ShmemPmdMapped", 0}, {"FileHugePages", 0}, {"FilePmdMapped", 0},
	} {
		fmt.Fprintf(&b, "Node 0 %-16s%8d kB\n", l.name+":", l.n>>10)
	}
	for _, name := range []string{"Total", "Free", "Surp"} {
		fmt.Fprintf(&b, "Node 0 HugePages_%-7s%5d\n", name+":", 0)
	}
	return b.Bytes(), nil
}

// Open implements tree.Opener.
func (nodeMemory) Open(_ vfs.Caller, flags uint32) (vfs.FileOps, error) { return readOnly(flags) }
