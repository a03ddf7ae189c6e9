package main

import "fmt"

// tally collects figures into results, round by round.
type tally struct{ results []*result }

func newTally(rows []row) *tally {
	t := &tally{}
	for _, r := range rows {
		t.results = append(t.results, &result{row: r})
	}
	return t
}

// add counts the figures that a round on one side gave, and err, why there were no more. A row that
// fails once has failed.
func (t *tally) add(s side, fs []figure, err error) {
	got := map[string]figure{}
	for _, f := range fs {
		got[f.name] = f
	}
	for _, r := range t.results {
		f, ok := got[r.name]
		why := f.failed
		if !ok {
			why = "no figure"
			if err != nil {
				why = err.Error()
			}
		}
		switch {
		case why != "":
			if r.failed == "" {
				r.failed = fmt.Sprintf("%s: %s", s, why)
			}
		case s == host:
			r.host = append(r.host, f.value)
		default:
			r.sandbox = append(r.sandbox, f.value)
		}
	}
}

// settle computes all values.
func (t *tally) settle() []*result {
	for _, r := range t.results {
		r.settle()
	}
	return t.results
}
