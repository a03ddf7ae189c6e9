package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ringfence/runsc/console"
	"ringfence/sentry/boot"
	"ringfence/tools/conformance"
)

// Exit codes of conformance.
const (
	exitDiffers  = 1
	exitUnusable = 2
)

const conformanceHelp = `conformance runs test programs on the host, as the oracle, and in the sandbox on each
platform, and shows where they differ.

A SUITE is one of
  DIR        a directory of programs, built anywhere: googletest and Go test binaries are
             run test by test, LTP's programs by what they say, others by their exit status.
             Lists in LTP's format in it are suites too, and if it holds suite files,
             these are all.
  LIST       a list in LTP's runtest format, a line for each case: NAME COMMAND ARGUMENT...
             Programs are looked for beside it, in ../testcases/bin, and in PATH.
  FILE.toml  a suite file, for everything else:

    name = "demo"                     # default: the file's name
    about = "what it tests"
    needs = ["python3"]               # commands and files that must be there,
    packages = ["python3"]            # and the Debian packages that have them
    build = ["make", "-C", "{dir}"]   # run once on the host, in {work}

    cases = ["one", "two"]            # which cases there are: one of these four
    glob = "bin/test_*"               #   programs
    list = ["{dir}/tests", "--list"]  #   a command that prints names
    ltp = "runtest/syscalls"          #   LTP's list
    list-format = "lines"             # how list prints: lines, gtest, go

    run = ["{program}", "{case}"]     # how to run one; default: the program
    format = "exit"                   # how to read it:
%s
    timeout = "60s"                   # of one case
    env = ["LANG=C"]
    path = ["{dir}/bin"]              # put before PATH
    serial = true                     # cases disturb each other: one at a time

    [[skip]]                          # not run at all
    case = "two*"                     # a name or a glob
    reason = "needs a scanner"
    [[except]]                        # known to pass on the host and not here: CASE or CASE/CHECK
    case = "one/third"
    platforms = ["ptrace"]            # default: all
    reason = "why"

  In commands, env and globs, {dir} is the file's directory, {work} one for build, {tmp} the
  run's own empty directory, where it also stands, {program} and {case} the case, and
  {result} a file from which results are read instead of the output, if the program makes one
  (--gtest_output=xml:{result}).

A case is one process: one that crashes or hangs costs its own checks and no others. A case that
passes on the host and not in the sandbox is run again, on both, before it counts.

The exit status is 0 if all that passes on the host passes in the sandbox or is excepted, 1 if
something differs, 2 if the suites can't be run.`

// conformanceFlags are the flags of the command.
type conformanceFlags struct {
	platforms  []string
	only       []string
	json       string
	junit      string
	parallel   int
	retries    int
	all, quiet bool
	compare    bool
	list       bool
}

