// Command sysfuzz makes a sandbox answer random system calls and looks for what must
// not happen: a sentry that panics or stands still, processes that survive SIGKILL, and
// descriptors, threads or stub processes that pile up.
//
//	sysfuzz [--calls N] [--seed S] [--runsc BINARY] [--only CALL,...]
//
// It builds runsc (unless named) and tools/sysfuzz/guest, and runs the guest with `runsc do`,
// a sandbox for each --per calls. Each finding is printed with the command that
// repeats it, and what the sentry said is kept in --out. Exit code 1 says that there were
// findings. The batches of a run are numbered, and batch N has the seed S+N; threads race, so
// a seed repeats the calls but not always their order.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// silence is how long no batch may end before the sandbox counts as hung: a batch
// takes two seconds at most, and its end five.
const silence = 15 * time.Second

func main() {
	calls := flag.Int("calls", 100000, "how many calls to make")
	per := flag.Int("per", 50000, "how many of them in one sandbox")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "where the random numbers start")
	runsc := flag.String("runsc", "", "the binary to test (default: build it)")
	only := flag.String("only", "", "make only these calls, separated by commas")
	platform := flag.String("platform", "trap", "how guest code runs")
	out := flag.String("out", "", "directory for logs of findings (default: a temporary one)")
	flag.Parse()
	dir, err := os.MkdirTemp("", "sysfuzz-")
	check(err)
	defer os.RemoveAll(dir)
	check(os.Chmod(dir, 0o755))
	if *out == "" {
		*out, err = os.MkdirTemp("", "sysfuzz-findings-")
		check(err)
	}
	check(os.MkdirAll(*out, 0o755))
	if *runsc == "" {
		*runsc = filepath.Join(dir, "runsc")
		build("ringfence/runsc", *runsc)
	}
	guest := filepath.Join(dir, "guest")
	build("ringfence/tools/sysfuzz/guest", guest)
	fmt.Printf("seed %d; findings go to %s\n", *seed, *out)

	t := trial{runsc: *runsc, guest: guest, platform: *platform, only: *only, dir: dir}
	findings, s := 0, *seed
	for left := *calls; left > 0; {
		r := t.run(s, min(left, *per))
		for _, f := range r.findings {
			findings++
			name := filepath.Join(*out, fmt.Sprintf("%d.log", r.lastSeed))
			os.WriteFile(name, r.log, 0o644)
			fmt.Printf("FOUND %s\n  again: sysfuzz --seed %d --calls 2000   log: %s\n", f, r.lastSeed, name)
		}
		fmt.Printf("seeds %d to %d: %d calls in %v\n", s, r.lastSeed, r.calls, r.took.Round(time.Second))
		left -= max(r.calls, 1000)
		s = r.lastSeed + 1
	}
	if findings > 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
	os.Remove(*out) // if empty
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sysfuzz:", err)
		os.Exit(2)
	}
}

func build(pkg, binary string) {
	cmd := exec.Command("go", "build", "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building %s: %v\n%s", pkg, err, out)
	}
	check(err)
}

// trial is how to run one sandbox.
type trial struct{ runsc, guest, platform, only, dir string }

// result is what one sandbox did.
type result struct {
	calls    int
	lastSeed uint64 // of the last batch that was begun
	findings []string
	log      []byte
	took     time.Duration
}

func (t trial) run(seed uint64, calls int) (r result) {
	start := time.Now()
	defer func() { r.took = time.Since(start) }()
	r.lastSeed = seed
	vol := filepath.Join(t.dir, "vol")
	check(os.MkdirAll(vol, 0o777))
	check(os.Chmod(vol, 0o777))
	defer os.RemoveAll(vol)
	logName := filepath.Join(t.dir, "log")
	defer os.Remove(logName)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, t.runsc, "--platform", t.platform, "--debug-log", logName, "do", "--volume", vol+":/vol", "--cwd", "/", "--",
		t.guest, "--seed", fmt.Sprint(seed), "--calls", fmt.Sprint(calls), "--only", t.only)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	found := func(format string, args ...any) { r.findings = append(r.findings, fmt.Sprintf(format, args...)) }
	var before, after usage
	quiet := false
	batches := 0
loop:
	for {
		select {
		case line, more := <-lines:
			if !more {
				break loop
			}
			var n, made int
			var s uint64
			switch k, _ := fmt.Sscanf(line, "batch %d seed %d calls %d", &n, &s, &made); {
			case k == 3:
				r.calls += made
				r.lastSeed = s + 1
				if batches++; batches == 3 {
					before = usageOf(cmd.Process.Pid)
				}
			case line == "quiet":
				quiet = true
				time.Sleep(300 * time.Millisecond)
				after = usageOf(cmd.Process.Pid)
			case strings.HasPrefix(line, "stuck"):
				found("%s", line)
				dump(cmd.Process.Pid)
			default:
				fmt.Println("  guest:", line)
			}
		case <-time.After(silence):
			found("hang: nothing happened for %v", silence)
			dump(cmd.Process.Pid)
			time.Sleep(time.Second)
			cancel()
			break loop
		}
	}
	cancelled := ctx.Err() != nil
	werr := cmd.Wait()
	log, _ := os.ReadFile(logName)
	r.log = append(log, stderr.Bytes()...)
	if !quiet && len(r.findings) == 0 {
		found("the sandbox ended: %v: %s", werr, reason(r.log))
	}
	if !cancelled && bytes.Contains(r.log, []byte("panic: ")) && quiet {
		found("panic: %s", reason(r.log))
	}
	if quiet && batches > 3 {
		for _, c := range []struct {
			what           string
			was, is, slack int
		}{
			{"descriptors", before.fds, after.fds, 20},
			{"threads", before.threads, after.threads, 30},
			{"processes", before.processes, after.processes, 4},
			{"MiB of shared memory", before.shmem, after.shmem, 64},
			{"MiB of private memory", before.anon, after.anon, 300},
		} {
			if c.is > c.was+c.slack {
				found("leak: %d %s, after 3 batches %d", c.is, c.what, c.was)
			}
		}
	}
	return r
}

// reason is the first line of a log that tells why a Go program ended.
func reason(log []byte) string {
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "unexpectedly") {
			return strings.TrimSpace(line)
		}
	}
	return "see the log"
}
