package dev

import (
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

type caller struct{ vfs.Caller }

var root = creds.NewRoot(&creds.UserNamespace{})

func (caller) Creds() *creds.Credentials { return root }
func (caller) Now() int64                { return 1 }
func (caller) FileSizeLimit() uint64     { return ^uint64(0) }

func TestMemoryDevices(t *testing.T) {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	defer mf.Close()
	d := Devices{Memory: mf}
	tests := []struct {
		name                string
		minor               uint32
		read                int
		write               int
		readErr, writeErr   error
		allZero, notAllZero bool
	}{
		{name: "null", minor: linux.NULL_MINOR, write: 100},
		{name: "zero", minor: linux.ZERO_MINOR, read: 100, write: 100, allZero: true},
		{name: "full", minor: linux.FULL_MINOR, read: 100, writeErr: errno.ENOSPC, allZero: true},
		{name: "random", minor: linux.RANDOM_MINOR, read: 100, write: 100, notAllZero: true},
		{name: "urandom", minor: linux.URANDOM_MINOR, read: 100, write: 100, notAllZero: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			f, err := d.OpenDevice(caller{}, nil, uint64(linux.MakeDev(linux.MEM_MAJOR, tc.minor)), true, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			if tc.allZero {
				b[7] = 1
			}
			s := usermem.FromBytes(b)
			if n, err := f.Read(caller{}, nil, &s, 0, 0); n != tc.read || err != tc.readErr {
				t.Errorf("read: %d %v", n, err)
			}
			zero := true
			for _, c := range b {
				zero = zero && c == 0
			}
			if tc.allZero && !zero || tc.notAllZero && zero {
				t.Errorf("read %v", b)
			}
			s = usermem.FromBytes(b)
			if n, err := f.Write(caller{}, nil, &s, 0, 0); n != tc.write || err != tc.writeErr {
				t.Errorf("write: %d %v", n, err)
			}
			f.Release(nil)
		})
	}
	for _, dev := range []uint32{linux.MakeDev(1, 99), linux.MakeDev(5, 0), linux.MakeDev(5, 1), linux.MakeDev(5, 2), linux.MakeDev(200, 0)} {
		if _, err := d.OpenDevice(caller{}, nil, uint64(dev), true, 0); err != errno.ENXIO {
			t.Errorf("device %#x: %v", dev, err)
		}
	}
}

func TestZeroMapsFreshMemory(t *testing.T) {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	defer mf.Close()
	z := &zero{memory: mf}
	for range 100 {
		m, err := z.Mappable(caller{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Translate(0, 4096, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		p.Backing.DecRef(p.Start, p.Len)
	}
	if len(z.stores) > 2 {
		t.Errorf("%d stores are kept", len(z.stores))
	}
	z.Release(nil)
}

func TestDevtmpfsHoldsTheUsualNodes(t *testing.T) {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	defer mf.Close()
	_, dir, err := (&FS{Memory: mf}).Mount(caller{}, "udev", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]uint32{"null": linux.S_IFCHR | 0o666, "shm": linux.S_IFDIR | 0o1777, "fd": linux.S_IFLNK | 0o777} {
		n, err := dir.Ops.Lookup(caller{}, dir, name)
		if err != nil {
			t.Fatal(name, err)
		}
		if a := n.Attr(); a.Mode != mode {
			t.Errorf("%s has mode %o", name, a.Mode)
		}
	}
	if got := dir.Attr().Mode; got != linux.S_IFDIR|0o755 {
		t.Errorf("/dev has mode %o", got)
	}
}
