package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	sleepers = 50
	// settling is how long a container is left alone before it counts as idle.
	settling = 2 * time.Second
	// watch is how long CPU time is counted.
	watch = 10 * time.Second
)

// runIdle looks at detached containers that sleep: at the memory of one with one process, and the
// CPU time of one with many.
func runIdle(ctx context.Context, m *machine, rows []row) ([]*result, error) {
	if err := becomeSubreaper(); err != nil {
		return nil, err
	}
	measures := map[string]func(context.Context, *machine) (float64, error){
		"memory": idleMemory,
		"cpu-50": idleCPU,
	}
	t := newTally(rows)
	for round := range m.rounds {
		var fs []figure
		for _, r := range rows {
			m.progress.show("idle: round %d of %d, %s", round+1, m.rounds, r.name)
			v, err := measures[r.name](ctx, m)
			if ctx.Err() != nil {
				return nil, nil
			}
			f := figure{name: r.name, value: v}
			if err != nil {
				f.failed = err.Error()
			}
			fs = append(fs, f)
		}
		t.add(sandbox, fs, nil)
	}
	return t.settle(), nil
}

// idleMemory is the memory of a container that sleeps, in MiB: the sum of what its processes
// have for themselves and their share of what they have together.
func idleMemory(ctx context.Context, m *machine) (float64, error) {
	c, err := m.startContainer(ctx, "sleep", "1000")
	if err != nil {
		return 0, err
	}
	defer c.end()
	if err := pause(ctx, settling); err != nil {
		return 0, err
	}
	pss, err := pssOf(c.processes())
	return float64(pss) / (1 << 20), err
}

// idleCPU is the CPU time of a container in which many processes sleep, in percent of a CPU.
func idleCPU(ctx context.Context, m *machine) (float64, error) {
	script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do sleep 1000 & i=$((i+1)); done; echo up; wait", sleepers)
	c, err := m.startContainer(ctx, "sh", "-c", script)
	if err != nil {
		return 0, err
	}
	defer c.end()
	for end := time.Now().Add(time.Minute); c.said() != "up\n"; {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("%d processes did not start within a minute", sleepers)
		}
	}
	if err := pause(ctx, settling); err != nil {
		return 0, err
	}
	before, err := cpuTime(c.processes())
	begin := time.Now()
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, watch); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	after, err := cpuTime(c.processes())
	if err != nil {
		return 0, err
	}
	return 100 * float64(spent(before, after)) / float64(took), nil
}

// container is a detached container that this process is the reaper of.
type container struct {
	m      *machine
	id     string
	output string // the file that its standard output and error go to
}

// startContainer runs argv in a container on the host's root, read-only.
func (m *machine) startContainer(ctx context.Context, argv ...string) (*container, error) {
	bundle, err := m.bundle("idle-bundle", "/", argv...)
	if err != nil {
		return nil, err
	}
	c := &container{m: m, id: "bench-idle", output: bundle + "/output"}
	f, err := os.Create(c.output)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	cmd := m.command(ctx, m.runscLine("run", "--detach", "--bundle", bundle, c.id)...)
	// A file and no pipe: the container would keep that open.
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Run(); err != nil {
		c.end()
		return nil, fmt.Errorf("runsc run --detach: %w: %s", err, lastLine(c.said()))
	}
	return c, nil
}

// said is what the container wrote so far.
func (c *container) said() string {
	b, _ := os.ReadFile(c.output)
	return string(b)
}

// processes are the container's on the host. Nothing else is running meanwhile that
// descends from this process.
func (c *container) processes() []int { return descendants(os.Getpid()) }

// end ends the container and waits until its processes are gone.
func (c *container) end() {
	// The context may be done.
	_, err := c.m.output(context.Background(), startLimit, c.m.runscLine("delete", "--force", c.id)...)
	reap(5 * time.Second)
	if left := descendants(os.Getpid()); len(left) > 0 && err != nil {
		fmt.Fprintln(os.Stderr, "bench: processes that are left:", strings.Trim(fmt.Sprint(left), "[]"))
	}
}

// pause sleeps unless ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
