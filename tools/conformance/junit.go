package conformance

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// The elements of JUnit's XML, as CI systems read it.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit's XML: a suite for each suite and platform, in which a check
// fails if it passed natively and not there. What does not pass natively is skipped.
func (r *Report) WriteJUnit(file string) error {
	var doc junitSuites
	for _, s := range r.Suites {
		for i := 1; i < len(r.Places); i++ {
			suite := junitSuite{Name: s.Name + "." + r.Places[i], Tests: len(s.Checks), Time: fmt.Sprintf("%.3f", s.Took.Seconds())}
			for _, k := range s.Checks {
				o := k.Outcomes[i]
				c := junitCase{Class: s.Name + "." + k.Case, Name: k.Name, Time: fmt.Sprintf("%.3f", o.Time.Seconds())}
				if c.Name == "" {
					c.Name = k.Case
				}
				switch {
				case k.Differs(i):
					suite.Failures++
					c.Failure = &junitMessage{firstLine(o.tell()), printable(o.Note)}
				case k.falls(i):
					suite.Skipped++
					c.Skipped = &junitMessage{Message: "known: " + k.Except[i]}
				case k.Outcomes[0].Status != Passed:
					suite.Skipped++
					c.Skipped = &junitMessage{Message: "natively " + k.Outcomes[0].Status.String()}
				}
				suite.Cases = append(suite.Cases, c)
			}
			doc.Suites = append(doc.Suites, suite)
		}
	}
	b, err := xml.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(xml.Header), append(b, '\n')...), 0o644)
}

// printable leaves out what XML can't hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}
