package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/gofer/server"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
)

// serve starts a server for dir, mounted twice: 0 for writing and 1 read-only.
func serve(t *testing.T, dir string) hostcall.FD {
	t.Helper()
	var mounts []server.Mount
	for _, ro := range []bool{false, true} {
		fd, err := hostcall.Openat(hostcall.AtCwd, dir, linux.O_PATH|linux.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		mounts = append(mounts, server.Mount{Root: fd, ReadOnly: ro})
	}
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.New(mounts, 1000).Run(theirs) }()
	t.Cleanup(func() {
		if err := <-done; err != nil && !strings.HasPrefix(t.Name(), "TestHostile") {
			t.Errorf("server ended with %v", err)
		}
	})
	return ours
}

// dial returns a client in phase Serve with the roots of both mounts.
func dial(t *testing.T, dir string) (c *client.Client, rw, ro wire.Handle) {
	t.Helper()
	c, err := client.New(serve(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if c.Mounts() != 2 {
		t.Errorf("%d mounts", c.Mounts())
	}
	roots := []wire.Handle{}
	for i := range 2 {
		n, readOnly, err := c.Attach(i)
		if err != nil || readOnly != (i == 1) {
			t.Fatalf("attach %d: %v, %v", i, readOnly, err)
		}
		roots = append(roots, n.Handle)
	}
	if _, _, err := c.Attach(2); err != errno.ENODEV {
		t.Errorf("attach 2: %v", err)
	}
	if err := c.Serve(); err != nil {
		t.Fatal(err)
	}
	return c, roots[0], roots[1]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// one walks to a single name with a handle.
func one(t *testing.T, c *client.Client, dir wire.Handle, names ...string) wire.Node {
	t.Helper()
	n, err := c.Walk(dir, names, true)
	if err != nil || len(n) != len(names) {
		t.Fatalf("walk %v: %d nodes, %v", names, len(n), err)
	}
	return n[len(n)-1]
}

func ref(n wire.Node) wire.Ref { return wire.Ref{Handle: n.Handle} }

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a/b/c", "hello")
	os.Symlink("a/b", dir+"/link")
	c, root, _ := dial(t, dir)

	for _, tt := range []struct {
		names  []string
		found  int
		err    error
		handle bool
	}{
		{[]string{"a"}, 1, nil, true},
		{[]string{"a", "b", "c"}, 3, nil, false},
		{[]string{"a", "x", "c"}, 1, errno.ENOENT, true},
		{[]string{"x"}, 0, errno.ENOENT, false},
		{[]string{"link", "c"}, 1, nil, false},
		{[]string{"a", "b", "c", "d"}, 3, nil, false},
	} {
		n, err := c.Walk(root, tt.names, false)
		if len(n) != tt.found || err != tt.err {
			t.Errorf("%v: %d nodes, %v, want %d, %v", tt.names, len(n), err, tt.found, tt.err)
			continue
		}
		if tt.found > 0 && (n[tt.found-1].Handle != 0) != tt.handle {
			t.Errorf("%v: last handle %d", tt.names, n[tt.found-1].Handle)
		}
	}
	n, err := c.Walk(root, []string{"link"}, false)
	if err != nil || n[0].Target != "a/b" {
		t.Errorf("link: %+v, %v", n, err)
	}
	if _, err := c.Walk(root, []string{".."}, false); err != errno.EINVAL {
		t.Errorf("walk up: %v", err)
	}
	if _, err := c.Walk(999, []string{"a"}, false); err != errno.EBADF {
		t.Errorf("walk from nowhere: %v", err)
	}
	st, _ := os.Stat(dir + "/a/b/c")
	got := one(t, c, root, "a", "b", "c").Attr
	host := st.Sys().(*syscall.Stat_t)
	if got.Ino != host.Ino || got.Dev != host.Dev || got.Mode != host.Mode || got.Size != 5 || got.Mtime != st.ModTime().UnixNano() {
		t.Errorf("attributes %+v, host has %+v", got, host)
	}
}

func TestOpenDonatesOnlyWhatTheMountAllows(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "hello")
	syscall.Mkfifo(dir+"/fifo", 0o644)
	os.Symlink("f", dir+"/link")
	c, rw, ro := dial(t, dir)
	for _, tt := range []struct {
		root  wire.Handle
		name  string
		write bool
		err   error
		mode  int
	}{
		{rw, "f", false, nil, linux.O_RDONLY},
		{rw, "f", true, nil, linux.O_RDWR},
		{ro, "f", false, nil, linux.O_RDONLY},
		{ro, "f", true, errno.EROFS, 0},
		{rw, "fifo", false, errno.ENXIO, 0},
		{rw, "link", false, errno.ENXIO, 0},
	} {
		n := one(t, c, tt.root, tt.name)
		byName := wire.Ref{Handle: tt.root, Name: tt.name, Dev: n.Attr.Dev, Ino: n.Attr.Ino}
		for _, r := range []wire.Ref{ref(n), byName} {
			fd, _, err := c.Open(r, tt.write)
			if err != tt.err {
				t.Errorf("%+v: %v", tt, err)
				continue
			}
			if err == nil {
				if fl, _ := hostcall.Fcntl(fd, syscall.F_GETFL, 0); fl&linux.O_ACCMODE != tt.mode {
					t.Errorf("%+v: flags %#x", tt, fl)
				}
				hostcall.Close(fd)
			}
		}
	}
	if _, _, err := c.Open(wire.Ref{Handle: rw}, false); err != errno.EISDIR {
		t.Errorf("open directory: %v", err)
	}
	n := one(t, c, rw, "f")
	if _, _, err := c.Open(wire.Ref{Handle: rw, Name: "f", Dev: n.Attr.Dev, Ino: n.Attr.Ino + 1}, false); err != errno.ESTALE {
		t.Errorf("open another file: %v", err)
	}
	if _, _, err := c.Open(wire.Ref{Handle: rw, Name: "gone"}, false); err != errno.ESTALE {
		t.Errorf("open what is gone: %v", err)
	}
}

func TestReadOnlyMountRefusesEveryChange(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "hello")
	c, rw, ro := dial(t, dir)
	f := ref(one(t, c, ro, "f"))
	for name, err := range map[string]error{
		"setattr":  second(c.SetAttr(&wire.SetAttrRequest{Ref: f, Mask: wire.SetMode, Mode: 0o600})),
		"truncate": second(c.SetAttr(&wire.SetAttrRequest{Ref: f, Mask: wire.SetSize})),
		"create":   third(c.Create(ro, "n", 0o644, 0, 0)),
		"tmpfile":  third(c.Tmpfile(ro, 0o644, 0, 0)),
		"mkdir":    second(c.Make(&wire.MakeRequest{Dir: ro, Name: "d", Mode: linux.S_IFDIR | 0o755})),
		"link":     second(c.Link(f, ro, "g")),
		"unlink":   second(c.Unlink(ro, "f", false, false)),
		"rename":   second(c.Rename(ro, "f", ro, "g", 0, false)),
		"setxattr": c.SetXattr(f, "user.a", []byte("v"), 0),
		"rmxattr":  c.RemoveXattr(f, "user.a"),
	} {
		if err != errno.EROFS {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
	if _, err := c.Rename(rw, "f", ro, "g", 0, false); err != errno.EROFS {
		t.Errorf("rename into read-only: %v", err)
	}
	if _, err := c.Link(f, rw, "g"); err != errno.EROFS {
		t.Errorf("link from read-only: %v", err)
	}
	if b, _ := os.ReadFile(dir + "/f"); string(b) != "hello" {
		t.Errorf("file changed to %q", b)
	}
}

func second[A any](_ A, err error) error      { return err }
func third[A, B any](_ A, _ B, e error) error { return e }

func TestMakeAndRemove(t *testing.T) {
	dir := t.TempDir()
	c, root, _ := dial(t, dir)
	n, fd, err := c.Create(root, "f", 0o4751, 1000, 1001)
	if err != nil {
		t.Fatal(err)
	}
	hostcall.Write(fd, []byte("data"))
	hostcall.Close(fd)
	if n.Attr.Mode != linux.S_IFREG|0o4751 || n.Attr.UID != 1000 || n.Attr.GID != 1001 || n.Handle != 0 {
		t.Errorf("create made %+v", n)
	}
	if _, _, err := c.Create(root, "f", 0o644, 0, 0); err != errno.EEXIST {
		t.Errorf("create again: %v", err)
	}
	for _, m := range []wire.MakeRequest{
		{Name: "d", Mode: linux.S_IFDIR | 0o1777},
		{Name: "l", Mode: linux.S_IFLNK | 0o777, Target: "no/where", UID: 5, GID: 6},
		{Name: "p", Mode: linux.S_IFIFO | 0o622, UID: 7},
		{Name: "s", Mode: linux.S_IFSOCK | 0o755},
		{Name: "r", Mode: linux.S_IFREG | 0o600},
	} {
		m.Dir = root
		n, err := c.Make(&m)
		if err != nil || n.Attr.Mode != m.Mode || n.Attr.UID != m.UID || n.Attr.GID != m.GID || n.Target != m.Target {
			t.Errorf("make %+v: %+v, %v", m, n, err)
		}
	}
	for _, mode := range []uint32{linux.S_IFCHR, linux.S_IFBLK} {
		if _, err := c.Make(&wire.MakeRequest{Dir: root, Name: "dev", Mode: mode | 0o666, Rdev: 0x103}); err != errno.EPERM {
			t.Errorf("device: %v", err)
		}
	}
	f := wire.Ref{Handle: root, Name: "f", Dev: n.Attr.Dev, Ino: n.Attr.Ino}
	if a, err := c.Link(f, root, "g"); err != nil || a.Nlink != 2 || a.Ino != n.Attr.Ino {
		t.Errorf("link: %+v, %v", a, err)
	}
	h, err := c.Unlink(root, "g", false, true)
	if err != nil || h == 0 {
		t.Fatalf("unlink: %d, %v", h, err)
	}
	if a, err := c.GetAttr(wire.Ref{Handle: h}); err != nil || a.Nlink != 1 || a.Size != 4 {
		t.Errorf("kept handle: %+v, %v", a, err)
	}
	if _, err := c.Unlink(root, "d", false, true); err != errno.EISDIR {
		t.Errorf("unlink directory: %v", err)
	}
	if _, err := c.Unlink(root, "d", true, false); err != nil {
		t.Errorf("rmdir: %v", err)
	}
	if _, err := c.Rename(root, "f", root, "r", linux.RENAME_NOREPLACE, false); err != errno.EEXIST {
		t.Errorf("rename over: %v", err)
	}
	if h, err := c.Rename(root, "f", root, "r", 0, true); err != nil || h == 0 {
		t.Errorf("rename: %d, %v", h, err)
	} else if a, err := c.GetAttr(wire.Ref{Handle: h}); err != nil || a.Nlink != 0 {
		t.Errorf("replaced file: %+v, %v", a, err)
	}
	un, fd, err := c.Tmpfile(root, 0o640, 3, 4)
	if err != nil || un.Attr.Nlink != 0 || un.Attr.UID != 3 || un.Handle == 0 {
		t.Fatalf("tmpfile: %+v, %v", un, err)
	}
	hostcall.Close(fd)
	if a, err := c.Link(ref(un), root, "named"); err != nil || a.Nlink != 1 {
		t.Errorf("name a tmpfile: %+v, %v", a, err)
	}
}

func TestSetAttr(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "hello")
	os.Symlink("f", dir+"/l")
	c, root, _ := dial(t, dir)
	f := ref(one(t, c, root, "f"))
	a, err := c.SetAttr(&wire.SetAttrRequest{Ref: f, Mask: wire.SetMode | wire.SetUID | wire.SetGID | wire.SetSize | wire.SetAtime | wire.SetMtime,
		Mode: 0o6711, UID: 8, GID: 9, Size: 3, Atime: 1_500_000_000, Mtime: -2_000_000_001})
	if err != nil || a.Mode != linux.S_IFREG|0o6711 || a.UID != 8 || a.GID != 9 || a.Size != 3 || a.Atime != 1_500_000_000 || a.Mtime != -2_000_000_001 {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = c.SetAttr(&wire.SetAttrRequest{Ref: f, Mask: wire.SetAtime, Atime: 7})
	if err != nil || a.Atime != 7 || a.Mtime != -2_000_000_001 {
		t.Errorf("one time: %+v, %v", a, err)
	}
	l := ref(one(t, c, root, "l"))
	a, err = c.SetAttr(&wire.SetAttrRequest{Ref: l, Mask: wire.SetUID | wire.SetMtime, UID: 77, Mtime: 5})
	if err != nil || a.Mode&linux.S_IFMT != linux.S_IFLNK || a.UID != 77 || a.GID != 0 || a.Mtime != 5 {
		t.Errorf("link: %+v, %v", a, err)
	}
	if st, _ := c.GetAttr(f); st.UID != 8 {
		t.Errorf("chown of a link reached its target: %+v", st)
	}
	if _, err := c.SetAttr(&wire.SetAttrRequest{Ref: l, Mask: wire.SetSize}); err != errno.EINVAL {
		t.Errorf("truncate link: %v", err)
	}
	if _, err := c.SetAttr(&wire.SetAttrRequest{Ref: wire.Ref{Handle: root}, Mask: wire.SetSize}); err != errno.EISDIR {
		t.Errorf("truncate directory: %v", err)
	}
}

func TestReadDirInBatches(t *testing.T) {
	dir := t.TempDir()
	want := map[string]bool{}
	for i := range 3000 {
		name := fmt.Sprintf("%s-%d", strings.Repeat("x", 40), i)
		want[name] = true
		write(t, dir+"/"+name, "")
	}
	c, root, _ := dial(t, dir)
	for _, attrs := range []bool{false, true} {
		got := map[string]bool{}
		pos, batches := int64(0), 0
		for end := false; !end; batches++ {
			batch, err := c.ReadDir(wire.Ref{Handle: root}, pos, attrs, false)
			if err != nil || batch.Handle != 0 {
				t.Fatal(err, batch.Handle)
			}
			end = batch.End
			for _, e := range batch.Entries {
				if got[e.Name] || !want[e.Name] || e.Type != linux.DT_REG || e.HasNode != attrs || attrs && e.Node.Attr.Ino != e.Ino {
					t.Fatalf("entry %+v", e)
				}
				got[e.Name] = true
				pos = e.Next
			}
		}
		if len(got) != len(want) || batches < 3 {
			t.Errorf("attrs %v: %d names in %d batches", attrs, len(got), batches)
		}
	}
}

func TestReadDirByNameGivesAHandle(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/d/e/f", "x")
	c, root, _ := dial(t, dir)
	d := one(t, c, root, "d").Attr
	r, err := c.ReadDir(wire.Ref{Handle: root, Name: "d", Dev: d.Dev, Ino: d.Ino}, 0, true, false)
	if err != nil || len(r.Entries) != 1 || r.Handle == 0 || !r.End {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := c.Walk(r.Handle, []string{"e", "f"}, false); err != nil {
		t.Errorf("walk from the handle: %v", err)
	}
	if _, err := c.ReadDir(wire.Ref{Handle: root, Name: "d", Dev: d.Dev, Ino: d.Ino + 1}, 0, true, false); err != errno.ESTALE {
		t.Errorf("another directory: %v", err)
	}
	f := one(t, c, r.Handle, "e", "f").Attr
	e := one(t, c, r.Handle, "e")
	if _, err := c.ReadDir(wire.Ref{Handle: e.Handle, Name: "f", Dev: f.Dev, Ino: f.Ino}, 0, true, false); err != errno.ENOTDIR {
		t.Errorf("list a file: %v", err)
	}
}

func TestReadDirAhead(t *testing.T) {
	dir := t.TempDir()
	const dirs, files = 40, 30
	for i := range dirs {
		for j := range files {
			write(t, fmt.Sprintf("%s/%d/below/%s%d", dir, i, strings.Repeat("x", 40), j), "")
		}
	}
	os.Symlink("/", dir+"/0/link")
	c, root, _ := dial(t, dir)
	r, err := c.ReadDir(wire.Ref{Handle: root}, 0, true, true)
	if err != nil || len(r.Entries) != dirs || !r.End {
		t.Fatalf("%d entries, %v", len(r.Entries), err)
	}
	// Level by level: the first ones are those of the root, the last ones those below.
	if len(r.Ahead) <= dirs || len(r.Ahead) >= 2*dirs {
		t.Fatalf("%d directories ahead", len(r.Ahead))
	}
	untimed := func(entries []wire.Entry) []wire.Entry {
		for i := range entries {
			entries[i].Node.Attr.Atime = 0 // Listing changes it.
		}
		return entries
	}
	for i, l := range r.Ahead {
		a, err := c.GetAttr(wire.Ref{Handle: l.Handle})
		if err != nil || a.Ino != l.Ino || a.Dev != l.Dev {
			t.Errorf("ahead %d: handle of %d:%d is of %d:%d, %v", i, l.Dev, l.Ino, a.Dev, a.Ino, err)
		}
		whole, err := c.ReadDir(wire.Ref{Handle: l.Handle}, 0, true, false)
		if err != nil || !reflect.DeepEqual(untimed(whole.Entries), untimed(l.Entries)) || len(whole.Ahead) != 0 {
			t.Errorf("ahead %d holds %d entries, the directory %d", i, len(l.Entries), len(whole.Entries))
		}
		if i < dirs && l.Ino != r.Entries[i].Ino {
			t.Errorf("ahead %d is not entry %d", i, i)
		}
	}
}

func TestXattrs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "hello")
	c, root, _ := dial(t, dir)
	f := ref(one(t, c, root, "f"))
	big := strings.Repeat("v", 2000)
	if err := c.SetXattr(f, "user.big", []byte(big), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.SetXattr(f, "user.big", nil, 1); err != errno.EEXIST {
		t.Errorf("create again: %v", err)
	}
	if v, err := c.GetXattr(f, "user.big"); string(v) != big || err != nil {
		t.Errorf("%d bytes, %v", len(v), err)
	}
	if l, err := c.ListXattr(f); len(l) != 1 || l[0] != "user.big" || err != nil {
		t.Errorf("%q, %v", l, err)
	}
	if err := c.RemoveXattr(f, "user.big"); err != nil {
		t.Error(err)
	}
	if _, err := c.GetXattr(f, "user.big"); err != errno.ENODATA {
		t.Errorf("removed: %v", err)
	}
	if l, err := c.ListXattr(f); len(l) != 0 || err != nil {
		t.Errorf("%q, %v", l, err)
	}
}

// TestSymlinkRaces swaps a directory for a link that leads out of the mount while
// the sentry walks through it: what is outside must never be seen.
func TestSymlinkRaces(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside+"/secret", "outside")
	write(t, dir+"/d/secret", "inside")
	secret, err := os.Stat(outside + "/secret")
	if err != nil {
		t.Fatal(err)
	}
	forbidden := secret.Sys().(*syscall.Stat_t).Ino
	os.Symlink(outside, dir+"/evil")
	c, root, _ := dial(t, dir)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		d, _ := os.Open(dir)
		defer d.Close()
		for !stop.Load() {
			hostcall.Renameat2(hostcall.FD(d.Fd()), "d", hostcall.FD(d.Fd()), "evil", linux.RENAME_EXCHANGE)
		}
	})
	inside := 0
	for i := 0; i < 1500; i++ {
		n, _ := c.Walk(root, []string{"d", "secret"}, i%2 == 0)
		for _, x := range n {
			if x.Attr.Ino == forbidden {
				t.Fatal("walk left the mount")
			}
			c.CloseHandle(x.Handle)
		}
		if len(n) < 2 {
			continue
		}
		inside++
		fd, a, err := c.Open(wire.Ref{Handle: n[0].Handle, Name: "secret", Dev: n[1].Attr.Dev, Ino: n[1].Attr.Ino}, false)
		if err == nil {
			if a.Ino == forbidden {
				t.Fatal("open left the mount")
			}
			hostcall.Close(fd)
		}
	}
	stop.Store(true)
	wg.Wait()
	if inside == 0 {
		t.Error("no walk ever succeeded")
	}
}

