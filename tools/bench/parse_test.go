package main

import (
	"reflect"
	"testing"
)

func TestParseCalls(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		want      []figure
		bad       bool
	}{
		{name: "figures", out: "getpid 81.5\nread-1 120\n", want: []figure{{name: "getpid", value: 81.5}, {name: "read-1", value: 120}}},
		{name: "a failure", out: "fork failed: fork(): No such thing\ngetpid 1\n",
			want: []figure{{name: "fork", failed: "fork(): No such thing"}, {name: "getpid", value: 1}}},
		{name: "nothing", out: ""},
		{name: "a name alone", out: "getpid\n", bad: true},
		{name: "no number", out: "getpid fast\n", bad: true},
		{name: "a negative number", out: "getpid -1\n", bad: true},
		{name: "another program's words", out: "panic: no\n", bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCalls(tt.out)
			if !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.bad {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParseWork(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		want      []figure
		bad       bool
	}{
		{name: "figures", out: "build 2.000001 0\ntree 0.4 0\n", want: []figure{{name: "build", value: 2.000001}, {name: "tree", value: 0.4}}},
		{name: "a failure", out: "build 0.1 2\n", want: []figure{{name: "build", value: 0.1, failed: "exit code 2"}}},
		{name: "a failure and its reason", out: "build 0.1 2 make: no rule\n", want: []figure{{name: "build", value: 0.1, failed: "exit code 2: make: no rule"}}},
		{name: "no exit code", out: "build 0.1\n", bad: true},
		{name: "an exit code that is none", out: "build 0.1 x\n", bad: true},
		{name: "no number", out: "build x 0\n", bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWork(tt.out)
			if !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.bad {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParseProc(t *testing.T) {
	rollup := "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:       2000 kB\nPss:        976 kB\nPss_Dirty:  100 kB\n"
	if n, err := parsePss(rollup); n != 976<<10 || err != nil {
		t.Errorf("Pss %d, %v", n, err)
	}
	if _, err := parsePss("Rss: 1 kB\n"); err == nil {
		t.Error("no Pss, but no error")
	}
	if n, err := parseSchedstat("123456789 5 6"); n != 123456789 || err != nil {
		t.Errorf("schedstat %d, %v", n, err)
	}
	if _, err := parseSchedstat(""); err == nil {
		t.Error("an empty schedstat is taken")
	}
	if p, err := parseParent("12 (a) b (c) S 34 12 12 0"); p != 34 || err != nil {
		t.Errorf("parent %d, %v", p, err)
	}
	if _, err := parseParent("12 (a)"); err == nil {
		t.Error("a stat without a parent is taken")
	}
}

func TestSpentCountsThreadsThatBeginAndForgetsThoseThatEnd(t *testing.T) {
	before := map[string]int64{"stays": 100, "ends": 50}
	after := map[string]int64{"stays": 130, "begins": 7}
	if got := spent(before, after); got != 37 {
		t.Errorf("got %d", got)
	}
}
