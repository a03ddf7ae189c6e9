package goferfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/gofer/server"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// env is a mounted host directory.
type env struct {
	t    *testing.T
	c    *vfstest.Caller
	v    *vfs.VFS
	cl   *client.Client
	dir  string
	root *vfs.Inode
	fs   *filesystem
}

func mount(t *testing.T, o Options, readOnly bool) *env {
	t.Helper()
	dir := t.TempDir()
	return mountDir(t, dir, o, readOnly)
}

func mountDir(t *testing.T, dir string, o Options, readOnly bool) *env {
	t.Helper()
	fd, err := hostcall.Openat(hostcall.AtCwd, dir, linux.O_PATH|linux.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.New([]server.Mount{{Root: fd, ReadOnly: readOnly}}, 10000).Run(theirs) }()
	cl, err := client.New(ours)
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := New(cl, 0, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cl.Close()
		if err := <-done; err != nil {
			t.Errorf("gofer ended with %v", err)
		}
	})
	return &env{t, vfstest.Root(), vfs.New(), cl, dir, root, root.Ops.(*node).fs}
}

func (e *env) write(name, text string) {
	e.t.Helper()
	p := filepath.Join(e.dir, name)
	os.MkdirAll(filepath.Dir(p), 0o755)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

// find walks names with Lookup and returns the last inode; the others are dropped.
func (e *env) find(names ...string) *vfs.Inode {
	e.t.Helper()
	at := e.root
	at.IncRef()
	for _, name := range names {
		n, err := at.Ops.Lookup(e.c, at, name)
		if err != nil {
			e.t.Fatalf("look up %v: %v", names, err)
		}
		at.DecRef()
		at = n
	}
	return at
}

func (e *env) open(n *vfs.Inode, flags, mode uint32) *vfs.File {
	e.t.Helper()
	ops, err := n.Ops.Open(e.c, n, flags)
	if err != nil {
		e.t.Fatal(err)
	}
	n.IncRef()
	return e.v.NewInodeFile(n, "x", ops, flags, mode, e.c.Creds())
}

func (e *env) read(f *vfs.File, n int, off int64) string {
	e.t.Helper()
	b := make([]byte, n)
	s := usermem.FromBytes(b)
	got, err := f.Ops.Read(e.c, f, &s, off, 0)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b[:got])
}

func (e *env) names(n *vfs.Inode) []string {
	e.t.Helper()
	f := e.open(n, linux.O_RDONLY|linux.O_DIRECTORY, vfs.FModeRead)
	var names []string
	if err := f.Ops.ReadDir(e.c, f, func(d vfs.Dirent) bool {
		names = append(names, d.Name)
		return true
	}); err != nil {
		e.t.Fatal(err)
	}
	return names
}

func TestReadAndAttributesAreTheHosts(t *testing.T) {
	e := mount(t, Options{}, true)
	e.write("d/f", "hello world")
	os.Symlink("d/f", e.dir+"/l")
	n := e.find("d", "f")
	a := n.Attr()
	var st syscall.Stat_t
	syscall.Stat(e.dir+"/d/f", &st)
	if a.Ino != st.Ino || a.Mode != st.Mode || a.Size != st.Size || a.Blocks != st.Blocks || a.Mtime != st.Mtim.Nano() || a.Nlink != 1 {
		t.Errorf("%+v, host %+v", a, st)
	}
	f := e.open(n, linux.O_RDONLY, vfs.FModeRead|vfs.FModeSeek)
	if got := e.read(f, 100, 6); got != "world" {
		t.Errorf("read %q", got)
	}
	if got := e.read(f, 100, 60); got != "" {
		t.Errorf("read behind the end: %q", got)
	}
	l := e.find("l")
	if target, err := l.Ops.Readlink(e.c, l); target != "d/f" || err != nil {
		t.Errorf("readlink: %q, %v", target, err)
	}
	if _, err := n.Ops.Open(e.c, n, linux.O_RDWR); err != errno.EROFS {
		t.Errorf("open for writing: %v", err)
	}
	if _, err := e.root.Ops.Lookup(e.c, e.root, "none"); err != errno.ENOENT {
		t.Errorf("missing: %v", err)
	}
}

