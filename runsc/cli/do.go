package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ringfence/runsc/console"
	"ringfence/runsc/sandbox"
	"ringfence/runsc/spec"
)

func (g *globals) doCommand() *cobra.Command {
	var d spec.Do
	cmd := &cobra.Command{
		Use:   "do [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command in a sandbox on the host's own files",
		Long: `do runs a command in a sandbox that shows the host's files.

The command sees the files as they are but can't change them: changes stay in memory and
are gone when it ends. The host should not change files meanwhile: the sandbox takes what
it saw once to stay so. With --rw, and in volumes, changes reach the host and the
host's changes are seen.

The current directory, the environment, the user and the terminal are the caller's. The
exit code is the command's; if a signal killed it, runsc dies of the same signal.`,
		Example: `  runsc do -- uname -a
  runsc do --volume /tmp/out:/out -- sh -c 'gcc --version > /out/version'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("do: no command to run")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			d.Args = args
			return g.do(d)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&d.Cwd, "cwd", "", "working directory (default: the current one)")
	f.StringArrayVarP(&d.Env, "env", "e", nil, "set an environment variable, NAME=value, or NAME for the caller's value")
	f.StringArrayVarP(&d.Volumes, "volume", "v", nil, "show a host path at another place: src:dst[:ro]")
	f.BoolVar(&d.RW, "rw", false, "let the command change the host's files")
	return cmd
}

func (g *globals) do(d spec.Do) error {
	s, err := d.Spec()
	if err != nil {
		return err
	}
	if d.Cwd == "" {
		// What the caller stands in must exist in the sandbox too; --cwd is checked there.
		s.Boot.Process.Cwd = callersCwd(s.Boot.Process.Cwd)
	}
	o := g.options(s)
	t, err := g.terminal(&o, s)
	if err != nil {
		return err
	}
	defer t.Restore()
	sb, err := sandbox.Start(o)
	if err != nil {
		return err
	}
	return g.attend(sb, t, s.Boot.Process.Args[0])
}

// callersCwd prefers the name that the caller's shell has for its directory.
func callersCwd(cwd string) string {
	pwd := os.Getenv("PWD")
	a, err1 := os.Stat(pwd)
	b, err2 := os.Stat(cwd)
	if err1 == nil && err2 == nil && os.SameFile(a, b) {
		return pwd
	}
	return cwd
}

// options returns how to start s with this process's standard descriptors.
func (g *globals) options(s *spec.Spec) sandbox.Options {
	s.Boot.Platform, s.Boot.Network = g.platform, g.network
	s.Boot.Strace, s.Boot.Debug = g.strace, g.debug
	return sandbox.Options{
		Boot: &s.Boot, Gofer: s.Gofer, Stdio: stdio(), Log: g.debugFile, Stderr: os.Stderr,
		Flags: g.flags(), Rootless: g.rootless,
	}
}

// stdio returns the standard files; those that are one open file are equal.
func stdio() [3]*os.File {
	f := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	for i := range f {
		for j := range i {
			if sameOpenFile(int(f[i].Fd()), int(f[j].Fd())) {
				f[i] = f[j]
				break
			}
		}
	}
	return f
}

// sameOpenFile reports whether two descriptors share an open file description. Where the host
// can't tell (kcmp(2) may be forbidden), equal files opened alike are taken to.
func sameOpenFile(a, b int) bool {
	const kcmpFile = 0
	pid := uintptr(os.Getpid())
	r, _, e := unix.Syscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	if e == 0 {
		return r == 0
	}
	var x, y unix.Stat_t
	if unix.Fstat(a, &x) != nil || unix.Fstat(b, &y) != nil {
		return false
	}
	fa, err1 := unix.FcntlInt(uintptr(a), unix.F_GETFL, 0)
	fb, err2 := unix.FcntlInt(uintptr(b), unix.F_GETFL, 0)
	return err1 == nil && err2 == nil && fa == fb && x.Dev == y.Dev && x.Ino == y.Ino
}

// terminal connects the sandbox's terminal to the caller's, if input and output are
// one. Other files, and standard error if it is elsewhere, are passed as they are.
func (g *globals) terminal(o *sandbox.Options, s *spec.Spec) (*console.Terminal, error) {
	if !console.IsTerminal(os.Stdin) || !console.IsTerminal(os.Stdout) {
		return nil, nil
	}
	t, err := console.Raw(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	o.Console = [2]*os.File{os.Stdin, os.Stdout}
	p := &s.Boot.Process
	p.Terminal = true
	p.StderrOnTerminal = console.IsTerminal(os.Stderr)
	p.Rows, p.Cols = t.Size()
	return t, nil
}
