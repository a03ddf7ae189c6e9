package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// someResults are of all kinds: a bar missed, met and none, a failure, and a ratio of ratios.
func someResults() []*result {
	rs := []*result{
		{row: row{name: "getpid", unit: nanoseconds, bar: 0.5}, host: []float64{80, 82}, sandbox: []float64{4050, 4050}},
		{row: row{name: "mmap", unit: nanoseconds, bar: 3}, host: []float64{18000}, sandbox: []float64{36000}},
		{row: row{name: "a-name-longer-than-most", unit: seconds}, host: []float64{0.5}, sandbox: []float64{2}},
		{row: row{name: "broken", unit: seconds, bar: 1}, host: []float64{1}, failed: "sandbox: exit code 2"},
		{row: row{name: "memory", unit: mebibytes, bar: 20, absolute: true}, sandbox: []float64{10.5, 10.7}},
	}
	for _, r := range rs {
		r.yardstick = "any"
		r.settle()
	}
	return append(rs, &result{row: row{yardstick: "any", name: "worst", unit: times, bar: 3.5}, value: 3.5, low: 3, high: 4, note: "mmap"})
}

func TestTable(t *testing.T) {
	const want = `
any                           host   sandbox  ratio      spread     bar
  getpid                   81.0 ns   4.05 us   50.0  49.4..50.6     0.5  missed
  mmap                     18.0 us   36.0 us   2.00  2.00..2.00       3  ok
  a-name-longer-than-most   500 ms    2.00 s   4.00  4.00..4.00
  broken                    1.00 s                                    1  failed
  memory                            10.6 MiB         10.5..10.7  20 MiB  ok
  worst (mmap)                                 3.50  3.00..4.00     3.5  ok
  any/broken failed: sandbox: exit code 2

`
	var b strings.Builder
	if err := writeTable(&b, yardstick{name: "any"}, someResults(), false); err != nil {
		t.Fatal(err)
	}
	if got := "\n" + b.String(); got != want {
		t.Errorf("got%s", got)
	}
}

func TestTableColoursOnlyMarks(t *testing.T) {
	var plain, colour strings.Builder
	writeTable(&plain, yardstick{name: "any"}, someResults(), false)
	writeTable(&colour, yardstick{name: "any"}, someResults(), true)
	for _, want := range []string{"\x1b[31mmissed\x1b[m\n", "\x1b[32mok\x1b[m\n", "\x1b[31mfailed\x1b[m\n"} {
		if !strings.Contains(colour.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if got := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[m", "").Replace(colour.String()); got != plain.String() {
		t.Errorf("without colours it is not the same:\n%s", got)
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		u    unit
		v    float64
		want string
	}{
		{nanoseconds, 0.5, "0.50 ns"}, {nanoseconds, 99.94, "99.9 ns"}, {nanoseconds, 99.96, "100 ns"},
		{nanoseconds, 1234, "1.23 us"}, {nanoseconds, 2.5e9, "2.50 s"},
		{seconds, 0.0305, "30.5 ms"}, {seconds, 75, "75.0 s"},
		{mebibytes, 10.25, "10.2 MiB"}, {percent, 0.04, "0.04 %"}, {times, 9.999, "10.0 x"},
	} {
		if got := tt.u.format(tt.v); got != tt.want {
			t.Errorf("%v %s: %q, want %q", tt.v, tt.u, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	o := &options{json: filepath.Join(t.TempDir(), "out"), platform: "p", rounds: 2}
	if err := writeJSON(o, someResults()); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(o.json)
	var got struct {
		Platform string
		Rounds   int
		Rows     []record
	}
	if err := json.Unmarshal(b, &got); err != nil || got.Platform != "p" || got.Rounds != 2 || len(got.Rows) != 6 {
		t.Fatalf("%v: %s", err, b)
	}
	if r := got.Rows[0]; r.Name != "any/getpid" || r.Unit != "ns" || r.Value != 50 || r.Bar != 0.5 || r.Met || len(r.Host) != 2 {
		t.Errorf("%+v", r)
	}
	if r := got.Rows[3]; r.Failed == "" || r.Met {
		t.Errorf("%+v", r)
	}
}