func TestHardLinksAreOneInode(t *testing.T) {
	e := mount(t, Options{}, false)
	e.write("a", "x")
	os.Link(e.dir+"/a", e.dir+"/b")
	a, b := e.find("a"), e.find("b")
	if a != b {
		t.Fatal("two inodes")
	}
	// The name by which it was found goes; the file stays usable.
	if err := e.root.Ops.Unlink(e.c, e.root, "a", a); err != nil {
		t.Fatal(err)
	}
	if err := e.root.Ops.Unlink(e.c, e.root, "b", b); err != nil {
		t.Fatal(err)
	}
	if a.Attr().Nlink != 0 {
		t.Errorf("%d links", a.Attr().Nlink)
	}
	f := e.open(a, linux.O_RDONLY, vfs.FModeRead)
	if got := e.read(f, 10, 0); got != "x" {
		t.Errorf("read %q", got)
	}
	if err := a.Ops.SetAttr(e.c, a, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600}); err != nil || a.Attr().Mode != linux.S_IFREG|0o600 {
		t.Errorf("chmod of the unlinked file: %v, %o", err, a.Attr().Mode)
	}
}

// TestCachedFilesNeedNoGofer hangs up on the gofer: what was seen before must still work.
func TestCachedFilesNeedNoGofer(t *testing.T) {
	e := mount(t, Options{}, true)
	e.write("d/f", "hello")
	e.write("d/g", "x")
	dir := e.find("d")
	e.names(dir)
	n := e.find("d", "f")
	e.open(n, linux.O_RDONLY, vfs.FModeRead).DecRef()
	if _, err := n.Ops.GetXattr(e.c, n, "user.a"); err != errno.ENODATA {
		t.Errorf("getxattr: %v", err)
	}
	e.cl.Close()

	if got := e.names(dir); fmt.Sprint(got) != "[. .. f g]" && fmt.Sprint(got) != "[. .. g f]" {
		t.Errorf("names: %q", got)
	}
	if n, err := dir.Ops.Lookup(e.c, dir, "g"); err != nil || n.Attr().Size != 1 {
		t.Errorf("lookup after listing: %v", err)
	}
	if _, err := dir.Ops.Lookup(e.c, dir, "none"); err != errno.ENOENT {
		t.Errorf("missing after listing: %v", err)
	}
	f := e.open(n, linux.O_RDONLY, vfs.FModeRead)
	if got := e.read(f, 10, 0); got != "hello" {
		t.Errorf("read %q", got)
	}
	if _, err := n.Ops.GetXattr(e.c, n, "user.b"); err != errno.ENODATA {
		t.Errorf("getxattr: %v", err)
	}
	if _, err := e.root.Ops.Lookup(e.c, e.root, "other"); err != errno.EIO {
		t.Errorf("uncached lookup: %v", err)
	}
}

