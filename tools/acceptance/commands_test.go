package acceptance

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

//go:embed commands.txt
var commandList string

// commands returns the lines of commands.txt that are commands.
func commands() []string {
	var out []string
	for line := range strings.Lines(commandList) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// bashReport is how bash tells that a child died of a signal.
var bashReport = regexp.MustCompile(`(bash: line \d+:) +\d+ `)

// withoutPIDs takes out of bash's reports what can't be equal.
func withoutPIDs(r result) result {
	r.stderr = bashReport.ReplaceAllString(r.stderr, "$1 PID ")
	return r
}

// TestCommands compares every command's output and exit code with the host's.
// The sandbox runs first: its overlay leaves the directory empty for the host.
func TestCommands(t *testing.T) {
	if n := len(commands()); n < 200 {
		t.Fatalf("only %d commands", n)
	}
	eachPlatform(t, func(t *testing.T, platform string) {
		for i, c := range commands() {
			t.Run(fmt.Sprintf("%03d", i+1), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				got := withoutPIDs(run(t, dir, time.Minute, "", sandboxed(platform, "bash", "-c", c)...))
				want := withoutPIDs(run(t, dir, time.Minute, "", "bash", "-c", c))
				if got != want {
					t.Errorf("%s\n--- sandbox: %v\n--- host: %v", c, got, want)
				}
			})
		}
	})
}
