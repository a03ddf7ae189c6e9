package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a sandbox holds on the host: of all its processes, and for descriptors
// and memory of its sentry.
type usage struct{ fds, threads, processes, shmem, anon int }

// usageOf counts for the sandbox whose runsc is pid.
func usageOf(pid int) (u usage) {
	pids := descendants(pid)
	u.processes = len(pids)
	for _, p := range pids {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p))
		u.threads += len(tasks)
		if p != sentryOf(pids) {
			continue
		}
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p))
		u.fds = len(fds)
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		for line := range strings.Lines(string(status)) {
			words := strings.Fields(line)
			switch words[0] {
			case "RssShmem:":
				n, _ := strconv.Atoi(words[1])
				u.shmem = n >> 10
			case "RssAnon:":
				n, _ := strconv.Atoi(words[1])
				u.anon = n >> 10
			}
		}
	}
	return u
}

// dump makes the sentry of the sandbox print its goroutines and end.
func dump(pid int) {
	if s := sentryOf(descendants(pid)); s != 0 {
		syscall.Kill(s, syscall.SIGQUIT)
		time.Sleep(2 * time.Second)
	}
}

// sentryOf is the process that is `runsc boot`, or 0.
func sentryOf(pids []int) int {
	for _, p := range pids {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p)); bytes.Contains(line, []byte("\x00boot\x00")) {
			return p
		}
	}
	return 0
}

// descendants is pid and all its children and theirs.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
		var state string
		var parent int
		if n, _ := fmt.Sscan(rest, &state, &parent); n == 2 {
			p, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			children[parent] = append(children[parent], p)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}