func TestConcurrentCalls(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		write(t, fmt.Sprintf("%s/d%d/f", dir, i), "x")
	}
	c, root, _ := dial(t, dir)
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for range 100 {
				n, err := c.Walk(root, []string{fmt.Sprintf("d%d", i%8), "f"}, true)
				if err != nil || len(n) != 2 {
					t.Errorf("walk: %d, %v", len(n), err)
					return
				}
				fd, _, err := c.Open(ref(n[1]), false)
				if err != nil {
					t.Error(err)
					return
				}
				hostcall.Close(fd)
				c.CloseHandle(n[0].Handle)
				c.CloseHandle(n[1].Handle)
			}
		})
	}
	wg.Wait()
}

func TestHandlesAreLimited(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	c, root, _ := dial(t, dir)
	var held []wire.Handle
	for {
		n, err := c.Walk(root, []string{"f"}, true)
		if err != nil {
			if err != errno.ENFILE {
				t.Fatal(err)
			}
			break
		}
		held = append(held, n[0].Handle)
	}
	if len(held) < 900 || len(held) > 1000 {
		t.Errorf("%d handles", len(held))
	}
	for _, h := range held {
		c.CloseHandle(h)
	}
	c.Flush()
	one(t, c, root, "f")
}

// handles is a Holder of what a test holds.
type handles struct {
	c    *client.Client
	held []wire.Handle
}

