package conformance

import (
	"regexp"
	"strings"
)

var (
	// unittestStart is a test's name and class: "test_a (module.Class.test_a)", and before Python
	// 3.11 "test_a (module.Class)". The first line of its description may follow on a line of its own.
	unittestStart = regexp.MustCompile(`^(\w+) \(([\w.<>]+)\)`)
	unittestEnd   = regexp.MustCompile(`(?:^|\.\.\. |\s)(ok|FAIL|ERROR|expected failure|unexpected success|skipped(?: .*)?)$`)
)

// unittestTold starts what is told of a failure at the end.
var unittestTold = regexp.MustCompile(`^(?:FAIL|ERROR): (\w+) \(([\w.<>]+)\)`)

// unittestID is a test's full name, of what stands before and in the parentheses.
func unittestID(name, in string) string {
	if in == name || strings.HasSuffix(in, "."+name) {
		return in
	}
	return in + "." + name
}

// parseUnittest reads what Python's unittest prints with -v. What a test itself prints
// may stand before its verdict.
func parseUnittest(out string) []Result {
	run, told, _ := strings.Cut(out, "\n"+strings.Repeat("=", 70)+"\n")
	told, _, _ = strings.Cut(told, "\n\n"+strings.Repeat("-", 70)+"\nRan ")
	var results []Result
	var n noter
	running := ""
	for line := range strings.Lines(run) {
		line = strings.TrimRight(line, "\r\n")
		if m := unittestStart.FindStringSubmatch(line); m != nil && (running == "" || strings.Contains(line, " ... ") || len(line) == len(m[0])) {
			n.take()
			running = unittestID(m[1], m[2])
			line = line[len(m[0]):]
		}
		if running == "" {
			continue
		}
		m := unittestEnd.FindStringSubmatch(line)
		if m == nil {
			n.add(line)
			continue
		}
		s := Failed
		switch {
		case m[1] == "ok" || m[1] == "expected failure":
			s = Passed
		case strings.HasPrefix(m[1], "skipped"):
			s = Skipped
			n.add(m[1])
		}
		results = append(results, n.result(running, s))
		running = ""
	}
	notes := map[string]string{}
	for _, section := range strings.Split(told, strings.Repeat("=", 70)+"\n") {
		if m := unittestTold.FindStringSubmatch(section); m != nil {
			notes[unittestID(m[1], m[2])] = lastLines(section, 12)
		}
	}
	for i := range results {
		if r := &results[i]; r.Status == Failed && notes[r.Name] != "" {
			r.Note = notes[r.Name]
		}
	}
	return results
}
