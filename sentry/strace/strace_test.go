package strace

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// memory is guest memory that starts at base.
type memory []byte

const base = 0x10000

func (m memory) CopyIn(a addr.Addr, dst []byte) (int, error) {
	if a < base || a >= base+addr.Addr(len(m)) {
		return 0, errno.EFAULT
	}
	n := copy(dst, m[a-base:])
	if n < len(dst) {
		return n, errno.EFAULT
	}
	return n, nil
}

func line(nr uint64, args [6]uint64, mem Memory, ret uint64, err error) string {
	c, text := Enter(nr, args, mem)
	return text + c.Exit(mem, ret, err, len(text))
}

func TestLines(t *testing.T) {
	mem := make(memory, 4096)
	copy(mem, "/etc/passwd\x00")
	copy(mem[100:], strings.Repeat("x", 40))
	(&linux.Timespec{Sec: 1, Nsec: 500}).MarshalBytes(mem[200:])
	for _, c := range []struct {
		nr   uint64
		args [6]uint64
		ret  uint64
		err  error
		want string
	}{
		{linux.SYS_OPENAT, [6]uint64{0xffffff9c, base, linux.O_CLOEXEC}, 3, nil, `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`},
		{linux.SYS_OPENAT, [6]uint64{5, 8, linux.O_CREAT | linux.O_WRONLY, 0o644}, 0, errno.EFAULT, `openat(5, 0x8, O_WRONLY|O_CREAT, 0644)  = -1 EFAULT (Bad address)`},
		{linux.SYS_READ, [6]uint64{3, base + 100, 40}, 40, nil, `read(3, "` + strings.Repeat("x", 32) + `"..., 40) = 40`},
		{linux.SYS_READ, [6]uint64{3, base, 40}, 0, errno.ERESTARTSYS, `read(3, 0x10000, 40)                    = ? ERESTARTSYS (To be restarted if SA_RESTART is set)`},
		{linux.SYS_NANOSLEEP, [6]uint64{base + 200, base + 200}, 0, errno.ERESTART_RESTARTBLOCK, `nanosleep({tv_sec=1, tv_nsec=500}, {tv_sec=1, tv_nsec=500}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)`},
		{linux.SYS_GETPID, [6]uint64{}, 1, nil, `getpid()                                = 1`},
		{linux.SYS_EXIT_GROUP, [6]uint64{256 + 7}, 0, nil, `exit_group(263)                         = ?`},
		{999, [6]uint64{1, 0, 2}, 0, errno.ENOSYS, `syscall_0x3e7(0x1, 0, 0x2, 0, 0, 0)     = -1 ENOSYS (Function not implemented)`},
		{linux.SYS_MMAP, [6]uint64{0, 4096, 3, 0x22, 1<<32 - 1, 0}, 0x7f0000000000, nil, `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000`},
		{linux.SYS_CLONE, [6]uint64{linux.CLONE_CHILD_SETTID | uint64(linux.SIGCHLD), 0, 0, base}, 9, nil, `clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x10000) = 9`},
	} {
		if got := line(c.nr, c.args, mem, c.ret, c.err); got != c.want {
			t.Errorf("\ngot  %s\nwant %s", got, c.want)
		}
	}
}

func TestEveryCallHasALine(t *testing.T) {
	for nr := range uint64(len(table)) {
		if linux.SyscallName(nr) == "" {
			continue
		}
		s := &table[nr]
		// These have no arguments on Linux.
		none := map[uint64]bool{
			linux.SYS_SCHED_YIELD: true, linux.SYS_PAUSE: true, linux.SYS_GETPID: true, linux.SYS_FORK: true, linux.SYS_VFORK: true,
			linux.SYS_GETUID: true, linux.SYS_GETGID: true, linux.SYS_GETEUID: true, linux.SYS_GETEGID: true, linux.SYS_GETPPID: true,
			linux.SYS_GETPGRP: true, linux.SYS_SETSID: true, linux.SYS_MUNLOCKALL: true, linux.SYS_VHANGUP: true, linux.SYS_SYNC: true,
			linux.SYS_GETTID: true, linux.SYS_INOTIFY_INIT: true, linux.SYS_RT_SIGRETURN: true, linux.SYS_URETPROBE: true,
		}
		if (s.params == nil && s.pick == nil) != none[nr] {
			t.Errorf("%s: has parameters: %v", linux.SyscallName(nr), !none[nr])
		}
	}
}