func (h *handles) ReleaseHandles() {
	for _, x := range h.held {
		h.c.CloseHandle(x)
	}
	h.held = nil
}

func TestFullGoferIsAskedAgainAfterRelease(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/d/f", "x")
	c, root, _ := dial(t, dir)
	h := &handles{c: c}
	c.SetHolder(h)
	for i := range 3000 {
		n, err := c.Walk(root, []string{"d", "f"}, true)
		if err != nil || len(n) == 0 {
			t.Fatalf("walk %d: %v", i, err)
		}
		for _, x := range n {
			h.held = append(h.held, x.Handle)
		}
	}
}

// gone records that the gofer is gone.
type gone struct{ n atomic.Int32 }

func (g *gone) GoferGone(error) { g.n.Add(1) }

func TestHostileSentryIsCutOff(t *testing.T) {
	hello := encode(wire.KindHello, &wire.HelloRequest{Version: wire.Version})
	for name, packets := range map[string][][]byte{
		"garbage":            {[]byte("garbage, not a message")},
		"no greeting":        {encode(wire.KindAttach, &wire.AttachRequest{})},
		"two greetings":      {hello, hello},
		"walk during setup":  {hello, encode(wire.KindWalk, &wire.WalkRequest{})},
		"attach after setup": {hello, encode(wire.KindServe, &wire.Empty{}), encode(wire.KindAttach, &wire.AttachRequest{})},
		"name with slash":    {hello, encode(wire.KindServe, &wire.Empty{}), encode(wire.KindWalk, &wire.WalkRequest{Names: []string{"../../etc"}})},
	} {
		t.Run(name, func(t *testing.T) {
			fd := serve(t, t.TempDir())
			defer hostcall.Close(fd)
			buf := make([]byte, wire.MaxPacket)
			for i, p := range packets {
				if _, err := hostcall.Sendmsg(fd, p, nil, 0); err != nil {
					t.Fatal(err)
				}
				n, _, _, _ := hostcall.Recvmsg(fd, buf, 0, 0)
				if last := i == len(packets)-1; (n == 0) != last {
					t.Errorf("packet %d: reply of %d bytes", i, n)
				}
			}
		})
	}
}

