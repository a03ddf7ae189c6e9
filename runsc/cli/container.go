package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ringfence/abi/linux"
	"ringfence/runsc/console"
	"ringfence/runsc/sandbox"
	"ringfence/runsc/spec"
	"ringfence/runsc/state"
	"ringfence/sentry/control"
)

// create are the flags of run and create.
type create struct {
	bundle, pidFile, consoleSocket string
	detach                         bool
}

func (o *create) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.bundle, "bundle", "b", ".", "directory of the OCI bundle")
	f.StringVar(&o.pidFile, "pid-file", "", "`file` to write the container's process id to")
	f.StringVar(&o.consoleSocket, "console-socket", "", "unix `socket` to send the container's terminal to")
}

func (g *globals) runCommand() *cobra.Command {
	var o create
	cmd := &cobra.Command{
		Use:   "run [flags] ID",
		Short: "Create a container from an OCI bundle, run it and wait for its end",
		Args:  needArgs(1, "container id"),
		RunE:  func(_ *cobra.Command, args []string) error { return g.run(args[0], o, false) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "do not wait for the container's end")
	return cmd
}

func (g *globals) createCommand() *cobra.Command {
	o := create{detach: true}
	cmd := &cobra.Command{
		Use:   "create [flags] ID",
		Short: "Create a container from an OCI bundle, to be started with start",
		Args:  needArgs(1, "container id"),
		RunE:  func(_ *cobra.Command, args []string) error { return g.run(args[0], o, true) },
	}
	o.flags(cmd)
	return cmd
}

// run makes a container, and lets it run unless it is to be held.
func (g *globals) run(id string, o create, hold bool) (err error) {
	if err := state.CheckID(id); err != nil {
		return err
	}
	bundle, err := filepath.Abs(o.bundle)
	if err != nil {
		return fmt.Errorf("bundle %q: %w", o.bundle, err)
	}
	oci, err := spec.Load(bundle)
	if err != nil {
		return err
	}
	for _, part := range spec.Ignored(oci) {
		g.logger.Warnf("container %q: %s is ignored", id, part)
	}
	s, err := spec.Container(oci, bundle)
	if err != nil {
		return err
	}
	c, err := g.store().Create(state.Container{
		ID: id, Bundle: bundle, Rootfs: spec.Rootfs(oci, bundle), Created: time.Now().UTC(),
		Owner: os.Getuid(), Annotations: oci.Annotations,
	})
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			c.Remove()
		}
	}()
	so := g.options(s)
	so.Detached = o.detach
	if so.Listener, err = listen(c.ControlSocket()); err != nil {
		return err
	}
	defer so.Listener.Close()
	t, err := g.containerTerminal(&so, s, o)
	if err != nil {
		return err
	}
	defer t.Restore()
	sb, err := sandbox.Start(so)
	if err != nil {
		return err
	}
	c.SetProcess(sb.PID())
	err = c.Save()
	if err == nil && o.pidFile != "" {
		err = os.WriteFile(o.pidFile, []byte(strconv.Itoa(sb.PID())), 0o644)
	}
	if err == nil && o.detach {
		// What can't be set up is told now, not when the container is started.
		var r control.Reply
		r, err = sb.Control.Call(control.Request{Op: control.OpState})
		if err == nil && r.Error != "" {
			err = errors.New(r.Error)
		}
		if err == nil && !hold {
			err = start(sb.Control, s.Boot.Process.Args[0])
		}
		kept = err == nil
	}
	if err != nil {
		sb.Kill()
		return ended(err, sb.Wait())
	}
	if o.detach {
		return nil
	}
	return g.attend(sb, t, s.Boot.Process.Args[0])
}

// containerTerminal gives a container whose configuration wants a terminal one: the caller's, or a
// new one of the host whose other end goes to the console socket.
func (g *globals) containerTerminal(o *sandbox.Options, s *spec.Spec, c create) (*console.Terminal, error) {
	p := &s.Boot.Process
	if !p.Terminal {
		return nil, nil
	}
	if c.consoleSocket != "" {
		slave, err := console.Send(c.consoleSocket, p.Rows, p.Cols)
		if err != nil {
			return nil, fmt.Errorf("console socket %q: %w", c.consoleSocket, err)
		}
		o.Console = [2]*os.File{slave, slave}
		return nil, nil
	}
	if c.detach {
		return nil, errors.New("process.terminal of a detached container needs --console-socket")
	}
	if !console.IsTerminal(os.Stdin) {
		return nil, errors.New("process.terminal is set, but standard input is no terminal")
	}
	t, err := console.Raw(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	o.Console = [2]*os.File{os.Stdin, os.Stdout}
	if p.Rows == 0 && p.Cols == 0 {
		p.Rows, p.Cols = t.Size()
	}
	return t, nil
}

// listen makes the control socket at path, which may be longer than a socket's address.
func listen(path string) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("control socket %q: %w", path, err) }
	addr, dir, err := socketAddress(path)
	if err != nil {
		return fail(err)
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err = unix.Bind(fd, addr); err == nil {
		err = unix.Listen(fd, 16)
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return f, nil
}

// dial connects to the sentry of a container.
func dial(c *state.Container) (*control.Conn, error) {
	addr, dir, err := socketAddress(c.ControlSocket())
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", c.ID, err)
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", c.ID, err)
	}
	if err := unix.Connect(fd, addr); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("container %q: control socket: %w", c.ID, err)
	}
	return control.FromInt(fd), nil
}

