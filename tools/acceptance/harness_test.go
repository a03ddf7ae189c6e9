package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringfence/tools/testbin"
)

func TestMain(m *testing.M) {
	os.Exit(testbin.Main(m))
}

// result is what a command left behind.
type result struct {
	stdout, stderr string
	code           int // exit code, or 128+signal
	timedOut       bool
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d (timed out: %v)\nstdout:\n%s\nstderr:\n%s", r.code, r.timedOut, r.stdout, r.stderr)
}

// environment is the same on both sides.
func environment() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin",
		"HOME=/root", "USER=root", "LC_ALL=C", "TERM=dumb", "GIT_CONFIG_NOSYSTEM=1",
	}
}

// run runs argv in dir and waits for it. A command that takes longer than limit is
// killed, with its process group.
func run(t *testing.T, dir string, limit time.Duration, stdin string, argv ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out, errOut bytes.Buffer
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	r := result{stdout: out.String(), stderr: errOut.String(), timedOut: ctx.Err() != nil}
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		ws := ee.Sys().(syscall.WaitStatus)
		r.code = ws.ExitStatus()
		if ws.Signaled() {
			r.code = 128 + int(ws.Signal())
		}
	case err != nil && !r.timedOut:
		t.Fatalf("%q: %v", argv, err)
	}
	return r
}

// sandboxed returns the command line that runs argv in the sandbox.
func sandboxed(platform string, argv ...string) []string {
	return append([]string{testbin.Runsc, "--platform", platform, "do", "--"}, argv...)
}

// eachPlatform runs fn once for every platform under test.
func eachPlatform(t *testing.T, fn func(t *testing.T, platform string)) {
	for _, p := range testbin.Platforms {
		t.Run(p, func(t *testing.T) { fn(t, p) })
	}
}
