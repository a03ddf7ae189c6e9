package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed guest/work.sh
var workScript []byte

// workLimit is how long one run of all jobs may take.
const workLimit = 20 * time.Minute

// runWork times jobs with a script that does them one after the other. A first run, on the host, is
// not counted: it brings the files that the jobs read into the host's cache.
func runWork(ctx context.Context, m *machine, rows []row) ([]*result, error) {
	script := filepath.Join(m.dir, "work.sh")
	if err := os.WriteFile(script, workScript, 0o755); err != nil {
		return nil, err
	}
	take := func(s side, round int) ([]figure, error) {
		// What a sandbox writes stays in it, but both sides begin with an empty directory.
		dir := filepath.Join(m.dir, fmt.Sprintf("work-%s-%d", s, round))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		argv := []string{"bash", script, dir, strconv.Itoa(port)}
		for _, r := range rows {
			argv = append(argv, r.name)
		}
		out, err := m.output(ctx, workLimit, m.on(s, argv...)...)
		fs, perr := parseWork(out)
		if err == nil {
			err = perr
		}
		return fs, err
	}
	m.progress.show("work: warming the host's caches")
	if _, err := take(host, -1); err != nil {
		return nil, err
	}
	rs := m.inTurn(ctx, rows, take)
	if len(rs) > 1 {
		rs = append(rs, summary(rs, len(rs) == len(workRows))...)
	}
	return rs, nil
}

// freePort returns a port of the loopback that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
