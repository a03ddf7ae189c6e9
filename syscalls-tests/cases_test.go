package syscallstests

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringfence/tools/testbin"
)

func TestMain(m *testing.M) { os.Exit(testbin.Main(m)) }

// verdict is what a program said of one case.
type verdict struct {
	ok   bool
	said string // the comment lines before
}

var tapLine = regexp.MustCompile(`^(ok|not ok) \d+ - (\S+)$`)

// runCases runs a program of cases and reads its TAP.
func runCases(t *testing.T, argv ...string) map[string]verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	var ee *exec.ExitError
	if err != nil && (!errors.As(err, &ee) || ee.ExitCode() != 1) {
		t.Errorf("%q: %v\n%s", argv, err, out)
	}
	verdicts := map[string]verdict{}
	var comments strings.Builder
	for line := range strings.Lines(string(out)) {
		if m := tapLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			verdicts[m[2]] = verdict{m[1] == "ok", comments.String()}
			comments.Reset()
		} else {
			comments.WriteString(line)
		}
	}
	return verdicts
}

// TestCases runs every case natively, as the oracle, and on each platform.
func TestCases(t *testing.T) {
	sources, err := filepath.Glob("cases/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatal("no cases: ", err)
	}
	dir := t.TempDir()
	for _, src := range sources {
		family := strings.TrimSuffix(filepath.Base(src), ".c")
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			bin := filepath.Join(dir, family)
			args := []string{"-O1", "-g", "-Wall", "-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-nonnull", "-static", "-pthread", "-o", bin, src, "-lrt"}
			if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
				t.Fatalf("gcc: %v\n%s", err, out)
			}
			native := runCases(t, bin)
			if len(native) == 0 {
				t.Fatal("no case ran")
			}
			for name, v := range native {
				if !v.ok {
					t.Errorf("%s does not pass on the host: the case is wrong\n%s", name, v.said)
				}
			}
			for _, p := range testbin.Platforms {
				got := runCases(t, testbin.Runsc, "--platform", p, "do", "--", bin)
				for name := range native {
					t.Run(p+"/"+name, func(t *testing.T) {
						if v, ran := got[name]; !ran {
							t.Error("the case did not run")
						} else if !v.ok {
							t.Error(v.said)
						}
					})
				}
			}
		})
	}
}
