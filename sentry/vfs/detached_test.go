package vfs_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// made returns a context with a tmpfs made.
func (e *env) made() *vfs.MountContext {
	e.t.Helper()
	mc, err := e.v.NewContext("tmpfs")
	e.must(err)
	e.must(mc.Create(e.c))
	return mc
}

// detached returns the file that holds a new tmpfs.
func (e *env) detached() *vfs.File {
	e.t.Helper()
	mc := e.made()
	defer mc.Release(nil)
	f, err := mc.Mount(e.c, 0)
	e.must(err)
	return f
}

func (e *env) attach(f *vfs.File, target string) error {
	e.t.Helper()
	at := e.at(target)
	defer at.DecRef()
	return e.v.MoveMount(e.c, e.ns, f.Path, at, false)
}

func TestDetachedTreeGoesWithItsFile(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/b")
	e.mount("/a")
	e.touch("/a/x")
	a := e.at("/a")
	tree, err := e.v.OpenTree(e.c, e.ns, a, true)
	a.DecRef()
	e.must(err)
	if err := e.umount("/a", 0); err != nil {
		t.Fatal(err)
	}
	// The copy keeps the file system.
	p, err := e.v.Resolve(e.c, tree.Path, "x", 0)
	e.must(err)
	p.DecRef()
	held := tree.Path
	held.IncRef()
	tree.DecRef()
	b := e.at("/b")
	if err := e.v.MoveMount(e.c, e.ns, held, b, false); err != errno.EINVAL {
		t.Errorf("attaching what was dissolved: %v", err)
	}
	held.DecRef()
	b.DecRef()
}

func TestAttachedTreeStays(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a", "/b")
	f := e.detached()
	e.must(e.attach(f, "/a"))
	e.must(e.attach(f, "/b"))
	f.DecRef()
	if got, want := e.points(), "/ /b"; got != want {
		t.Errorf("mounts: %s, want %s", got, want)
	}
}

// contextMessages reads all messages of a context.
func contextMessages(mc *vfs.MountContext) (all []string) {
	for {
		b := make([]byte, 400)
		dst := usermem.FromBytes(b)
		n, err := mc.Read(nil, nil, &dst, 0, 0)
		if err != nil {
			return all
		}
		all = append(all, string(b[:n]))
	}
}

func TestContextParameters(t *testing.T) {
	e := newEnv(t)
	mc, err := e.v.NewContext("tmpfs")
	e.must(err)
	defer mc.Release(nil)
	for _, c := range []struct {
		key   string
		kind  vfs.ParamKind
		value string
		err   error
	}{
		{"size", vfs.ParamString, "1m", nil},
		{"size", vfs.ParamString, "2m", nil},
		{"size", vfs.ParamString, "1m,mode=0", errno.EINVAL},
		{"size", vfs.ParamObject, "", errno.EINVAL},
		{"size", vfs.ParamFlag, "", errno.EINVAL},
		{"noswap", vfs.ParamFlag, "", nil},
		{"noswap", vfs.ParamString, "1", errno.EINVAL},
		{"", vfs.ParamFlag, "", errno.EINVAL},
		{"ro", vfs.ParamObject, "", nil},
		{"source", vfs.ParamString, "it", nil},
		{"source", vfs.ParamString, "it", errno.EINVAL},
	} {
		if err := mc.Set(c.key, c.kind, c.value); err != c.err && (err != nil || c.err != nil) {
			t.Errorf("%q=%q: got %v, want %v", c.key, c.value, err, c.err)
		}
	}
	if n := len(contextMessages(mc)); n != 6 {
		t.Errorf("%d messages", n)
	}
	e.must(mc.Create(e.c))
	f, err := mc.Mount(e.c, 0)
	e.must(err)
	defer f.DecRef()
	sb := f.Path.Mount.SB
	if o := sb.Ops.Options(sb); o != "size=2048k,inode64" || !sb.ReadOnly() {
		t.Errorf("options %s, read-only: %v", o, sb.ReadOnly())
	}
}

func TestWritersKeepMountsWritable(t *testing.T) {
	e := newEnv(t)
	e.mkdir("/a")
	e.mount("/a")
	f, err := e.v.OpenAt(e.c, vfs.Path{}, "/a/f", linux.O_CREAT|linux.O_RDWR, 0o644, 0)
	e.must(err)
	ro := vfs.MountAttr{Set: linux.MS_RDONLY | linux.MS_NOSUID, Recursive: true}
	root := e.at("/")
	defer root.DecRef()
	if err := e.v.SetMountAttr(e.ns, root, ro); err != errno.EBUSY {
		t.Errorf("read-only below a writer: %v", err)
	}
	if f := root.Mount.Flags(); f&(linux.MS_RDONLY|linux.MS_NOSUID) != 0 {
		t.Errorf("flags of a mount that was not to change: %#x", f)
	}
	f.DecRef()
	if _, err := e.v.OpenAt(e.c, vfs.Path{}, "/a/f", linux.O_RDONLY|linux.O_TRUNC, 0, 0); err != nil {
		t.Error(err)
	} else {
		e.at("/a/f").DecRef()
	}
	e.must(e.v.SetMountAttr(e.ns, root, ro))
	if _, err := e.v.OpenAt(e.c, vfs.Path{}, "/a/f", linux.O_RDWR, 0, 0); err != errno.EROFS {
		t.Errorf("opening for writing: %v", err)
	}
}

// TestMountCallsTogether has several callers move, copy, hold, change and unmount the same few places. What
// it is for are the race detector, panics, and newEnv's look for leaks.
func TestMountCallsTogether(t *testing.T) {
	e := newEnv(t)
	places := []string{"/a", "/b", "/a/x", "/b/x"}
	e.mkdir(places...)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			var held []*vfs.File
			for i := range 300 {
				at, err := e.v.Resolve(e.c, vfs.Path{}, places[r.IntN(len(places))], vfs.LookupFollow)
				if err != nil {
					continue
				}
				switch r.IntN(8) {
				case 0:
					held = append(held, e.detached())
				case 1:
					if f, err := e.v.OpenTree(e.c, e.ns, at, r.IntN(2) == 0); err == nil {
						held = append(held, f)
					}
				case 2, 3:
					if len(held) > 0 {
						f := held[r.IntN(len(held))]
						e.v.MkdirAt(e.c, f.Path, "x", 0o755)
						e.v.MoveMount(e.c, e.ns, f.Path, at, r.IntN(4) == 0)
					}
				case 4:
					if len(held) > 0 {
						held[0].DecRef()
						held = held[1:]
					}
				case 5:
					kind := [...]uint64{linux.MS_SHARED, linux.MS_PRIVATE, linux.MS_SLAVE}[r.IntN(3)]
					e.v.SetMountAttr(e.ns, at, vfs.MountAttr{Set: linux.MS_RDONLY * uint32(r.IntN(2)), Clear: linux.MS_RDONLY, Propagation: kind})
				case 6:
					e.v.Umount(e.c, e.ns, at, linux.MNT_DETACH)
				case 7:
					if f, err := e.v.OpenAt(e.c, at, fmt.Sprint(i), linux.O_CREAT|linux.O_RDWR, 0o644, 0); err == nil {
						f.DecRef()
					}
					ids, _ := e.v.ListMounts(e.c, e.ns, true, linux.LSMT_ROOT, 0, 100, false)
					for _, id := range ids {
						if s, err := e.v.StatMount(e.c, e.ns, true, id); err == nil {
							s.Mount.DecRef()
						}
					}
				}
				at.DecRef()
			}
			for _, f := range held {
				f.DecRef()
			}
		})
	}
	wg.Wait()
}