// socketAddress reaches path through a descriptor of its directory.
func socketAddress(path string) (*unix.SockaddrUnix, *os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))}, dir, nil
}

// status asks how far a container is.
func status(c *state.Container) string {
	if !c.Alive() {
		return "stopped"
	}
	conn, err := dial(c)
	if err != nil {
		return "stopped" // It is just ending.
	}
	defer conn.Close()
	r, err := conn.Call(control.Request{Op: control.OpState})
	if err != nil {
		return "stopped"
	}
	return r.State
}

func (g *globals) startCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "start ID",
		Short: "Let a container that was created run",
		Args:  needArgs(1, "container id"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := g.store().Load(args[0])
			if err != nil {
				return err
			}
			lock, err := c.Lock()
			if err != nil {
				return err
			}
			defer lock.Close()
			if st := status(c); st != "created" {
				return fmt.Errorf("container %q is %s: only a created container can be started", c.ID, st)
			}
			conn, err := dial(c)
			if err != nil {
				return err
			}
			defer conn.Close()
			return start(conn, fmt.Sprintf("container %q", c.ID))
		},
	}
}

// ociState is what state prints (runtime.md of the OCI specification).
func ociState(c *state.Container) specs.State {
	s := specs.State{
		Version: specs.Version, ID: c.ID, Status: specs.ContainerState(status(c)),
		Bundle: c.Bundle, Annotations: c.Annotations,
	}
	if s.Status != specs.StateStopped {
		s.Pid = c.PID
	}
	return s
}

func (g *globals) stateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "state ID",
		Short: "Print the state of a container, as JSON",
		Args:  needArgs(1, "container id"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := g.store().Load(args[0])
			if err != nil {
				return err
			}
			return printJSON(ociState(c))
		},
	}
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// listed is one line of list.
type listed struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
	Owner   string    `json:"owner"`
}

func (g *globals) listCommand() *cobra.Command {
	var format string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List containers",
		Args:  needArgs(0, ""),
		RunE: func(*cobra.Command, []string) error {
			all, err := g.store().List()
			if err != nil {
				return err
			}
			lines := []listed{}
			for _, c := range all {
				lines = append(lines, listed{ociState(c), c.Rootfs, c.Created, strconv.Itoa(c.Owner)})
			}
			switch {
			case quiet:
				for _, l := range lines {
					fmt.Println(l.ID)
				}
				return nil
			case format == "json":
				return printJSON(lines)
			case format != "table":
				return fmt.Errorf("list: --format %q: must be table or json", format)
			}
			w := tabwriter.NewWriter(os.Stdout, 8, 1, 3, ' ', 0)
			fmt.Fprintln(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER")
			for _, l := range lines {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Pid, l.Status, l.Bundle, l.Created.Format(time.RFC3339), l.Owner)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "table", "table or json")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print ids only")
	return cmd
}

// parseSignal takes a signal's number or name, with or without SIG.
func parseSignal(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= linux.NSIG {
		return n, nil
	}
	want := strings.ToUpper(s)
	if !strings.HasPrefix(want, "SIG") {
		want = "SIG" + want
	}
	for n := 1; n <= linux.NSIG; n++ {
		if linux.Signal(n).String() == want {
			return n, nil
		}
	}
	return 0, fmt.Errorf("no signal is called %q", s)
}

func (g *globals) killCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "kill [flags] ID [SIGNAL]",
		Short: "Send a signal to a container, TERM by default",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("kill: want a container id and at most one signal")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := "TERM"
			if len(args) == 2 {
				name = args[1]
			}
			sig, err := parseSignal(name)
			if err != nil {
				return err
			}
			c, err := g.store().Load(args[0])
			if err != nil {
				return err
			}
			return kill(c, sig, all)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "send the signal to every process of the container")
	return cmd
}

func kill(c *state.Container, sig int, all bool) error {
	if !c.Alive() {
		return fmt.Errorf("container %q is not running", c.ID)
	}
	conn, err := dial(c)
	if err != nil {
		return err
	}
	defer conn.Close()
	target := control.ToInit
	if all {
		target = control.ToAll
	}
	r, err := conn.Call(control.Request{Op: control.OpSignal, Signal: sig, Target: target})
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		return fmt.Errorf("kill container %q: %w", c.ID, err)
	}
	return nil
}

func (g *globals) deleteCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete [flags] ID",
		Short: "Forget a container that has ended",
		Args:  needArgs(1, "container id"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := g.store().Load(args[0])
			if force && errors.Is(err, state.ErrNotExist) && state.CheckID(args[0]) == nil {
				return nil // As rm -f, and as engines expect.
			}
			if err != nil {
				return err
			}
			if c.Alive() {
				if !force {
					return fmt.Errorf("container %q is running: end it first, or use --force", c.ID)
				}
				if err := end(c); err != nil {
					return err
				}
			}
			return c.Remove()
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill the container if it runs")
	return cmd
}

// end kills everything in a container and waits until it is gone.
func end(c *state.Container) error {
	// The sentry tells whoever waits how the container ended, if it still can.
	if err := kill(c, int(linux.SIGKILL), true); err == nil && gone(c, time.Second) {
		return nil
	}
	if err := unix.Kill(c.PID, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill container %q: %w", c.ID, err)
	}
	if !gone(c, 5*time.Second) {
		return fmt.Errorf("container %q does not end", c.ID)
	}
	return nil
}

// gone waits until the sentry's process has ended.
func gone(c *state.Container, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); c.Alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
