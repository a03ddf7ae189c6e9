package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// columns of the table; all but the first and the last are aligned to the right.
var columns = []string{"", "host", "sandbox", "ratio", "spread", "bar", ""}

// writeTable prints the results of a yardstick, and what went wrong below.
func writeTable(w io.Writer, y yardstick, rs []*result, colour bool) error {
	lines := [][]string{slices.Clone(columns)}
	lines[0][0] = y.name
	for _, r := range rs {
		lines = append(lines, r.cells())
	}
	width := make([]int, len(columns))
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	width[0] = max(width[0], 20) // yardsticks look alike
	var b strings.Builder
	for i, l := range lines {
		for c, cell := range l {
			pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(cell))
			switch {
			case c == 0:
				b.WriteString(cell + pad)
			case c == len(l)-1 && i > 0:
				b.WriteString("  " + paint(cell, rs[i-1], colour))
			case c < len(l)-1:
				b.WriteString("  " + pad + cell)
			}
		}
		trimmed := strings.TrimRight(b.String(), " ")
		b.Reset()
		if _, err := fmt.Fprintln(w, trimmed); err != nil {
			return err
		}
	}
	for _, r := range rs {
		if r.failed != "" {
			fmt.Fprintf(w, "  %s failed: %s\n", r.full(), r.failed)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// cells are the columns of a result.
func (r *result) cells() []string {
	c := []string{"  " + r.name, "", "", "", "", r.barText(), r.mark()}
	if r.note != "" {
		c[0] += " (" + r.note + ")"
	}
	if len(r.host) > 0 {
		c[1] = r.unit.format(median(r.host))
	}
	if len(r.sandbox) > 0 {
		c[2] = r.unit.format(median(r.sandbox))
	}
	if r.failed != "" {
		return c
	}
	if !r.absolute {
		c[3] = digits(r.value)
	}
	c[4] = digits(r.low) + ".." + digits(r.high)
	return c
}

// barText is the bar as it is printed.
func (r row) barText() string {
	switch {
	case r.bar == 0:
		return ""
	case r.absolute:
		return fmt.Sprintf("%v %s", r.bar, r.unit)
	}
	return fmt.Sprint(r.bar)
}

// mark says whether a bar is met.
func (r *result) mark() string {
	switch {
	case r.failed != "":
		return "failed"
	case r.bar == 0:
		return ""
	case r.met():
		return "ok"
	}
	return "missed"
}

// paint colours a mark.
func paint(mark string, r *result, colour bool) string {
	switch {
	case !colour || mark == "":
		return mark
	case r.met():
		return "\x1b[32m" + mark + "\x1b[m"
	}
	return "\x1b[31m" + mark + "\x1b[m"
}

// format prints a figure with its unit, times in the unit that suits them.
func (u unit) format(v float64) string {
	switch u {
	case seconds:
		v *= 1e9
	case nanoseconds:
	default:
		return digits(v) + " " + string(u)
	}
	switch {
	case v < 1e3:
		return digits(v) + " ns"
	case v < 1e6:
		return digits(v/1e3) + " us"
	case v < 1e9:
		return digits(v/1e6) + " ms"
	}
	return digits(v/1e9) + " s"
}

// digits prints a number of which three digits count.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// record is a result in the file of --json. Times are in the unit that it names.
type record struct {
	Name    string    `json:"name"` // YARDSTICK/ROW
	Unit    unit      `json:"unit"`
	Host    []float64 `json:"host,omitempty"` // by round
	Sandbox []float64 `json:"sandbox,omitempty"`
	Value   float64   `json:"value"` // what the bar is about: a ratio, or the figure if absolute
	Low     float64   `json:"low"`
	High    float64   `json:"high"`
	Bar     float64   `json:"bar,omitempty"`
	Met     bool      `json:"met"`
	Note    string    `json:"note,omitempty"`
	Failed  string    `json:"failed,omitempty"`
}

// writeJSON writes the file of --json.
func writeJSON(o *options, rs []*result) error {
	file := struct {
		Platform string   `json:"platform,omitempty"`
		Rounds   int      `json:"rounds"`
		Rows     []record `json:"rows"`
	}{o.platform, o.rounds, []record{}}
	for _, r := range rs {
		file.Rows = append(file.Rows, record{
			r.full(), r.unit, r.host, r.sandbox, r.value, r.low, r.high, r.bar, r.met(), r.note, r.failed,
		})
	}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}
