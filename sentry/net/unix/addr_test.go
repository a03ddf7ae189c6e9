package unix

import (
	"strings"
	"testing"

	"ringfence/abi/errno"
)

func FuzzAddr(f *testing.F) {
	f.Add([]byte{1, 0, '/', 't', 'm', 'p', 0, 'x'})
	f.Add([]byte{1, 0, 0, 'a', 'b'})
	f.Add([]byte{1, 0})
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkAddr(b); err != nil {
			if err != errno.EINVAL {
				t.Fatal(err)
			}
			return
		}
		path, abstract := splitAddr(b)
		switch {
		case (path == "") == (abstract == ""):
			t.Fatalf("path %q, abstract %q", path, abstract)
		case strings.Contains(path, "\x00"), len(path) > 108:
			t.Fatalf("path %q", path)
		case abstract != "" && abstract != string(b[pathOffset:]):
			t.Fatalf("abstract %q of %q", abstract, b)
		}
	})
}
