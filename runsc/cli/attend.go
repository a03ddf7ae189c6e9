package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

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
	var early []os.Signal // came before there was a process to send them to, as far as we know
	var patience <-chan time.Time
	for waiting := true; waiting; {
		select {
		case err = <-started:
			waiting = false
		case s := <-signals:
			early = append(early, s)
			if ends(s) && patience == nil {
				patience = time.After(startPatience)
			}
		case <-patience:
			sb.Kill()
			sb.Wait()
			t.Restore()
			dieOf(early[len(early)-1].(syscall.Signal))
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
	for _, s := range early {
		forward(sb, t, s)
	}
	var o outcome
	for waiting := true; waiting; {
		select {
		case s := <-signals:
			forward(sb, t, s)
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

// startPatience is how long a sandbox may still start after a signal that would end it.
const startPatience = 2 * time.Second

// ends reports whether s ends a process that does not know it.
func ends(s os.Signal) bool {
	return s == syscall.SIGHUP || s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGTERM
}

// forward sends a signal that this process got on to the sandbox.
func forward(sb *sandbox.Sandbox, t *console.Terminal, s os.Signal) {
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
