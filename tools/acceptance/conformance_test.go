package acceptance

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringfence/tools/conformance"
	"ringfence/tools/testbin"
)

// conformanceC passes natively but for case 2. Inside it also fails a check, by what the
// sandbox's kernel calls itself, and dies in case 4.
const conformanceC = `
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
int main(void) {
	struct utsname u;
	uname(&u);
	int inside = !strcmp(u.release, RELEASE);
	printf("1..4\nok 1 - pid\nnot ok 2 - never\n%sok 3 - release\n", inside ? "not " : "");
	fflush(stdout);
	if (inside) raise(SIGSEGV);
	puts("ok 4 - last");
	return 1;
}`

// TestConformance runs the conformance runner as its user would, on suites with known differences.
func TestConformance(t *testing.T) {
	dir := t.TempDir()
	release, err := exec.Command(testbin.Runsc, "do", "--", "uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "tap.c")
	os.WriteFile(source, []byte(conformanceC), 0o644)
	define := `-DRELEASE="` + strings.TrimSpace(string(release)) + `"`
	if out, err := exec.Command("gcc", define, "-o", filepath.Join(dir, "tap"), source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "suite.toml")
	os.WriteFile(file, []byte("glob = \"tap\"\nformat = \"tap\"\n[[except]]\ncase = \"tap/last\"\nreason = \"it dies before\"\n"), 0o644)

	json := filepath.Join(dir, "report.json")
	args := []string{"conformance", "-q", "--json", json, "--junit", filepath.Join(dir, "report.xml"), file}
	cmd := exec.Command(testbin.Runsc, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var ee *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &ee) || ee.ExitCode() != 1 {
		t.Fatalf("%v, want exit status 1\n%s%s", err, out.String(), errs.String())
	}
	r, err := conformance.ReadReport(json)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range r.Suites[0].Checks {
		for i, o := range k.Outcomes {
			got[k.ID()] += " " + o.Status.String()
			if k.Differs(i) {
				got[k.ID()] += "!"
			}
		}
	}
	want := map[string]string{
		"tap/pid": " passed passed passed", "tap/never": " failed failed failed", "tap/release": " passed failed! failed!",
		"tap/last": " passed missing missing", "tap": " passed crashed! crashed!",
	}
	for id, w := range want {
		if got[id] != w {
			t.Errorf("%s:%s, want%s", id, got[id], w)
		}
	}
	for _, p := range testbin.Platforms {
		if want := p + " suite/tap/release: failed"; !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, out.String())
		}
	}
	again, err := exec.Command(testbin.Runsc, "conformance", "--compare", json, json).CombinedOutput()
	if err != nil || string(again) != "0 regressed, 0 gone, 0 fixed, 0 new\n" {
		t.Errorf("compare: %v\n%s", err, again)
	}
}
