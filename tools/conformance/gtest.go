package conformance

import (
	"encoding/xml"
	"regexp"
	"strings"
)

// gtestLine is one of the lines with brackets of googletest.
var gtestLine = regexp.MustCompile(`^\[ +(RUN|OK|FAILED|SKIPPED) +\] ([^\s,]+)`)

// parseGtest reads googletest's text, or its XML.
func parseGtest(out string) []Result {
	if strings.HasPrefix(out, "<?xml") {
		return parseGtestXML(out)
	}
	var results []Result
	var n noter
	running := ""
	for line := range strings.Lines(out) {
		m := gtestLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			if running != "" {
				n.add(line)
			}
		case m[1] == "RUN":
			n.take()
			running = m[2]
		case m[2] == running: // and not the summary at the end
			s := map[string]Status{"OK": Passed, "FAILED": Failed, "SKIPPED": Skipped}[m[1]]
			results = append(results, n.result(running, s))
			running = ""
		}
	}
	if running != "" {
		results = append(results, n.result(running, Crashed))
	}
	return results
}

// parseGtestXML reads what --gtest_output=xml writes.
func parseGtestXML(text string) []Result {
	var doc struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name     string `xml:"name,attr"`
				Status   string `xml:"status,attr"`
				Result   string `xml:"result,attr"`
				Failures []struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return []Result{{"", Outcome{Status: Broken, Note: "XML: " + err.Error()}}}
	}
	var results []Result
	for _, s := range doc.Suites {
		for _, c := range s.Cases {
			if c.Status == "notrun" {
				continue
			}
			var n noter
			status := Passed
			switch {
			case len(c.Failures) > 0:
				status = Failed
			case c.Result == "skipped":
				status = Skipped
			}
			for _, f := range c.Failures {
				n.add(f.Message)
			}
			results = append(results, n.result(s.Name+"."+c.Name, status))
		}
	}
	return results
}

// parseGtestList reads what --gtest_list_tests prints: suites, which end with a dot, and below
// them their tests, indented.
func parseGtestList(out string) (names []string) {
	suite := ""
	for line := range strings.Lines(out) {
		text, _, _ := strings.Cut(line, "#")
		name := strings.TrimSpace(text)
		switch {
		case name == "":
		case text[0] != ' ' && strings.HasSuffix(name, "."):
			suite = name
		case strings.Contains(suite+name, "DISABLED_"): // It would not run.
		case text[0] == ' ' && suite != "":
			names = append(names, suite+name)
		}
	}
	return names
}
