package acceptance

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sandbox is a running `runsc do` that talks through its standard input and output.
type sandbox struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startSandbox(t *testing.T, dir string, argv ...string) *sandbox {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &sandbox{t, cmd, in, bufio.NewReader(out)}
}

// expect reads a line and compares it.
func (s *sandbox) expect(line string, limit time.Duration) {
	s.t.Helper()
	got := make(chan string, 1)
	go func() {
		l, _ := s.out.ReadString('\n')
		got <- strings.TrimSuffix(l, "\n")
	}()
	select {
	case l := <-got:
		if l != line {
			s.t.Fatalf("the program said %q, want %q", l, line)
		}
	case <-time.After(limit):
		s.t.Fatalf("no %q within %v", line, limit)
	}
}

// settledUsage waits until what the sandbox holds no longer shrinks.
func (s *sandbox) settledUsage() usage {
	u := usageOf(descendants(s.cmd.Process.Pid))
	for calm := 0; calm < 5; {
		time.Sleep(100 * time.Millisecond)
		v := usageOf(descendants(s.cmd.Process.Pid))
		if v == u {
			calm++
		} else {
			calm = 0
		}
		u = v
	}
	return u
}

// compileC builds a static program from text and returns its path.
func compileC(t *testing.T, dir, text string, flags ...string) string {
	t.Helper()
	src, bin := filepath.Join(dir, "prog.c"), filepath.Join(dir, "prog")
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", append([]string{"-O1", "-static", "-o", bin, src}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return bin
}

const forkProgram = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
extern char **environ;
static void run(int n) {
	char *argv[] = {"prog", "child", 0};
	for (int i = 0; i < n; i++) {
		int st = -1;
		pid_t p = fork();
		if (p == 0) { execve("./prog", argv, environ); _exit(1); }
		if (p < 0 || waitpid(p, &st, 0) != p || st != 42 << 8) { printf("child %d: pid %d status %x\n", i, p, st); exit(1); }
	}
}
int main(int argc, char **argv) {
	char line[80];
	if (argc > 1 && !strcmp(argv[1], "child")) return 42;
	run(300);
	puts("warm"); fflush(stdout);
	fgets(line, sizeof line, stdin);
	run(atoi(line));
	puts("done"); fflush(stdout);
	fgets(line, sizeof line, stdin);
	return 0;
}`

const threadProgram = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static pthread_barrier_t all;
static void *body(void *a) { pthread_barrier_wait(&all); return a; }
static void run(int n) {
	pthread_t *t = calloc(n, sizeof *t);
	pthread_attr_t at; pthread_attr_init(&at); pthread_attr_setstacksize(&at, 64 << 10);
	pthread_barrier_init(&all, 0, n + 1);
	for (int i = 0; i < n; i++) if (pthread_create(&t[i], &at, body, 0)) { puts("pthread_create failed"); exit(1); }
	pthread_barrier_wait(&all);
	for (int i = 0; i < n; i++) pthread_join(t[i], 0);
	free(t);
}
int main(void) {
	char line[80];
	/* As many as later: the C library keeps the stacks of threads that ended. And more than
	   once: the sandbox keeps frames that were used, and after the first time they are not yet
	   as many as they will be. */
	for (int i = 0; i < 3; i++) run(1000);
	puts("warm"); fflush(stdout);
	fgets(line, sizeof line, stdin);
	run(atoi(line));
	puts("done"); fflush(stdout);
	fgets(line, sizeof line, stdin);
	return 0;
}`

// TestNoLeak counts what a sandbox holds of the host before and after many
// processes and many threads.
func TestNoLeak(t *testing.T) {
	tests := []struct {
		name, program string
		n             int
	}{
		{"fork_exec_wait", forkProgram, 20000},
		{"concurrent_threads", threadProgram, 1000},
	}
	eachPlatform(t, func(t *testing.T, platform string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				dir := t.TempDir()
				compileC(t, dir, tt.program, "-pthread")
				s := startSandbox(t, dir, sandboxed(platform, "./prog")...)
				s.expect("warm", time.Minute)
				before := s.settledUsage()
				start := time.Now()
				io.WriteString(s.in, strconv.Itoa(tt.n)+"\n")
				s.expect("done", 20*time.Minute)
				took := time.Since(start)
				after := s.settledUsage()
				t.Logf("%d in %v\nbefore: %v\nafter:  %v", tt.n, took, before, after)
				// A platform may keep some processes and threads ready; their number must not
				// grow with that of the runs.
				if after.processes > before.processes+8 {
					t.Errorf("host processes grew from %d to %d", before.processes, after.processes)
				}
				if after.threads > before.threads+60 {
					t.Errorf("host threads grew from %d to %d", before.threads, after.threads)
				}
				if after.descriptors > before.descriptors+40 {
					t.Errorf("host descriptors grew from %d to %d", before.descriptors, after.descriptors)
				}
				if after.memory > before.memory+4<<20 {
					t.Errorf("guest frames grew from %d to %d bytes", before.memory, after.memory)
				}
				io.WriteString(s.in, "end\n")
				if err := s.cmd.Wait(); err != nil {
					t.Errorf("the sandbox ended with %v", err)
				}
			})
		}
	})
}

// TestNothingSurvives kills each process of a sandbox in several ways and
// checks that all the others end too.
func TestNothingSurvives(t *testing.T) {
	const script = `for i in 1 2 3; do sleep 1000 & done; (trap '' TERM HUP INT; sleep 1000) & echo up; wait`
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGHUP}
	eachPlatform(t, func(t *testing.T, platform string) {
		argv := sandboxed(platform, "bash", "-c", script)
		probe := startSandbox(t, t.TempDir(), argv...)
		probe.expect("up", time.Minute)
		kinds := map[string]bool{}
		for _, p := range descendants(probe.cmd.Process.Pid) {
			kinds[kindOf(p)] = true
		}
		for kind := range kinds {
			for _, sig := range signals {
				if kind != "runsc do" && sig != syscall.SIGKILL {
					continue
				}
				t.Run(kind+"/"+sig.String(), func(t *testing.T) {
					s := startSandbox(t, t.TempDir(), argv...)
					s.expect("up", time.Minute)
					ps := descendants(s.cmd.Process.Pid)
					for _, p := range ps {
						if kindOf(p) == kind {
							syscall.Kill(p.pid, sig)
							break
						}
					}
					if kind == "guest" {
						// The others go on without it, until runsc is ended.
						s.cmd.Process.Kill()
					}
					s.cmd.Wait()
					if left := survivors(ps, 5*time.Second); len(left) > 0 {
						t.Errorf("still there: %v", left)
						for _, p := range left {
							syscall.Kill(p.pid, syscall.SIGKILL)
						}
					}
				})
			}
		}
	})
}

// kindOf names the role of a host process by the first word behind the flags.
func kindOf(p process) string {
	for _, role := range []string{"gofer", "boot", "do"} {
		if strings.Contains(p.cmdline+" ", " "+role+" ") {
			return "runsc " + role
		}
	}
	return "guest"
}
