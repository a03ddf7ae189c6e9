// Package sandbox starts the processes of a sandbox, a gofer and a sentry, and
// watches over them.
//
//	runsc (this process)
//	  +-- runsc gofer   opens host files
//	  +-- runsc boot    the sentry; pid 1 of a PID namespace that holds all guests
//
// None outlives another: a child is killed when the thread that started it ends, unless the
// sandbox is detached; the sentry ends when the gofer's lifeline closes; the
// gofer ends when the sentry hangs up; guests are in the sentry's PID namespace and
// die with it.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"ringfence/platform/hostcall"
	"ringfence/runsc/gofer"
	"ringfence/sentry/boot"
	"ringfence/sentry/control"
)

// Options say how a sandbox is started.
type Options struct {
	Boot  *boot.Config // FDs are filled in by Start
	Gofer gofer.Config

	// Stdio are the guest's standard descriptors. Equal files are one open file.
	Stdio [3]*os.File
	// Console, if not nil, are the input and output of a host terminal for the sandbox's
	// own terminal.
	Console [2]*os.File
	// Listener, if not nil, is a listening control socket.
	Listener *os.File
	// Log is where the sentry's messages go; nil is nowhere.
	Log *os.File
	// Stderr of both processes, for what they say before they have a log.
	Stderr *os.File
	// Detached sandboxes outlive this process.
	Detached bool
	// Flags are the global flags to repeat on the command lines.
	Flags []string
	// Rootless: this process is not root of the host.
	Rootless bool
}

// Sandbox is a running sandbox that this process started.
type Sandbox struct {
	sentry, gofer *exec.Cmd
	// Two connections: one for commands, one to wait on.
	Control, Status *control.Conn
}

// nobody is the host user that a sentry runs as when the host's root starts it.
const nobody = 65534

