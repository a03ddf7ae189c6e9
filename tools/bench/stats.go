package main

import (
	"math"
	"slices"
)

// result is what was found out about one row.
type result struct {
	row
	// host and sandbox are the figures by round; host is empty in absolute rows, both in rows
	// made from others.
	host, sandbox []float64
	// value is what the bar is about: the ratio of the medians, or the sandbox's median in
	// absolute rows. low and high are that of single rounds.
	value, low, high float64
	// note says more of the value, such as whose it is.
	note string
	// failed says why there is no value; "" if there is.
	failed string
}

// settle computes the value from the figures.
func (r *result) settle() {
	switch {
	case r.failed != "":
		return
	case len(r.sandbox) == 0:
		r.failed = "not measured"
	case r.absolute:
		r.value, r.low, r.high = median(r.sandbox), slices.Min(r.sandbox), slices.Max(r.sandbox)
	case len(r.host) != len(r.sandbox):
		r.failed = "not measured on both sides"
	case slices.Min(r.host) <= 0:
		r.failed = "host: took no time"
	default:
		ratios := make([]float64, len(r.host))
		for i := range ratios {
			ratios[i] = r.sandbox[i] / r.host[i]
		}
		r.value, r.low, r.high = median(r.sandbox)/median(r.host), slices.Min(ratios), slices.Max(ratios)
	}
}

// met reports whether the value is within the bar. Without a bar everything is, but a failure is
// a miss in any case.
func (r *result) met() bool { return r.failed == "" && (r.bar == 0 || r.value <= r.bar) }

// passed reports whether all bars are met.
func passed(rs []*result) bool {
	return !slices.ContainsFunc(rs, func(r *result) bool { return !r.met() })
}

// summary makes mean and worst of settled results that have a ratio each. The mean's spread is
// that of the means of single rounds. Bars are for all jobs: with some only there are none.
func summary(rs []*result, complete bool) []*result {
	mean, worst := &result{row: workMean}, &result{row: workWorst}
	if !complete {
		mean.bar, worst.bar = 0, 0
	}
	var ratios []float64
	rounds := math.MaxInt
	for _, r := range rs {
		if r.failed != "" {
			mean.failed = "not all jobs succeeded"
			worst.failed = mean.failed
			return []*result{mean, worst}
		}
		ratios = append(ratios, r.value)
		rounds = min(rounds, len(r.host))
		if r.value > worst.value {
			worst.value, worst.low, worst.high, worst.note = r.value, r.low, r.high, r.name
		}
	}
	mean.value = geometricMean(ratios)
	mean.low, mean.high = math.Inf(1), math.Inf(-1)
	for i := range rounds {
		var of []float64
		for _, r := range rs {
			of = append(of, r.sandbox[i]/r.host[i])
		}
		g := geometricMean(of)
		mean.low, mean.high = min(mean.low, g), max(mean.high, g)
	}
	return []*result{mean, worst}
}

// median of at least one figure.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// geometricMean of at least one positive figure.
func geometricMean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}
