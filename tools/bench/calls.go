package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

//go:embed guest/calls.c
var callsSource []byte

// callsLimit is how long one run of all measures may take.
const callsLimit = 5 * time.Minute

// runCalls measures single operations with a program that does them over and over.
func runCalls(ctx context.Context, m *machine, rows []row) ([]*result, error) {
	program, err := m.compile(ctx, "calls", callsSource)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(m.dir, "calls-files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, err
	}
	argv := []string{program, files}
	for _, r := range rows {
		argv = append(argv, r.name)
	}
	return m.inTurn(ctx, rows, func(s side, _ int) ([]figure, error) {
		out, err := m.output(ctx, callsLimit, m.on(s, argv...)...)
		fs, perr := parseCalls(out)
		if err == nil {
			err = perr
		}
		return fs, err
	}), nil
}

// compile makes a static program, for sandboxes that have no libraries, and returns its path.
func (m *machine) compile(ctx context.Context, name string, source []byte) (string, error) {
	program := filepath.Join(m.dir, name)
	if err := os.WriteFile(program+".c", source, 0o644); err != nil {
		return "", err
	}
	_, err := m.output(ctx, time.Minute, "gcc", "-O2", "-static", "-pthread", "-o", program, program+".c")
	if err != nil {
		return "", fmt.Errorf("compiling %s.c: %w", name, err)
	}
	return program, nil
}