// Start starts the processes. Preconditions: the calling goroutine is locked to a thread that
// lives as long as the sandbox shall (children are tied to it), unless Detached.
func Start(o Options) (_ *Sandbox, err error) {
	var files closer
	defer files.close()

	s := &Sandbox{}
	commands, err := s.connect(&files, &s.Control)
	if err != nil {
		return nil, err
	}
	status, err := s.connect(&files, &s.Status)
	if err != nil {
		return nil, err
	}
	goferEnd, sentryEnd, err := socketpair()
	if err != nil {
		return nil, err
	}
	files.add(goferEnd, sentryEnd)
	lifelineR, lifelineW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	files.add(lifelineR, lifelineW)

	defer func() {
		if err != nil {
			s.Kill()
			s.reap()
		}
	}()

	g := command("gofer", o)
	gc := o.Gofer
	gc.Conn, gc.Lifeline = g.pass(goferEnd), g.pass(lifelineW)
	if err := g.config(gc); err != nil {
		return nil, err
	}
	g.cmd.SysProcAttr = g.attr(o, unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS|unix.CLONE_NEWNET)
	if o.Rootless {
		// Files keep their owners, as far as they are this user's.
		g.userNamespace(os.Getuid(), os.Getuid(), os.Getgid(), os.Getgid())
		g.cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	if err := g.start(); err != nil {
		return nil, fmt.Errorf("start gofer: %w", err)
	}
	s.gofer = g.cmd

	b := command("boot", o)
	c := *o.Boot
	c.Detached = o.Detached
	c.FDs = boot.FDs{
		Gofer: b.pass(sentryEnd), Lifeline: b.pass(lifelineR), Control: [2]int{b.pass(commands), b.pass(status)},
		Listener: b.pass(o.Listener), Log: b.pass(o.Log), Console: [2]int{b.pass(o.Console[0]), b.pass(o.Console[1])},
	}
	// The guest may close these: nothing else is the same descriptor.
	shared := map[*os.File]int{}
	for i, f := range o.Stdio {
		n, ok := shared[f]
		if !ok {
			n = b.pass(f)
			shared[f] = n
		}
		c.FDs.Stdio[i] = n
	}
	if err := b.config(&c); err != nil {
		return nil, err
	}
	b.cmd.SysProcAttr = b.attr(o, unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS|unix.CLONE_NEWNET)
	if o.Rootless {
		b.userNamespace(0, os.Getuid(), 0, os.Getgid())
	} else {
		b.userNamespace(0, nobody, 0, nobody)
	}
	if err := b.start(); err != nil {
		return nil, fmt.Errorf("start sentry: %w", err)
	}
	s.sentry = b.cmd
	return s, nil
}

// connect makes a control connection and returns the sentry's end.
func (s *Sandbox) connect(files *closer, c **control.Conn) (*os.File, error) {
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	*c = control.NewConn(ours)
	f := os.NewFile(uintptr(theirs), "control")
	files.add(f)
	return f, nil
}

// PID returns the sentry's process id.
func (s *Sandbox) PID() int { return s.sentry.Process.Pid }

// Kill ends both processes, and with them everything in the sandbox.
func (s *Sandbox) Kill() {
	for _, c := range []*exec.Cmd{s.sentry, s.gofer} {
		if c != nil {
			c.Process.Kill()
		}
	}
}

// Wait waits until nothing of the sandbox is left. The error tells how the sentry or else the gofer
// ended, if that was not by itself.
func (s *Sandbox) Wait() error {
	err := s.sentry.Wait()
	if err != nil {
		err = fmt.Errorf("sentry: %w", err)
	}
	// Without a sentry the gofer ends by itself, and without a gofer the sentry.
	if gerr := s.gofer.Wait(); gerr != nil {
		if err == nil {
			return fmt.Errorf("gofer: %w", gerr)
		}
		return fmt.Errorf("%w, gofer: %w", err, gerr)
	}
	return err
}

func (s *Sandbox) reap() {
	for _, c := range []*exec.Cmd{s.sentry, s.gofer} {
		if c != nil {
			c.Wait()
		}
	}
}

// role is a process about to be started.
type role struct{ cmd *exec.Cmd }

// firstFD is the number of the first passed descriptor, which is the configuration.
const firstFD = 3

func command(name string, o Options) *role {
	r := &role{}
	args := append(append([]string{"runsc"}, o.Flags...), name)
	r.cmd = &exec.Cmd{Path: "/proc/self/exe", Args: args, Env: []string{}, Stderr: o.Stderr}
	r.cmd.ExtraFiles = []*os.File{nil} // filled in by config
	return r
}

// config gives the process its configuration.
func (r *role) config(v any) error {
	f, err := memfile(v)
	r.cmd.ExtraFiles[0] = f
	if err != nil {
		return fmt.Errorf("configure sandbox: %w", err)
	}
	return nil
}

// pass gives the process f and returns its number there.
func (r *role) pass(f *os.File) int {
	if f == nil {
		return boot.NoFD
	}
	n := firstFD + len(r.cmd.ExtraFiles)
	r.cmd.ExtraFiles = append(r.cmd.ExtraFiles, f)
	return n
}

func (r *role) attr(o Options, namespaces uintptr) *syscall.SysProcAttr {
	// A session of its own: the terminal's signals are for this process, which passes
	// them on.
	a := &syscall.SysProcAttr{Setsid: true, Cloneflags: namespaces}
	if !o.Detached {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}

// userNamespace puts the process into a user namespace with one user and one group.
func (r *role) userNamespace(uid, hostUID, gid, hostGID int) {
	a := r.cmd.SysProcAttr
	a.Cloneflags |= unix.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: hostUID, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: hostGID, Size: 1}}
	a.GidMappingsEnableSetgroups = false
	a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
}

func (r *role) start() error {
	defer r.cmd.ExtraFiles[0].Close()
	err := r.cmd.Start()
	if errors.Is(err, unix.EACCES) {
		if exe, lerr := os.Readlink("/proc/self/exe"); lerr == nil {
			return fmt.Errorf("%s must be executable by all users: %w", exe, err)
		}
	}
	return err
}

// memfile returns a file in memory that holds v as JSON.
func memfile(v any) (*os.File, error) {
	fd, err := unix.MemfdCreate("config", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "config")
	if err := json.NewEncoder(f).Encode(v); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func socketpair() (a, b *os.File, err error) {
	x, y, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return os.NewFile(uintptr(x), "socket"), os.NewFile(uintptr(y), "socket"), nil
}

// closer closes files at the end of a function.
type closer struct{ files []*os.File }

func (c *closer) add(files ...*os.File) { c.files = append(c.files, files...) }

func (c *closer) close() {
	for _, f := range c.files {
		f.Close()
	}
}
