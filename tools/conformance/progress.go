package conformance

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Meter is a Progress that shows a line which it rewrites on a terminal, and elsewhere now and
// then a new one.
type Meter struct {
	w        io.Writer
	terminal bool
	suite    string
	of, done int
	differ   int
	started  time.Time
	told     time.Time
}

// NewMeter returns a Meter that writes to w.
func NewMeter(w io.Writer, terminal bool) *Meter { return &Meter{w: w, terminal: terminal} }

// Suite implements Progress.
func (m *Meter) Suite(name string, cases int) {
	m.Done()
	m.suite, m.of, m.done, m.differ = name, cases, 0, 0
	m.started, m.told = time.Now(), time.Now()
	if !m.terminal {
		fmt.Fprintf(m.w, "%s: %d cases\n", name, cases)
	}
}

// Case implements Progress.
func (m *Meter) Case(name string, differ int) {
	m.done++
	m.differ += differ
	const often, seldom = 100 * time.Millisecond, 30 * time.Second
	pause := seldom
	if m.terminal {
		pause = often
	}
	if m.done < m.of && time.Since(m.told) < pause {
		return
	}
	m.told = time.Now()
	line := fmt.Sprintf("%s %d/%d", m.suite, m.done, m.of)
	if left := m.left(); left > time.Second {
		line += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	if m.differ > 0 {
		line += fmt.Sprintf(", %d differ", m.differ)
	}
	if !m.terminal {
		fmt.Fprintln(m.w, line)
		return
	}
	const width = 78
	if len(line) < width-3 {
		line += "  " + name
	}
	fmt.Fprintf(m.w, "\r%-*.*s", width, width, line)
}

// left is how long the rest of the suite takes at the pace so far.
func (m *Meter) left() time.Duration {
	return time.Since(m.started) / time.Duration(m.done) * time.Duration(m.of-m.done)
}

// Done ends the line.
func (m *Meter) Done() {
	if m.terminal && m.suite != "" {
		fmt.Fprintf(m.w, "\r%s\r", strings.Repeat(" ", 78))
	}
}
