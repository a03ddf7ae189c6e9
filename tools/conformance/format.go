package conformance

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// format reads what a process printed, standard output and error as they came, into results.
type format struct {
	about string
	parse func(out string) []Result
	skip  int // the exit status of a program that can't be run here, if there is one
}

// formats are the ways in which test programs say what they found.
var formats = map[string]format{
	"automake":  {about: "PASS:, FAIL:, SKIP: and the like, as automake, DejaGnu and busybox print them", parse: parseAutomake},
	"exit":      {about: "the exit status of the process", parse: func(string) []Result { return nil }},
	"ltp":       {about: "TPASS, TFAIL, TBROK and TCONF of the Linux Test Project", parse: parseLTP},
	"gtest":     {about: "googletest's text, or its XML in the file that `result` names", parse: parseGtest},
	"kselftest": {about: "the Linux kernel's selftests: TAP, or exit status 4 if they can't be run", parse: parseTAP, skip: 4},
	"tap":       {about: "the Test Anything Protocol", parse: parseTAP},
	"go":        {about: "go test -v, or go test -json", parse: parseGo},
	"unittest":  {about: "Python's unittest, verbose", parse: parseUnittest},
}

// FormatNames are the names of the formats, in order.
func FormatNames() []string { return slices.Sorted(maps.Keys(formats)) }

// FormatAbout describes a format in a few words.
func FormatAbout(name string) string { return formats[name].about }

// listFormats are the ways in which programs list their cases.
var listFormats = map[string]func(out string) []string{
	"lines": parseLines,
	"gtest": parseGtestList,
	"go":    parseGoList,
}

func parseLines(out string) (names []string) {
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names
}

// read returns the results of a process.
func (f format) read(out string, e Exit) []Result {
	results := f.parse(escapes.ReplaceAllString(out, ""))
	whole := e.outcome()
	if f.skip != 0 && e.Code == f.skip {
		whole.Status = Skipped
	}
	// An exit status other than 0 is no news if a check failed, or none passed.
	told := len(results) > 0
	for i := range results {
		results[i].Time = e.Time
		told = told && results[i].Status != Passed
	}
	for _, r := range results {
		told = told || r.Status > Skipped
	}
	if told && (whole.Status == Failed || whole.Status == Skipped) {
		whole.Status = Passed
	}
	if len(results) == 0 || whole.Status != Passed {
		if said := lastLines(out, 20); said != "" && whole.Status != Passed {
			whole.Note = strings.TrimSpace(whole.Note + "\n" + said)
		}
		results = append(results, Result{"", whole})
	}
	return results
}

// escapes are the colours that programs print even if nobody sees them.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// noter collects what a program prints between two verdicts.
type noter struct{ lines []string }

func (n *noter) add(line string) {
	const enough = 40
	if len(n.lines) < enough {
		n.lines = append(n.lines, strings.TrimRight(line, "\r\n"))
	}
}

// take returns what was collected, and starts anew.
func (n *noter) take() string {
	s := strings.TrimSpace(strings.Join(n.lines, "\n"))
	n.lines = nil
	return s
}

// result makes a Result; what was said is kept only if it did not pass.
func (n *noter) result(name string, s Status) Result {
	note := n.take()
	if s == Passed {
		note = ""
	}
	return Result{name, Outcome{Status: s, Note: note}}
}
