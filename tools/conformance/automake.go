package conformance

import (
	"regexp"
	"strings"
)

// automakeLine is a verdict of automake's test drivers, of DejaGnu's, and of busybox's testsuite.
var automakeLine = regexp.MustCompile(`^(PASS|XFAIL|FAIL|XPASS|SKIP|SKIPPED|UNTESTED|UNSUPPORTED|ERROR|UNRESOLVED): (.*\S)`)

var automakeStatus = map[string]Status{
	"PASS": Passed, "XFAIL": Passed, "FAIL": Failed, "XPASS": Failed, "ERROR": Broken, "UNRESOLVED": Broken,
	"SKIP": Skipped, "SKIPPED": Skipped, "UNTESTED": Skipped, "UNSUPPORTED": Skipped,
}

// parseAutomake reads lines that begin with a verdict. Of two that have one name the worse counts.
func parseAutomake(out string) []Result {
	var results []Result
	at := map[string]int{}
	var n noter
	for line := range strings.Lines(out) {
		m := automakeLine.FindStringSubmatch(line)
		if m == nil {
			n.add(line)
			continue
		}
		r := n.result(m[2], automakeStatus[m[1]])
		i, twice := at[r.Name]
		switch {
		case !twice:
			at[r.Name] = len(results)
			results = append(results, r)
		case r.Status > results[i].Status:
			results[i] = r
		}
	}
	return results
}
