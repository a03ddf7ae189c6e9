package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a host process as /proc shows it.
type process struct {
	pid, ppid int
	start     string // start time, so that a recycled pid is not mistaken
	cmdline   string
}

// processes returns all host processes by pid.
func processes() map[int]process {
	out := map[int]process{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		stat, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(d))
		// The name in parentheses may hold anything; the fields follow the last one.
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(f) < 20 || f[0] == "Z" && f[1] == "1" {
			continue
		}
		ppid, _ := strconv.Atoi(f[1])
		cmdline, _ := os.ReadFile(d + "/cmdline")
		out[pid] = process{pid, ppid, f[19], strings.ReplaceAll(string(cmdline), "\x00", " ")}
	}
	return out
}

// descendants returns root and all processes below it.
func descendants(root int) []process {
	all := processes()
	var out []process
	for _, p := range all {
		for q, ok := p, true; ok; q, ok = all[q.ppid] {
			if q.pid == root {
				out = append(out, p)
				break
			}
			if q.pid == q.ppid {
				break
			}
		}
	}
	return out
}

// survivors waits up to limit for ps to end and returns those that have not.
func survivors(ps []process, limit time.Duration) []process {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		now := processes()
		var left []process
		for _, p := range ps {
			if q, ok := now[p.pid]; ok && q.start == p.start {
				left = append(left, p)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// usage is what a sandbox holds of the host.
type usage struct {
	processes, threads, descriptors int
	memory                          int64 // bytes in memory files (guest frames)
}

func (u usage) String() string {
	return fmt.Sprintf("%d processes, %d threads, %d descriptors, %d KiB of guest frames", u.processes, u.threads, u.descriptors, u.memory>>10)
}

// usageOf adds up what ps hold. A descriptor table that processes share counts once a
// process; a memory file counts once.
func usageOf(ps []process) usage {
	u := usage{processes: len(ps)}
	type inode struct{ dev, ino uint64 }
	files := map[inode]bool{}
	for _, p := range ps {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
		u.threads += len(tasks)
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.pid))
		u.descriptors += len(fds)
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err != nil || !strings.HasPrefix(target, "/memfd:") {
				continue
			}
			var st syscall.Stat_t
			if syscall.Stat(fd, &st) == nil && !files[inode{st.Dev, st.Ino}] {
				files[inode{st.Dev, st.Ino}] = true
				u.memory += st.Blocks * 512
			}
		}
	}
	return u
}
