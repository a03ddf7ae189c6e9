package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// searchPath is where programs are looked for, on both sides: the distribution's own, not what the
// caller has put before them.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// machine runs commands on the host and in the sandbox.
type machine struct {
	dir      string // for everything that is made; removed by close
	runsc    string // absolute
	platform []string
	rounds   int
	progress *progress
}

// newMachine checks that what the options want is there, and builds what is needed.
func newMachine(o *options) (_ *machine, err error) {
	if err := requirements(o); err != nil {
		return nil, err
	}
	if o.json != "" {
		// What can't be written is told now, not when all is done.
		f, err := os.OpenFile(o.json, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("--json: %w", err)
		}
		f.Close()
	}
	m := &machine{rounds: o.rounds, progress: newProgress(os.Stderr)}
	if o.platform != "" {
		m.platform = []string{"--platform", o.platform}
	}
	if m.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	// A sandbox may run as nobody and must still find the binary.
	if err := os.Chmod(m.dir, 0o755); err != nil {
		return nil, err
	}
	if o.runsc == "" {
		m.runsc = filepath.Join(m.dir, "runsc")
		build := exec.Command("go", "build", "-trimpath", "-o", m.runsc, "ringfence/runsc")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		m.progress.show("building runsc")
		out, err := build.CombinedOutput()
		m.progress.clear()
		if err != nil {
			return nil, fmt.Errorf("building runsc: %w: %s", err, out)
		}
		return m, nil
	}
	if m.runsc, err = filepath.Abs(o.runsc); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(m.runsc); err != nil {
		var ee *exec.Error
		var pe *fs.PathError
		if errors.As(err, &ee) {
			err = ee.Err
		}
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("--runsc %q: %w", o.runsc, err)
	}
	return m, nil
}

func (m *machine) close() {
	m.progress.clear()
	os.RemoveAll(m.dir)
}

// requirements reports the first thing that is missing for what is to be measured.
func requirements(o *options) error {
	if len(o.selected("start")) > 0 && os.Geteuid() != 0 {
		return errors.New("start: runc needs root")
	}
	for _, y := range yardsticks {
		rows := o.selected(y.name)
		if len(rows) == 0 {
			continue
		}
		need := y.programs
		for _, r := range rows {
			need = append(need[:len(need):len(need)], r.programs...)
		}
		for _, p := range need {
			if lookup(p) == p {
				return fmt.Errorf("%s: not found in %s; %s needs it: tools/install.sh bench", p, searchPath, y.name)
			}
		}
	}
	return nil
}

// lookup returns the path of a program of that name, or the name itself.
func lookup(name string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return name
}

// tryout reports why the sandbox can't run anything, if so.
func (m *machine) tryout(ctx context.Context) error {
	_, err := m.output(ctx, time.Minute, m.sandboxed("true")...)
	return err
}

// side is where a command runs.
type side string

const (
	host    side = "host"
	sandbox side = "sandbox"
)

// on returns the command line that runs argv on a side.
func (m *machine) on(s side, argv ...string) []string {
	if s == sandbox {
		return m.sandboxed(argv...)
	}
	return argv
}

// sandboxed returns the command line that runs argv in a sandbox that shows the host's files.
func (m *machine) sandboxed(argv ...string) []string {
	return m.runscLine(append([]string{"do", "--cwd", "/", "--"}, argv...)...)
}

// runscLine returns a command line of runsc, with state of our own.
func (m *machine) runscLine(args ...string) []string {
	line := append([]string{m.runsc, "--root", filepath.Join(m.dir, "runsc-state")}, m.platform...)
	return append(line, args...)
}

// output runs a command and returns what it wrote to standard output. The error tells how
// it ended, with the last line that it wrote to standard error; the output may be useful all
// the same.
func (m *machine) output(ctx context.Context, limit time.Duration, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := m.command(ctx, argv...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s: not ready after %v", filepath.Base(argv[0]), limit)
	case err != nil:
		err = fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
		if last := lastLine(errOut.String()); last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
	}
	return out.String(), err
}

// command prepares a command with an environment that is the same for all. When ctx is done it is
// killed with its process group.
func (m *machine) command(ctx context.Context, argv ...string) *exec.Cmd {
	program := argv[0]
	if !strings.Contains(program, "/") {
		program = lookup(program)
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + searchPath, "HOME=" + m.dir, "TMPDIR=" + m.dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// inTurn takes figures on the host and in the sandbox, in turn, and settles the results of
// rows. Figures that take did return count even if it failed.
func (m *machine) inTurn(ctx context.Context, rows []row, take func(s side, round int) ([]figure, error)) []*result {
	t := newTally(rows)
	for round := range m.rounds {
		for _, s := range []side{host, sandbox} {
			m.progress.show("%s: round %d of %d, %s", rows[0].yardstick, round+1, m.rounds, s)
			fs, err := take(s, round)
			if ctx.Err() != nil {
				return nil
			}
			t.add(s, fs, err)
		}
	}
	return t.settle()
}
