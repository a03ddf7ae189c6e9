// Package kerneltest boots a kernel inside a test: a tmpfs as root, standard output in a
// buffer.
//
//	New        on the trap platform: static programs run in it, compiled by the test
//	NewScript  on no CPU: a Guest makes the system calls that the test hands it
//
// The table of system calls is the caller's, as package syscalls lies above.
package kerneltest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/trap"
	"ringfence/sentry/creds"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/fs/tmpfs"
	"ringfence/sentry/kernel"
	"ringfence/sentry/ktime"
	"ringfence/sentry/limits"
	"ringfence/sentry/memfile"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Machine is a kernel that has not started a process yet.
type Machine struct {
	T    testing.TB
	K    *kernel.Kernel
	Mem  *memfile.File
	Root *vfs.Namespace
	// Limits are those of the processes that Start starts.
	Limits *limits.Set

	caller caller
}

// Result is how a program ended.
type Result struct {
	Status linux.WaitStatus
	Output string
}

// caller acts for the kernel itself, as root.
type caller struct {
	k    *kernel.Kernel
	cred *creds.Credentials
	fs   *vfs.FSContext
}

func (c *caller) Creds() *creds.Credentials { return c.cred }
func (c *caller) FSContext() *vfs.FSContext { return c.fs }
func (c *caller) Now() int64                { return time.Now().UnixNano() }
func (c *caller) FileSizeLimit() uint64     { return limits.Infinity }

// New boots a machine. The test's end checks that nothing of it is left.
func New(t testing.TB, table *kernel.SyscallTable) *Machine {
	t.Helper()
	p, err := trap.New()
	if err != nil {
		t.Fatal(err)
	}
	return boot(t, p, table)
}

func boot(t testing.TB, p platform.Platform, table *kernel.SyscallTable) *Machine {
	t.Helper()
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	clocks, err := ktime.HostClocks()
	if err != nil {
		t.Fatal(err)
	}
	v := vfs.New()
	v.AddType("tmpfs", &tmpfs.FS{Memory: mf}, true)
	v.AddType("ramfs", &tmpfs.Ramfs{Memory: mf}, true)
	m := &Machine{T: t, Mem: mf, Limits: limits.Default(2 << 30)}
	m.K = kernel.New(kernel.Config{
		Platform: p, MemFile: mf, VFS: v, Timers: ktime.NewManager(clocks), Syscalls: table,
		Hostname: "machine", CPUs: 2, Memory: 2 << 30,
	})
	v.Special = specialFiles{m.K.Pipes}
	m.caller = caller{k: m.K, cred: creds.NewRoot(m.K.UserNS)}
	m.Root, err = v.NewNamespace(&m.caller, "tmpfs", "root", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	root := m.Root.Root()
	m.caller.fs = vfs.NewFSContext(root, root, 0o022)
	root.DecRef()
	for _, dir := range []string{"/tmp", "/bin", "/etc"} {
		if err := v.MkdirAt(&m.caller, vfs.Path{}, dir, 0o1777); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		m.K.Kill()
		m.K.Wait()
		if n := m.K.LiveTasks(); n != 0 {
			t.Errorf("%d tasks left", n)
		}
		m.caller.fs.Release()
		m.Root.DecRef()
		if n := mf.Stats().InUse; n != 0 {
			t.Errorf("%d bytes of frames left", n)
		}
		p.Close()
		mf.Close()
	})
	return m
}

// Put makes a file.
func (m *Machine) Put(path string, data []byte, mode uint32) {
	m.T.Helper()
	f, err := m.K.VFS.OpenAt(&m.caller, vfs.Path{}, path, linux.O_CREAT|linux.O_WRONLY|linux.O_TRUNC, mode, 0)
	if err != nil {
		m.T.Fatalf("create %s: %v", path, err)
	}
	defer f.DecRef()
	for len(data) > 0 {
		s := usermem.FromBytes(data)
		n, err := f.Write(&m.caller, &s, 0)
		if err != nil {
			m.T.Fatalf("write %s: %v", path, err)
		}
		data = data[n:]
	}
}

// Start starts a program. What it writes to descriptors 1 and 2 goes to out.
func (m *Machine) Start(out *Buffer, argv ...string) *kernel.ThreadGroup {
	m.T.Helper()
	files := kernel.NewFDTable()
	in := m.K.VFS.NewAnonFile("[input]", &input{}, linux.O_RDONLY, vfs.FModeRead, m.caller.cred)
	o := m.K.VFS.NewAnonFile("[output]", out, linux.O_WRONLY, vfs.FModeWrite, m.caller.cred)
	files.Install(in, 0, 64, false)
	files.Install(o, 1, 64, false)
	files.Install(o, 2, 64, false)
	in.DecRef()
	o.DecRef()
	m.Root.IncRef()
	tg, err := m.K.Start(kernel.ProcessArgs{
		Path: argv[0], Argv: argv, Envv: []string{"PATH=/bin"}, Cred: m.caller.cred,
		Mounts: m.Root, FS: m.caller.fs.Clone(), Files: files, Limits: m.Limits.Clone(),
	})
	if err != nil {
		m.T.Fatalf("start %q: %v", argv, err)
	}
	return tg
}

// Run runs a program as init and waits for its end.
func (m *Machine) Run(argv ...string) Result {
	m.T.Helper()
	var out Buffer
	m.Start(&out, argv...)
	done := make(chan linux.WaitStatus, 1)
	go func() { done <- m.K.Wait() }()
	select {
	case status := <-done:
		return Result{status, out.String()}
	case <-time.After(20 * time.Second):
		m.T.Errorf("%q does not end; output so far:\n%s", argv, out.String())
		m.K.Kill()
		return Result{<-done, out.String()}
	}
}

// Buffer is an open file that keeps what is written.
type Buffer struct {
	vfs.BaseFile
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(_ vfs.Caller, _ *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	chunk := make([]byte, min(src.Len(), 1<<20))
	n, err := src.CopyIn(chunk)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Write(chunk[:n])
	return n, err
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// input is at its end from the start.
type input struct{ vfs.BaseFile }

func (*input) Read(vfs.Caller, *vfs.File, *usermem.Sequence, int64, uint32) (int, error) {
	return 0, nil
}

// specialFiles opens FIFOs and has no devices.
type specialFiles struct{ *pipe.FS }

func (specialFiles) OpenDevice(vfs.Caller, *vfs.Inode, uint64, bool, uint32) (vfs.FileOps, error) {
	return nil, errno.ENXIO
}

// Compile builds a static program from C source and returns its bytes.
func Compile(t testing.TB, name, source string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, name+".c")
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return CompileFile(t, src, args...)
}

// CompileFile builds a static program from a C file and returns its bytes.
func CompileFile(t testing.TB, src string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	args = append([]string{"-static", "-O1", "-pthread", "-o", out, src}, args...)
	if b, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