func encode(k wire.Kind, b wire.Body) []byte {
	e := wire.NewEncoder(nil)
	h := wire.Header{Kind: k}
	h.Encode(&e)
	b.Encode(&e)
	p, _ := e.Bytes()
	return p
}

func TestHostileOrGoneGoferIsReportedOnce(t *testing.T) {
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	var g gone
	go func() {
		buf := make([]byte, 100)
		hostcall.Recvmsg(theirs, buf, 0, 0)
		hostcall.Sendmsg(theirs, encode(wire.KindHello, &wire.HelloReply{Version: wire.Version}), nil, 0)
		hostcall.Close(theirs)
	}()
	// The reply must carry the request's tag: the first is 1, and encode says 0.
	if _, err := client.New(ours); err == nil {
		t.Error("a reply with a wrong tag was accepted")
	}

	c, err := client.New(serve(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	c.OnGone(&g)
	if _, err := c.Walk(1, []string{"a"}, false); err != errno.EIO { // Out of phase: the gofer hangs up.
		t.Errorf("call out of phase: %v", err)
	}
	if _, err := c.GetAttr(wire.Ref{}); err != errno.EIO || g.n.Load() != 1 {
		t.Errorf("call after: %v; told %d times", err, g.n.Load())
	}
}

func BenchmarkGetAttr(b *testing.B) {
	dir := b.TempDir()
	fd, err := hostcall.Openat(hostcall.AtCwd, dir, linux.O_PATH|linux.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	go server.New([]server.Mount{{Root: fd}}, 100).Run(theirs)
	c, err := client.New(ours)
	if err != nil {
		b.Fatal(err)
	}
	n, _, err := c.Attach(0)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Serve(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.GetAttr(wire.Ref{Handle: n.Handle}); err != nil {
			b.Fatal(err)
		}
	}
}