func TestQuoting(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "\"\"",
		"a\"b\\":           `"a\"b\\"`,
		"\t\n\v\f\r":       `"\t\n\v\f\r"`,
		"\x00\x01\x7f":     `"\0\1\177"`,
		"\x001":            `"\0001"`,
		"\x019\xff":        `"\0019\377"`,
		"\x1b[0m":          `"\33[0m"`,
		"caf\xc3\xa9 \x07": `"caf\303\251 \7"`,
	} {
		p := &printer{}
		p.quote([]byte(in), false)
		if string(p.b) != want {
			t.Errorf("%q: got %s, want %s", in, p.b, want)
		}
	}
}

func TestModesAreOctal(t *testing.T) {
	for v, want := range map[uint64]string{0: "000", 7: "007", 0o22: "022", 0o644: "0644", 0o4755: "04755"} {
		p := &printer{}
		p.oct(v)
		if string(p.b) != want {
			t.Errorf("%o: got %s, want %s", v, p.b, want)
		}
	}
}

func TestLogBreaksAndResumesLines(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out)
	mem := memory("hello")
	l.Enter(10, linux.SYS_READ, [6]uint64{0, base, 5}, mem)
	l.Enter(11, linux.SYS_GETPID, [6]uint64{}, mem)
	l.Exit(11, mem, 10, nil)
	l.Exit(10, mem, 5, nil)
	info := linux.SignalInfo{Signo: int32(linux.SIGTERM), Code: linux.SI_USER}
	info.SetPID(1)
	l.Signal(10, &info)
	l.Stopped(10, linux.SIGTSTP)
	l.Enter(11, linux.SYS_EXIT, [6]uint64{3}, mem)
	l.End(11, linux.ExitStatus(3))
	l.Enter(10, linux.SYS_PAUSE, [6]uint64{}, mem)
	l.End(10, linux.SignaledStatus(linux.SIGKILL, false))
	l.Exit(10, mem, 0, nil) // after the end: nothing
	want := `read(0,  <unfinished ...>
[pid    11] getpid()                    = 10
[pid    10] <... read resumed>"hello", 5) = 5
[pid    10] --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
[pid    10] --- stopped by SIGTSTP ---
[pid    11] exit(3)                     = ?
[pid    11] +++ exited with 3 +++
pause( <unfinished ...>) = ?
+++ killed by SIGKILL +++
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestLogOfManyThreadsKeepsLinesWhole(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out)
	mem := memory("/path\x00")
	var wg sync.WaitGroup
	for tid := int32(100); tid < 104; tid++ {
		wg.Go(func() {
			for range 200 {
				l.Enter(tid, linux.SYS_CHDIR, [6]uint64{base}, mem)
				l.Exit(tid, mem, 0, nil)
			}
			l.End(tid, linux.ExitStatus(0))
		})
	}
	wg.Wait()
	form := regexp.MustCompile(`^(\[pid   10\d\] )?(chdir\("/path"\) += 0|chdir\("/path" <unfinished \.\.\.>|<\.\.\. chdir resumed>\) += 0|\+\+\+ exited with 0 \+\+\+)$`)
	for line := range strings.Lines(out.String()) {
		if !form.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("broken line %q", line)
		}
	}
}

// FuzzCall holds that no guest can make the printer panic or print without end.
func FuzzCall(f *testing.F) {
	for nr := range uint64(len(table)) {
		f.Add(nr, uint64(base), uint64(base+8), uint64(16), uint64(base+16), uint64(base+64), uint64(8), uint64(1), []byte("\x10\x00\x01\x00\x00\x00\x00\x00/path\x00"))
	}
	f.Fuzz(func(t *testing.T, nr, a, b, c, d, e, g, ret uint64, data []byte) {
		mem := memory(data)
		for _, err := range []error{nil, errno.EINTR} {
			if s := line(nr, [6]uint64{a, b, c, d, e, g}, mem, ret, err); len(s) > 1<<20 {
				t.Errorf("%d bytes of text", len(s))
			}
		}
	})
}

func TestHostileArgumentsOfEveryCall(t *testing.T) {
	mem := bytes.Repeat([]byte{0xff}, 8192)
	values := []uint64{0, 1, base, base + 8190, 1<<64 - 1, 1 << 63, 1<<32 - 1}
	for nr := range uint64(len(table)) {
		for i, v := range values {
			for j, w := range values {
				line(nr, [6]uint64{v, w, values[(i+j)%7], w, v, w}, memory(mem), w, nil)
			}
		}
	}
}
