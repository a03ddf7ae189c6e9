package conformance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// tapLine is a test line of the Test Anything Protocol.
var tapLine = regexp.MustCompile(`^(not )?ok\b *(\d+)? *(?:- )?([^#]*?) *(?:# *(?i:(skip|todo|xfail|xpass))\S*\s*(.*))?$`)

// tapPlan says how many there are.
var tapPlan = regexp.MustCompile(`^1\.\.(\d+)`)

// parseTAP reads the Test Anything Protocol. A check is called by its description, or by its
// number if it has none or others have the same.
func parseTAP(out string) []Result {
	type check struct {
		number int
		Result
	}
	var checks []check
	planned := -1
	count := map[string]int{}
	var n noter
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if m := tapPlan.FindStringSubmatch(line); m != nil {
			planned, _ = strconv.Atoi(m[1])
			continue
		}
		if rest, ok := strings.CutPrefix(line, "Bail out!"); ok {
			n.add(strings.TrimSpace(rest))
			checks = append(checks, check{-1, n.result("", Broken)})
			break
		}
		m := tapLine.FindStringSubmatch(line)
		if m == nil {
			n.add(line)
			continue
		}
		number := len(checks) + 1
		if m[2] != "" {
			number, _ = strconv.Atoi(m[2])
		}
		s := Passed
		switch {
		case m[4] != "": // it was not made, or is not expected to pass
			s = Skipped
			n.add(m[5])
		case m[1] != "":
			s = Failed
		}
		checks = append(checks, check{number, n.result(m[3], s)})
		count[m[3]]++
	}
	var results []Result
	for _, c := range checks {
		if c.number >= 0 && (c.Name == "" || count[c.Name] > 1) {
			c.Name = strings.TrimSpace(fmt.Sprintf("%d %s", c.number, c.Name))
		}
		results = append(results, c.Result)
	}
	if len(checks) < planned && len(checks) > 0 {
		results = append(results, Result{"", Outcome{Status: Broken, Note: fmt.Sprintf("%d checks planned, %d made", planned, len(checks))}})
	}
	return results
}
