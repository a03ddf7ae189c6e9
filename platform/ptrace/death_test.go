package ptrace

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
	"ringfence/platform/platformtest"
)

// helperVariable makes the test binary a sentry that waits to be killed.
const helperVariable = "RINGFENCE_TEST_SENTRY"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		sentry()
	}
	os.Exit(m.Run())
}

// sentry runs guests of all kinds and prints the ids of the stub processes.
func sentry() {
	p, err := New()
	if err != nil {
		panic(err)
	}
	platformtest.Busy(p)
	fmt.Println("pids", strings.Join(stubPIDs(os.Getpid()), " "))
	select {}
}

// stubPIDs returns the children of a process that are stubs, the template included.
func stubPIDs(parent int) []string {
	var pids []string
	procs, _ := os.ReadDir("/proc")
	for _, d := range procs {
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		name, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); strings.HasSuffix(name, "(ringfence-stub") && f[1] == fmt.Sprint(parent) {
			pids = append(pids, d.Name())
		}
	}
	return pids
}

func TestNoStubOutlivesSentry(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), helperVariable+"=1", "GOTRACEBACK=none")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			pids := strings.Fields(strings.TrimPrefix(line, "pids "))
			if err != nil || len(pids) < 3 {
				cmd.Process.Kill()
				cmd.Wait()
				t.Fatalf("%q, %v", line, err)
			}
			var fds []hostcall.FD
			for _, s := range pids {
				var pid int32
				fmt.Sscan(s, &pid)
				fd, err := hostcall.PidfdOpen(pid, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer hostcall.Close(fd)
				fds = append(fds, fd)
			}
			cmd.Process.Signal(sig)
			cmd.Wait()
			for i, fd := range fds {
				if err := ended(fd, 5*time.Second); err != nil {
					t.Errorf("stub process %s lives (%v)", pids[i], err)
				}
			}
		})
	}
}

// ended waits until the process of a pidfd has ended, and says how it failed if it has not.
func ended(pidfd hostcall.FD, limit time.Duration) error {
	for {
		// A pidfd is readable when the process has ended.
		n, err := hostcall.Ppoll([]hostcall.PollFd{{Fd: int32(pidfd), Events: hostcall.POLLIN}}, limit)
		switch {
		case n == 1:
			return nil
		case err == nil:
			return errno.ETIMEDOUT
		case err != errno.EINTR:
			return err
		}
	}
}
