// Package layers holds the table of layers and checks the code against it: a package
// imports only packages of lower layers, and of its own layer only what the table
// names; the few dangerous imports stay where they belong.
//
// The table is the one in ARCHITECTURE.md, as data. A new package fails the test
// until it has a place here.
//
// Neighbours: none; layers_test.go runs the check over "go list".
package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the prefix of all our packages.
const Module = "ringfence"

// Layer is one row of the table. Packages of a layer do not import each other, but
// for the edges that it names.
type Layer struct {
	Name string
	// Packages are import paths without the module's name. "x/..." is x and all
	// below it; the longest pattern that matches a package places it.
	Packages []string
	// Within are the imports allowed inside the layer, "from -> to", patterns as above.
	Within []string
}

// Table is the layers, lowest first.
var Table = []Layer{
	{Name: "L0", Packages: []string{"abi/errno", "abi/linux", "abi/addr"}},
	{Name: "L1", Packages: []string{"sentry/base/..."}},
	{
		Name:     "L2",
		Packages: []string{"platform/hostcall", "platform/seccomp", "platform/cpu", "platform/clock"},
		Within: []string{
			"platform/clock -> platform/hostcall",
			"platform/seccomp -> platform/hostcall",
		},
	},
	{
		// The platforms are siblings: what two of them share is a package of its own.
		Name: "L3",
		Packages: []string{
			"platform", "platform/arch", "platform/stub", "platform/place", "platform/platformtest",
			"platform/ptrace", "platform/trap", "platform/kvm",
		},
		Within: []string{
			"platform -> platform/arch",
			"platform/stub -> platform", "platform/stub -> platform/arch",
			"platform/ptrace -> platform", "platform/ptrace -> platform/arch", "platform/ptrace -> platform/stub", "platform/ptrace -> platform/place",
			"platform/trap -> platform", "platform/trap -> platform/arch", "platform/trap -> platform/stub", "platform/trap -> platform/place",
			"platform/kvm -> platform", "platform/kvm -> platform/arch",
			"platform/platformtest -> platform", "platform/platformtest -> platform/arch",
		},
	},
	{
		// Protocols between our processes.
		Name:     "L4",
		Packages: []string{"gofer/...", "sentry/control"},
		Within: []string{
			"gofer/client -> gofer/wire", "gofer/server -> gofer/wire", "gofer/net -> gofer/wire",
		},
	},
	{
		// What needs no notion of files or tasks.
		Name: "L5",
		Packages: []string{
			"sentry/memfile", "sentry/usermem", "sentry/mappable", "sentry/pagestore",
			"sentry/ktime", "sentry/creds", "sentry/landlock", "sentry/limits", "sentry/bpf", "sentry/seccomp",
		},
		Within: []string{
			"sentry/seccomp -> sentry/bpf",
			// The contents of a file or of anonymous memory, page by page.
			"sentry/pagestore -> sentry/memfile",
			"sentry/pagestore -> sentry/mappable",
			"sentry/pagestore -> sentry/usermem",
			"sentry/creds -> sentry/landlock", // a domain is part of who a task is
		},
	},
	{
		Name:     "L6",
		Packages: []string{"sentry/vfs/...", "sentry/mm", "sentry/futex", "sentry/keys", "sentry/uring"},
		Within:   []string{"sentry/vfs/vfstest -> sentry/vfs"},
	},
	{
		// File systems, sockets, terminals and the loader: they know no tasks.
		Name:     "L7",
		Packages: []string{"sentry/fs/...", "sentry/net/...", "sentry/tty", "sentry/loader"},
		Within: []string{
			"sentry/fs/dev -> sentry/fs/tmpfs", // devtmpfs is a tmpfs with device nodes
			"sentry/fs/dev -> sentry/tty",
			"sentry/net/socket -> sentry/net/link",
			"sentry/net/inet -> sentry/net/link",
			"sentry/net/netlink -> sentry/net/link",
			"sentry/net/unix -> sentry/net/socket",
			"sentry/net/inet -> sentry/net/socket",
			"sentry/net/netlink -> sentry/net/socket",
		},
	},
	{Name: "L8", Packages: []string{"sentry/kernel"}},
	{
		Name:     "L9",
		Packages: []string{"sentry/kfs/...", "sentry/syscalls/...", "sentry/strace", "sentry/kernel/kerneltest"},
		Within: []string{
			"sentry/kfs/... -> sentry/kfs/tree",
			"sentry/syscalls -> sentry/kfs/signalfd",
			"sentry/syscalls -> sentry/kfs/userfaultfd",
			"sentry/syscalls -> sentry/kfs/tree",
		},
	},
	{Name: "L10", Packages: []string{"sentry/boot"}},
	{
		Name:     "L11",
		Packages: []string{"runsc/...", "tools/...", "syscalls-tests/..."},
		Within:   []string{"runsc/... -> runsc/...", "tools/... -> tools/...", "syscalls-tests/... -> tools/...", "runsc/cli -> tools/conformance"},
	},
}

