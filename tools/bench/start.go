package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

const (
	// startLimit is how long a container that runs true may take.
	startLimit = time.Minute
	// startsPerRound containers are started in turn for one figure, their median.
	startsPerRound = 7
)

// runStart times whole processes, from their start to their end: runc and runsc with the same
// bundle, and runsc do. The host's figure of both rows is runc's.
func runStart(ctx context.Context, m *machine, rows []row) ([]*result, error) {
	bundle, err := m.trueBundle(ctx)
	if err != nil {
		return nil, err
	}
	runcState := filepath.Join(m.dir, "runc-state")
	lines := []struct {
		name string
		argv []string
	}{
		{"runc", []string{"runc", "--root", runcState, "run", "--bundle", bundle, "bench-runc"}},
		{"run", m.runscLine("run", "--bundle", bundle, "bench-runsc")},
		{"do", m.sandboxed(filepath.Join(bundle, "rootfs", "true"))},
	}
	defer func() {
		// A run that was killed leaves its container.
		if _, err := os.Stat(filepath.Join(runcState, "bench-runc")); err == nil {
			m.output(context.WithoutCancel(ctx), startLimit, "runc", "--root", runcState, "delete", "--force", "bench-runc")
		}
	}()
	t := newTally(rows)
	for round := range m.rounds {
		m.progress.show("start: round %d of %d", round+1, m.rounds)
		took := map[string][]float64{}
		failed := map[string]error{}
		for i := range startsPerRound + 1 {
			for _, l := range lines {
				begin := time.Now()
				_, err := m.output(ctx, startLimit, l.argv...)
				if ctx.Err() != nil {
					return nil, nil
				}
				if err != nil {
					failed[l.name] = err
				}
				if i > 0 { // The first of each warms up.
					took[l.name] = append(took[l.name], time.Since(begin).Seconds())
				}
			}
		}
		if err := failed["runc"]; err != nil {
			return nil, err
		}
		var runc, runsc []figure
		for _, r := range rows {
			runc = append(runc, figure{name: r.name, value: median(took["runc"])})
			f := figure{name: r.name, value: median(took[r.name])}
			if err := failed[r.name]; err != nil {
				f.failed = err.Error()
			}
			runsc = append(runsc, f)
		}
		t.add(host, runc, nil)
		t.add(sandbox, runsc, nil)
	}
	return t.settle(), nil
}

// trueBundle makes a bundle whose root holds one static program that does nothing.
func (m *machine) trueBundle(ctx context.Context) (string, error) {
	bundle, err := m.bundle("true-bundle", "rootfs", "/true")
	if err != nil {
		return "", err
	}
	root := filepath.Join(bundle, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	program, err := m.compile(ctx, "true", []byte("int main(void) { return 0; }\n"))
	if err != nil {
		return "", err
	}
	return bundle, os.Rename(program, filepath.Join(root, "true"))
}
