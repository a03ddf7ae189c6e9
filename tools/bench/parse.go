package main

import (
	"fmt"
	"strconv"
	"strings"
)

// figure is a line of output of a guest program.
type figure struct {
	name   string
	value  float64
	failed string // why there is no value, or ""
}

// parseCalls reads the output of guest/calls.c: "NAME NANOSECONDS" or "NAME failed: WHY".
func parseCalls(out string) (fs []figure, err error) {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, " ")
		if why, ok := strings.CutPrefix(rest, "failed:"); ok {
			fs = append(fs, figure{name: name, failed: strings.TrimSpace(why)})
			continue
		}
		v, err := strconv.ParseFloat(rest, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("calls said %q, which is no figure", line)
		}
		fs = append(fs, figure{name: name, value: v})
	}
	return fs, nil
}

// parseWork reads the output of guest/work.sh: "NAME SECONDS EXIT-CODE", and why if the
// code is not 0.
func parseWork(out string) (fs []figure, err error) {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		words := strings.SplitN(line, " ", 4)
		if len(words) < 3 {
			return nil, fmt.Errorf("work said %q, which is no figure", line)
		}
		v, err := strconv.ParseFloat(words[1], 64)
		code, err2 := strconv.Atoi(words[2])
		if err != nil || err2 != nil || v < 0 {
			return nil, fmt.Errorf("work said %q, which is no figure", line)
		}
		f := figure{name: words[0], value: v}
		if code != 0 {
			f.failed = fmt.Sprintf("exit code %d", code)
			if len(words) > 3 {
				f.failed += ": " + words[3]
			}
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// parsePss reads the proportional set size from a smaps_rollup, in bytes.
func parsePss(rollup string) (int64, error) {
	for line := range strings.Lines(rollup) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "Pss:" && words[2] == "kB" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no line Pss")
}

// parseSchedstat reads the time that a task has run, in nanoseconds, from its schedstat.
func parseSchedstat(s string) (int64, error) {
	words := strings.Fields(s)
	if len(words) != 3 {
		return 0, fmt.Errorf("schedstat %q", s)
	}
	return strconv.ParseInt(words[0], 10, 64)
}

// parseParent reads a process's parent from its stat. Its name, in parentheses, may hold anything.
func parseParent(stat string) (int, error) {
	words := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(words) < 2 {
		return 0, fmt.Errorf("stat %q", stat)
	}
	return strconv.Atoi(words[1])
}
