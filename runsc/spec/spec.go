// Package spec turns what a user asks for into what a sentry and a gofer are told: an OCI
// bundle's config.json (oci.go), or the host's own files for `runsc do` (do.go).
package spec

import (
	"encoding/binary"
	"os"
	"runtime"
	"strings"

	"ringfence/abi/linux"
	"ringfence/runsc/gofer"
	"ringfence/sentry/boot"
)

// Spec is what Start of package sandbox needs of a container.
type Spec struct {
	Boot  boot.Config
	Gofer gofer.Config
}

// hidden are the directories of a root file system where the sandbox has its own: what the
// host may have there must not be seen even where the sandbox's are unmounted.
var hidden = []string{"proc", "sys", "dev"}

// serve adds a gofer mount and returns its index.
func (s *Spec) serve(m gofer.Mount) int {
	s.Gofer.Mounts = append(s.Gofer.Mounts, m)
	return len(s.Gofer.Mounts) - 1
}

func (s *Spec) mount(m boot.Mount) { s.Boot.Mounts = append(s.Boot.Mounts, m) }

// bind adds a mount of a host path, at a path in the sandbox.
func (s *Spec) bind(source, destination string, flags uint32) error {
	st, err := os.Stat(source)
	if err != nil {
		return err
	}
	ro := flags&linux.MS_RDONLY != 0
	s.mount(boot.Mount{
		Type: boot.TypeGofer, Source: source, Destination: destination, Flags: flags,
		Index: s.serve(gofer.Mount{Source: source, ReadOnly: ro}), Shared: true, File: !st.IsDir(),
	})
	return nil
}

// machine says how large the sandbox's machine is: as the host's.
func (s *Spec) machine() {
	s.Boot.CPUs = runtime.NumCPU()
	s.Boot.Memory = hostMemory()
	aux := auxv()
	s.Boot.CPU = firstCPU()
	s.Boot.HWCAP, s.Boot.HWCAP2, s.Boot.MinSigStack = aux[linux.AT_HWCAP], aux[linux.AT_HWCAP2], aux[linux.AT_MINSIGSTKSZ]
}

// firstCPU returns the part of /proc/cpuinfo about the first processor.
func firstCPU() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	first, _, _ := strings.Cut(string(b), "\n\n")
	return first
}

// auxv returns what the host told this process when it started (getauxval(3)).
func auxv() map[uint64]uint64 {
	m := make(map[uint64]uint64)
	b, _ := os.ReadFile("/proc/self/auxv")
	for ; len(b) >= 16; b = b[16:] {
		m[binary.LittleEndian.Uint64(b)] = binary.LittleEndian.Uint64(b[8:])
	}
	return m
}