func TestWalkThroughATreeIsToldAhead(t *testing.T) {
	e := mount(t, Options{}, false)
	const dirs = 60
	for i := range dirs {
		e.write(fmt.Sprintf("tree/%02d/sub/f", i), "x")
	}
	// The walk is evident after a few directories; what is below the next one comes with it.
	tree := e.find("tree")
	e.names(e.root)
	e.names(tree)
	for i := range 4 {
		e.names(e.find("tree", fmt.Sprintf("%02d", i)))
	}
	ls := &e.fs.listings
	ahead := func() int {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		return len(ls.ahead)
	}
	if n := ahead(); n != 1 {
		t.Fatalf("%d directories ahead, want that in the last one", n)
	}
	sub := e.find("tree", "03", "sub")
	handle := sub.Ops.(*node).handle
	e.cl.Flush()
	if got := e.names(sub); fmt.Sprint(got) != "[. .. f]" || ahead() != 0 {
		t.Errorf("names %v, %d left ahead", got, ahead())
	}
	if h := sub.Ops.(*node).handle; h == 0 || handle != 0 && h != handle {
		t.Errorf("handle %d, was %d", h, handle)
	}

	// What was told ahead does not outlive a change.
	e.names(e.find("tree", "04"))
	if n := ahead(); n != 1 {
		t.Fatalf("%d directories ahead", n)
	}
	sub = e.find("tree", "04", "sub")
	if _, err := sub.Ops.Create(e.c, sub, "new", 0o644); err != nil {
		t.Fatal(err)
	}
	if got := e.names(sub); len(got) != 4 || ahead() != 0 {
		t.Errorf("names %v, %d left ahead", got, ahead())
	}
	// Nor a shortage of descriptors.
	e.names(e.find("tree", "05"))
	ReleaseIdle(e.root.SB)
	if n := ahead(); n != 0 {
		t.Errorf("%d directories ahead after ReleaseIdle", n)
	}
	// A look at a directory that nobody walked to ends it.
	e.names(e.find("tree", "06", "sub"))
	if n := ls.descent.Load(); n != 0 {
		t.Errorf("descent %d", n)
	}
}

func TestWritesAndTheirAttributes(t *testing.T) {
	e := mount(t, Options{}, false)
	n, err := e.root.Ops.Create(e.c, e.root, "f", linux.S_IFREG|0o640)
	if err != nil {
		t.Fatal(err)
	}
	f := e.open(n, linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite)
	s := usermem.FromBytes([]byte("hello"))
	if k, err := f.Ops.Write(e.c, f, &s, 3, 0); k != 5 || err != nil {
		t.Fatalf("write: %d, %v", k, err)
	}
	check := func(what string) {
		t.Helper()
		var st syscall.Stat_t
		if err := syscall.Stat(e.dir+"/f", &st); err != nil {
			t.Fatal(err)
		}
		a := n.Attr()
		if a.Size != st.Size || a.Mtime != st.Mtim.Nano() || a.Ctime != st.Ctim.Nano() || a.Mode != st.Mode || a.Blocks != st.Blocks {
			t.Errorf("after %s: %+v, host %+v", what, a, st)
		}
	}
	check("write")
	if err := n.Ops.SetAttr(e.c, n, vfs.SetAttr{Mask: vfs.SetSize, Size: 4}); err != nil {
		t.Fatal(err)
	}
	check("truncate")
	if err := f.Ops.Fallocate(e.c, f, 0, 0, 8192); err != nil {
		t.Fatal(err)
	}
	check("fallocate")
	if off, err := f.Ops.Seek(e.c, f, 0, linux.SEEK_HOLE); err != nil || off > 8192 {
		t.Errorf("seek hole: %d, %v", off, err)
	}
	f.DecRef()
	if err := n.Ops.SetAttr(e.c, n, vfs.SetAttr{Mask: vfs.SetUID | vfs.SetMode, UID: 5, Mode: 0o4711}); err != nil {
		t.Fatal(err)
	}
	check("chown")
	b, _ := os.ReadFile(e.dir + "/f")
	if !bytes.HasPrefix(b, []byte("\x00\x00\x00h")) || len(b) != 8192 {
		t.Errorf("host sees %d bytes, %q", len(b), b[:4])
	}
}

func TestOpenForWritingReplacesReadOnlyDescriptor(t *testing.T) {
	e := mount(t, Options{}, false)
	e.write("f", "old")
	n := e.find("f")
	r := e.open(n, linux.O_RDONLY, vfs.FModeRead)
	w := e.open(n, linux.O_WRONLY, vfs.FModeWrite)
	s := usermem.FromBytes([]byte("new"))
	if _, err := w.Ops.Write(e.c, w, &s, 0, 0); err != nil {
		t.Fatal(err)
	}
	if got := e.read(r, 10, 0); got != "new" {
		t.Errorf("read %q", got)
	}
	r.DecRef()
	w.DecRef()
}

