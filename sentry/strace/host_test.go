package strace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// hostMemory reads a traced host process.
type hostMemory struct{ f *os.File }

func (m hostMemory) CopyIn(a addr.Addr, dst []byte) (int, error) {
	if a >= 1<<63 {
		return 0, errno.EFAULT
	}
	return m.f.ReadAt(dst, int64(a))
}

// traceHost runs a program on the host and logs its calls from its write of "begin" on.
func traceHost(dir string, env []string, args ...string) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	log := NewLog(&out)

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return "", err
	}
	if err := syscall.PtraceSetOptions(pid, linux.PTRACE_O_TRACESYSGOOD|linux.PTRACE_O_EXITKILL|linux.PTRACE_O_TRACEEXEC); err != nil {
		return "", err
	}
	var mem hostMemory
	inside, deliver := false, 0
	for {
		if err := syscall.PtraceSyscall(pid, deliver); err != nil {
			return "", err
		}
		deliver = 0
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
			return "", err
		}
		switch {
		case ws.Exited() || ws.Signaled():
			mem.f.Close()
			// A shell's death by signal dumps core or not, as the host is set up.
			log.End(int32(pid), linux.WaitStatus(ws)&^0x80)
			return out.String(), nil
		case ws.StopSignal() == syscall.SIGTRAP|0x80:
			var regs syscall.PtraceRegs
			if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
				return "", err
			}
			inside = !inside
			if inside {
				log.Enter(int32(pid), regs.Orig_rax, [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}, mem)
			} else if ret := int64(regs.Rax); ret < 0 && ret > -4096 {
				log.Exit(int32(pid), mem, 0, errno.Errno(-ret))
			} else {
				log.Exit(int32(pid), mem, regs.Rax, nil)
			}
		case ws.TrapCause() == linux.PTRACE_EVENT_EXEC:
			if mem.f != nil {
				mem.f.Close()
			}
			f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
			if err != nil {
				return "", err
			}
			mem.f = f
		default:
			info, err := ptraceSignalInfo(pid)
			if err != nil {
				return "", err
			}
			log.Signal(int32(pid), &info)
			deliver = int(ws.StopSignal())
		}
	}
}

// volatile is what differs between two runs of the same program.
var volatile = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`^((v?fork|clone|getpid|gettid|getpgid|wait4|waitid|kill|tgkill|rt_sigqueueinfo|semget|shmget|msgget|--- )[^=]*(=.*=)?.*?= )\d+$`), "${1}N"},
	{regexp.MustCompile(`si_pid=\d+`), "si_pid=N"},
	{regexp.MustCompile(`^(kill|tgkill|wait4|rt_sigqueueinfo|sem(timed)?op|semctl|shmat|shmctl|msgsnd|msgrcv|msgctl)\(\d+(, \d+)?`), "$1(N"},
	{regexp.MustCompile(`^(gettid|set_tid_address|getpid)(\(.*\)) += \d+`), "$1$2 = N"},
	{regexp.MustCompile(`^(rt_sigreturn\().*?\)\s*`), "$1) "},
	{regexp.MustCompile(`tv_(n|u)sec=\d{4,}`), "tv_${1}sec=N"},
	{regexp.MustCompile(`\\x[0-9a-f]{2}`), "X"},
	{regexp.MustCompile(`si_[us]time=\d+[^,}]*`), "si_time=N"},
	{regexp.MustCompile(`stx_attributes=[^,]*`), "stx_attributes=N"},
	{regexp.MustCompile(`sin_port=htons\(\d+\)`), "sin_port=htons(N)"},
	{regexp.MustCompile(` +=`), " ="},
}

func normalize(s string) []string {
	if i := strings.Index(s, "write(1, \"begin\""); i >= 0 {
		s = s[i:]
	}
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		for _, v := range volatile {
			l = v.re.ReplaceAllString(l, v.by)
		}
		lines[i] = l
	}
	return lines
}

func TestLinesAreThoseOfHostStrace(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "calls")
	if out, err := exec.Command("gcc", "-w", "-O1", "-static", "-o", bin, "testdata/calls.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	env := []string{"TZ=UTC"}
	for _, part := range []string{"files", "memory", "signals", "processes", "net", "waiting", "ipc", "kill"} {
		t.Run(part, func(t *testing.T) {
			// Both run in the same directory, emptied in between.
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			ours, err := traceHost(dir, env, "/usr/bin/setarch", "-R", bin, part)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(t.TempDir(), "log")
			cmd := exec.Command("strace", "-o", log, "/usr/bin/setarch", "-R", bin, part)
			cmd.Dir, cmd.Env = dir, env
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			theirs, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			got, want := normalize(ours), normalize(strings.ReplaceAll(string(theirs), " (core dumped)", ""))
			for i := range max(len(got), len(want)) {
				var g, w string
				if i < len(got) {
					g = got[i]
				}
				if i < len(want) {
					w = want[i]
				}
				if g != w {
					t.Errorf("\nours   %s\nstrace %s", g, w)
				}
			}
		})
	}
}
