// Command vdsogen builds the vDSO image that package loader embeds.
//
//	go run ringfence/tools/vdsogen -o vdso.so
//
// The image is a shared object made from vdso.c by the host's C compiler; it is
// committed, because users build without one.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed image/vdso.c
var source []byte

//go:embed image/vdso.lds
var script []byte

func main() {
	out := flag.String("o", "vdso.so", "file to write")
	flag.Parse()
	if err := build(*out); err != nil {
		fmt.Fprintln(os.Stderr, "vdsogen:", err)
		os.Exit(1)
	}
}

// build compiles the vDSO into the file out.
func build(out string) error {
	dir, err := os.MkdirTemp("", "vdsogen")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, lds := filepath.Join(dir, "vdso.c"), filepath.Join(dir, "vdso.lds")
	if err := os.WriteFile(c, source, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(lds, script, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("gcc", "-O2", "-fPIC", "-shared", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-fno-stack-protector", "-fcf-protection=none", "-fno-jump-tables", "-mno-sse", "-mno-avx", "-mno-red-zone", "-fasynchronous-unwind-tables",
		"-Wall", "-Wl,-T,"+lds, "-Wl,-soname,linux-vdso.so.1", "-Wl,--hash-style=both", "-Wl,--eh-frame-hdr",
		"-Wl,--build-id=none", "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack", "-s", "-o", out, c)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w\n%s", err, msg)
	}
	return nil
}
