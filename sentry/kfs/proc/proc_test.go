package proc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/kfs/proc"
	"ringfence/sentry/kfs/sys"
	"ringfence/sentry/syscalls"
)

// reader prints the files that it is given, each behind a line with its name. It has a
// second thread, a child, and a few kinds of mappings and descriptors.
const reader = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <signal.h>
static void *idle(void *p) { for (;;) pause(); }
static void show(const char *path) {
	static char buf[1 << 20];
	printf("== %s\n", path);
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
		int n = readlink(path, buf, sizeof buf - 1);
		if (n < 0) printf("readlink: %s\n", strerror(errno)); else { buf[n] = 0; printf("-> %s\n", buf); }
		return;
	}
	int fd = open(path, O_RDONLY);
	if (fd < 0) { printf("open: %s\n", strerror(errno)); return; }
	int n, all = 0;
	while (all < (int)sizeof buf && (n = read(fd, buf + all, all < 100 && !strstr(path, "/sys/") ? 1 : sizeof buf - all)) > 0) all += n;
	if (n < 0) printf("read: %s\n", strerror(errno));
	fwrite(buf, 1, all, stdout);
	if (all && buf[all - 1] != '\n') putchar('\n');
	close(fd);
}
int main(int argc, char **argv) {
	if (getpid() == 1) {
		mkdir("/proc", 0755); mkdir("/sys", 0755);
		if (mount("proc", "/proc", "proc", 0, 0) || mount("sysfs", "/sys", "sysfs", 0, 0)) { perror("mount"); return 1; }
	}
	pthread_t t; pthread_create(&t, 0, idle, 0);
	pid_t child = fork();
	if (child == 0) idle(0);
	mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int p[2]; if (pipe(p)) return 1;
	for (int i = 1; i < argc; i++) show(argv[i]);
	fflush(stdout);
	kill(child, SIGKILL);
	return 0;
}`

// read runs reader on the files, in a sandbox and on the host, and returns what each file holds.
func read(t *testing.T, files ...string) (ours, hosts map[string]string) {
	t.Helper()
	m := kerneltest.New(t, syscalls.Table())
	m.K.VFS.AddType("proc", &proc.FS{Kernel: m.K, CPU: hostCPU(t)}, true)
	m.K.VFS.AddType("sysfs", &sys.FS{Kernel: m.K}, true)
	prog := kerneltest.Compile(t, "reader", reader)
	m.Put("/bin/reader", prog, 0o755)
	r := m.Run(append([]string{"/bin/reader"}, files...)...)
	if r.Status != 0 {
		t.Fatalf("status %#x\n%s", r.Status, r.Output)
	}
	path := filepath.Join(t.TempDir(), "reader")
	if err := os.WriteFile(path, prog, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, files...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return split(r.Output), split(string(out))
}

func hostCPU(t *testing.T) string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n\n")
	return first
}

func split(s string) map[string]string {
	m := make(map[string]string)
	for _, part := range strings.Split("\n"+s, "\n== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		m[name] = strings.TrimSuffix(text, "\n")
	}
	return m
}

// shape is a line without its values.
func shape(line string) string {
	line = regexp.MustCompile(`\b[0-9a-f]{16}\b`).ReplaceAllString(line, "H")
	return regexp.MustCompile(` *\d+`).ReplaceAllString(line, "#")
}

// TestKeyedFiles: every line of ours is a line of the host's, in the same order and form.
func TestKeyedFiles(t *testing.T) {
	files := []string{
		"/proc/self/status", "/proc/meminfo", "/proc/self/limits", "/proc/self/smaps_rollup", "/proc/self/io",
		"/proc/stat", "/proc/self/smaps",
	}
	values := regexp.MustCompile(`^(Name|State|Groups|Cpus_allowed|Mems_allowed|Speculation|x86_Thread|THP_enabled|untag_mask|intr|softirq|cpu\d|procs|Max |VmFlags|[0-9a-f]+-)`)
	ours, hosts := read(t, files...)
	for _, f := range files {
		t.Run(f, func(t *testing.T) {
			host := strings.Split(hosts[f], "\n")
			at := 0
			for _, line := range strings.Split(ours[f], "\n") {
				key := regexp.MustCompile(`^[^: ]+(:| )`).FindString(line)
				if strings.HasPrefix(f, "/proc/self/smaps") && regexp.MustCompile(`^[0-9a-f]+-`).MatchString(line) {
					at = 1 // each mapping begins anew
					continue
				}
				i := at
				for i < len(host) && (key == "" || !strings.HasPrefix(host[i], key)) {
					i++
				}
				if i == len(host) {
					if !strings.HasPrefix(key, "cpu") {
						t.Errorf("the host has no line %q behind %q", line, host[max(at-1, 0)])
					}
					continue
				}
				if !values.MatchString(line) && shape(line) != shape(host[i]) {
					t.Errorf("%q, host %q", line, host[i])
				}
				if !strings.HasPrefix(line, "Max ") {
					at = i + 1
				}
			}
		})
	}
}

// TestPatterns checks the lines of files that consist of alike lines, on the host too, so that the patterns
// are known to be right.
func TestPatterns(t *testing.T) {
	const num = `-?\d+`
	tests := map[string]string{
		"/proc/self/stat":                  `^\d+ \(reader\) [RSDZTtX]( ` + num + `){49}$`,
		"/proc/self/statm":                 `^\d+ \d+ \d+ \d+ 0 \d+ 0$`,
		"/proc/self/maps":                  `^[0-9a-f]{8,16}-[0-9a-f]{8,16} [r-][w-][x-][sp] [0-9a-f]{8,} [0-9a-f]{2,}:[0-9a-f]{2,} \d+ +(\S.*)?$`,
		"/proc/self/mountinfo":             `^\d+ \d+ \d+:\d+ /\S* /\S* \S+( \w+:\d+)* - \S+ \S+ \S+$`,
		"/proc/self/mounts":                `^\S+ /\S* \S+ \S+ 0 0$`,
		"/proc/self/fdinfo/0":              `^(pos:\t\d+|flags:\t0\d+|mnt_id:\t\d+|ino:\t\d+)$`,
		"/proc/uptime":                     `^\d+\.\d\d \d+\.\d\d$`,
		"/proc/loadavg":                    `^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+$`,
		"/proc/version":                    `^Linux version 6\.\d+\.\d+\S* \(.*\) \(.*\) #1 SMP .*$`,
		"/proc/filesystems":                `^(nodev)?\t\w+$`,
		"/proc/self/cgroup":                `^\d+:[^:]*:/.*$`,
		"/proc/self/uid_map":               `^ +\d+ +\d+ +\d+$`,
		"/proc/self/personality":           `^[0-9a-f]{8}$`,
		"/proc/self/oom_score":             `^\d+$`,
		"/proc/self/cmdline":               `^.*reader\x00.*\x00$`,
		"/proc/self/comm":                  `^reader$`,
		"/proc/self/schedstat":             `^\d+ \d+ \d+$`,
		"/proc/self/exe":                   `^-> /.*/reader$`,
		"/proc/self/root":                  `^-> /$`,
		"/proc/self/cwd":                   `^-> /.*$`,
		"/proc/self/ns/uts":                `^-> uts:\[\d+\]$`,
		"/proc/self/ns/mnt":                `^-> mnt:\[\d+\]$`,
		"/proc/self/fd/3":                  `^-> pipe:\[\d+\]$`,
		"/proc/self":                       `^-> \d+$`,
		"/proc/thread-self":                `^-> \d+/task/\d+$`,
		"/proc/mounts":                     `^-> self/mounts$`,
		"/proc/cpuinfo":                    `^([a-zA-Z_ ]+\t*: ?.*)?$`,
		"/proc/self/timerslack_ns":         `^50000$`,
		"/proc/self/coredump_filter":       `^000000\d\d$`,
		"/proc/self/numa_maps":             `^[0-9a-f]+ default( (file=\S+|heap|stack|\w+=\d+))*$`,
		"/proc/sys/kernel/ostype":          `^Linux$`,
		"/proc/sys/kernel/random/uuid":     `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"/proc/sys/kernel/random/boot_id":  `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"/proc/sys/kernel/cap_last_cap":    `^40$`,
		"/proc/sys/kernel/pid_max":         `^\d+$`,
		"/proc/sys/fs/file-nr":             `^\d+\t0\t\d+$`,
		"/proc/sys/vm/overcommit_memory":   `^[012]$`,
		"/proc/sys/net/core/somaxconn":     `^4096$`,
		"/proc/self/net/dev":               `^(Inter-\|   Receive .*| face \|bytes .*| *\w+:( +\d+){16})$`,
		"/sys/devices/system/cpu/online":   `^0(-\d+)?$`,
		"/sys/devices/system/cpu/possible": `^0(-\d+)?$`,
		"/sys/devices/system/cpu/cpu0/topology/thread_siblings":     `^[0-9a-f,]+$`,
		"/sys/kernel/mm/transparent_hugepage/enabled":               `^.*\[(always|madvise|never)\].*$`,
		"/sys/devices/system/cpu/cpu0/topology/physical_package_id": `^0$`,
	}
	// What another kernel may have been built without.
	optional := map[string]bool{
		"/proc/self/numa_maps": true, "/proc/self/coredump_filter": true, "/proc/self/schedstat": true,
		"/sys/kernel/mm/transparent_hugepage/enabled": true, "/proc/self/oom_score": true, "/proc/self/uid_map": true,
		"/proc/self/cgroup": true, "/proc/self/ns/uts": true, "/proc/self/fd/3": true,
	}
	var files []string
	for f := range tests {
		files = append(files, f)
	}
	ours, hosts := read(t, files...)
	for f, pattern := range tests {
		t.Run(f, func(t *testing.T) {
			re := regexp.MustCompile(pattern)
			check := func(who, text string) {
				for line := range strings.Lines(text + "\n") {
					if line = strings.TrimSuffix(line, "\n"); !re.MatchString(line) {
						t.Errorf("%s: %q does not match %s", who, line, pattern)
					}
				}
			}
			check("ours", ours[f])
			if h := hosts[f]; !strings.HasPrefix(h, "open: ") || !optional[f] {
				check("the host", h)
			}
		})
	}
}

