package conformance

import (
	"fmt"
	"regexp"
	"strings"
)

// ltpLine is what LTP's programs print for each check, in the new form, "file.c:12: TPASS: text",
// and in the old one, "name    1  TPASS  :  text".
var ltpLine = regexp.MustCompile(`(?:^|\s)(TPASS|TFAIL|TBROK|TCONF)(?:\s*:|\s|$)`)

// parseLTP reads an LTP program as one check, which is as good as its worst line. A program
// that only found that it can't run here is skipped.
func parseLTP(out string) []Result {
	var worst Status
	var n noter
	for line := range strings.Lines(out) {
		m := ltpLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		s := map[string]Status{"TPASS": Passed, "TCONF": Skipped, "TFAIL": Failed, "TBROK": Broken}[m[1]]
		if s != Passed {
			n.add(line)
		}
		switch {
		case worst == Skipped && s == Passed, worst == Passed && s == Skipped:
			worst = Passed
		default:
			worst = max(worst, s)
		}
	}
	if worst == Missing {
		return nil
	}
	return []Result{n.result("", worst)}
}

// parseLTPList reads a list in the format of LTP's runtest files: a line for each case, which
// is its name and a command for the shell. # starts a comment line.
func parseLTPList(text string) ([]Case, error) {
	var cases []Case
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, command, ok := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		if command = strings.TrimSpace(command); !ok || command == "" {
			return nil, fmt.Errorf("line %d: %q is no name with a command", n, line)
		}
		cases = append(cases, Case{Name: name, Command: []string{"sh", "-c", command}})
	}
	return cases, nil
}
