package conformance

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// TableOptions say what WriteTable shows.
type TableOptions struct {
	Colour bool
	// All shows excepted, flaky and unexpectedly passing checks too, not only how many there are.
	All bool
}

// WriteTable shows a report to people: what differs first, then a line for each suite.
func (r *Report) WriteTable(w io.Writer, o TableOptions) error {
	paint := func(code, s string) string {
		if !o.Colour {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	for _, s := range r.Suites {
		for _, k := range s.Checks {
			for i := range r.Places[1:] {
				i++
				if line := r.tellOf(k, i, o.All); line != "" {
					code := "33"
					if k.Differs(i) {
						code = "31"
					}
					fmt.Fprintf(w, "%s %s/%s: %s\n", paint(code, r.Places[i]), s.Name, k.ID(), line)
				}
			}
		}
		if o.All {
			for _, name := range slices.Sorted(maps.Keys(s.NotRun)) {
				fmt.Fprintf(w, "%s/%s: not run: %s\n", s.Name, name, s.NotRun[name])
			}
		}
	}
	fmt.Fprintln(w)
	width := len("suite")
	for _, s := range r.Suites {
		width = max(width, len(s.Name))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{fmt.Sprintf("%-*s", width, "suite"), "checks", "native"}
	for _, p := range r.Places[1:] {
		head = append(head, p, "%", "differ", "known")
	}
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	total := make([]Tally, len(r.Places))
	checks := 0
	row := func(name string, n int, tallies []Tally) {
		cells := []string{fmt.Sprintf("%-*s", width, name), fmt.Sprint(n), fmt.Sprint(tallies[0].Native)}
		for _, y := range tallies[1:] {
			cells = append(cells, fmt.Sprint(y.Passed), fmt.Sprintf("%.1f", y.Share()), fmt.Sprint(y.Differ), fmt.Sprint(y.Excepted))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	for _, s := range r.Suites {
		tallies := make([]Tally, len(r.Places))
		for i := range tallies {
			tallies[i] = s.Tally(i)
			total[i].add(tallies[i])
		}
		checks += len(s.Checks)
		row(s.Name, len(s.Checks), tallies)
	}
	if len(r.Suites) > 1 {
		row("all", checks, total)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	notRun := 0
	for _, s := range r.Suites {
		notRun += len(s.NotRun)
	}
	_, err := fmt.Fprintf(w, `
native: passed on the host (%s); the platforms: passed there too;
differ: did not, for no known reason; known: did not, as the suite file says%s
`, r.Host, also(notRun))
	return err
}

func also(notRun int) string {
	if notRun == 0 {
		return ""
	}
	return fmt.Sprintf("; %d cases were not run", notRun)
}

// tellOf says in a line what is worth telling of a check in place i.
func (r *Report) tellOf(k *Check, i int, all bool) string {
	o := k.Outcomes[i]
	switch {
	case k.Differs(i):
		return o.tell()
	case !all:
		return ""
	case k.falls(i):
		return fmt.Sprintf("known: %s (%s)", k.Except[i], o.tell())
	case k.Except[i] != "" && o.Status == Passed:
		return "passes, though the suite file excepts it: " + k.Except[i]
	case k.Flaky && strings.HasPrefix(o.Note, "flaky"):
		return o.Note
	case k.Flaky && strings.HasPrefix(k.Outcomes[0].Note, "flaky"):
		return "does not count, natively " + k.Outcomes[0].tell()
	case k.Outcomes[0].Status > Skipped && o.Status == Passed:
		return "passes, but not natively: " + k.Outcomes[0].tell()
	}
	return ""
}

// tell says how a check ended, with the start of its note.
func (o Outcome) tell() string {
	const enough = 160
	note := strings.Join(strings.Fields(o.Note), " ")
	if len(note) > enough {
		note = note[:enough] + "…"
	}
	if note == "" {
		return o.Status.String()
	}
	return o.Status.String() + ": " + note
}
