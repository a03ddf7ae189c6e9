package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestOnlySelects(t *testing.T) {
	o, err := parseOptions([]string{"--only", "start,calls/fstat,calls/getpid"})
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]string{
		"start": "start/run start/do", "calls": "calls/getpid calls/fstat", "work": "", "idle": "",
	} {
		var names []string
		for _, r := range o.selected(of) {
			names = append(names, r.full())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", of, got, want)
		}
	}
	if o, _ := parseOptions(nil); len(o.selected("work")) != len(workRows) {
		t.Error("without --only not all is selected")
	}
}

func TestBadOptionsAreToldInOneLine(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--only nonsense", `"nonsense"`},
		{"--only calls,work/nonsense", `"work/nonsense"`},
		{"--only calls,", `""`},
		{"--rounds 0", "--rounds 0"},
		{"--rounds many", "many"},
		{"--nonsense", "nonsense"},
		{"--list surplus", `"surplus"`},
	} {
		_, err := parseOptions(strings.Fields(tt.args))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
}

func TestMissingBinaryIsNamed(t *testing.T) {
	name := t.TempDir() + "/no-runsc"
	if _, err := newMachine(&options{runsc: name, rounds: 1, only: []string{"idle"}}); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v", err)
	}
}

// TestGuestsKnowTheRows compares the tables here with the names in guest/.
func TestGuestsKnowTheRows(t *testing.T) {
	for _, tt := range []struct {
		what, source, names string
		rows                []row
	}{
		{"calls.c", string(callsSource), `(?m)^\t\{"([^"]+)", `, callRows},
		{"work.sh", string(workScript), `(?m)^([a-z]+)\(\) \{ # `, workRows},
	} {
		var guest, ours []string
		for _, m := range regexp.MustCompile(tt.names).FindAllStringSubmatch(tt.source, -1) {
			guest = append(guest, m[1])
		}
		for _, r := range tt.rows {
			ours = append(ours, r.name)
		}
		if !slices.Equal(guest, ours) {
			t.Errorf("%s has %v\nthe table %v", tt.what, guest, ours)
		}
	}
}
