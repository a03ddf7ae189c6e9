package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ringfence/abi/linux"
	"ringfence/sentry/boot"
)

func TestMountOptions(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want options
	}{
		{"", options{}},
		{"ro,nosuid,nodev,noexec", options{flags: linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC}},
		{"ro,rw", options{}},
		{"rbind,rprivate,ro", options{bind: true, flags: linux.MS_RDONLY}},
		{"size=64k,mode=1777,noatime", options{data: "size=64k,mode=1777", flags: linux.MS_NOATIME}},
		{"bind,rro", options{bind: true, flags: linux.MS_RDONLY}},
	} {
		if got := parseOptions(strings.Split(tt.in, ",")); got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func TestVolumes(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/f", nil, 0o644)
	for _, tt := range []struct {
		in   string
		ok   bool
		want boot.Mount
	}{
		{dir + ":/x", true, boot.Mount{Type: boot.TypeGofer, Source: dir, Destination: "/x", Shared: true}},
		{dir + ":/x/:rw", true, boot.Mount{Type: boot.TypeGofer, Source: dir, Destination: "/x", Shared: true}},
		{dir + "/f:/x:ro", true, boot.Mount{Type: boot.TypeGofer, Source: dir + "/f", Destination: "/x", Shared: true, File: true, Flags: linux.MS_RDONLY}},
		{dir, false, boot.Mount{}},
		{dir + ":x", false, boot.Mount{}},
		{":/x", false, boot.Mount{}},
		{dir + ":/x:wo", false, boot.Mount{}},
		{dir + ":/x:ro:ro", false, boot.Mount{}},
		{dir + "/none:/x", false, boot.Mount{}},
	} {
		s := &Spec{}
		err := s.volume(tt.in)
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.in, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), tt.in) {
				t.Errorf("%q: the error does not name it: %v", tt.in, err)
			}
			continue
		}
		if got := s.Boot.Mounts[0]; got != tt.want || s.Gofer.Mounts[0].ReadOnly != (tt.want.Flags == linux.MS_RDONLY) {
			t.Errorf("%q: %+v, %+v", tt.in, got, s.Gofer.Mounts[0])
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("CALLERS", "value")
	os.Unsetenv("UNSET")
	got, err := environment([]string{"A=1", "B=2"}, []string{"B=3", "C=", "CALLERS", "UNSET", "D=x=y"})
	want := []string{"A=1", "B=3", "C=", "CALLERS=value", "D=x=y"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := environment(nil, []string{"=x"}); err == nil {
		t.Error("a variable without a name was accepted")
	}
}

func TestCapabilityNumbers(t *testing.T) {
	for name, want := range map[string]uint{"CAP_CHOWN": linux.CAP_CHOWN, "cap_sys_admin": linux.CAP_SYS_ADMIN, "CAP_CHECKPOINT_RESTORE": linux.CAP_LAST_CAP} {
		if n, ok := capabilityNumber(name); !ok || n != want {
			t.Errorf("%s: %d, %v", name, n, ok)
		}
	}
	if len(capabilityNames) != linux.CAP_LAST_CAP+1 {
		t.Errorf("%d names", len(capabilityNames))
	}
}

func TestIgnoredPartsAreNamed(t *testing.T) {
	o := &specs.Spec{Process: &specs.Process{}, Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "pid"}}}}
	if got := Ignored(o); len(got) != 0 {
		t.Errorf("%q", got)
	}
	o.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/x"}}}
	o.Linux.Seccomp = &specs.LinuxSeccomp{}
	o.Linux.Namespaces[0].Path = "/proc/1/ns/pid"
	if got := strings.Join(Ignored(o), "; "); got != "hooks; linux.seccomp; linux.namespaces: path of pid" {
		t.Errorf("%q", got)
	}
}

// load writes config.json and does all that run does with it before it starts anything.
func load(t testing.TB, dir string, config []byte) (*Spec, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := Load(dir)
	if err != nil {
		return nil, err
	}
	return Container(o, dir)
}

func TestContainer(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(dir+"/rootfs", 0o755)
	limit, umask, adj := int64(1<<20), uint32(0o27), 500
	o := specs.Spec{
		Version: "1.2.0",
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: []string{"a"}, Cwd: "/x/", User: specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3}, Umask: &umask},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_CPU", Soft: 1, Hard: 2}},
			Capabilities: &specs.LinuxCapabilities{Ambient: []string{"CAP_KILL"}}, OOMScoreAdj: &adj, NoNewPrivileges: true,
		},
		Mounts: []specs.Mount{
			{Destination: "/dev", Type: "tmpfs", Options: []string{"nosuid"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup"},
			{Destination: "/data", Type: "bind", Source: ".", Options: []string{"ro"}},
		},
		Linux: &specs.Linux{MaskedPaths: []string{"/proc/kcore"}, Resources: &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}},
	}
	b, _ := json.Marshal(o)
	s, err := load(t, dir, b)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, m := range s.Boot.Mounts {
		types = append(types, m.Destination+":"+m.Type)
	}
	want := "/:gofer /dev:devtmpfs /sys/fs/cgroup:cgroup2 /data:gofer /proc:proc /dev/pts:devpts /dev/shm:tmpfs"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("mounts %s, want %s", got, want)
	}
	if g := s.Gofer.Mounts; len(g) != 2 || g[0].Source != dir+"/rootfs" || g[0].ReadOnly || g[1].Source != dir || !g[1].ReadOnly {
		t.Errorf("gofer serves %+v", g)
	}
	p := s.Boot.Process
	if p.Cwd != "/x" || p.UID != 1 || p.GID != 2 || p.Groups[0] != 3 || p.Umask != 0o27 || p.Ambient != 1<<linux.CAP_KILL ||
		p.Rlimits[linux.RLIMIT_CPU] != (boot.Rlimit{Cur: 1, Max: 2}) || p.OOMScoreAdj != 500 || !p.NoNewPrivs || p.Mortal {
		t.Errorf("process %+v", p)
	}
	if s.Boot.Memory != 1<<20 || s.Boot.MaskedPaths[0] != "/proc/kcore" {
		t.Errorf("memory %d, masked %q", s.Boot.Memory, s.Boot.MaskedPaths)
	}
	if err := s.Boot.Validate(); err != nil {
		t.Error(err)
	}
}

// FuzzConfig feeds foreign config.json files to everything in front of the sandbox.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"/"},"root":{"path":"."}}`))
	f.Add([]byte(`{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"/","rlimits":[{"type":"RLIMIT_CPU","soft":1}]},"root":{"path":"."},"mounts":[{"destination":"/a","type":"tmpfs","options":["ro","x"]}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config []byte) {
		s, err := load(t, dir, config)
		if err != nil {
			return
		}
		if err := s.Boot.Validate(); err != nil {
			t.Errorf("%s: accepted, but the sentry refuses it: %v", config, err)
		}
	})
}
