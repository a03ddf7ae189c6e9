package conformance

import (
	"encoding/json"
	"regexp"
	"strings"
)

// goLine is a verdict of go test -v.
var goLine = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+)`)

var goStatus = map[string]Status{"PASS": Passed, "FAIL": Failed, "SKIP": Skipped, "pass": Passed, "fail": Failed, "skip": Skipped}

// parseGo reads go test -v or -json.
func parseGo(out string) []Result {
	if strings.HasPrefix(strings.TrimSpace(out), "{") {
		return parseGoJSON(out)
	}
	var results []Result
	var n noter
	for line := range strings.Lines(out) {
		switch m := goLine.FindStringSubmatch(line); {
		case m != nil:
			results = append(results, n.result(m[3], goStatus[m[2]]))
		case strings.HasPrefix(line, "=== "):
			if strings.HasPrefix(line, "=== RUN ") {
				n.take()
			}
		default:
			n.add(line)
		}
	}
	return results
}

// parseGoJSON reads the events of go test -json (go doc test2json).
func parseGoJSON(out string) []Result {
	var results []Result
	said := map[string]*noter{}
	for line := range strings.Lines(out) {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal([]byte(line), &e) != nil || e.Test == "" {
			continue
		}
		id := e.Test
		if e.Package != "" {
			id = e.Package + "." + e.Test
		}
		if said[id] == nil {
			said[id] = &noter{}
		}
		if e.Action == "output" {
			said[id].add(e.Output)
		} else if s, ok := goStatus[e.Action]; ok {
			results = append(results, said[id].result(id, s))
			delete(said, id)
		}
	}
	return results
}

// parseGoList reads what -test.list prints.
func parseGoList(out string) (names []string) {
	for _, name := range parseLines(out) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Example") || strings.HasPrefix(name, "Fuzz") {
			names = append(names, name)
		}
	}
	return names
}
