package loader

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringfence/platform/clock"
	"ringfence/sentry/memfile"
)

// TestVDSOTellsTheKernelsTime runs the image in a process of the host, with and without
// usable parameters.
func TestVDSOTellsTheKernelsTime(t *testing.T) {
	prog := filepath.Join(t.TempDir(), "vdso")
	if msg, err := exec.Command("gcc", "-O1", "-o", prog, "testdata/vdso.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	defer mf.Close()
	v, err := NewVDSO(mf, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	run := func(t *testing.T, params int) {
		b, err := mf.Bytes(v.off, v.size, false)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(file, slices.Concat(b[params:params+vvarSize], b[vdsoStart:]), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(prog, file).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if last := lines[len(lines)-1]; last != "res 1 tod 0 time 0 0 cpu 1 node 0" {
			t.Errorf("%q", last)
		}
		for _, line := range lines[:len(lines)-1] {
			m := regexp.MustCompile(`^clock (-?\d+) ret (-?\d+) back (\d) off (\d+)$`).FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%q", line)
			}
			// The host's coarse clocks tick at another rate than ours.
			off, _ := strconv.Atoi(m[4])
			bad := m[1] == "99" || m[1] == "-1"
			if (m[2] != "0") != bad || m[3] != "0" || off > 5000 && m[1] != "5" && m[1] != "6" {
				t.Errorf("%q", line)
			}
		}
	}
	t.Run("through the kernel", func(t *testing.T) { run(t, 0) })
	c := clock.New()
	if !c.Usable() {
		return // this machine's counter tells no time
	}
	for range 5 {
		p, _ := c.Step()
		v.Publish(p)
		time.Sleep(4 * time.Millisecond)
	}
	t.Run("by the counter", func(t *testing.T) { run(t, 0) })
	t.Run("through the kernel in a time namespace", func(t *testing.T) { run(t, askStart) })
}
