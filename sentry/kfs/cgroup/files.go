package cgroup

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// table has all files of groups.
var table = []kind{
	{name: "cgroup.controllers", mode: 0o444, text: controllers},
	{name: "cgroup.events", mode: 0o444, below: true, text: events},
	{name: "cgroup.freeze", mode: 0o644, below: true, text: freeze, set: setFreeze},
	{name: "cgroup.kill", mode: 0o200, below: true, set: kill},
	{name: "cgroup.max.depth", mode: 0o644, text: maxDepth, set: setMaxDepth},
	{name: "cgroup.max.descendants", mode: 0o644, text: maxDescendants, set: setMaxDescendants},
	{name: "cgroup.procs", mode: 0o644, delegated: true, text: procs, set: setProcs},
	{name: "cgroup.stat", mode: 0o444, text: stat},
	{name: "cgroup.stat.local", mode: 0o444, below: true, text: statLocal},
	{name: "cgroup.subtree_control", mode: 0o644, delegated: true, text: subtreeControl, set: setSubtreeControl},
	{name: "cgroup.threads", mode: 0o644, delegated: true, text: threads, set: setThreads},
	{name: "cgroup.type", mode: 0o644, below: true, text: groupType, set: setType},
	{name: "cpu.stat", mode: 0o444, text: cpuStat},
	{name: "pids.current", mode: 0o444, below: true, pids: true, text: pidsCurrent},
	{name: "pids.events", mode: 0o444, below: true, pids: true, text: pidsEvents},
	{name: "pids.events.local", mode: 0o444, below: true, pids: true, text: pidsEventsLocal},
	{name: "pids.max", mode: 0o644, below: true, pids: true, text: pidsMax, set: setPidsMax},
	{name: "pids.peak", mode: 0o444, below: true, pids: true, text: pidsPeak},
}

// controllerLine lists the controllers: pids is the only one that there is.
func controllerLine(has bool) (string, error) {
	if has {
		return "pids\n", nil
	}
	return "", nil
}

func controllers(h *handle, _ vfs.Caller) (string, error) {
	own, _ := h.g.cg.HasPids()
	return controllerLine(own)
}

func subtreeControl(h *handle, _ vfs.Caller) (string, error) {
	_, below := h.g.cg.HasPids()
	return controllerLine(below)
}

// setSubtreeControl takes words such as +pids; the last of each controller counts.
func setSubtreeControl(h *handle, _ vfs.Caller, text string) error {
	_, below := h.g.cg.HasPids()
	for _, w := range strings.Fields(text) {
		switch w {
		case "+pids":
			below = true
		case "-pids":
			below = false
		default:
			return errno.EINVAL
		}
	}
	return h.g.cg.EnablePids(below)
}

