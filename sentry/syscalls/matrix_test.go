package syscalls

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write syscalls-tests/SYSCALLS.md anew")

const matrixFile = "../../syscalls-tests/SYSCALLS.md"

func TestTheMatrixIsCurrent(t *testing.T) {
	want := Matrix()
	if *update {
		if err := os.WriteFile(matrixFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./sentry/syscalls -run Matrix -update", matrixFile)
	}
}

// TestEveryCallOfLinuxHasALine knows which numbers x86-64 has: those of the other architectures'
// common table begin at 424, and 6.12 ends with mseal, 462.
func TestEveryCallOfLinuxHasALine(t *testing.T) {
	for nr, e := range Table() {
		exists := nr <= 335 || nr >= 424 && nr <= 462
		if exists != (e.Name != "") {
			t.Errorf("number %d: %q", nr, e.Name)
		}
	}
	for _, line := range strings.Split(Matrix(), "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
			t.Errorf("no row of four cells: %s", line)
		}
	}
}
