package sys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/syscalls"
)

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		first, last, n int
		mask, list     string
	}{
		{0, 0, 1, "1", "0"},
		{0, 1, 2, "3", "0-1"},
		{0, 0, 5, "01", "0"},
		{2, 2, 4, "4", "2"},
		{0, 31, 32, "ffffffff", "0-31"},
		{0, 32, 33, "1,ffffffff", "0-32"},
		{0, 0, 33, "0,00000001", "0"},
		{33, 33, 64, "00000002,00000000", "33"},
	} {
		if m, l := mask(tc.first, tc.last, tc.n), list(tc.first, tc.last); m != tc.mask+"\n" || l != tc.list+"\n" {
			t.Errorf("%d to %d of %d: %q %q, want %q %q", tc.first, tc.last, tc.n, m, l, tc.mask, tc.list)
		}
	}
}

func TestParseCache(t *testing.T) {
	// A third-level cache of 32 MiB that 16 threads share, two a core.
	c, ok := parseCache(3|3<<5|15<<14, 63|15<<22, 32767, 2)
	if !ok || c.size() != 32<<20 || c.level != 3 || c.kind != "Unified" || c.shift != 3 {
		t.Errorf("%+v %v", c, ok)
	}
	if _, ok := parseCache(0, 0, 0, 1); ok {
		t.Error("a cache of no type")
	}
}

// TestCachesAreTheHosts compares with what the host's kernel makes of the same answers.
func TestCachesAreTheHosts(t *testing.T) {
	for i, c := range hostCaches() {
		at := filepath.Join("/sys/devices/system/cpu/cpu0/cache", "index"+string(rune('0'+i)))
		for name, got := range map[string]int{
			"level": c.level, "number_of_sets": c.sets, "ways_of_associativity": c.ways,
			"coherency_line_size": c.line, "physical_line_partition": c.partitions,
		} {
			want, err := os.ReadFile(filepath.Join(at, name))
			if err == nil && number(got) != string(want) {
				t.Errorf("index%d/%s: %d, want %s", i, name, got, want)
			}
		}
	}
}

// walker mounts sysfs, reads every file in it and follows every link, and prints a line
// for each, with newlines of contents as '|'.
const walker = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static int show(const char *path, const struct stat *st, int type, struct FTW *f) {
	char b[8192];
	if (type == FTW_SL) {
		ssize_t n = readlink(path, b, sizeof b - 1);
		b[n < 0 ? 0 : n] = 0;
		printf("%s -> %s %s\n", path, b, stat(path, &(struct stat){0}) ? "dangles" : "leads");
		return 0;
	}
	if (type != FTW_F) {
		printf("%s %o dir\n", path, st->st_mode & 07777);
		return 0;
	}
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, b, sizeof b - 1);
	if (n < 0) {
		printf("%s %o %ld error %d\n", path, st->st_mode & 07777, (long)st->st_size, errno);
		return 0;
	}
	b[n] = 0;
	for (char *p = b; (p = strchr(p, '\n'));) *p = '|';
	printf("%s %o %ld %s\n", path, st->st_mode & 07777, (long)st->st_size, b);
	close(fd);
	return 0;
}

int main(void) {
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	if (mkdir("/sys", 0755) || mount("sysfs", "/sys", "sysfs", 0, 0)) return 1;
	printf("nprocs %d of %d\n", get_nprocs(), get_nprocs_conf());
	int fd = open("/sys/power/state", O_WRONLY);
	printf("write %d %d\n", fd, errno);
	return nftw("/sys", show, 20, FTW_PHYS);
}
`

func TestTree(t *testing.T) {
	m := kerneltest.New(t, syscalls.Table())
	m.K.VFS.AddType("sysfs", &FS{Kernel: m.K}, true)
	m.Put("/bin/walk", kerneltest.Compile(t, "walk", walker), 0o755)
	r := m.Run("/bin/walk")
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	found := make(map[string]string)
	for _, line := range strings.Split(r.Output, "\n") {
		name, rest, _ := strings.Cut(line, " ")
		found[name] = rest
		if strings.HasSuffix(rest, "dangles") {
			t.Errorf("%s", line)
		}
	}
	if len(found) < 200 {
		t.Errorf("%d files", len(found))
	}
	for name, want := range map[string]string{
		"nprocs":                                        "2 of 2",
		"write":                                         "-1 13",
		"/sys":                                          "555 dir",
		"/sys/fs/cgroup":                                "755 dir",
		"/sys/class/net/lo":                             "-> ../../devices/virtual/net/lo leads",
		"/sys/class/net/lo/x":                           "",
		"/sys/dev/char/1:3":                             "-> ../../devices/virtual/mem/null leads",
		"/sys/devices/virtual/net/lo/speed":             "444 4096 error 22",
		"/sys/devices/virtual/net/lo/mtu":               "444 4096 65536|",
		"/sys/devices/virtual/mem/null/uevent":          "444 4096 MAJOR=1|MINOR=3|DEVNAME=null|DEVMODE=0666|",
		"/sys/devices/system/cpu/online":                "444 4096 0-1|",
		"/sys/devices/system/cpu/offline":               "444 4096 |",
		"/sys/devices/system/cpu/cpu0/online":           "",
		"/sys/devices/system/cpu/cpu1/online":           "444 4096 1|",
		"/sys/devices/system/cpu/cpu1/topology/core_id": "444 4096 1|",
		"/sys/devices/system/cpu/cpu1/topology/thread_siblings":   "444 4096 2|",
		"/sys/devices/system/cpu/cpu1/topology/package_cpus_list": "444 4096 0-1|",
		"/sys/devices/system/node/node0/cpu1":                     "-> ../../cpu/cpu1 leads",
		"/sys/devices/system/node/node0/cpumap":                   "444 4096 3|",
		"/sys/kernel/mm/transparent_hugepage/enabled":             "444 4096 always madvise [never]|",
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages":  "444 4096 0|",
	} {
		if found[name] != want {
			t.Errorf("%s: %q, want %q", name, found[name], want)
		}
	}
	// Lines look like the host's.
	host, err := os.ReadFile("/sys/devices/system/node/node0/meminfo")
	if err != nil {
		return // a host without NUMA
	}
	_, text, _ := strings.Cut(found["/sys/devices/system/node/node0/meminfo"], " 4096 ")
	shapes := make(map[string]string)
	for _, line := range strings.Split(strings.TrimSuffix(text, "|"), "|") {
		key, _, _ := strings.Cut(line, ":")
		shapes[key] = shape(line)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(host)), "\n") {
		key, _, _ := strings.Cut(line, ":")
		if ours, ok := shapes[key]; ok && ours != shape(line) {
			t.Errorf("meminfo: %q, want one like %q", ours, line)
		}
	}
}

// shape is a line without its numbers, with its width.
func shape(line string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r >= '0' && r <= '9' {
			return '_'
		}
		return r
	}, line)
}
