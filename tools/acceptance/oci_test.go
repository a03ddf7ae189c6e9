package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"ringfence/tools/testbin"
)

// bundle writes an OCI bundle whose root is the host's, read-only, and returns its path.
func bundle(t *testing.T, change func(s *specs.Spec), args ...string) string {
	t.Helper()
	caps := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"}
	s := &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: environment(),
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Root:     &specs.Root{Path: "/", Readonly: true},
		Hostname: "ringfenced",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts"},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		},
	}
	if change != nil {
		change(s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), string(b), 0o644)
	return dir
}

// TestRun runs OCI bundles and checks what each part of config.json does.
func TestRun(t *testing.T) {
	volume := t.TempDir()
	write(t, filepath.Join(volume, "hello"), "from the host\n", 0o644)
	tests := []struct {
		name   string
		change func(s *specs.Spec)
		shell  string
		stdout string
		code   int
	}{
		{name: "arguments and exit code", shell: `echo hi; exit 12`, stdout: "hi\n", code: 12},
		{name: "hostname", shell: `uname -n`, stdout: "ringfenced\n"},
		{name: "read-only root", shell: `touch /x 2>&1; echo $?; touch /tmp/x; echo $?`,
			stdout: "touch: cannot touch '/x': Read-only file system\n1\n0\n"},
		{name: "environment and working directory",
			change: func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "A=b c"); s.Process.Cwd = "/usr" },
			shell:  `echo "$A"; pwd`, stdout: "b c\n/usr\n"},
		{name: "user and groups",
			change: func(s *specs.Spec) {
				s.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 6}}
			},
			shell: `id -u; id -g; id -G`, stdout: "1000\n1001\n1001 5 6\n"},
		{name: "capabilities", shell: `grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status`,
			stdout: "CapPrm:\t00000000000000e1\nCapEff:\t00000000000000e1\nCapBnd:\t00000000000000e1\n"},
		{name: "rlimits",
			change: func(s *specs.Spec) {
				s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 50, Hard: 60}}
			},
			shell: `ulimit -Sn; ulimit -Hn`, stdout: "50\n60\n"},
		{name: "bind mount",
			change: func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: volume, Options: []string{"rbind"}})
			},
			shell: `cat /mnt/hello; echo back > /mnt/out`, stdout: "from the host\n"},
		{name: "read-only bind mount",
			change: func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: volume, Options: []string{"rbind", "ro"}})
			},
			shell: `cat /mnt/hello; echo x 2>/dev/null > /mnt/ro || echo refused`, stdout: "from the host\nrefused\n"},
		{name: "tmpfs options",
			change: func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=64k", "mode=700", "noexec"}})
			},
			shell: `stat -c %a /mnt; head -c 100000 /dev/zero 2>/dev/null > /mnt/f || echo full`, stdout: "700\nfull\n"},
		{name: "masked and read-only paths",
			change: func(s *specs.Spec) {
				s.Linux = &specs.Linux{MaskedPaths: []string{"/proc/kcore", "/proc/uptime", "/etc/apt"}, ReadonlyPaths: []string{"/proc/sys"}}
			},
			shell: `cat /proc/uptime | wc -c; ls /etc/apt | wc -l; (echo x > /proc/sys/kernel/hostname) 2>/dev/null || echo refused`, stdout: "0\n0\nrefused\n"},
		{name: "no new privileges",
			change: func(s *specs.Spec) { s.Process.NoNewPrivileges = true },
			shell:  `grep NoNewPrivs /proc/self/status`, stdout: "NoNewPrivs:\t1\n"},
		{name: "process is init of its own tree", shell: `echo $$`, stdout: "1\n"},
	}
	eachPlatform(t, func(t *testing.T, platform string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				b, root := bundle(t, tt.change, "/bin/sh", "-c", tt.shell), t.TempDir()
				r := run(t, "/", time.Minute, "", testbin.Runsc, "--root", root, "--platform", platform, "run", "--bundle", b, "box")
				if r.stdout != tt.stdout || r.code != tt.code {
					t.Errorf("got %v\nwant code %d and %q", r, tt.code, tt.stdout)
				}
				if left, _ := os.ReadDir(root); len(left) > 0 {
					t.Errorf("left behind in --root: %v", left)
				}
			})
		}
		t.Run("what is written to a volume stays", func(t *testing.T) {
			if b, err := os.ReadFile(filepath.Join(volume, "out")); string(b) != "back\n" {
				t.Errorf("volume holds %q, %v", b, err)
			}
			if _, err := os.Stat(filepath.Join(volume, "ro")); err == nil {
				t.Error("a read-only bind mount was written")
			}
		})
	})
}

// TestContainerLife follows a container through state, list, kill and delete.
func TestContainerLife(t *testing.T) {
	eachPlatform(t, func(t *testing.T, platform string) {
		root := t.TempDir()
		runsc := func(args ...string) result {
			return run(t, "/", time.Minute, "", append([]string{testbin.Runsc, "--root", root, "--platform", platform}, args...)...)
		}
		status := func() string {
			var s specs.State
			r := runsc("state", "box")
			if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
				t.Fatalf("state: %v\n%v", err, r)
			}
			if s.ID != "box" || s.Version == "" || s.Bundle == "" {
				t.Errorf("state lacks fields: %+v", s)
			}
			return string(s.Status)
		}
		start := func(script string) *sandbox {
			b := bundle(t, nil, "/bin/sh", "-c", script)
			s := startSandbox(t, "/", testbin.Runsc, "--root", root, "--platform", platform, "run", "--bundle", b, "box")
			s.expect("up", time.Minute)
			return s
		}

		s := start(`trap 'exit 21' TERM; echo up; while :; do sleep 0.05; done`)
		if got := status(); got != "running" {
			t.Errorf("status %q, want running", got)
		}
		if r := runsc("list"); !strings.Contains(r.stdout, "box") || !strings.Contains(r.stdout, "running") {
			t.Errorf("list shows %v", r)
		}
		if r := runsc("run", "--bundle", bundle(t, nil, "/bin/true"), "box"); r.code == 0 || !strings.Contains(r.stderr, "box") {
			t.Errorf("a second container of the same id: %v", r)
		}
		if r := runsc("delete", "box"); r.code == 0 {
			t.Errorf("deleted a running container: %v", r)
		}
		if r := runsc("kill", "box", "TERM"); r.code != 0 {
			t.Errorf("kill: %v", r)
		}
		s.cmd.Wait()
		if code := s.cmd.ProcessState.ExitCode(); code != 21 {
			t.Errorf("exit code %d, want the handler's 21", code)
		}
		if r := runsc("state", "box"); r.code == 0 {
			t.Errorf("the container is still there after run ended: %v", r)
		}

		s = start(`trap '' TERM; echo up; while :; do sleep 0.05; done`)
		ps := descendants(s.cmd.Process.Pid)
		begin := time.Now()
		if r := runsc("delete", "--force", "box"); r.code != 0 {
			t.Errorf("delete --force: %v", r)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("delete --force took %v", took)
		}
		s.cmd.Wait()
		if ws := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.ExitStatus() != 128+9 && ws.Signal() != syscall.SIGKILL {
			t.Errorf("run ended with %v, want death by SIGKILL", s.cmd.ProcessState)
		}
		if left := survivors(ps, 2*time.Second); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
		if left, _ := os.ReadDir(root); len(left) > 0 {
			t.Errorf("left behind in --root: %v", left)
		}
	})
}