func events(h *handle, _ vfs.Caller) (string, error) {
	populated, frozen := h.g.cg.Status()
	return fmt.Sprintf("populated %d\nfrozen %d\n", bit(populated), bit(frozen)), nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func freeze(h *handle, _ vfs.Caller) (string, error) {
	asked, _ := h.g.cg.Freeze()
	return fmt.Sprintf("%d\n", bit(asked)), nil
}

func setFreeze(h *handle, _ vfs.Caller, text string) error {
	n, err := parseInt(text)
	if err != nil {
		return err
	}
	if n != 0 && n != 1 {
		return errno.ERANGE
	}
	h.g.cg.SetFreeze(n == 1)
	return nil
}

func kill(h *handle, c vfs.Caller, text string) error {
	n, err := parseInt(text)
	if err != nil {
		return err
	}
	if n != 1 {
		return errno.ERANGE
	}
	t, ok := vfs.Who(c).(*kernel.Task)
	if !ok {
		return errno.EOPNOTSUPP
	}
	return h.g.cg.KillAll(t)
}

// parseInt is Linux's kstrtoint with base 0.
func parseInt(text string) (int, error) {
	n, err := strconv.ParseInt(text, 0, 32)
	switch {
	case err == nil && !strings.Contains(text, "_"):
		return int(n), nil
	case err != nil && err.(*strconv.NumError).Err == strconv.ErrRange:
		return 0, errno.ERANGE
	}
	return 0, errno.EINVAL
}

// limit shows one of the numbers that can be "max".
func limit(n int) string {
	if n == math.MaxInt32 {
		return "max\n"
	}
	return strconv.Itoa(n) + "\n"
}

func parseLimit(text string) (int, error) {
	if text == "max" {
		return math.MaxInt32, nil
	}
	n, err := parseInt(text)
	if err == nil && n < 0 {
		err = errno.ERANGE
	}
	return n, err
}

func maxDepth(h *handle, _ vfs.Caller) (string, error) {
	n, _ := h.g.cg.Limits()
	return limit(n), nil
}

func setMaxDepth(h *handle, _ vfs.Caller, text string) error {
	n, err := parseLimit(text)
	if err == nil {
		h.g.cg.SetMaxDepth(n)
	}
	return err
}

func maxDescendants(h *handle, _ vfs.Caller) (string, error) {
	_, n := h.g.cg.Limits()
	return limit(n), nil
}

func setMaxDescendants(h *handle, _ vfs.Caller, text string) error {
	n, err := parseLimit(text)
	if err == nil {
		h.g.cg.SetMaxDescendants(n)
	}
	return err
}

// lines lists numbers. What the reader's PID namespace does not see shows as 0.
func lines(nums []int32) string {
	var b strings.Builder
	for _, n := range nums {
		fmt.Fprintf(&b, "%d\n", n)
	}
	return b.String()
}

func pidNamespace(h *handle, c vfs.Caller) *kernel.PIDNamespace {
	if t, ok := vfs.Who(c).(*kernel.Task); ok {
		return t.PIDNamespace()
	}
	return h.g.fs.k.PIDNS
}

func procs(h *handle, c vfs.Caller) (string, error) {
	nums, err := h.g.cg.Processes(pidNamespace(h, c))
	return lines(nums), err
}

func threads(h *handle, c vfs.Caller) (string, error) {
	return lines(h.g.cg.Threads(pidNamespace(h, c))), nil
}

func setProcs(h *handle, c vfs.Caller, text string) error   { return h.attach(c, text, true) }
func setThreads(h *handle, c vfs.Caller, text string) error { return h.attach(c, text, false) }

// attach moves the process or thread whose number is written, 0 for the writer, as far as who opened the file may.
func (h *handle) attach(c vfs.Caller, text string, whole bool) error {
	n, err := parseInt(text)
	if err != nil || n < 0 {
		return errno.EINVAL
	}
	ns, tid := pidNamespace(h, c), int32(n)
	if t, ok := vfs.Who(c).(*kernel.Task); ok && n == 0 {
		tid = t.Principal().TID()
	}
	return h.g.cg.Attach(ns, tid, whole, func(from *kernel.Cgroup) error { return h.g.mayAttach(c, h.ns, from) })
}

func stat(h *handle, _ vfs.Caller) (string, error) {
	living, dying := h.g.cg.Descendants()
	return fmt.Sprintf("nr_descendants %d\nnr_dying_descendants %d\n", living, dying), nil
}

func statLocal(h *handle, _ vfs.Caller) (string, error) {
	_, total := h.g.cg.Freeze()
	return fmt.Sprintf("frozen_usec %d\n", time.Duration(total).Microseconds()), nil
}

func cpuStat(h *handle, _ vfs.Caller) (string, error) {
	user, system := h.g.cg.CPUTimes()
	return fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d\n",
		(user + system).Microseconds(), user.Microseconds(), system.Microseconds()), nil
}

func groupType(h *handle, _ vfs.Caller) (string, error) { return h.g.cg.Type() + "\n", nil }

// setType makes a group threaded: there is no way back.
func setType(h *handle, _ vfs.Caller, text string) error {
	if text != kernel.CgroupThreaded {
		return errno.EINVAL
	}
	return h.g.cg.MakeThreaded()
}

func pidsCurrent(h *handle, _ vfs.Caller) (string, error) {
	n, _, _ := h.g.cg.Pids()
	return fmt.Sprintf("%d\n", n), nil
}

func pidsPeak(h *handle, _ vfs.Caller) (string, error) {
	_, n, _ := h.g.cg.Pids()
	return fmt.Sprintf("%d\n", n), nil
}

func pidsMax(h *handle, _ vfs.Caller) (string, error) {
	_, _, n := h.g.cg.Pids()
	if n > kernel.PidsMaxLimit {
		return "max\n", nil
	}
	return fmt.Sprintf("%d\n", n), nil
}

func setPidsMax(h *handle, _ vfs.Caller, text string) error {
	if text == "max" {
		h.g.cg.SetPidsMax(-1)
		return nil
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < 0 || n >= kernel.PidsMaxLimit {
		return errno.EINVAL
	}
	h.g.cg.SetPidsMax(n)
	return nil
}

func pidsEvents(h *handle, _ vfs.Caller) (string, error) {
	n, _ := h.g.cg.PidsFailures()
	return fmt.Sprintf("max %d\n", n), nil
}

func pidsEventsLocal(h *handle, _ vfs.Caller) (string, error) {
	_, n := h.g.cg.PidsFailures()
	return fmt.Sprintf("max %d\n", n), nil
}