func TestIdleDescriptorsAreBounded(t *testing.T) {
	e := mount(t, Options{IdleFDs: 4}, true)
	for i := range 40 {
		e.write(fmt.Sprintf("f%d", i), "x")
	}
	var inodes []*vfs.Inode
	for i := range 40 {
		n := e.find(fmt.Sprintf("f%d", i))
		e.open(n, linux.O_RDONLY, vfs.FModeRead).DecRef()
		inodes = append(inodes, n)
	}
	have := 0
	for _, n := range inodes {
		if n.Ops.(*node).host.Load() != nil {
			have++
		}
	}
	if have != 4 {
		t.Errorf("%d descriptors are kept", have)
	}
	for _, n := range inodes {
		n.DecRef()
	}
	if len(e.fs.nodes) != 1 {
		t.Errorf("%d nodes are left", len(e.fs.nodes))
	}
}

func TestRename(t *testing.T) {
	e := mount(t, Options{}, false)
	e.write("a/f", "1")
	e.write("b/g", "2")
	a, b := e.find("a"), e.find("b")
	f, g := e.find("a", "f"), e.find("b", "g")
	if err := a.Ops.Rename(e.c, a, "f", f, b, "g", g, 0); err != nil {
		t.Fatal(err)
	}
	// Both go on, by their new place and by the handle that was kept.
	for n, want := range map[*vfs.Inode]string{f: "1", g: "2"} {
		if got := e.read(e.open(n, linux.O_RDONLY, vfs.FModeRead), 10, 0); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	e.write("a/h", "3")
	h := e.find("a", "h")
	if err := a.Ops.Rename(e.c, a, "h", h, b, "g", f, linux.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	if e.find("a", "h") != f || e.find("b", "g") != h {
		t.Error("exchange did not exchange")
	}
	if err := a.Ops.Rename(e.c, a, "h", f, b, "g", h, linux.RENAME_NOREPLACE); err != errno.EEXIST {
		t.Errorf("noreplace: %v", err)
	}
	// A directory takes what is in it along.
	if err := e.root.Ops.Rename(e.c, e.root, "b", b, a, "sub", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Ops.SetAttr(e.c, h, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600}); err != nil {
		t.Errorf("chmod in a moved directory: %v", err)
	}
	if st, err := os.Stat(e.dir + "/a/sub/g"); err != nil || st.Mode() != 0o600 {
		t.Errorf("host: %v, %v", st, err)
	}
}

func TestMakeKinds(t *testing.T) {
	e := mount(t, Options{}, false)
	os.Chmod(e.dir, 0o2777)
	os.Chown(e.dir, 0, 50)
	e.root.Update(func(a *vfs.Attr) { a.Mode |= linux.S_ISGID; a.GID = 50 })
	user := vfstest.User(1000)
	d, err := e.root.Ops.Mkdir(user, e.root, "d", 0o755)
	if err != nil || d.Attr().Mode != linux.S_IFDIR|linux.S_ISGID|0o755 || d.Attr().UID != 1000 || d.Attr().GID != 50 {
		t.Errorf("mkdir: %v, %+v", err, d.Attr())
	}
	if e.root.Attr().Nlink != 3 {
		t.Errorf("root has %d links", e.root.Attr().Nlink)
	}
	p, err := e.root.Ops.Mknod(user, e.root, "p", linux.S_IFIFO|0o644, 0)
	if err != nil || p.Type() != linux.S_IFIFO {
		t.Errorf("mkfifo: %v", err)
	}
	if _, err := p.Ops.Open(user, p, linux.O_RDONLY); err != errno.ENXIO {
		t.Errorf("open FIFO: %v", err)
	}
	if _, err := e.root.Ops.Mknod(e.c, e.root, "c", linux.S_IFCHR|0o644, 0x103); err != errno.EPERM {
		t.Errorf("device: %v", err)
	}
	l, err := e.root.Ops.Symlink(user, e.root, "l", "target")
	if target, _ := l.Ops.Readlink(user, l); err != nil || target != "target" {
		t.Errorf("symlink: %q, %v", target, err)
	}
	tmp, err := e.root.Ops.Tmpfile(user, e.root, linux.S_IFREG|0o600)
	if err != nil || tmp.Attr().Nlink != 0 {
		t.Fatalf("tmpfile: %v", err)
	}
	if err := e.root.Ops.Link(user, e.root, "named", tmp); err != nil || e.find("named") != tmp {
		t.Errorf("link tmpfile: %v", err)
	}
	if err := e.root.Ops.Rmdir(user, e.root, "d", d); err != nil || d.Attr().Nlink != 0 || e.root.Attr().Nlink != 2 {
		t.Errorf("rmdir: %v, %d, %d", err, d.Attr().Nlink, e.root.Attr().Nlink)
	}
	if _, err := e.root.Ops.Lookup(e.c, e.root, "d"); err != errno.ENOENT {
		t.Errorf("removed directory: %v", err)
	}
}

func TestSharedMountSeesTheHost(t *testing.T) {
	e := mount(t, Options{Shared: true}, false)
	e.write("f", "1")
	n := e.find("f")
	e.write("f", "12345")
	if a, err := n.Ops.GetAttr(e.c, n); err != nil || a.Size != 5 {
		t.Errorf("size %d, %v", a.Size, err)
	}
	r := e.root.Ops.(vfs.Revalidator)
	if !r.Revalidate(e.c, e.root, "f", n) || !r.Revalidate(e.c, e.root, "none", nil) {
		t.Error("valid entries are called stale")
	}
	os.WriteFile(e.dir+"/new", []byte("x"), 0o644)
	os.Rename(e.dir+"/new", e.dir+"/f")
	if r.Revalidate(e.c, e.root, "f", n) {
		t.Error("a replaced file is called valid")
	}
	if r.Revalidate(e.c, e.root, "f", nil) {
		t.Error("a miss is called valid though there is a file")
	}
	if got := e.names(e.root); len(got) != 3 {
		t.Errorf("names %q", got)
	}
}

// space records invalidations.
type space struct{ got []addr.Range }

func (s *space) Invalidate(_ mappable.Mappable, r addr.Range, _ bool) { s.got = append(s.got, r) }

func TestMappings(t *testing.T) {
	e := mount(t, Options{}, false)
	e.write("f", string(make([]byte, 5*addr.PageSize+10)))
	n := e.find("f")
	f := e.open(n, linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite)
	m, err := f.Ops.Mappable(e.c, f)
	if err != nil {
		t.Fatal(err)
	}
	s := &space{}
	m.AddMapping(s, addr.Range{Start: 0x10000, End: 0x10000 + 6*addr.PageSize}, 0, true)
	p, err := m.Translate(2*addr.PageSize, addr.PageSize, addr.PageSize, true)
	if err != nil || p.Off != addr.PageSize || p.Len != 3*addr.PageSize || p.Start != p.Off || !p.Writable {
		t.Errorf("%+v, %v", p, err)
	}
	b, err := p.Backing.Bytes(p.Start, p.Len, true)
	if err != nil {
		t.Fatal(err)
	}
	b[0] = 'x'
	if got := e.read(f, 1, addr.PageSize); got != "x" {
		t.Errorf("read %q after a store", got)
	}
	p.Backing.DecRef(p.Start, p.Len)
	if _, err := m.Translate(6*addr.PageSize, addr.PageSize, 0, false); err != errno.EFAULT {
		t.Errorf("behind the end: %v", err)
	}
	if err := n.Ops.SetAttr(e.c, n, vfs.SetAttr{Mask: vfs.SetSize, Size: addr.PageSize + 1}); err != nil {
		t.Fatal(err)
	}
	want := addr.Range{Start: 0x10000 + 2*addr.PageSize, End: 0x10000 + 6*addr.PageSize}
	if len(s.got) != 1 || s.got[0] != want {
		t.Errorf("invalidated %v, want %v", s.got, want)
	}
	m.RemoveMapping(s, addr.Range{Start: 0x10000, End: 0x10000 + 6*addr.PageSize}, 0, true)
	if !n.Ops.(*node).maps.Empty() {
		t.Error("mapping is still there")
	}
}
