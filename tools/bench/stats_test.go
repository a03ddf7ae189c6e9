package main

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		v    []float64
		want float64
	}{
		{[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{8, 1, 2, 4}, 3},
	} {
		if got := median(tt.v); got != tt.want {
			t.Errorf("median of %v: %v", tt.v, got)
		}
	}
	v := []float64{2, 1}
	if median(v); v[0] != 2 {
		t.Error("median sorts its argument")
	}
}

func TestGeometricMean(t *testing.T) {
	if got := geometricMean([]float64{2, 8}); !near(got, 4) {
		t.Errorf("got %v", got)
	}
}

func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		name             string
		r                result
		value, low, high float64
		failed           string
		met              bool
	}{
		{name: "ratio of medians, spread of rounds", met: true, value: 2, low: 1.5, high: 4,
			r: result{row: row{bar: 2}, host: []float64{10, 20, 5}, sandbox: []float64{20, 30, 20}}},
		{name: "above the bar", value: 3, low: 3, high: 3,
			r: result{row: row{bar: 2}, host: []float64{1}, sandbox: []float64{3}}},
		{name: "no bar", met: true, value: 3, low: 3, high: 3,
			r: result{host: []float64{1}, sandbox: []float64{3}}},
		{name: "absolute", met: true, value: 18, low: 17, high: 25,
			r: result{row: row{bar: 20, absolute: true}, sandbox: []float64{25, 17, 18}}},
		{name: "one side only", failed: "not measured on both sides",
			r: result{host: []float64{1, 2}, sandbox: []float64{3}}},
		{name: "neither side", failed: "not measured"},
		{name: "a host that takes no time", failed: "host: took no time",
			r: result{host: []float64{0}, sandbox: []float64{3}}},
		{name: "failed before", failed: "why",
			r: result{failed: "why", host: []float64{1}, sandbox: []float64{3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r
			r.settle()
			if !near(r.value, tt.value) || !near(r.low, tt.low) || !near(r.high, tt.high) || r.failed != tt.failed || r.met() != tt.met {
				t.Errorf("got %+v, met %v", r, r.met())
			}
		})
	}
}

func TestTally(t *testing.T) {
	tl := newTally([]row{{name: "a"}, {name: "b"}, {name: "c"}})
	tl.add(host, []figure{{name: "a", value: 1}, {name: "b", value: 1}, {name: "c", value: 1}, {name: "stranger", value: 1}}, nil)
	tl.add(sandbox, []figure{{name: "a", value: 2}, {name: "b", failed: "broke"}}, errors.New("the sandbox ended"))
	rs := tl.settle()
	if rs[0].value != 2 || rs[0].failed != "" {
		t.Errorf("a: %+v", rs[0])
	}
	if rs[1].failed != "sandbox: broke" {
		t.Errorf("b: %+v", rs[1])
	}
	if rs[2].failed != "sandbox: the sandbox ended" {
		t.Errorf("c: %+v", rs[2])
	}
	if passed(rs) || !passed(rs[:1]) {
		t.Error("a failure passes, or a success does not")
	}
}

func TestSummary(t *testing.T) {
	a := &result{row: row{name: "a"}, host: []float64{1, 1}, sandbox: []float64{2, 2}}
	b := &result{row: row{name: "b"}, host: []float64{1, 1}, sandbox: []float64{8, 18}}
	a.settle()
	b.settle()
	rs := summary([]*result{a, b}, true)
	mean, worst := rs[0], rs[1]
	if !near(mean.value, math.Sqrt(2*13)) || !near(mean.low, 4) || !near(mean.high, 6) || mean.bar == 0 {
		t.Errorf("mean %+v", mean)
	}
	if worst.value != 13 || worst.note != "b" || worst.bar == 0 {
		t.Errorf("worst %+v", worst)
	}
	if rs := summary([]*result{a, b}, false); rs[0].bar != 0 || rs[1].bar != 0 {
		t.Error("some jobs only are held to the bars for all")
	}
	b.failed = "exit code 1"
	for _, r := range summary([]*result{a, b}, true) {
		if !strings.Contains(r.failed, "not all") {
			t.Errorf("with a failure: %+v", r)
		}
	}
}
