package conformance

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// places are the host and something that programs can tell from it.
var places = []Place{
	{Name: Native, Sharing: func(string) []string { return nil }},
	{Name: "other", Wrap: []string{"env", "OTHER=1"}, Sharing: func(string) []string { return []string{"env", "OTHER=1"} }},
}

// script makes a program.
func script(t *testing.T, file, text string) {
	t.Helper()
	os.MkdirAll(filepath.Dir(file), 0o755)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, dir, text string) *Suite {
	t.Helper()
	file := filepath.Join(dir, "suite.toml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// summary is each check with how it ended in both places.
func summary(r *Report) string {
	var b strings.Builder
	for _, s := range r.Suites {
		for _, k := range s.Checks {
			fmt.Fprintf(&b, "%s %v %v", k.ID(), k.Outcomes[0].Status, k.Outcomes[1].Status)
			if k.Except[1] != "" {
				b.WriteString(" known")
			}
			if k.Flaky {
				b.WriteString(" flaky")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pass":    "exit 0",
		"fail":    "exit 1",
		"differs": `test -z "$OTHER"`,
		"known":   `test -z "$OTHER"`,
		"better":  `test -n "$OTHER"`,
		"crash":   `test -z "$OTHER" || kill -SEGV $$`,
		"hang":    `test -z "$OTHER" || sleep 60`,
		"leaves":  `sleep 60 & exit 0`,
		"flaky":   `test -z "$OTHER" && exit 0; test -e ` + dir + `/ran || { touch ` + dir + `/ran; exit 1; }`,
		"luck":    `test -z "$OTHER" && ! test -e ` + dir + `/lucky && touch ` + dir + `/lucky`,
		"inside":  `test "$(ls -A | wc -l)" = 0 && test "$TMPDIR" = "$PWD" && touch here && test "$MINE" = "` + dir + `/x" && test -z "$(cat)"`,
		"skipped": "exit 1",
	} {
		script(t, filepath.Join(dir, "bin", name), text)
	}
	os.WriteFile(filepath.Join(dir, "bin", "README"), []byte("no program"), 0o644)
	s := load(t, dir, `
glob = "bin/*"
timeout = "2s"
env = ["MINE={dir}/x"]
[[skip]]
case = "skip*"
reason = "not wanted"
[[except]]
case = "known"
platforms = ["other"]
reason = "known bug"
`)
	start := time.Now()
	r, err := Run(t.Context(), []*Suite{s}, Options{Places: places, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	const want = `better failed passed
crash passed crashed
differs passed failed
fail failed failed
flaky passed passed flaky
hang passed timed out
inside passed passed
known passed failed known
leaves passed passed
luck failed failed flaky
pass passed passed
`
	if got := summary(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r.Suites[0].NotRun["skipped"] != "not wanted" || !r.Differs() {
		t.Errorf("not run: %v", r.Suites[0].NotRun)
	}
	if y := r.Suites[0].Tally(1); y != (Tally{Native: 8, Passed: 4, Excepted: 1, Differ: 3, More: 1}) || y.Share() != 50 {
		t.Errorf("%+v", y)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}

	var out bytes.Buffer
	if err := r.WriteTable(&out, TableOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"other suite/differs: failed: exit status 1\n", "other suite/crash: crashed: SIGSEGV",
		"other suite/hang: timed out: did not end in 2", "other suite/known: known: known bug (failed",
		"other suite/flaky: flaky: ", "other suite/luck: does not count, natively failed: flaky: exit status 1", "other suite/better: passes, but not natively", "suite/skipped: not run: not wanted\n",
		"1 cases were not run",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, out.String())
		}
	}
	checkFiles(t, r)
}

// checkFiles writes the report in both forms.
func checkFiles(t *testing.T, r *Report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "r")
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadReport(file)
	if err != nil || summary(back) != summary(r) {
		t.Errorf("JSON: %v\n%s", err, summary(back))
	}
	if err := r.WriteJUnit(file); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(file)
	var doc junitSuites
	if err := xml.Unmarshal(b, &doc); err != nil || len(doc.Suites) != 1 || doc.Suites[0].Failures != 3 || doc.Suites[0].Skipped != 4 || len(doc.Suites[0].Cases) != 11 {
		t.Errorf("JUnit: %v\n%s", err, b)
	}
}

func TestChecksOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	script(t, filepath.Join(dir, "tap"), `
echo 1..3
echo ok 1 - first
test -z "$OTHER" || kill -KILL $$
echo ok 2 - second
echo not ok 3 - third
exit 1`)
	s := load(t, dir, `
glob = "tap"
format = "tap"
[[except]]
case = "tap/second"
reason = "dies"
`)
	r, err := Run(t.Context(), []*Suite{s}, Options{Places: places})
	if err != nil {
		t.Fatal(err)
	}
	const want = `tap/first passed passed
tap/second passed missing known
tap/third failed missing
tap passed crashed
`
	if got := summary(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestResultsInAFile(t *testing.T) {
	dir := t.TempDir()
	s := load(t, dir, `
cases = ["one", "two"]
run = ["sh", "-c", "echo not ok 1 - printed; echo ok 1 - {case} > {result}"]
format = "tap"
build = ["sh", "-c", "echo built > {work}/made"]
needs = ["sh", "{dir}/suite.toml"]
`)
	r, err := Run(t.Context(), []*Suite{s}, Options{Places: places, Only: []string{"t*"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(r); got != "two passed passed\n" {
		t.Error(got)
	}
}

func TestBadSuites(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ text, want string }{
		{`cases = ["a"]`, `"run" must say`},
		{`run = ["x"]`, "exactly one of"},
		{"cases = [\"a\"]\nglob = \"x\"\nrun = [\"x\"]", "exactly one of"},
		{"cases = [\"a\"]\nrun = [\"x\"]\nformat = \"xml\"", "format \"xml\": must be one of automake, exit, go,"},
		{"cases = [\"a\"]\nrun = [\"x\"]\ntimeout = \"soon\"", "timeout"},
		{"cases = [\"a\"]\nrun = [\"x\"]\ncolour = \"red\"", "no such key: colour"},
		{"cases = [\"a\"]\nrun = [\"x\"]\nenv = [\"A\"]", "must be NAME=value"},
		{"cases = [\"a\"]\nrun = [\"x\"]\n[[skip]]\ncase = \"a\"", "no reason"},
		{"cases = [\"a\"]\nrun = [\"x\"]\n[[skip]]\ncase = \"[\"\nreason = \"r\"", "not a name or a glob"},
		{"cases = ", "suite.toml"},
	} {
		file := filepath.Join(dir, "suite.toml")
		os.WriteFile(file, []byte(tt.text), 0o644)
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"cases = [\"a\"]\nrun = [\"x\"]\nneeds = [\"no-such-command\"]\npackages = [\"pkg\"]", "no-such-command is missing; try: apt-get install pkg"},
		{"cases = [\"a\", \"a\"]\nrun = [\"x\"]", `two cases are called "a"`},
		{"glob = \"none*\"", "matches no program"},
		{"list = [\"false\"]\nrun = [\"x\"]", "list: false: exit status 1"},
		{"cases = [\"a\"]\nrun = [\"x\"]\nbuild = [\"sh\", \"-c\", \"echo broke >&2; exit 1\"]", "build: sh: exit status 1: broke"},
		{"ltp = \"none\"", "no such file"},
	} {
		s := load(t, dir, tt.text)
		if _, err := Run(t.Context(), []*Suite{s}, Options{Places: places}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestOpenFindsWhatIsInADirectory(t *testing.T) {
	dir := t.TempDir()
	script(t, dir+"/unit", `# gtest_list_tests
case $1 in --gtest_list_tests) printf 'A.\n  One\n  Two\n';; *) n=${1#*=}; echo "[ RUN      ] $n"; echo "[       OK ] $n (0 ms)";; esac`)
	script(t, dir+"/ltp01", "echo 'x: TPASS: yes'; echo 'TBROK' >/dev/null")
	script(t, dir+"/plain", "exit 0")
	os.WriteFile(dir+"/syscalls", []byte("# LTP\nltp_a ltp01\nltp_b ltp01 -x\n"), 0o644)
	os.WriteFile(dir+"/README", []byte("This directory holds tests.\nRun them.\n"), 0o644)
	os.WriteFile(dir+"/data", []byte{1, 2, 3}, 0o644)
	suites, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := List(&out, suites, nil); err != nil {
		t.Fatal(err)
	}
	const want = "ltp01/ltp01\nplain/plain\nsyscalls/ltp_a\nsyscalls/ltp_b\nunit/A.One\nunit/A.Two\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	r, err := Run(t.Context(), suites, Options{Places: places})
	if err != nil || r.Differs() || strings.Count(summary(r), "passed passed\n") != 6 {
		t.Errorf("%v\n%s", err, summary(r))
	}
	if _, err := Open(dir + "/none"); err == nil {
		t.Error("opened nothing")
	}
	if _, err := Open(dir + "/README"); err == nil || !strings.Contains(err.Error(), "neither a suite file") {
		t.Errorf("a README: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no suite file") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestCompare(t *testing.T) {
	report := func(checks ...*Check) *Report {
		return &Report{Version: reportVersion, Places: []string{Native, "trap"}, Suites: []*SuiteReport{{Name: "s", Checks: checks}}}
	}
	check := func(name string, native, trap Status) *Check {
		return &Check{Case: name, Outcomes: []Outcome{{Status: native}, {Status: trap}}, Except: make([]string, 2)}
	}
	old := report(check("same", Passed, Passed), check("worse", Passed, Passed), check("fixed", Passed, Failed), check("gone", Failed, Passed))
	now := report(check("same", Passed, Passed), check("worse", Passed, Crashed), check("fixed", Passed, Passed), check("new", Passed, Failed))
	c := Compare(old, now)
	var out bytes.Buffer
	c.Write(&out)
	const want = "regressed trap s/worse: crashed\ngone trap s/gone\nfixed trap s/fixed\n1 regressed, 1 gone, 1 fixed, 2 new\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
