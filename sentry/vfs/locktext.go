package vfs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ringfence/abi/linux"
)

// LocksText is /proc/locks.
func (v *VFS) LocksText() string {
	v.locks.mu.Lock()
	nodes := make([]*Inode, 0, len(v.locks.inodes))
	for n := range v.locks.inodes {
		nodes = append(nodes, n)
	}
	v.locks.mu.Unlock()
	slices.SortFunc(nodes, func(a, b *Inode) int {
		return cmp.Or(cmp.Compare(a.SB.Dev, b.SB.Dev), cmp.Compare(a.Ino(), b.Ino()))
	})
	var b strings.Builder
	id := 0
	line := func(n *Inode, class string, write bool, pid int32, start, end int64) {
		id++
		kind := "READ "
		if write {
			kind = "WRITE"
		}
		last := "EOF"
		if end != LockEOF {
			last = strconv.FormatInt(end, 10)
		}
		dev := uint32(n.SB.Dev)
		fmt.Fprintf(&b, "%d: %s ADVISORY  %s %d %02x:%02x:%d %d %s\n", id, class, kind, pid,
			linux.Major(dev), linux.Minor(dev), n.Ino(), start, last)
	}
	for _, n := range nodes {
		fl := n.locks()
		fl.mu.Lock()
		for _, l := range fl.flocks {
			line(n, "FLOCK ", l.exclusive, l.pid, 0, LockEOF)
		}
		for _, l := range fl.ranges {
			class := "POSIX "
			if l.Owner.File != nil {
				class = "OFDLCK"
			}
			line(n, class, l.Write, l.PID, l.Start, l.End)
		}
		fl.mu.Unlock()
	}
	return b.String()
}
