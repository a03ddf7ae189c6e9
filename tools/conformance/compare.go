package conformance

import (
	"fmt"
	"io"
	"slices"
)

// Change is a check that is not as it was.
type Change struct {
	Suite, Check, Place string
	Old, New            Outcome
}

// Comparison is what differs between two reports.
type Comparison struct {
	Regressed []Change // passed, and does not now
	Fixed     []Change // passes, and did not before
	Gone      []Change // passed, and is not there now
	Added     int      // checks that were not there before
}

// Compare says what is different in the report now from the one old. Places and suites that
// are not in both are left out.
func Compare(old, now *Report) Comparison {
	type id struct{ suite, check, place string }
	index := func(r *Report) (map[id]Outcome, []id) {
		m := map[id]Outcome{}
		var order []id
		for _, s := range r.Suites {
			for _, k := range s.Checks {
				for i, p := range r.Places {
					key := id{s.Name, k.ID(), p}
					m[key] = k.Outcomes[i]
					order = append(order, key)
				}
			}
		}
		return m, order
	}
	suites := func(r *Report) (names []string) {
		for _, s := range r.Suites {
			names = append(names, s.Name)
		}
		return names
	}
	was, order := index(old)
	is, newOrder := index(now)
	nowSuites, oldSuites := suites(now), suites(old)
	var c Comparison
	for _, key := range order {
		if !slices.Contains(nowSuites, key.suite) || !slices.Contains(now.Places, key.place) {
			continue
		}
		a := was[key]
		b, there := is[key]
		change := Change{key.suite, key.check, key.place, a, b}
		switch {
		case !there && a.Status == Passed:
			c.Gone = append(c.Gone, change)
		case there && a.Status == Passed && b.Status != Passed:
			c.Regressed = append(c.Regressed, change)
		case there && a.Status != Passed && b.Status == Passed:
			c.Fixed = append(c.Fixed, change)
		}
	}
	for _, key := range newOrder {
		if _, there := was[key]; !there && slices.Contains(oldSuites, key.suite) && slices.Contains(old.Places, key.place) {
			c.Added++
		}
	}
	return c
}

// Write shows the comparison to people.
func (c Comparison) Write(w io.Writer) error {
	for _, g := range []struct {
		name    string
		changes []Change
	}{{"regressed", c.Regressed}, {"gone", c.Gone}, {"fixed", c.Fixed}} {
		for _, x := range g.changes {
			note := ""
			if g.name == "regressed" {
				note = ": " + x.New.tell()
			}
			fmt.Fprintf(w, "%s %s %s/%s%s\n", g.name, x.Place, x.Suite, x.Check, note)
		}
	}
	_, err := fmt.Fprintf(w, "%d regressed, %d gone, %d fixed, %d new\n", len(c.Regressed), len(c.Gone), len(c.Fixed), c.Added)
	return err
}
