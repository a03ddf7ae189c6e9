package conformance

import (
	"strings"
	"testing"
	"time"
)

// show writes results in a line each.
func show(results []Result) string {
	var b strings.Builder
	for _, r := range results {
		b.WriteString(r.Name + "=" + r.Status.String())
		if r.Note != "" {
			b.WriteString(" (" + strings.ReplaceAll(r.Note, "\n", "|") + ")")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestFormats(t *testing.T) {
	ended, failed := Exit{}, Exit{Code: 1}
	for _, tt := range []struct {
		name, format, out string
		exit              Exit
		want              string
	}{
		{"exit status 0", "exit", "chatter", ended, "=passed\n"},
		{"exit status 3", "exit", "why\n", Exit{Code: 3}, "=failed (exit status 3|why)\n"},
		{"a signal", "exit", "", Exit{Signal: "SIGSEGV"}, "=crashed (SIGSEGV)\n"},
		{"time is up", "exit", "", Exit{TimedOut: true, Time: 2 * time.Second}, "=timed out (did not end in 2s)\n"},

		{"all pass", "ltp", "open01.c:59: TPASS: fine\nopen01.c:60: TPASS: fine\n", ended, "=passed\n"},
		{"colours", "ltp", "open01.c:59: \x1b[1;31mTFAIL: \x1b[0mnot fine\n", failed, "=failed (open01.c:59: TFAIL: not fine)\n"},
		{"old form", "ltp", "dup01    1  TPASS  :  fine\ndup01    2  TBROK  :  no\n", Exit{Code: 2}, "=broken (dup01    2  TBROK  :  no)\n"},
		{"only conf", "ltp", "x.c:1: TCONF: needs a scanner\n", Exit{Code: 32}, "=skipped (x.c:1: TCONF: needs a scanner)\n"},
		{"conf and pass", "ltp", "x.c:1: TCONF: no\nx.c:2: TPASS: yes\n", ended, "=passed\n"},
		{"says nothing", "ltp", "", ended, "=passed\n"},
		{"a word in a text", "ltp", "x.c:1: TPASS: TFAILED is no word\n", ended, "=passed\n"},
		{"passes and crashes", "ltp", "x.c:1: TPASS: yes\n", Exit{Signal: "SIGBUS"}, "=passed\n=crashed (SIGBUS|x.c:1: TPASS: yes)\n"},

		{"text", "gtest", `[==========] Running 4 tests from 1 test suite.
[ RUN      ] A.Good
[       OK ] A.Good (0 ms)
[ RUN      ] A.Bad
a.cc:3: Failure
Expected: 1
[  FAILED  ] A.Bad (0 ms)
[ RUN      ] A.Not
[  SKIPPED ] A.Not (0 ms)
[ RUN      ] B/A.Param/1
[  FAILED  ] B/A.Param/1, where GetParam() = 1 (0 ms)
[  FAILED  ] 2 tests, listed below:
[  FAILED  ] A.Bad
`, failed, "A.Good=passed\nA.Bad=failed (a.cc:3: Failure|Expected: 1)\nA.Not=skipped\nB/A.Param/1=failed\n"},
		{"text that ends early", "gtest", "[ RUN      ] A.Good\n[       OK ] A.Good (0 ms)\n[ RUN      ] A.Dies\nhello\n", Exit{Signal: "SIGABRT"},
			"A.Good=passed\nA.Dies=crashed (hello)\n=crashed (SIGABRT|[ RUN      ] A.Good|[       OK ] A.Good (0 ms)|[ RUN      ] A.Dies|hello)\n"},
		{"XML", "gtest", `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3"><testsuite name="A">
<testcase name="Good" status="run" result="completed" time="0"/>
<testcase name="Bad" status="run" result="completed"><failure message="a.cc:3&#x0A;Expected" type=""><![CDATA[x]]></failure></testcase>
<testcase name="Not" status="run" result="skipped"><skipped message="no"/></testcase>
<testcase name="Off" status="notrun" result="suppressed"/>
</testsuite></testsuites>`, failed, "A.Good=passed\nA.Bad=failed (a.cc:3|Expected)\nA.Not=skipped\n"},

		{"verdicts", "automake", "PASS: a\nsaid\nFAIL: b c\nXFAIL: d\nXPASS: e\nSKIPPED: f (no x)\nERROR: g\nPASS: b c\nSKIP: a\n", failed,
			"a=skipped\nb c=failed (said)\nd=passed\ne=failed\nf (no x)=skipped\ng=broken\n"},

		{"names", "tap", "1..4\nok 1 - opens\n# said\nnot ok 2 - closes\nok 3 - waits # SKIP not here\nnot ok 4 - sings # TODO later\n", failed,
			"opens=passed\ncloses=failed (# said)\nwaits=skipped (not here)\nsings=skipped (later)\n"},
		{"no names", "tap", "ok\nok 2\nnot ok 3 - same\nok 4 - same\n1..4\n", failed, "1=passed\n2=passed\n3 same=failed\n4 same=passed\n"},
		{"nobody expects it", "tap", "ok 1 # XFAIL known bug\nok 2 # XPASS fixed\n", ended, "1=skipped (known bug)\n2=skipped (fixed)\n"},
		{"can't run", "kselftest", "no such device\n", Exit{Code: 4}, "=skipped (exit status 4|no such device)\n"},
		{"can't run the rest", "kselftest", "ok 1 a\nok 2 # SKIP no device\n", Exit{Code: 4}, "a=passed\n2=skipped (no device)\n=skipped (exit status 4|ok 1 a|ok 2 # SKIP no device)\n"},
		{"too few", "tap", "1..3\nok 1 - a\n", ended, "a=passed\n=broken (3 checks planned, 1 made)\n"},
		{"bail out", "tap", "ok 1 - a\nBail out! no memory\nok 2 - b\n", Exit{Code: 255}, "a=passed\n=broken (no memory)\n"},

		{"verbose", "go", `=== RUN   TestA
=== RUN   TestA/sub_1
    a_test.go:5: wrong
=== RUN   TestA/sub_2
--- FAIL: TestA (0.00s)
    --- FAIL: TestA/sub_1 (0.00s)
    --- PASS: TestA/sub_2 (0.00s)
=== RUN   TestB
    a_test.go:9: not now
--- SKIP: TestB (0.00s)
FAIL
`, failed, "TestA=failed\nTestA/sub_1=failed\nTestA/sub_2=passed\nTestB=skipped (a_test.go:9: not now)\n"},
		{"json", "go", `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"fail","Package":"p","Elapsed":0}
`, failed, "p.TestA=failed (a_test.go:5: wrong)\np.TestB=passed\n"},

		{"3.11", "unittest", `test_a (test.test_os.FileTests.test_a) ... ok
test_b (test.test_os.FileTests.test_b)
It does b. ... FAIL
test_c (test.test_os.FileTests.test_c) ... skipped 'no c'
test_d (test.test_os.FileTests.test_d) ... said by the test
ok
test_e (test.test_os.FileTests.test_e) ... expected failure

======================================================================
FAIL: test_b (test.test_os.FileTests.test_b)
It does b.
----------------------------------------------------------------------
Traceback (most recent call last):
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 5 tests in 0.1s

FAILED (failures=1, skipped=1)
`, failed, `test.test_os.FileTests.test_a=passed
test.test_os.FileTests.test_b=failed (FAIL: test_b (test.test_os.FileTests.test_b)|It does b.|----------------------------------------------------------------------|Traceback (most recent call last):|AssertionError: 1 != 2)
test.test_os.FileTests.test_c=skipped (skipped 'no c')
test.test_os.FileTests.test_d=passed
test.test_os.FileTests.test_e=passed
`},
		{"before 3.11", "unittest", "test_a (m.C) ... ok\ntest_b (m.C) ... ERROR\n", failed, "m.C.test_a=passed\nm.C.test_b=failed\n"},
	} {
		t.Run(tt.format+"/"+tt.name, func(t *testing.T) {
			if got := show(formats[tt.format].read(tt.out, tt.exit)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestLists(t *testing.T) {
	for _, tt := range []struct{ format, out, want string }{
		{"lines", "a\n\n# no\n b c \n", "a,b c"},
		{"gtest", "Running main() from x.cc\nA.\n  Good\n  DISABLED_Bad\nB/P.\n  Pos/0  # GetParam() = 1\nDISABLED_C.\n  One\n", "A.Good,B/P.Pos/0"},
		{"go", "TestA\nExampleB\nFuzzC\nBenchmarkD\nok  \tp\t0.1s\n", "TestA,ExampleB,FuzzC"},
	} {
		if got := strings.Join(listFormats[tt.format](tt.out), ","); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.format, got, tt.want)
		}
	}
	cases, err := parseLTPList("# comment\n\nopen01 open01\nopen02\topen02 -a  1\n")
	if err != nil || len(cases) != 2 || cases[1].Name != "open02" || cases[1].Command[2] != "open02 -a  1" {
		t.Errorf("%+v, %v", cases, err)
	}
	if _, err := parseLTPList("open01 open01\nlonely\n"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line without a command: %v", err)
	}
}
