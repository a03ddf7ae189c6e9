package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Place is where cases run: natively, or in a sandbox on a platform.
type Place struct {
	Name string // "native" or the platform's
	// Wrap is put before a command to run it there.
	Wrap []string
	// Sharing returns the same with a directory that the host sees too.
	Sharing func(dir string) []string
}

// Native is the host, the oracle.
const Native = "native"

// maxOutput is how much of a program's output is kept, its beginning and its end.
const maxOutput = 4 << 20

// run runs c in a place and reads its results.
func (s *Suite) run(ctx context.Context, p Place, c Case) []Result {
	tmp, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return []Result{{"", Exit{Err: err}.outcome()}}
	}
	defer removeAll(tmp)
	v := scope{suite: s, c: c, tmp: tmp}
	wrap := p.Wrap
	if s.wantsResult() {
		// A directory of its own: what a program does in {tmp} it is to do in the sandbox's memory.
		shared, err := os.MkdirTemp("", "conformance-result-")
		if err != nil {
			return []Result{{"", Exit{Err: err}.outcome()}}
		}
		defer removeAll(shared)
		v.result = filepath.Join(shared, "result")
		wrap = p.Sharing(shared)
	}
	out, e := execute(ctx, append(slices.Clone(wrap), v.command()...), tmp, v.environ(), time.Duration(s.Timeout))
	if b, err := os.ReadFile(v.result); err == nil {
		out = string(b)
	}
	return formats[s.Format].read(out, e)
}

// wantsResult reports whether programs are told of {result}.
func (s *Suite) wantsResult() bool {
	return slices.ContainsFunc(slices.Concat(s.Run, s.Env), func(t string) bool { return strings.Contains(t, "{result}") })
}

// removeAll removes a directory in which programs may have taken rights from themselves.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(p string, d os.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			os.Chmod(p, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// execute runs a command in a session of its own, with nothing to read, until its time is up;
// whatever it left running is killed then.
func execute(ctx context.Context, argv []string, dir string, env []string, timeout time.Duration) (out string, e Exit) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return "", Exit{Err: err}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(env, "PWD="+dir)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	start := time.Now()
	err = cmd.Start()
	w.Close()
	var b buffer
	if err == nil {
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(&b, r)
		}()
		err = cmd.Wait()
		e.Time = time.Since(start)
		kill()
		// What has left the session may hold the pipe open.
		const patience = 2 * time.Second
		r.SetReadDeadline(time.Now().Add(patience))
		<-read
	}
	r.Close()
	var exit *exec.ExitError
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		e.TimedOut = true
	case errors.As(err, &exit):
		ws := exit.Sys().(syscall.WaitStatus)
		if e.Code = ws.ExitStatus(); ws.Signaled() {
			e.Signal = unix.SignalName(ws.Signal())
		}
	default:
		e.Err = err
	}
	return b.String(), e
}

// buffer keeps the beginning and the end of what is written to it.
type buffer struct {
	mu    sync.Mutex
	first bytes.Buffer // guarded by mu
	last  []byte       // guarded by mu
	lost  bool         // guarded by mu
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := maxOutput/2 - b.first.Len(); room > 0 {
		k := min(room, len(p))
		b.first.Write(p[:k])
		p = p[k:]
	}
	b.last = append(b.last, p...)
	if over := len(b.last) - maxOutput/2; over > maxOutput/2 {
		b.last = append(b.last[:0], b.last[over:]...)
		b.lost = true
	}
	return n, nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.first.String()
	if b.lost {
		s += "\n[output left out]\n"
	}
	return s + string(b.last)
}