// testSupport are packages that only tests import, and that may ask the host.
var testSupport = []string{
	"platform/platformtest", "sentry/vfs/vfstest", "sentry/fs/fstest", "sentry/kernel/kerneltest",
}

// hostAccess are the packages below L11 that may import x/sys/unix and syscall: in
// the sentry and gofer processes only hostcall asks the host for anything.
var hostAccess = []string{"platform/hostcall"}

// Package is what the check needs to know of a package, in the words of "go list".
type Package struct {
	ImportPath string
	Doc        string
	Imports    []string
	SFiles     []string
	CgoFiles   []string
	// UnsafeFiles are the files other than tests that import unsafe.
	UnsafeFiles []string
}

// Check returns one line for each breach, sorted.
func Check(pkgs []Package) []string {
	var bad []string
	for i := range pkgs {
		bad = append(bad, check(&pkgs[i])...)
	}
	slices.Sort(bad)
	return bad
}

func check(p *Package) (bad []string) {
	report := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, Module), "/")
	own := layerOf(name)
	if own < 0 {
		report("%s has no place in the table of tools/layers", name)
		return bad
	}
	top := own == len(Table)-1
	for _, imp := range p.Imports {
		if to, ours := strings.CutPrefix(imp, Module+"/"); ours {
			if why := forbidden(name, own, to); why != "" {
				report("%s imports %s: %s", name, to, why)
			}
			if slices.Contains(testSupport, to) && !slices.Contains(testSupport, name) {
				report("%s imports %s, which is for tests", name, to)
			}
			continue
		}
		host := imp == "syscall" || strings.HasPrefix(imp, "golang.org/x/sys")
		if host && !top && !slices.Contains(hostAccess, name) && !slices.Contains(testSupport, name) {
			report("%s imports %s: only %s asks the host", name, imp, strings.Join(hostAccess, " and "))
		}
	}
	for _, f := range p.UnsafeFiles {
		if !strings.HasSuffix(f, "_unsafe.go") {
			report("%s/%s imports unsafe: that belongs into a file *_unsafe.go", name, f)
		}
	}
	for _, f := range p.SFiles {
		if !strings.HasSuffix(f, "_amd64.s") {
			report("%s/%s: assembly belongs into a file *_amd64.s", name, f)
		}
	}
	for _, f := range p.CgoFiles {
		report("%s/%s uses cgo", name, f)
	}
	if base := path.Base(name); base == "util" || base == "utils" || base == "common" {
		report("%s: a package is named for what it provides", name)
	}
	if p.Doc == "" {
		report("%s has no package comment", name)
	}
	return bad
}

// forbidden says why a package may not import another, or "" if it may.
func forbidden(from string, own int, to string) string {
	other := layerOf(to)
	switch {
	case other < 0:
		return "it has no place in the table"
	case other < own:
		return ""
	case other > own:
		return fmt.Sprintf("%s is above %s", Table[other].Name, Table[own].Name)
	}
	for _, edge := range Table[own].Within {
		a, b, _ := strings.Cut(edge, " -> ")
		if matches(a, from) && matches(b, to) {
			return ""
		}
	}
	return "both are in " + Table[own].Name + ", and the table does not name the import"
}

// layerOf returns the index of the layer whose longest pattern matches, or -1.
func layerOf(name string) int {
	best, layer := -1, -1
	for i, l := range Table {
		for _, p := range l.Packages {
			if matches(p, name) && len(p) > best {
				best, layer = len(p), i
			}
		}
	}
	return layer
}

// matches reports whether name is pattern, or below it if pattern ends in "/...".
func matches(pattern, name string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == root || strings.HasPrefix(name, root+"/")
	}
	return name == pattern
}
