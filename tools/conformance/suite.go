package conformance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Suite describes test programs. It is read from a TOML file; Help describes the keys to
// whoever writes one.
//
// In commands, environments and globs {dir} is the directory of the suite file, {work} one
// for what Build makes, {tmp} an empty directory of the run's own, which is also the
// working directory, {program} the program of the case and {case} its name. {result} is a file
// from which results are read instead of the output, if it is there.
type Suite struct {
	Name  string `toml:"name"`  // default: the file's name
	About string `toml:"about"` // one line

	// Needs are commands and files that must be there; Packages the Debian packages that have them.
	Needs    []string `toml:"needs"`
	Packages []string `toml:"packages"`
	// Build is run once, natively, in {work}.
	Build []string `toml:"build"`

	// Exactly one of these says which cases there are.
	Cases []string `toml:"cases"` // their names
	Glob  string   `toml:"glob"`  // programs; the name is the file's
	List  []string `toml:"list"`  // a command that prints them, a line each, or as ListFormat says
	LTP   string   `toml:"ltp"`   // a list in LTP's runtest format: name, command, arguments

	// ListFormat is "lines", "gtest" (what --gtest_list_tests prints) or "go" (-test.list).
	ListFormat string `toml:"list-format"`

	// Run runs a case; default {program}, or the command of LTP's list.
	Run []string `toml:"run"`
	// Format is how the output of a case is read: see Formats. Default "exit".
	Format  string   `toml:"format"`
	Timeout duration `toml:"timeout"` // of one case; default DefaultTimeout
	Env     []string `toml:"env"`     // NAME=value
	Path    []string `toml:"path"`    // put before PATH
	Serial  bool     `toml:"serial"`  // cases disturb each other: one at a time

	// Skip are cases that are not run. Except are checks that are known to pass on the host
	// and not in the sandbox.
	Skip   []Exception `toml:"skip"`
	Except []Exception `toml:"except"`

	dir  string // {dir}
	work string // {work}; set by Prepare
}

// Exception names cases or checks, by globs of their names, and says why.
type Exception struct {
	Case      string   `toml:"case"`
	Platforms []string `toml:"platforms"` // default: all
	Reason    string   `toml:"reason"`
}

// Case is one process.
type Case struct {
	Name    string
	Program string   // {program}
	Command []string // if Suite.Run does not say how
}

// DefaultTimeout is what a case gets if its suite says nothing.
const DefaultTimeout = time.Minute

type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err == nil && v <= 0 {
		err = fmt.Errorf("%q is not positive", b)
	}
	*d = duration(v)
	return err
}

// Load reads a suite from a TOML file.
func Load(file string) (*Suite, error) {
	s := &Suite{}
	meta, err := toml.DecodeFile(file, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("%s: no such key: %s", file, extra[0])
	}
	if s.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(file), ".toml")
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// check fills in defaults and reports what makes no sense.
func (s *Suite) check() error {
	ways := 0
	for _, given := range []bool{s.Cases != nil, s.Glob != "", s.List != nil, s.LTP != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New(`exactly one of "cases", "glob", "list" and "ltp" must say which cases there are`)
	}
	if s.ListFormat == "" {
		s.ListFormat = "lines"
	}
	if listFormats[s.ListFormat] == nil {
		return fmt.Errorf(`list-format %q: must be "lines", "gtest" or "go"`, s.ListFormat)
	}
	if s.Format == "" {
		s.Format = "exit"
		if s.LTP != "" {
			s.Format = "ltp"
		}
	}
	if _, ok := formats[s.Format]; !ok {
		return fmt.Errorf("format %q: must be one of %s", s.Format, strings.Join(FormatNames(), ", "))
	}
	if s.Run == nil && s.LTP == "" {
		if s.Glob == "" {
			return errors.New(`"run" must say how to run a case`)
		}
		s.Run = []string{"{program}"}
	}
	if s.Timeout == 0 {
		s.Timeout = duration(DefaultTimeout)
	}
	for _, e := range slices.Concat(s.Skip, s.Except) {
		if e.Reason == "" {
			return fmt.Errorf("the exception for %q has no reason", e.Case)
		}
		if _, err := path.Match(e.Case, ""); err != nil || e.Case == "" {
			return fmt.Errorf("exception for %q: not a name or a glob", e.Case)
		}
	}
	for _, e := range s.Env {
		if !strings.Contains(e, "=") {
			return fmt.Errorf("env %q: must be NAME=value", e)
		}
	}
	return nil
}

