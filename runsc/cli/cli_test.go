package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ringfence/tools/testbin"
)

func TestMain(m *testing.M) { os.Exit(testbin.Main(m)) }

// command returns runsc with a time limit.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testbin.Runsc, args...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// output runs runsc and returns what it wrote to both streams, and its exit code.
func output(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// bundle writes an OCI bundle on the host's root, read-only.
func bundle(t *testing.T, change func(*specs.Spec), args ...string) string {
	t.Helper()
	s := &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{Args: args, Cwd: "/", Env: []string{"PATH=/usr/bin:/bin"}},
		Root:    &specs.Root{Path: "/", Readonly: true},
		Mounts:  []specs.Mount{{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"}},
	}
	if change != nil {
		change(s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/config.json", b, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out: " + what)
		}
	}
}

func TestDoOptions(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/file", []byte("host\n"), 0o644)
	t.Setenv("FROM_CALLER", "kept")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"cwd", []string{"--cwd", "/usr", "--", "pwd"}, "/usr\n"},
		{"environment", []string{"-e", "A=1", "--env", "FROM_CALLER=changed", "--", "sh", "-c", "echo $A $FROM_CALLER"}, "1 changed\n"},
		{"environment of the caller", []string{"--", "sh", "-c", "echo $FROM_CALLER"}, "kept\n"},
		{"volume", []string{"-v", dir + ":/mnt", "--", "sh", "-c", "cat /mnt/file; echo more > /mnt/new"}, "host\n"},
		{"read-only volume", []string{"-v", dir + ":/mnt:ro", "--", "sh", "-c", "echo x 2>/dev/null >/mnt/no || cat /mnt/new"}, "more\n"},
		{"volume of a file", []string{"-v", dir + "/file:/tmp/shown", "--", "cat", "/tmp/shown"}, "host\n"},
		{"changes stay inside", []string{"--", "sh", "-c", fmt.Sprintf("cd %s; echo x > file; rm new; cat file; ls", dir)}, "x\nfile\n"},
		{"changes reach the host", []string{"--rw", "--", "sh", "-c", fmt.Sprintf("echo rw > %s/rw; cat %s/file", dir, dir)}, "host\n"},
		{"host's processes are not seen", []string{"--", "sh", "-c", "umount /proc; ls /proc | wc -l"}, "0\n"},
		{"no separator", []string{"echo", "--flag"}, "--flag\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, code := output(t, command(t, append([]string{"do"}, tt.args...)...))
			if got != tt.want || code != 0 {
				t.Errorf("code %d, got %q, want %q", code, got, tt.want)
			}
		})
	}
	names, _ := filepath.Glob(dir + "/*")
	if len(names) != 3 {
		t.Errorf("the host has %q", names)
	}
}

func TestDoEndsAsItsCommand(t *testing.T) {
	if _, code := output(t, command(t, "do", "--", "sh", "-c", "exit 42")); code != 42 {
		t.Errorf("exit code %d", code)
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGUSR1} {
		cmd := command(t, "do", "--", "sh", "-c", fmt.Sprintf("kill -%d $$", sig))
		out, _ := output(t, cmd)
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != sig || out != "" {
			t.Errorf("%v: ended with %v and said %q", sig, cmd.ProcessState, out)
		}
	}
}

func TestDoForwardsSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2} {
		cmd := command(t, "do", "--", "sh", "-c", fmt.Sprintf("trap 'exit 9' %d; echo up; while :; do sleep 0.01; done", sig))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, 3))
		cmd.Process.Signal(sig)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 9 {
			t.Errorf("%v: exit code %d", sig, code)
		}
	}
}

func TestStandardFilesAreTheCallers(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/in", []byte("one\ntwo\nthree\n"), 0o644)
	in, err := os.Open(dir + "/in")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	out.WriteString("before\n")
	// The shell reads one line and leaves the rest; both streams are one open file.
	cmd := command(t, "do", "--", "sh", "-c", "read a; echo $a; echo error >&2; echo again")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	out.WriteString("after\n")
	rest, _ := io.ReadAll(in)
	got, _ := os.ReadFile(dir + "/out")
	if string(rest) != "two\nthree\n" || string(got) != "before\none\nerror\nagain\nafter\n" {
		t.Errorf("left of input: %q; output: %q", rest, got)
	}
	cmd = command(t, "do", "--", "sh", "-c", "cat; echo $?")
	cmd.Stdin = strings.NewReader(strings.Repeat("0123456789", 100_000))
	if got, _ := output(t, cmd); len(got) != 1_000_002 {
		t.Errorf("%d bytes came through", len(got))
	}
}

func TestRootless(t *testing.T) {
	cmd := command(t, "do", "--", "sh", "-c", "id -u; id -G; cat /etc/shadow 2>/dev/null || echo private; echo x > /tmp/rootless-test && cat /tmp/rootless-test")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	cmd.Dir = "/"
	got, code := output(t, cmd)
	if got != "1000\n1000\nprivate\nx\n" || code != 0 {
		t.Errorf("code %d, got %q", code, got)
	}
}

// TestFewDescriptors walks through more directories and files than the gofer and the
// sentry can have descriptors for.
func TestFewDescriptors(t *testing.T) {
	dir := t.TempDir()
	for i := range 1500 {
		d := fmt.Sprintf("%s/d%d", dir, i)
		os.Mkdir(d, 0o755)
		os.WriteFile(d+"/f", []byte("x\n"), 0o644)
	}
	cmd := exec.Command("prlimit", "--nofile=700:700", testbin.Runsc, "do", "--", "sh", "-c", "cd "+dir+"; cat */f | wc -l; find . -type f | wc -l")
	if got, code := output(t, cmd); got != "1500\n1500\n" || code != 0 {
		t.Errorf("code %d, got %q", code, got)
	}
}

