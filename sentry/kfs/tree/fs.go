package tree

import (
	"ringfence/sentry/vfs"
)

// Flags are the superblock flags that file systems of this package need.
const Flags = vfs.SBRevalidate | vfs.SBDynamicAttr | vfs.SBNoCache | vfs.SBNoNegative

// Super is the vfs.SuperOps of a file system of this package.
type Super struct {
	vfs.BaseSuper
	// Opts is what stands behind the comma in /proc/mounts.
	Opts string
}

// Options implements vfs.SuperOps.
func (s *Super) Options(*vfs.Superblock) string { return s.Opts }
