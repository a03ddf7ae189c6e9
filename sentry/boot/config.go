package boot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"ringfence/abi/linux"
)

// Config says what a sentry is to run. The CLI makes it; it crosses to the sentry
// process as JSON. Descriptors are numbers in the sentry process.
type Config struct {
	Platform string // one of Platforms
	Network  string // "none"

	Hostname, Domainname string
	// Mounts in order; the first is the root.
	Mounts  []Mount
	Process Process
	// Masked paths show nothing, ReadonlyPaths can't be written. Missing ones are skipped.
	MaskedPaths, ReadonlyPaths []string
	// Sysctls are written below /proc/sys before the process starts.
	Sysctls map[string]string

	CPUs   int
	Memory uint64 // bytes that guests see
	// What programs are told about the CPU: AT_HWCAP, AT_HWCAP2 and AT_MINSIGSTKSZ of
	// getauxval(3), as the host says them.
	HWCAP, HWCAP2, MinSigStack uint64
	// CPU is the part of the host's /proc/cpuinfo about its first processor.
	CPU string

	// Strace prints every system call to the log.
	Strace bool
	Debug  bool
	// Detached: the sandbox goes on when who started it hangs up.
	Detached bool

	FDs FDs
}

// FDs are the descriptors that the sentry is given. NoFD (-1) stands for none.
type FDs struct {
	// Gofer is the first connection to the gofer; Lifeline reads end of file when it dies.
	Gofer, Lifeline int
	// Control are the connections of who started the sandbox: one for commands, one to
	// wait on. Listener takes more of them.
	Control  [2]int
	Listener int
	// Log is where messages for the operator go.
	Log int
	// Stdio are the guest's standard descriptors, if it has no terminal. Equal numbers
	// are one open file.
	Stdio [3]int
	// Console reads and writes a host terminal, in raw mode, that a terminal in the
	// sandbox is connected to.
	Console [2]int
}

// NoFD is the number of no descriptor.
const NoFD = -1

// Types of a Mount beside those that vfs knows by name ("tmpfs", "proc", ...).
const (
	// TypeGofer is a mount of the gofer, by its index.
	TypeGofer = "gofer"
	// TypeBind shows another place of the sandbox, Source, again.
	TypeBind = "bind"
)

// Mount is one mount, made in order.
type Mount struct {
	Type        string
	Source      string // as /proc/mounts shows it
	Destination string // absolute; "/" for the root
	Flags       uint32 // linux.MS_*
	Data        string // options of the file system

	// Gofer mounts only.
	Index int
	// Shared: the host may change files too.
	Shared bool
	// Overlay keeps changes in memory.
	Overlay bool
	// File: the mount shows a file that is no directory.
	File bool
}

// Process is the first process.
type Process struct {
	Args, Env []string
	Cwd       string
	UID, GID  uint32
	Groups    []uint32
	Umask     uint32
	// Capabilities as sets of bits.
	Permitted, Effective, Inheritable, Bounding, Ambient uint64
	NoNewPrivs                                           bool
	// Rlimits by number; others are the sandbox's defaults.
	Rlimits     map[int]Rlimit
	OOMScoreAdj int
	// Mortal: a signal without a handler ends the process, though it is the first one.
	Mortal bool
	// Terminal gives the process a terminal of the sandbox as its controlling terminal,
	// connected to FDs.Console.
	Terminal   bool
	Rows, Cols uint16
	// StderrOnTerminal: with a terminal, standard error is the terminal too, else it is
	// FDs.Stdio[2].
	StderrOnTerminal bool
}

// Rlimit is one resource limit.
type Rlimit struct{ Cur, Max uint64 }

// Validate reports the first thing that can't be.
func (c *Config) Validate() error {
	if len(c.Mounts) == 0 || c.Mounts[0].Destination != "/" {
		return errors.New("the first mount must be the root")
	}
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if !path.IsAbs(m.Destination) {
			return fmt.Errorf("mount destination %q is not absolute", m.Destination)
		}
	}
	p := &c.Process
	if len(p.Args) == 0 || p.Args[0] == "" {
		return errors.New("no command to run")
	}
	if !path.IsAbs(p.Cwd) {
		return fmt.Errorf("working directory %q is not absolute", p.Cwd)
	}
	for n := range p.Rlimits {
		if n < 0 || n >= linux.RLIM_NLIMITS {
			return fmt.Errorf("resource limit %d does not exist", n)
		}
	}
	return nil
}

// ReadConfig reads a Config that Write wrote.
func ReadConfig(r io.Reader) (*Config, error) {
	c := &Config{}
	if err := json.NewDecoder(r).Decode(c); err != nil {
		return nil, fmt.Errorf("sandbox configuration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("sandbox configuration: %w", err)
	}
	return c, nil
}

// Write writes c for ReadConfig.
func (c *Config) Write(w io.Writer) error { return json.NewEncoder(w).Encode(c) }