// TestErrors: what can't be read fails as on the host.
func TestErrors(t *testing.T) {
	files := []string{
		"/proc/self/attr/nothing", "/proc/self/fd/99", "/proc/self/fd/x", "/proc/self/fd/03", "/proc/99999999",
		"/proc/0", "/proc/01", "/proc/self/task/1/nothing", "/proc/sys/kernel/nothing", "/proc/self/nothing", "/proc/self/mem",
	}
	ours, hosts := read(t, files...)
	for _, f := range files {
		if ours[f] != hosts[f] {
			t.Errorf("%s: %q, host %q", f, ours[f], hosts[f])
		}
	}
}

// TestPollTellsOfMounts compares poll(2) on mountinfo with the host's.
func TestPollTellsOfMounts(t *testing.T) {
	prog := kerneltest.Compile(t, "poll", `
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>
static int look(int fd) { struct pollfd p = { fd, POLLIN | POLLPRI }; poll(&p, 1, 0); return p.revents; }
int main(void) {
	if (getpid() == 1) { mkdir("/proc", 0755); mount("proc", "/proc", "proc", 0, 0); }
	if (unshare(CLONE_NEWNS) || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0)) { perror("unshare"); return 1; }
	int fd = open("/proc/self/mountinfo", O_RDONLY);
	printf("%x\n", look(fd));
	printf("mount %d\n", mount("x", "/tmp", "tmpfs", 0, 0));
	printf("%x %x\n", look(fd), look(fd));
	printf("umount %d\n", umount("/tmp"));
	printf("%x %x\n", look(fd), look(fd));
	return 0;
}`)
	m := kerneltest.New(t, syscalls.Table())
	m.K.VFS.AddType("proc", &proc.FS{Kernel: m.K}, true)
	m.Put("/bin/poll", prog, 0o755)
	r := m.Run("/bin/poll")
	path := filepath.Join(t.TempDir(), "poll")
	if err := os.WriteFile(path, prog, 0o755); err != nil {
		t.Fatal(err)
	}
	host, err := exec.Command(path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, host)
	}
	if r.Output != string(host) {
		t.Errorf("%q, host %q", r.Output, host)
	}
}