// Prepare sees that what the suite needs is there, builds it in work, and returns its cases.
// skipped are those that are not to be run.
func (s *Suite) Prepare(work string) (cases []Case, skipped map[string]string, err error) {
	s.work = work
	if err := s.missing(); err != nil {
		return nil, nil, err
	}
	if len(s.Build) > 0 {
		if _, err := s.native(s.Build); err != nil {
			return nil, nil, fmt.Errorf("build: %w", err)
		}
	}
	all, err := s.find()
	if err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, errors.New("there is no case")
	}
	skipped = map[string]string{}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.Name] {
			return nil, nil, fmt.Errorf("two cases are called %q", c.Name)
		}
		seen[c.Name] = true
		if reason, ok := matching(s.Skip, c.Name, ""); ok {
			skipped[c.Name] = reason
			continue
		}
		cases = append(cases, c)
	}
	return cases, skipped, nil
}

// missing reports the first thing that the suite needs and that is not there.
func (s *Suite) missing() error {
	for _, n := range s.Needs {
		n = s.own().expand(n)
		var err error
		if strings.Contains(n, "/") {
			_, err = os.Stat(n)
		} else {
			_, err = exec.LookPath(n)
		}
		if err == nil {
			continue
		}
		if len(s.Packages) > 0 {
			return fmt.Errorf("%s is missing; try: apt-get install %s", n, strings.Join(s.Packages, " "))
		}
		return fmt.Errorf("%s is missing", n)
	}
	return nil
}

// find returns all cases.
func (s *Suite) find() ([]Case, error) {
	switch {
	case s.Cases != nil:
		cases := make([]Case, len(s.Cases))
		for i, name := range s.Cases {
			cases[i].Name = name
		}
		return cases, nil
	case s.Glob != "":
		return s.findPrograms()
	case s.LTP != "":
		file := s.own().expand(s.LTP)
		b, err := os.ReadFile(s.abs(file))
		if err != nil {
			return nil, err
		}
		cases, err := parseLTPList(string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return cases, nil
	}
	out, err := s.native(s.List)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var cases []Case
	for _, name := range listFormats[s.ListFormat](out) {
		cases = append(cases, Case{Name: name})
	}
	return cases, nil
}

// findPrograms returns the executable files that Glob matches.
func (s *Suite) findPrograms() ([]Case, error) {
	files, err := filepath.Glob(s.abs(s.own().expand(s.Glob)))
	if err != nil {
		return nil, fmt.Errorf("glob %q: %w", s.Glob, err)
	}
	var cases []Case
	for _, f := range files {
		if executable(f) {
			cases = append(cases, Case{Name: filepath.Base(f), Program: f})
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("glob %q matches no program", s.Glob)
	}
	return cases, nil
}

func executable(file string) bool {
	st, err := os.Stat(file)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// abs returns a path relative to the suite's directory.
func (s *Suite) abs(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.dir, p)
}

// native runs a command of the suite's own on the host and returns its standard output.
func (s *Suite) native(argv []string) (string, error) {
	v := s.own()
	args := v.expandAll(argv)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.work
	cmd.Env = v.environ()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		if said := lastLines(errs.String(), 10); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	return string(out), nil
}

// own is the scope of what is no case.
func (s *Suite) own() scope { return scope{suite: s, tmp: s.work} }

// scope is what the names in braces stand for.
type scope struct {
	suite  *Suite
	c      Case
	tmp    string
	result string
}

// expand replaces what stands in braces.
func (v scope) expand(text string) string {
	return strings.NewReplacer("{dir}", v.suite.dir, "{work}", v.suite.work, "{tmp}", v.tmp,
		"{program}", v.c.Program, "{case}", v.c.Name, "{result}", v.result).Replace(text)
}

func (v scope) expandAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = v.expand(t)
	}
	return all
}

// command returns how the case is run.
func (v scope) command() []string {
	if v.suite.Run == nil {
		return v.expandAll(v.c.Command)
	}
	return v.expandAll(v.suite.Run)
}

// environ is the environment of the case.
func (v scope) environ() []string {
	env := append(os.Environ(), "TMPDIR="+v.tmp)
	if len(v.suite.Path) > 0 {
		var dirs []string
		for _, p := range v.expandAll(v.suite.Path) {
			dirs = append(dirs, v.suite.abs(p))
		}
		env = append(env, "PATH="+strings.Join(append(dirs, os.Getenv("PATH")), ":"))
	}
	return append(env, v.expandAll(v.suite.Env)...)
}

// matching returns the reason of the first exception for a name on a platform.
func matching(list []Exception, name, platform string) (reason string, ok bool) {
	for _, e := range list {
		if platform != "" && len(e.Platforms) > 0 && !slices.Contains(e.Platforms, platform) {
			continue
		}
		if m, _ := path.Match(e.Case, name); m || e.Case == name {
			return e.Reason, true
		}
	}
	return "", false
}

// lastLines returns the last n lines of text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
