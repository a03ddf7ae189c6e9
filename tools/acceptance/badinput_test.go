package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringfence/tools/testbin"
)

// TestBadInput checks that what can't be done is said in one line that names the
// object, with a non-zero exit code, and that nothing is left behind.
func TestBadInput(t *testing.T) {
	const goodProcess = `"process":{"args":["/bin/true"],"cwd":"/","user":{"uid":0,"gid":0}}`
	tests := []struct {
		name   string
		config string   // of a bundle in "b", unless empty
		argv   []string // behind runsc --root ROOT
		code   int      // 0: any but 0
		names  string   // what the line must name
	}{
		{"unknown global flag", "", []string{"--frobnicate", "list"}, 0, "frobnicate"},
		{"unknown command", "", []string{"frobnicate"}, 0, "frobnicate"},
		{"unknown flag of do", "", []string{"do", "--frobnicate", "--", "true"}, 0, "frobnicate"},
		{"unknown platform", "", []string{"--platform", "abacus", "do", "--", "true"}, 0, "abacus"},
		{"unknown network", "", []string{"--network", "pigeon", "do", "--", "true"}, 0, "pigeon"},
		{"do without a command", "", []string{"do"}, 0, "command"},
		{"command not found", "", []string{"do", "--", "nosuchprogram"}, 127, "nosuchprogram"},
		{"path not found", "", []string{"do", "--", "/no/such/program"}, 127, "/no/such/program"},
		{"command not executable", "", []string{"do", "--", "/etc/passwd"}, 126, "/etc/passwd"},
		{"command is a directory", "", []string{"do", "--", "/etc"}, 126, "/etc"},
		{"malformed ELF", "", []string{"do", "--", "./bad-elf"}, 126, "bad-elf"},
		{"truncated ELF", "", []string{"do", "--", "./short-elf"}, 126, "short-elf"},
		{"missing working directory", "", []string{"do", "--cwd", "/no/such/dir", "--", "true"}, 0, "/no/such/dir"},
		{"volume without destination", "", []string{"do", "--volume", "/tmp", "--", "true"}, 0, "/tmp"},
		{"volume from nowhere", "", []string{"do", "--volume", "/no/such/src:/mnt", "--", "true"}, 0, "/no/such/src"},
		{"environment without equals sign", "", []string{"do", "--env", "=x", "--", "true"}, 0, "=x"},
		{"missing bundle", "", []string{"run", "--bundle", "no-bundle", "id1"}, 0, "no-bundle"},
		{"bundle without config", "", []string{"run", "--bundle", ".", "id1"}, 0, "config.json"},
		{"config that is not JSON", `{"process":`, []string{"run", "--bundle", "b", "id1"}, 0, "config.json"},
		{"config of the wrong type", `{"process":{"args":7}}`, []string{"run", "--bundle", "b", "id1"}, 0, "config.json"},
		{"config without process", `{"ociVersion":"1.0.2","root":{"path":"/"}}`, []string{"run", "--bundle", "b", "id1"}, 0, "process"},
		{"config without arguments", `{"ociVersion":"1.0.2","process":{"args":[],"cwd":"/"},"root":{"path":"/"}}`, []string{"run", "--bundle", "b", "id1"}, 0, "args"},
		{"relative working directory", `{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"x"},"root":{"path":"/"}}`, []string{"run", "--bundle", "b", "id1"}, 0, "cwd"},
		{"config without root", `{"ociVersion":"1.0.2",` + goodProcess + `}`, []string{"run", "--bundle", "b", "id1"}, 0, "root"},
		{"missing root directory", `{"ociVersion":"1.0.2",` + goodProcess + `,"root":{"path":"no-root"}}`, []string{"run", "--bundle", "b", "id1"}, 0, "no-root"},
		{"unknown capability", `{"ociVersion":"1.0.2","process":{"args":["/bin/true"],"cwd":"/","user":{"uid":0,"gid":0},"capabilities":{"bounding":["CAP_FLY"]}},"root":{"path":"/","readonly":true}}`, []string{"run", "--bundle", "b", "id1"}, 0, "CAP_FLY"},
		{"unknown rlimit", `{"ociVersion":"1.0.2","process":{"args":["/bin/true"],"cwd":"/","user":{"uid":0,"gid":0},"rlimits":[{"type":"RLIMIT_LUCK","hard":1,"soft":1}]},"root":{"path":"/","readonly":true}}`, []string{"run", "--bundle", "b", "id1"}, 0, "RLIMIT_LUCK"},
		{"mount from nowhere", `{"ociVersion":"1.0.2",` + goodProcess + `,"root":{"path":"/","readonly":true},"mounts":[{"destination":"/mnt","type":"bind","source":"/no/such/dir","options":["bind"]}]}`, []string{"run", "--bundle", "b", "id1"}, 0, "/no/such/dir"},
		{"program missing in the root", `{"ociVersion":"1.0.2","process":{"args":["/no/prog"],"cwd":"/","user":{"uid":0,"gid":0}},"root":{"path":"/","readonly":true}}`, []string{"run", "--bundle", "b", "id1"}, 127, "/no/prog"},
		{"bad container id", "", []string{"run", "--bundle", "b", "../evil"}, 0, "../evil"},
		{"state of an unknown container", "", []string{"state", "ghost"}, 0, "ghost"},
		{"kill of an unknown container", "", []string{"kill", "ghost"}, 0, "ghost"},
		{"delete of an unknown container", "", []string{"delete", "ghost"}, 0, "ghost"},
		{"unknown signal", "", []string{"kill", "ghost", "SIGFOO"}, 0, "SIGFOO"},
	}
	eachPlatform(t, func(t *testing.T, platform string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				dir, root := t.TempDir(), t.TempDir()
				write(t, filepath.Join(dir, "bad-elf"), "\x7fELF\x02\x01\x01"+strings.Repeat("\xff", 200), 0o755)
				write(t, filepath.Join(dir, "short-elf"), "\x7fELF\x02", 0o755)
				if tt.config != "" {
					write(t, filepath.Join(dir, "b", "config.json"), tt.config, 0o644)
				}
				argv := append([]string{testbin.Runsc, "--root", root, "--platform", platform}, tt.argv...)
				r := run(t, dir, time.Minute, "", argv...)
				line := strings.TrimSuffix(r.stderr, "\n")
				if r.code == 0 || tt.code != 0 && r.code != tt.code {
					t.Errorf("exit code %d, want %d (0: any error)", r.code, tt.code)
				}
				if strings.Contains(line, "\n") || !strings.Contains(line, tt.names) {
					t.Errorf("no single line that names %q", tt.names)
				}
				if r.stdout != "" {
					t.Errorf("standard output is not empty")
				}
				if left, _ := os.ReadDir(root); len(left) > 0 {
					t.Errorf("left behind in --root: %v", left)
				}
				if t.Failed() {
					t.Logf("%q: %v", argv, r)
				}
			})
		}
	})
}

// write makes a file and the directories above it.
func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
