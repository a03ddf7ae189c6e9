package boot

import (
	"errors"
	"fmt"
	"os"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/control"
	"ringfence/sentry/kernel"
)

// stateFailed is the state of a sandbox that has no process and never will.
const stateFailed = "failed"

// listen takes control connections.
func (b *sandbox) listen(fd hostcall.FD) {
	for {
		conn, err := hostcall.Accept(fd)
		switch err {
		case nil:
			go b.serve(control.NewConn(conn), false)
		case errno.ECONNABORTED:
		default:
			fmt.Fprintf(b.log, "control socket: %v\n", err)
			return
		}
	}
}

// serve answers one control connection. If its owner started the sandbox and hangs up, the sandbox
// ends: nobody is left to ask for it.
func (b *sandbox) serve(c *control.Conn, owner bool) {
	defer c.Close()
	for {
		r, err := c.Receive()
		if err != nil {
			if !errors.Is(err, control.ErrClosed) {
				fmt.Fprintf(b.log, "control: %v\n", err)
			}
			if owner {
				os.Exit(1)
			}
			return
		}
		b.debugf("control: %+v", r)
		reply := b.answer(r)
		err = c.Reply(reply)
		// Who learns that there is nothing to wait for, or no more, needs nothing else.
		if r.Op == control.OpWait || reply.State == stateFailed {
			b.tell()
		}
		if err != nil {
			return
		}
	}
}

func (b *sandbox) answer(r control.Request) control.Reply {
	<-b.ready
	if b.failed != nil {
		return control.Reply{Error: b.failed.Error(), State: stateFailed}
	}
	switch r.Op {
	case control.OpStart:
		return b.start()
	case control.OpWait:
		<-b.ended
		return control.Reply{Status: uint32(b.status)}
	case control.OpState:
		return control.Reply{State: b.state()}
	case control.OpSignal:
		if err := b.signal(r); err != nil {
			return control.Reply{Error: err.Error()}
		}
		return control.Reply{}
	case control.OpResize:
		if b.tty != nil {
			b.tty.resize()
		}
		return control.Reply{}
	}
	return control.Reply{Error: fmt.Sprintf("control request %q is unknown", r.Op)}
}

// start runs the first process.
func (b *sandbox) start() control.Reply {
	b.mu.Lock()
	again := b.starting
	b.starting = true
	b.mu.Unlock()
	if again {
		return control.Reply{Error: "the container was started before"}
	}
	tg, reply := b.exec()
	if tg == nil {
		reply.State = stateFailed
		b.stillborn = true
		close(b.started)
		return reply
	}
	b.mu.Lock()
	b.init = tg
	b.mu.Unlock()
	close(b.started)
	return reply
}

func (b *sandbox) state() string {
	select {
	case <-b.ended:
		return "stopped"
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.init == nil {
		return "created"
	}
	return "running"
}

// signal sends a signal from outside the sandbox.
func (b *sandbox) signal(r control.Request) error {
	if r.Signal < 0 || r.Signal > linux.NSIG {
		return fmt.Errorf("signal %d does not exist", r.Signal)
	}
	b.mu.Lock()
	tg := b.init
	b.mu.Unlock()
	if tg == nil {
		return errors.New("the container has not been started")
	}
	if r.Signal == 0 {
		return nil
	}
	sig := linux.Signal(r.Signal)
	switch r.Target {
	case control.ToAll:
		if sig == linux.SIGKILL {
			b.kernel.Kill()
			return nil
		}
		for _, tg := range b.kernel.ThreadGroups(b.kernel.PIDNS) {
			info := kernel.KernelInfo(sig)
			tg.Signal(&info)
		}
		return nil
	case control.ToGroup:
		if pg := tg.ProcessGroup(); pg != nil {
			pg.Signal(sig)
			return nil
		}
	}
	info := kernel.KernelInfo(sig)
	return tg.Signal(&info)
}
