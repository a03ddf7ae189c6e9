package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reportVersion is that of the JSON.
const reportVersion = 1

// Report is what all suites found.
type Report struct {
	Version int            `json:"version"`
	Started time.Time      `json:"started"`
	Host    string         `json:"host"`   // its kernel
	Places  []string       `json:"places"` // "native" first
	Suites  []*SuiteReport `json:"suites"`
}

// SuiteReport is what one suite found.
type SuiteReport struct {
	Name    string            `json:"name"`
	About   string            `json:"about,omitempty"`
	Started time.Time         `json:"started"`
	Took    time.Duration     `json:"ns"`
	NotRun  map[string]string `json:"not_run,omitempty"` // cases, and why
	Checks  []*Check          `json:"checks"`
}

// Check is one check in all places.
type Check struct {
	Case string `json:"case"`
	Name string `json:"name,omitempty"`
	// Outcomes are those in the report's Places, in their order.
	Outcomes []Outcome `json:"outcomes"`
	// Except says why the check is known to differ in a place, or is empty.
	Except []string `json:"except"`
	Flaky  bool     `json:"flaky,omitempty"`
}

// ID names the check in its suite.
func (k *Check) ID() string {
	if k.Name == "" {
		return k.Case
	}
	return k.Case + "/" + k.Name
}

// Differs reports whether the check passed natively and not in place i, for no known reason.
func (k *Check) Differs(i int) bool { return k.falls(i) && k.Except[i] == "" }

// falls reports whether the check passed natively and not in place i.
func (k *Check) falls(i int) bool {
	return k.Outcomes[0].Status == Passed && k.Outcomes[i].Status != Passed
}

func newReport(places []Place) *Report {
	r := &Report{Version: reportVersion, Started: time.Now(), Host: hostKernel()}
	for _, p := range places {
		r.Places = append(r.Places, p.Name)
	}
	return r
}

func hostKernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// Tally counts the checks of a suite in one place.
type Tally struct {
	Native   int // passed natively
	Passed   int // of these passed here
	Excepted int // of these are known not to
	Differ   int // of these do not, for no known reason
	More     int // passed only here
}

// Share is what part of what passed natively passed here, in percent.
func (t Tally) Share() float64 {
	if t.Native == 0 {
		return 100
	}
	return 100 * float64(t.Passed) / float64(t.Native)
}

func (t *Tally) add(o Tally) {
	t.Native += o.Native
	t.Passed += o.Passed
	t.Excepted += o.Excepted
	t.Differ += o.Differ
	t.More += o.More
}

// Tally counts in place i.
func (s *SuiteReport) Tally(i int) (t Tally) {
	for _, k := range s.Checks {
		switch native, here := k.Outcomes[0].Status == Passed, k.Outcomes[i].Status == Passed; {
		case native && here:
			t.Passed++
		case here:
			t.More++
		case k.Differs(i):
			t.Differ++
		case native:
			t.Excepted++
		}
		if k.Outcomes[0].Status == Passed {
			t.Native++
		}
	}
	return t
}

// Differs reports whether any check passed natively and not elsewhere, for no known reason.
func (r *Report) Differs() bool {
	for _, s := range r.Suites {
		if countDiffering(s.Checks) > 0 {
			return true
		}
	}
	return false
}

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(file string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// ReadReport reads what WriteJSON wrote.
func ReadReport(file string) (*Report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: not a report: %w", file, err)
	}
	if r.Version != reportVersion {
		return nil, fmt.Errorf("%s: a report of version %d, want %d", file, r.Version, reportVersion)
	}
	for _, s := range r.Suites {
		for _, k := range s.Checks {
			if len(k.Outcomes) != len(r.Places) || len(k.Except) != len(r.Places) {
				return nil, fmt.Errorf("%s: check %s does not tell of all places", file, k.ID())
			}
		}
	}
	return r, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
