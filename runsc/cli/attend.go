package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"ringfence/runsc/console"
	"ringfence/runsc/sandbox"
	"ringfence/sentry/control"
)

// forwarded are the signals that runsc passes on to the sandbox. The job control signals of the
// terminal stop runsc itself, as they would any program that is not in a sandbox.
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGPWR, syscall.SIGIO,
}

// attend lets the sandbox's first process run, passes signals on, waits for its end and
// for the end of everything else, and then ends as the process did. t may be nil.
func (g *globals) attend(sb *sandbox.Sandbox, t *console.Terminal, name string) error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)

	started := make(chan error, 1)
	go func() { started <- start(sb.Control, name) }()
	var err error
	for waiting := true; waiting; {
		select {
		case err = <-started:
			waiting = false
		case s := <-signals:
			// There is nobody yet who could be told.
			switch s {
			case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
				sb.Kill()
				sb.Wait()
				t.Restore()
				dieOf(s.(syscall.Signal))
			}
		}
	}
	if err != nil {
		var e *exitError
		if !errors.As(err, &e) {
			sb.Kill()
		}
		werr := sb.Wait()
		t.Restore()
		return ended(err, werr)
	}
	type outcome struct {
		reply control.Reply
		err   error
	}
	end := make(chan outcome, 1)
	go func() {
		r, err := sb.Status.Call(control.Request{Op: control.OpWait})
		end <- outcome{r, err}
	}()
	var o outcome
	for waiting := true; waiting; {
		select {
		case s := <-signals:
			r := control.Request{Op: control.OpSignal, Signal: int(s.(syscall.Signal)), Target: control.ToInit}
			switch s {
			case syscall.SIGWINCH:
				if t != nil {
					r = control.Request{Op: control.OpResize}
				}
			case syscall.SIGINT, syscall.SIGQUIT:
				// Such as a terminal sends to a whole group.
				r.Target = control.ToGroup
			}
			// If that fails the sandbox is ending, which is what is waited for.
			sb.Control.Call(r)
		case o = <-end:
			waiting = false
		}
	}
	werr := sb.Wait()
	t.Restore()
	if o.err != nil {
		return ended(o.err, werr)
	}
	status := syscall.WaitStatus(o.reply.Status)
	if status.Signaled() {
		dieOf(status.Signal())
		g.exitCode = 128 + int(status.Signal())
		return nil
	}
	g.exitCode = status.ExitStatus()
	return nil
}

// start lets the first process of a sandbox run.
func start(c *control.Conn, name string) error {
	r, err := c.Call(control.Request{Op: control.OpStart})
	switch {
	case err != nil:
		return err
	case r.ExitCode != 0:
		return &exitError{r.ExitCode, fmt.Sprintf("%s: %s", name, r.Error)}
	case r.Error != "":
		return &exitError{exitFailure, r.Error}
	}
	return nil
}

// ended is the error of a sandbox that ended without saying how its process did. werr
// is how its own processes ended.
func ended(err, werr error) error {
	if !errors.Is(err, control.ErrClosed) || werr == nil {
		return err
	}
	code := exitFailure
	var ee *exec.ExitError
	if errors.As(werr, &ee) {
		if ws := ee.Sys().(syscall.WaitStatus); ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
	}
	return &exitError{code, fmt.Sprintf("the sandbox ended unexpectedly: %v", werr)}
}
