package usermem

import (
	"bytes"
	"testing"

	"ringfence/abi/errno"
	"ringfence/platform/hostcall"
)

// truncated returns a mapping of four pages of which only the first two exist.
func truncated(t *testing.T) []byte {
	t.Helper()
	fd, err := hostcall.MemfdCreate("test", 0)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Ftruncate(fd, 4*4096)
	b, err := hostcall.MapFile(fd, 0, 4*4096, hostcall.PROT_READ|hostcall.PROT_WRITE)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Ftruncate(fd, 2*4096)
	t.Cleanup(func() { hostcall.UnmapFile(b); hostcall.Close(fd) })
	return b
}

func TestCopy(t *testing.T) {
	b := truncated(t)
	buf := bytes.Repeat([]byte{7}, 4*4096)
	for _, c := range []struct {
		name     string
		from, to int
		want     int
		err      error
	}{
		{"within the file", 100, 8192, 8092, nil},
		{"across its end", 100, 9000, 8092, errno.EFAULT},
		{"beyond its end", 8192, 8200, 0, errno.EFAULT},
		{"of nothing", 9000, 9000, 0, nil},
	} {
		for _, out := range []bool{true, false} {
			dst, src := b[c.from:c.to], buf
			if !out {
				dst, src = buf[:c.to-c.from], b[c.from:c.to]
			}
			if n, err := Copy(dst, src); n != c.want || err != c.err {
				t.Errorf("%s, out %v: %d, %v", c.name, out, n, err)
			}
		}
	}
	if n, err := Zero(b); n != 8192 || err != errno.EFAULT {
		t.Errorf("Zero: %d, %v", n, err)
	}
	if b[100] != 0 {
		t.Error("Zero left a byte")
	}
}

func TestWords(t *testing.T) {
	b := truncated(t)
	if v, err := Swap32(b[8:], 5); v != 0 || err != nil {
		t.Error(v, err)
	}
	if v, err := CompareAndSwap32(b[8:], 4, 6); v != 5 || err != nil {
		t.Error(v, err)
	}
	if v, err := CompareAndSwap32(b[8:], 5, 6); v != 5 || err != nil {
		t.Error(v, err)
	}
	if v, err := Load32(b[8:]); v != 6 || err != nil {
		t.Error(v, err)
	}
	if _, err := Load32(b[8192:]); err != errno.EFAULT {
		t.Error(err)
	}
	if _, err := Swap32(b[8192:], 1); err != errno.EFAULT {
		t.Error(err)
	}
	if _, err := CompareAndSwap32(b[8192:], 0, 1); err != errno.EFAULT {
		t.Error(err)
	}
}

func TestCopy_lets_other_panics_through(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Load32(nil)
}
