package conformance

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options say how suites are run.
type Options struct {
	// Places are where every case runs; the first is the oracle.
	Places []Place
	// Parallel is how many cases run at once; 0 is one a CPU.
	Parallel int
	// Retries is how often a case is run again that passed natively and not in a sandbox, both
	// natively and there. What then passes is flaky, and counts as passed; what does not pass
	// natively then no longer counts.
	Retries int
	// Only are globs of the cases to run; none is all.
	Only []string
	// Progress is told what goes on; it may be nil.
	Progress Progress
}

// Progress is told what a Runner does. Its methods are called from one goroutine at a time.
type Progress interface {
	// Suite begins a suite with so many cases.
	Suite(name string, cases int)
	// Case says that a case has run in all places, and how many checks differ.
	Case(name string, differ int)
}

// Run runs suites one after the other.
func Run(ctx context.Context, suites []*Suite, o Options) (*Report, error) {
	if o.Parallel == 0 {
		o.Parallel = runtime.NumCPU()
	}
	work, err := os.MkdirTemp("", "conformance-work-")
	if err != nil {
		return nil, err
	}
	defer removeAll(work)
	r := newReport(o.Places)
	for i, s := range suites {
		dir := filepath.Join(work, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		got, err := s.runAll(ctx, dir, &o)
		if err != nil {
			return nil, fmt.Errorf("suite %s: %w", s.Name, err)
		}
		r.Suites = append(r.Suites, got)
		if ctx.Err() != nil {
			break
		}
	}
	return r, ctx.Err()
}

// runAll runs a suite.
func (s *Suite) runAll(ctx context.Context, work string, o *Options) (*SuiteReport, error) {
	cases, skipped, err := s.Prepare(work)
	if err != nil {
		return nil, err
	}
	cases = selected(cases, o.Only)
	if o.Progress != nil {
		o.Progress.Suite(s.Name, len(cases))
	}
	got := &SuiteReport{Name: s.Name, About: s.About, Started: time.Now(), NotRun: skipped}
	rows := make([][]*Check, len(cases))
	var mu sync.Mutex // of o.Progress
	limit := make(chan struct{}, max(1, o.Parallel))
	if s.Serial {
		limit = make(chan struct{}, 1)
	}
	var wg sync.WaitGroup
	for i, c := range cases {
		limit <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-limit }()
			rows[i] = s.runCase(ctx, c, o)
			if o.Progress != nil {
				mu.Lock()
				defer mu.Unlock()
				o.Progress.Case(c.Name, countDiffering(rows[i]))
			}
		})
	}
	wg.Wait()
	for _, row := range rows {
		got.Checks = append(got.Checks, row...)
	}
	got.Took = time.Since(got.Started)
	return got, nil
}

// selected returns the cases that one of the globs names.
func selected(cases []Case, only []string) []Case {
	if len(only) == 0 {
		return cases
	}
	var some []Case
	for _, c := range cases {
		for _, o := range only {
			if _, ok := matching([]Exception{{Case: o}}, c.Name, ""); ok {
				some = append(some, c)
				break
			}
		}
	}
	return some
}

// runCase runs a case in all places, and again where it differs.
func (s *Suite) runCase(ctx context.Context, c Case, o *Options) []*Check {
	var checks []*Check
	for try := 0; ; try++ {
		got := make([][]Result, len(o.Places))
		for i, p := range o.Places {
			got[i] = s.run(ctx, p, c)
		}
		now := s.merge(c, o.Places, got)
		if try == 0 {
			checks = now
		} else {
			forgive(checks, now)
		}
		if try >= o.Retries || countDiffering(checks) == 0 || hangs(checks) || ctx.Err() != nil {
			return checks
		}
	}
}

// merge puts the results of a case in all places side by side, in the order of the first place.
func (s *Suite) merge(c Case, places []Place, got [][]Result) []*Check {
	var checks []*Check
	byName := map[string]*Check{}
	whole := make([]Outcome, len(places)) // what the end of the process said
	for i := range places {
		for _, r := range got[i] {
			name := r.Name
			if name == c.Name {
				name = "" // The case is one check.
			}
			if name == "" && r.Status > whole[i].Status {
				whole[i] = r.Outcome
			}
			k := byName[name]
			if k == nil {
				k = &Check{Case: c.Name, Name: name, Outcomes: make([]Outcome, len(places))}
				byName[name] = k
				checks = append(checks, k)
			}
			if r.Status >= k.Outcomes[i].Status {
				k.Outcomes[i] = r.Outcome
			}
		}
	}
	for _, k := range checks {
		for i := range places {
			switch o := &k.Outcomes[i]; {
			case o.Status != Missing || o.Note != "":
			case k.Name == "" && len(got[i]) > 0:
				o.Status = Passed // A process that ended well says nothing of itself.
			case whole[i].Status > Skipped:
				o.Note = "its process ended before: " + whole[i].tell()
			}
		}
		k.Except = make([]string, len(places))
		for i, p := range places[1:] {
			for _, name := range []string{k.ID(), k.Case} {
				if reason, ok := matching(s.Except, name, p.Name); ok {
					k.Except[i+1] = reason
				}
			}
		}
	}
	return checks
}

// forgive takes over what another try says of checks that differ: that it passes there too at times, or
// that it does not pass natively each time, so that nothing can be asked of it.
func forgive(checks, again []*Check) {
	byName := map[string]*Check{}
	for _, k := range again {
		byName[k.Name] = k
	}
	for _, k := range checks {
		for i := range k.Outcomes {
			if !k.Differs(i) {
				continue
			}
			switch a := byName[k.Name]; {
			case a == nil:
				k.Outcomes[0], k.Flaky = Outcome{Status: Missing, Note: "flaky: not there each time"}, true
			case a.Outcomes[0].Status != Passed:
				k.Outcomes[0], k.Flaky = a.Outcomes[0], true
				k.Outcomes[0].Note = "flaky: " + k.Outcomes[0].Note
			case a.Outcomes[i].Status == Passed:
				k.Outcomes[i] = Outcome{Status: Passed, Note: "flaky: " + firstLine(k.Outcomes[i].Note)}
				k.Flaky = true
			}
		}
	}
}

// hangs reports whether a case ran out of time: once is enough.
func hangs(checks []*Check) bool {
	return slices.ContainsFunc(checks, func(k *Check) bool {
		return slices.ContainsFunc(k.Outcomes, func(o Outcome) bool { return o.Status == TimedOut })
	})
}

func countDiffering(checks []*Check) (n int) {
	for _, k := range checks {
		for i := range k.Outcomes {
			if k.Differs(i) {
				n++
				break
			}
		}
	}
	return n
}

// List prints the cases of suites, and which of them are not run.
func List(w io.Writer, suites []*Suite, only []string) error {
	work, err := os.MkdirTemp("", "conformance-work-")
	if err != nil {
		return err
	}
	defer removeAll(work)
	for i, s := range suites {
		dir := filepath.Join(work, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		cases, skipped, err := s.Prepare(dir)
		if err != nil {
			return fmt.Errorf("suite %s: %w", s.Name, err)
		}
		for _, c := range selected(cases, only) {
			fmt.Fprintf(w, "%s/%s\n", s.Name, c.Name)
		}
		for _, name := range slices.Sorted(maps.Keys(skipped)) {
			fmt.Fprintf(w, "%s/%s: not run: %s\n", s.Name, name, skipped[name])
		}
	}
	return nil
}
