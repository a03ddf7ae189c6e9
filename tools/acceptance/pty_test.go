package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringfence/tools/testbin"
)

// terminal is a program under a pty of the host, driven as a person would.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	seen   bytes.Buffer // what came and was not yet matched
	all    bytes.Buffer
	output chan []byte
}

// startTerminal runs argv on a new terminal of 80 by 24.
func startTerminal(t *testing.T, dir string, argv ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	tm := &terminal{t: t, master: master, output: make(chan []byte, 100)}
	tm.resize(24, 80)
	tm.cmd = exec.Command(argv[0], argv[1:]...)
	tm.cmd.Dir = dir
	tm.cmd.Env = append(environment(), "PS1=prompt> ", "HISTFILE=/dev/null")
	tm.cmd.Stdin, tm.cmd.Stdout, tm.cmd.Stderr = slave, slave, slave
	tm.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := tm.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(tm.output)
		for {
			b := make([]byte, 4096)
			n, err := master.Read(b)
			if n > 0 {
				tm.output <- b[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		tm.cmd.Process.Kill()
		tm.cmd.Wait()
		master.Close()
		if t.Failed() {
			t.Logf("the terminal showed:\n%s", strings.ReplaceAll(tm.all.String(), "\r", ""))
		}
	})
	return tm
}

func (tm *terminal) resize(rows, cols uint16) {
	tm.t.Helper()
	if err := unix.IoctlSetWinsize(int(tm.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		tm.t.Fatal(err)
	}
}

// send types s.
func (tm *terminal) send(s string) {
	tm.t.Helper()
	if _, err := tm.master.WriteString(s); err != nil {
		tm.t.Fatal(err)
	}
}

// expect waits until the output matches pattern, and drops it up to there.
func (tm *terminal) expect(pattern string) {
	tm.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(30 * time.Second)
	for {
		if loc := re.FindIndex(tm.seen.Bytes()); loc != nil {
			tm.seen.Next(loc[1])
			return
		}
		select {
		case b, ok := <-tm.output:
			if !ok {
				tm.t.Fatalf("the terminal closed before %q", pattern)
			}
			tm.seen.Write(b)
			tm.all.Write(b)
		case <-deadline:
			tm.t.Fatalf("no %q in 30 s; unmatched output: %q", pattern, tm.seen.String())
		}
	}
}

// wait returns the program's exit code.
func (tm *terminal) wait() int {
	tm.t.Helper()
	done := make(chan error, 1)
	go func() { done <- tm.cmd.Wait() }()
	for {
		select {
		case b, ok := <-tm.output:
			if !ok {
				tm.output = nil
			}
			tm.all.Write(b)
		case <-done:
			return tm.cmd.ProcessState.ExitCode()
		case <-time.After(30 * time.Second):
			tm.t.Fatal("the program does not end")
		}
	}
}

// TestInteractiveShell drives bash with job control through a terminal. It runs
// natively first, as the oracle of the script itself.
func TestInteractiveShell(t *testing.T) {
	shell := []string{"bash", "--norc", "--noprofile", "-i"}
	sides := map[string][]string{"host": shell}
	for _, p := range testbin.Platforms {
		sides[p] = sandboxed(p, shell...)
	}
	for name, argv := range sides {
		t.Run(name, func(t *testing.T) {
			tm := startTerminal(t, t.TempDir(), argv...)
			tm.expect(`prompt> `)

			tm.send("tty; echo is-a-tty-$?\r")
			tm.expect(`/dev/pts/\d+`)
			tm.expect(`is-a-tty-0`)

			tm.send("stty size\r")
			tm.expect(`24 80`)
			tm.resize(40, 100)
			tm.send("sleep 0.2; stty size\r")
			tm.expect(`40 100`)

			// Line editing by readline in raw mode: the x is taken back.
			tm.send("echo abx\x7fc\r")
			tm.expect(`\nabc`)

			// Ctrl-C ends the foreground job, not the shell.
			tm.send("sleep 100\r")
			time.Sleep(300 * time.Millisecond)
			tm.send("\x03")
			tm.expect(`prompt> `)
			tm.send("echo code-$?\r")
			tm.expect(`code-130`)

			// Ctrl-Z stops it, fg and bg continue it.
			tm.send("cat\r")
			time.Sleep(300 * time.Millisecond)
			tm.send("\x1a")
			tm.expect(`Stopped +cat`)
			tm.send("jobs\r")
			tm.expect(`\[1\]\+ +Stopped +cat`)
			tm.send("fg\r")
			tm.expect(`\ncat`)
			tm.send("typed\r")
			tm.expect(`\ntyped\r?\ntyped`)
			tm.send("\x04")
			tm.expect(`prompt> `)

			// A background reader of the terminal is stopped by SIGTTIN.
			tm.send("cat &\r")
			tm.expect(`\[1\] \d+`)
			tm.send("sleep 0.3; jobs\r")
			tm.expect(`Stopped.*cat`)
			tm.send("kill %1; sleep 0.2; echo; wait\r")
			tm.expect(`prompt> `)

			// A job in the background, in its own process group.
			tm.send("sleep 0.1 & wait $!; echo waited-$?\r")
			tm.expect(`waited-0`)

			tm.send("exit 7\r")
			if code := tm.wait(); code != 7 {
				t.Errorf("exit code %d, want 7", code)
			}
		})
	}
}
