package proc

import (
	"slices"

	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// entries are the files of /proc/PID and /proc/PID/task/TID, in Linux's order.
var entries []entry

func init() {
	entries = []entry{
		{name: "task", perm: 0o555, processes: true, dir: func(p *task) tree.Dir { return threads{p} }},
		{name: "fd", perm: 0o500, threads: true, processes: true, dir: func(p *task) tree.Dir { return fds{p} }},
		{name: "map_files", perm: 0o500, processes: true, dir: func(p *task) tree.Dir { return mapFiles{p} }},
		{name: "fdinfo", perm: 0o555, threads: true, processes: true, dir: func(p *task) tree.Dir { return fdinfos{p} }},
		{name: "ns", perm: 0o511, threads: true, processes: true, dir: func(p *task) tree.Dir { return namespaces{p} }},
		{name: "net", perm: 0o555, threads: true, processes: true, dir: func(p *task) tree.Dir { return p.netDir() }},
		{name: "environ", perm: 0o400, threads: true, processes: true, guarded: true, text: environ},
		{name: "auxv", perm: 0o400, threads: true, processes: true, guarded: true, text: auxv},
		{name: "status", perm: 0o444, threads: true, processes: true, text: status},
		{name: "personality", perm: 0o400, threads: true, processes: true, guarded: true, text: personality},
		{name: "limits", perm: 0o444, threads: true, processes: true, text: limitsText},
		{name: "sched", perm: 0o644, threads: true, processes: true, text: sched, set: ignoreWrite},
		{name: "comm", perm: 0o644, threads: true, processes: true, text: comm, set: setComm},
		{name: "syscall", perm: 0o400, threads: true, processes: true, guarded: true, text: syscallText},
		{name: "cmdline", perm: 0o444, threads: true, processes: true, text: taskCmdline},
		{name: "stat", perm: 0o444, threads: true, processes: true, text: stat},
		{name: "statm", perm: 0o444, threads: true, processes: true, text: statm},
		{name: "maps", perm: 0o444, threads: true, processes: true, guarded: true, open: openMaps},
		{name: "numa_maps", perm: 0o444, threads: true, processes: true, guarded: true, text: numaMaps},
		{name: "mem", perm: 0o600, threads: true, processes: true, guarded: true, open: openMem},
		{name: "cwd", threads: true, processes: true, link: func(p *task) tree.Link { return place{p, false} }},
		{name: "root", threads: true, processes: true, link: func(p *task) tree.Link { return place{p, true} }},
		{name: "exe", threads: true, processes: true, link: func(p *task) tree.Link { return exe{p} }},
		{name: "mounts", perm: 0o444, threads: true, processes: true, text: mounts, open: openMounts},
		{name: "mountinfo", perm: 0o444, threads: true, processes: true, text: mountinfo, open: openMountinfo},
		{name: "mountstats", perm: 0o400, processes: true, text: mountstats},
		{name: "clear_refs", perm: 0o200, processes: true, text: nothing, set: clearRefs},
		{name: "smaps", perm: 0o444, threads: true, processes: true, guarded: true, text: smaps},
		{name: "smaps_rollup", perm: 0o444, threads: true, processes: true, guarded: true, text: smapsRollup},
		{name: "pagemap", perm: 0o400, threads: true, processes: true, guarded: true, open: openPagemap},
		{name: "attr", perm: 0o555, threads: true, processes: true, dir: func(p *task) tree.Dir { return attrs{p} }},
		{name: "wchan", perm: 0o444, threads: true, processes: true, text: wchan},
		{name: "stack", perm: 0o400, threads: true, processes: true, guarded: true, text: nothing},
		{name: "schedstat", perm: 0o444, threads: true, processes: true, text: schedstat},
		{name: "children", perm: 0o444, threads: true, text: children},
		{name: "cpuset", perm: 0o444, threads: true, processes: true, text: cpuset},
		{name: "cgroup", perm: 0o444, threads: true, processes: true, text: cgroup},
		{name: "oom_score", perm: 0o444, threads: true, processes: true, text: oomScore},
		{name: "oom_adj", perm: 0o644, threads: true, processes: true, text: oomAdj, set: setOOMAdj},
		{name: "oom_score_adj", perm: 0o644, threads: true, processes: true, text: oomScoreAdj, set: setOOMScoreAdj},
		{name: "loginuid", perm: 0o644, threads: true, processes: true, text: unsetID, set: refuseWrite},
		{name: "sessionid", perm: 0o444, threads: true, processes: true, text: unsetID},
		{name: "coredump_filter", perm: 0o644, processes: true, text: coredumpFilter, set: ignoreWrite},
		{name: "io", perm: 0o400, threads: true, processes: true, guarded: true, text: ioText},
		{name: "timens_offsets", perm: 0o644, processes: true, open: openTimeOffsets},
		{name: "uid_map", perm: 0o644, threads: true, processes: true, open: uidMap.open},
		{name: "gid_map", perm: 0o644, threads: true, processes: true, open: gidMap.open},
		{name: "projid_map", perm: 0o644, threads: true, processes: true, open: projectMap.open},
		{name: "setgroups", perm: 0o644, threads: true, processes: true, open: openSetgroups},
		{name: "timers", perm: 0o444, processes: true, text: nothing},
		{name: "timerslack_ns", perm: 0o666, processes: true, text: timerSlack, set: setTimerSlack},
	}
}

func sortByNext(d []vfs.Dirent) {
	slices.SortFunc(d, func(a, b vfs.Dirent) int { return int(a.Next - b.Next) })
}