func TestErrorsGoToTheLogOfEngines(t *testing.T) {
	log := t.TempDir() + "/log"
	_, code := output(t, command(t, "--log", log, "--log-format", "json", "state", "ghost"))
	b, _ := os.ReadFile(log)
	var line struct{ Level, Msg, Time string }
	if err := json.Unmarshal(b, &line); err != nil || code == 0 || line.Level != "error" || !strings.Contains(line.Msg, "ghost") || line.Time == "" {
		t.Errorf("code %d, log %q, %v", code, b, err)
	}
}

func TestStrace(t *testing.T) {
	log := t.TempDir() + "/log"
	if _, code := output(t, command(t, "--strace", "--debug-log", log, "do", "--", "cat", "/etc/hostname")); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b, _ := os.ReadFile(log)
	for _, want := range []string{`"/etc/hostname", O_RDONLY`, "+++ exited with 0 +++"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the log has no %s", want)
		}
	}
}

// TestCreateStartDelete follows a detached container as an engine drives it.
func TestCreateStartDelete(t *testing.T) {
	root, volume := t.TempDir(), t.TempDir()
	runsc := func(args ...string) (string, int) {
		t.Helper()
		return output(t, command(t, append([]string{"--root", root}, args...)...))
	}
	status := func() string {
		out, _ := runsc("state", "box")
		var s specs.State
		json.Unmarshal([]byte(out), &s)
		return string(s.Status)
	}
	b := bundle(t, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: volume})
	}, "sh", "-c", "echo up > /mnt/up; sleep 1000 & trap 'exit 3' TERM; wait")
	pidFile := t.TempDir() + "/pid"
	create := command(t, "--root", root, "create", "--bundle", b, "--pid-file", pidFile, "box")
	if err := create.Run(); err != nil { // No pipe: the container would keep it open.
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command(testbin.Runsc, "--root", root, "delete", "--force", "box").Run() })
	if got := status(); got != "created" {
		t.Errorf("status %q, want created", got)
	}
	pid, err := os.ReadFile(pidFile)
	if n, _ := strconv.Atoi(string(pid)); err != nil || syscall.Kill(n, 0) != nil {
		t.Errorf("pid file holds %q, %v", pid, err)
	}
	if _, err := os.Stat(volume + "/up"); err == nil {
		t.Error("a created container runs")
	}
	if out, code := runsc("start", "box"); code != 0 {
		t.Fatalf("start: %d, %s", code, out)
	}
	until(t, "the container to write", func() bool { _, err := os.Stat(volume + "/up"); return err == nil })
	if got := status(); got != "running" {
		t.Errorf("status %q, want running", got)
	}
	if out, code := runsc("start", "box"); code == 0 {
		t.Errorf("started twice: %s", out)
	}
	out, _ := runsc("list", "--format", "json")
	var list []struct{ ID, Status, Bundle, Owner string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].ID != "box" || list[0].Status != "running" || list[0].Bundle != b {
		t.Errorf("list: %v, %s", err, out)
	}
	if out, code := runsc("kill", "box"); code != 0 {
		t.Errorf("kill: %d, %s", code, out)
	}
	until(t, "the container to end", func() bool { return status() == "stopped" })
	if out, code := runsc("kill", "box", "9"); code == 0 || !strings.Contains(out, "not running") {
		t.Errorf("kill of a stopped container: %d, %s", code, out)
	}
	if out, code := runsc("delete", "box"); code != 0 {
		t.Errorf("delete: %d, %s", code, out)
	}
	if _, code := runsc("state", "box"); code == 0 {
		t.Error("the container is still known")
	}
}

func TestDetachedContainerThatCannotRun(t *testing.T) {
	for _, cmd := range []string{"run", "create"} {
		root := t.TempDir()
		args := []string{"--root", root, cmd, "--bundle", bundle(t, func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: []string{"size=nonsense"}})
		}, "true")}
		if cmd == "run" {
			args = append(args, "--detach")
		}
		out, code := output(t, command(t, append(args, "box")...))
		if code == 0 || !strings.Contains(out, "/mnt") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d, %q", cmd, code, out)
		}
		if left, _ := os.ReadDir(root); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestConsoleSocket takes a container's terminal as an engine does, and types on it.
func TestConsoleSocket(t *testing.T) {
	root := t.TempDir()
	path := t.TempDir() + "/console.sock"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := bundle(t, func(s *specs.Spec) {
		s.Process.Terminal = true
		s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 77}
	}, "sh", "-c", "stty size; tty; read x; echo got $x")
	cmd := command(t, "--root", root, "run", "--detach", "--bundle", b, "--console-socket", path, "box")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command(testbin.Runsc, "--root", root, "delete", "--force", "box").Run() })
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	oob := make([]byte, 64)
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 100), oob)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fds[0]), "master")
	defer master.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	master.WriteString("typed\r")
	var seen bytes.Buffer
	buf := make([]byte, 1000)
	for !strings.Contains(seen.String(), "got typed") {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buf[:n])
	}
	if !strings.Contains(seen.String(), "33 77") || !strings.Contains(seen.String(), "/dev/pts/0") {
		t.Errorf("the terminal showed %q", seen.String())
	}
}
