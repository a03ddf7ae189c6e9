package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// becomeSubreaper makes this process the parent of the orphans among its descendants. So a
// detached container's processes are found below it, whatever they are.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// reap waits for all children that end within limit. Preconditions: no command is running that
// somebody else waits for.
func reap(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.ECHILD:
			return
		case pid == 0:
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// descendants are the processes below pid, without itself.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // It has ended.
		}
		if parent, err := parseParent(string(b)); err == nil {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			children[parent] = append(children[parent], child)
		}
	}
	all := children[pid]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// pssOf is the memory of processes in bytes, what several share divided among those that do.
func pssOf(pids []int) (int64, error) {
	var sum int64
	for _, p := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue // It has ended.
		}
		if err != nil {
			return 0, err
		}
		n, err := parsePss(string(b))
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", p, err)
		}
		sum += n
	}
	return sum, nil
}

// cpuTime is how long each thread of processes has run, in nanoseconds, by its directory in /proc.
func cpuTime(pids []int) (map[string]int64, error) {
	ran := map[string]int64{}
	for _, p := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p))
		for _, t := range tasks {
			b, err := os.ReadFile(t + "/schedstat")
			if err != nil {
				if _, gone := os.Stat(t); gone != nil {
					continue
				}
				return nil, err
			}
			n, err := parseSchedstat(strings.TrimSpace(string(b)))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t, err)
			}
			ran[t] = n
		}
	}
	return ran, nil
}

// spent is the time between two readings of cpuTime. Threads that began since then count, and those that
// ended count no more.
func spent(before, after map[string]int64) time.Duration {
	var sum int64
	for t, n := range after {
		sum += n - before[t]
	}
	return time.Duration(sum)
}
