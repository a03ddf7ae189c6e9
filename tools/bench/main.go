// Command bench measures what the sandbox costs, against the host it runs on.
//
//	bench [--only NAME,...] [--rounds N] [--runsc BINARY] [--platform NAME] [--json FILE] [--check]
//
// Four yardsticks: calls (single operations), work (thirteen ordinary jobs), start (a container
// that runs true, against runc) and idle (memory and CPU time of containers that sleep).
// Machines drift: so every figure is taken on the host and in the sandbox in turn, --rounds
// times, and what counts is the ratio of the two medians. The spread is that of the ratios of
// single rounds. Bars are what the project wants to reach; --check makes a missed one an
// error.
//
// The files, in the order of a run: options.go, rows.go (what is measured, and the bars), machine.go
// (how commands are run), calls.go, work.go, start.go, idle.go (the yardsticks), parse.go
// and stats.go (from output to results), report.go (the table). What runs inside is in guest/.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ok, err := run(os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

// run is main; it reports whether the exit code is to be 0.
func run(args []string) (bool, error) {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if o.list {
		return true, writeList(os.Stdout)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	m, err := newMachine(o)
	if err != nil {
		return false, err
	}
	defer m.close()
	if err := m.tryout(ctx); err != nil {
		return false, err
	}
	var all []*result
	for _, y := range yardsticks {
		rows := o.selected(y.name)
		if len(rows) == 0 {
			continue
		}
		results, err := y.run(ctx, m, rows)
		m.progress.clear()
		if ctx.Err() != nil {
			return false, errors.New("interrupted")
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", y.name, err)
		}
		// Each yardstick's part is shown when it is there.
		if err := writeTable(os.Stdout, y, results, isTerminal(os.Stdout)); err != nil {
			return false, err
		}
		all = append(all, results...)
	}
	if o.json != "" {
		if err := writeJSON(o, all); err != nil {
			return false, fmt.Errorf("--json: %w", err)
		}
	}
	return !o.check || passed(all), nil
}
