package sys

import "ringfence/sentry/kfs/tree"

func kernelDir() tree.Entry {
	const at = "sys/kernel"
	return dir(at,
		file("address_bits", "64\n"),
		dir(at+"/cgroup",
			file("delegate", "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n"),
			file("features", "nsdelegate\n")),
		file("cpu_byteorder", "little\n"),
		dir(at+"/debug"),
		file("fscaps", "1\n"),
		dir(at+"/iommu_groups"),
		dir(at+"/irq"),
		memoryDir(at+"/mm"),
		file("oops_count", "0\n"),
		file("profiling", "0\n"),
		file("rcu_expedited", "0\n"),
		file("rcu_normal", "0\n"),
		dir(at+"/security"),
		dir(at+"/slab"),
		dir(at+"/tracing"),
		file("uevent_seqnum", "0\n"),
		file("warn_count", "0\n"),
	)
}

// memoryDir is /sys/kernel/mm. Guests have no huge pages: the host may use some beneath.
func memoryDir(at string) tree.Entry {
	huge := at + "/transparent_hugepage"
	return dir(at,
		hugePages(at+"/hugepages"),
		dir(at+"/ksm", file("run", "0\n"), file("pages_shared", "0\n"), file("pages_sharing", "0\n")),
		dir(at+"/numa", file("demotion_enabled", "false\n")),
		dir(at+"/swap", file("vma_ra_enabled", "true\n")),
		dir(huge,
			file("defrag", "always defer defer+madvise [madvise] never\n"),
			file("enabled", "always madvise [never]\n"),
			file("hpage_pmd_size", "2097152\n"),
			dir(huge+"/khugepaged",
				file("alloc_sleep_millisecs", "60000\n"), file("defrag", "1\n"), file("full_scans", "0\n"),
				file("max_ptes_none", "511\n"), file("max_ptes_shared", "256\n"), file("max_ptes_swap", "64\n"),
				file("pages_collapsed", "0\n"), file("pages_to_scan", "4096\n"), file("scan_sleep_millisecs", "10000\n")),
			file("shmem_enabled", "always within_size advise [never] deny force\n"),
			file("use_zero_page", "1\n"),
		),
	)
}

// hugePages is a directory hugepages: there is one size, and there are none.
func hugePages(at string) tree.Entry {
	const size = "hugepages-2048kB"
	return dir(at, dir(at+"/"+size,
		file("free_hugepages", "0\n"), file("nr_hugepages", "0\n"), file("nr_hugepages_mempolicy", "0\n"),
		file("nr_overcommit_hugepages", "0\n"), file("resv_hugepages", "0\n"), file("surplus_hugepages", "0\n")))
}
