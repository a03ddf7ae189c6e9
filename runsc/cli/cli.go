// Package cli is the command line of runsc.
//
// What goes wrong is told in one line on standard error, and in the file of --log for
// engines. Exit codes of `do` and `run` are the command's own; 127 is a command
// that was not found, 126 one that can't be executed, 125 a failure of runsc.
//
// The commands gofer and boot are the other processes of a sandbox; package sandbox
// starts them.
package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ringfence/runsc/state"
	"ringfence/sentry/boot"
)

// version is what --version prints, in the form that container engines read.
var version = "0.1.0\nspec: " + specs.Version

// exitFailure is the exit code when runsc itself fails.
const exitFailure = 125

// globals are the flags of all commands.
type globals struct {
	root, platform, network  string
	debug, strace            bool
	debugLog, log, logFormat string
	ignoreCgroups, rootless  bool

	logger    *logrus.Logger
	debugFile *os.File // the sandbox's own log, or nil
	exitCode  int      // set by the command
}

// exitError ends runsc with a code and, unless it is empty, a message.
type exitError struct {
	code int
	msg  string
}

func (e *exitError) Error() string { return e.msg }

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	// Children are killed when the thread that started them ends: this one stays.
	runtime.LockOSThread()
	// What the caller left open is not for the sandbox.
	cloexec()
	g := &globals{logger: logrus.New()}
	g.logger.SetOutput(nowhere{})
	cmd := g.command()
	cmd.SetArgs(args)
	err := cmd.Execute()
	if err == nil {
		return g.exitCode
	}
	code := exitFailure
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(os.Stderr, "runsc:", strings.ReplaceAll(msg, "\n", " "))
		g.logger.Error(msg)
	}
	return code
}

func (g *globals) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "runsc",
		Short: "Run programs and OCI containers in a sandbox with a kernel of its own",
		Long: `runsc runs programs and OCI containers in a sandbox with a kernel of its own.

A program in the sandbox believes that it runs on Linux; its system calls are answered by
the sandbox's kernel, not by the host's. Try:

  runsc do -- bash                  a shell on your own files, which it can't change
  runsc do --rw -- make             a command that may change them
  runsc run --bundle DIR ID         an OCI container`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return g.setUp() },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	f := root.PersistentFlags()
	f.StringVar(&g.root, "root", defaultRoot(), "directory for the state of containers")
	f.StringVar(&g.platform, "platform", boot.Platforms[0], "how guest code runs: "+strings.Join(boot.Platforms, " or "))
	f.StringVar(&g.network, "network", "none", "what the sandbox can reach: none")
	f.BoolVar(&g.debug, "debug", false, "log more")
	f.StringVar(&g.debugLog, "debug-log", "", "`file` for the sandbox's own log (default: standard error with --debug or --strace)")
	f.BoolVar(&g.strace, "strace", false, "log every system call of the sandbox")
	f.StringVar(&g.log, "log", "", "`file` for errors, as container engines read it")
	f.StringVar(&g.logFormat, "log-format", "text", "format of --log: text or json")
	f.BoolVar(&g.ignoreCgroups, "ignore-cgroups", false, "do not set up cgroups")
	f.BoolVar(&g.rootless, "rootless", os.Geteuid() != 0, "run without being the host's root")
	root.AddCommand(
		g.doCommand(), g.runCommand(), g.createCommand(), g.startCommand(),
		g.stateCommand(), g.listCommand(), g.killCommand(), g.deleteCommand(),
		g.conformanceCommand(),
		g.goferCommand(), g.bootCommand(),
	)
	return root
}

// defaultRoot is where state lives unless --root says otherwise.
func defaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); os.Geteuid() != 0 && dir != "" {
		return filepath.Join(dir, "runsc")
	}
	return "/var/run/runsc"
}

// setUp checks the global flags and opens the logs.
func (g *globals) setUp() error {
	if !slices.Contains(boot.Platforms, g.platform) {
		return fmt.Errorf("--platform %q: must be %s", g.platform, strings.Join(boot.Platforms, " or "))
	}
	if g.network != "none" {
		return fmt.Errorf("--network %q: must be none", g.network)
	}
	switch g.logFormat {
	case "text":
	case "json":
		g.logger.SetFormatter(&logrus.JSONFormatter{})
	default:
		return fmt.Errorf("--log-format %q: must be text or json", g.logFormat)
	}
	if g.log != "" {
		f, err := appendTo(g.log)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		g.logger.SetOutput(f)
	}
	if g.debug {
		g.logger.SetLevel(logrus.DebugLevel)
	}
	switch {
	case g.debugLog != "":
		f, err := appendTo(g.debugLog)
		if err != nil {
			return fmt.Errorf("--debug-log: %w", err)
		}
		g.debugFile = f
	case g.debug || g.strace:
		g.debugFile = os.Stderr
	}
	return nil
}

// nowhere drops what is logged while there is no --log.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

func appendTo(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

func (g *globals) store() *state.Store { return state.Open(g.root) }

// flags returns the global flags that child processes are shown with.
func (g *globals) flags() []string { return []string{"--platform=" + g.platform} }

// needArgs wants n arguments, which are called what.
func needArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return fmt.Errorf("%s: %s is missing", cmd.Name(), what)
		case len(args) > n:
			return fmt.Errorf("%s: unexpected argument %q", cmd.Name(), args[n])
		}
		return nil
	}
}