func (g *globals) conformanceCommand() *cobra.Command {
	var f conformanceFlags
	var about strings.Builder
	for _, name := range conformance.FormatNames() {
		fmt.Fprintf(&about, "                                      #   %-8s %s\n", name, conformance.FormatAbout(name))
	}
	cmd := &cobra.Command{
		Use:   "conformance [flags] SUITE...\n  runsc conformance --compare OLD.json NEW.json",
		Short: "Run test suites on the host and in the sandbox, and show where they differ",
		Long:  fmt.Sprintf(conformanceHelp, strings.TrimRight(about.String(), "\n")),
		Example: `  runsc conformance ./build/tests
  runsc conformance --platforms trap --only 'open*' /opt/ltp/runtest/syscalls
  runsc conformance --json now.json --junit now.xml python.toml
  runsc conformance --compare before.json now.json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case f.compare && len(args) != 2:
				return &exitError{exitUnusable, "conformance: --compare takes two reports, the older one first"}
			case len(args) == 0:
				return &exitError{exitUnusable, "conformance: no suite; see runsc conformance --help"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			err := g.conformance(f, args)
			if err != nil {
				if e := (*exitError)(nil); !errors.As(err, &e) {
					err = &exitError{exitUnusable, "conformance: " + err.Error()}
				}
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.platforms, "platforms", boot.Platforms, "platforms to run on")
	fl.StringArrayVar(&f.only, "only", nil, "run only cases that match the `glob`; can be repeated")
	fl.StringVar(&f.json, "json", "", "write the results to a `file`, for --compare and for programs")
	fl.StringVar(&f.junit, "junit", "", "write the results to a `file` as JUnit's XML, for CI systems")
	fl.IntVarP(&f.parallel, "parallel", "j", 0, "how many cases run at once (default: as many as CPUs)")
	fl.IntVar(&f.retries, "retries", 1, "how often a case that differs is run again")
	fl.BoolVar(&f.all, "all", false, "show known, flaky and unexpected results and cases not run, too")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	fl.BoolVar(&f.list, "list", false, "only list the cases")
	fl.BoolVar(&f.compare, "compare", false, "compare two reports of --json")
	return cmd
}

func (g *globals) conformance(f conformanceFlags, args []string) error {
	if f.compare {
		return g.compare(args[0], args[1])
	}
	for _, p := range f.platforms {
		if !slices.Contains(boot.Platforms, p) {
			return fmt.Errorf("--platforms %q: must be of %s", p, strings.Join(boot.Platforms, ", "))
		}
	}
	if f.parallel < 0 || f.retries < 0 {
		return errors.New("--parallel and --retries can't be negative")
	}
	var suites []*conformance.Suite
	for _, a := range args {
		s, err := conformance.Open(a)
		if err != nil {
			return err
		}
		suites = append(suites, s...)
	}
	if f.list {
		return conformance.List(os.Stdout, suites, f.only)
	}
	o := conformance.Options{Parallel: f.parallel, Retries: f.retries, Only: f.only}
	var err error
	if o.Places, err = g.places(f.platforms); err != nil {
		return err
	}
	if !f.quiet {
		m := conformance.NewMeter(os.Stderr, console.IsTerminal(os.Stderr))
		defer m.Done()
		o.Progress = m
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	r, err := conformance.Run(ctx, suites, o)
	if r == nil {
		return err
	}
	if m, ok := o.Progress.(*conformance.Meter); ok {
		m.Done()
	}
	if err := r.WriteTable(os.Stdout, conformance.TableOptions{Colour: console.IsTerminal(os.Stdout), All: f.all}); err != nil {
		return err
	}
	if f.json != "" {
		if err := r.WriteJSON(f.json); err != nil {
			return err
		}
	}
	if f.junit != "" {
		if err := r.WriteJUnit(f.junit); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return errors.New("interrupted: what is shown is not all")
	case r.Differs():
		g.exitCode = exitDiffers
	}
	return nil
}

// compare shows what differs between two reports.
func (g *globals) compare(oldFile, newFile string) error {
	old, err := conformance.ReadReport(oldFile)
	if err != nil {
		return err
	}
	now, err := conformance.ReadReport(newFile)
	if err != nil {
		return err
	}
	c := conformance.Compare(old, now)
	if len(c.Regressed)+len(c.Gone) > 0 {
		g.exitCode = exitDiffers
	}
	return c.Write(os.Stdout)
}

// places are the host and this runsc on each platform.
func (g *globals) places(platforms []string) ([]conformance.Place, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	places := []conformance.Place{{Name: conformance.Native, Sharing: func(string) []string { return nil }}}
	for _, p := range platforms {
		do := func(more ...string) []string {
			return slices.Concat([]string{self, "--platform", p, "do"}, more, []string{"--"})
		}
		places = append(places, conformance.Place{
			Name: p, Wrap: do(),
			Sharing: func(dir string) []string { return do("--volume", dir+":"+dir) },
		})
	}
	return places, nil
}
