package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// list returns the packages of the module.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Doc,Imports,SFiles,CgoFiles,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Package
			Dir                     string
			GoFiles, IgnoredGoFiles []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(p.GoFiles, p.IgnoredGoFiles...) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.ImportsOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, imp := range file.Imports {
				if imp.Path.Value == `"unsafe"` && !strings.HasSuffix(f, "_test.go") {
					p.UnsafeFiles = append(p.UnsafeFiles, f)
				}
			}
		}
		pkgs = append(pkgs, p.Package)
	}
}

func TestTheCodeKeepsToTheTable(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 40 {
		t.Fatalf("go list named only %d packages", len(pkgs))
	}
	for _, line := range Check(pkgs) {
		t.Error(line)
	}
}

// TestNamedImportsArePossible finds edges in the table that no two packages of their layer could have.
func TestNamedImportsArePossible(t *testing.T) {
	for i, l := range Table {
		for _, edge := range l.Within {
			from, to, ok := strings.Cut(edge, " -> ")
			if !ok {
				t.Errorf("%s: %q is not of the form \"from -> to\"", l.Name, edge)
				continue
			}
			for _, p := range []string{from, to} {
				if layerOf(strings.TrimSuffix(p, "/...")) != i {
					t.Errorf("%s: %q names %s, which is in another layer", l.Name, edge, p)
				}
			}
		}
	}
}

func TestBreachesAreFound(t *testing.T) {
	for _, c := range []struct {
		p    Package
		want string
	}{
		{Package{ImportPath: "ringfence/sentry/mm", Imports: []string{"ringfence/abi/linux", "fmt"}}, ""},
		{Package{ImportPath: "ringfence/sentry/mm", Imports: []string{"ringfence/sentry/kernel"}}, "L8 is above L6"},
		{Package{ImportPath: "ringfence/sentry/mm", Imports: []string{"ringfence/sentry/vfs"}}, "does not name the import"},
		{Package{ImportPath: "ringfence/platform/trap", Imports: []string{"ringfence/platform/ptrace"}}, "does not name the import"},
		{Package{ImportPath: "ringfence/platform/trap", Imports: []string{"ringfence/platform/arch"}}, ""},
		{Package{ImportPath: "ringfence/sentry/kfs/proc", Imports: []string{"ringfence/sentry/kfs/tree"}}, ""},
		{Package{ImportPath: "ringfence/sentry/kfs/tree", Imports: []string{"ringfence/sentry/kfs/proc"}}, "does not name the import"},
		{Package{ImportPath: "ringfence/sentry/new"}, "no place in the table"},
		{Package{ImportPath: "ringfence/sentry/mm", Imports: []string{"ringfence/sentry/new"}}, "no place in the table"},
		{Package{ImportPath: "ringfence/sentry/vfs", Imports: []string{"golang.org/x/sys/unix"}}, "asks the host"},
		{Package{ImportPath: "ringfence/gofer/server", Imports: []string{"syscall"}}, "asks the host"},
		{Package{ImportPath: "ringfence/runsc/cli", Imports: []string{"golang.org/x/sys/unix"}}, ""},
		{Package{ImportPath: "ringfence/platform/hostcall", Imports: []string{"golang.org/x/sys/unix"}}, ""},
		{Package{ImportPath: "ringfence/sentry/boot", Imports: []string{"ringfence/sentry/kernel/kerneltest"}}, "is for tests"},
		{Package{ImportPath: "ringfence/platform/cpu", UnsafeFiles: []string{"cpu.go"}}, "*_unsafe.go"},
		{Package{ImportPath: "ringfence/platform/cpu", UnsafeFiles: []string{"cpu_unsafe.go"}}, ""},
		{Package{ImportPath: "ringfence/platform/cpu", SFiles: []string{"cpu.s"}}, "*_amd64.s"},
		{Package{ImportPath: "ringfence/platform/cpu", SFiles: []string{"cpu_amd64.s"}}, ""},
		{Package{ImportPath: "ringfence/platform/cpu", CgoFiles: []string{"cpu.go"}}, "cgo"},
		{Package{ImportPath: "ringfence/runsc/util"}, "named for what it provides"},
	} {
		c.p.Doc = "Package x is."
		got := strings.Join(Check([]Package{c.p}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: got %q, want %q", c.p, got, c.want)
		}
	}
	if got := Check([]Package{{ImportPath: "ringfence/abi/addr"}}); len(got) != 1 || !strings.Contains(got[0], "no package comment") {
		t.Errorf("a missing package comment gives %q", got)
	}
}
