package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommittedFilesAreUpToDate(t *testing.T) {
	dir := filepath.Join("..", "..", "abi", "linux")
	files, err := Generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./abi/linux", name)
		}
	}
	committed, err := filepath.Glob(filepath.Join(dir, "*_marshal.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if files[filepath.Base(path)] == nil {
			t.Errorf("%s has no source any more", path)
		}
	}
}

func TestHiddenPaddingIsRefused(t *testing.T) {
	for src, want := range map[string]string{
		"type T struct { A uint8; B uint32 }":                                        "hidden padding before",
		"type T struct { A uint64; B uint32 }":                                       "hidden padding at the end",
		"type T struct { A int }":                                                    "no fixed size",
		"type T struct { A []byte }":                                                 "not a plain constant",
		"type T struct { A uint32; B uint32 }":                                       "",
		"// T is packed.\n//\n// abigen:packed\ntype T struct { A uint8; B uint32 }": "",
		"// abigen:skip\ntype T struct { A int }":                                    "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "t.go"), []byte("package p\n\n"+src+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Generate(dir)
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) {
				t.Errorf("%s: error %q, want %q", src, got, want)
			}
		} else if want != "" {
			t.Errorf("%s: no error, want %q", src, want)
		}
	}
}
