package loader

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/mappable"
	"ringfence/sentry/mm"
)

// bytesFile is an executable whose contents are a byte slice. It can't be mapped.
type bytesFile struct {
	b    []byte
	refs int
	mp   mappable.Mappable
}

func (f *bytesFile) PRead(b []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(f.b)) {
		return 0, nil
	}
	return copy(b, f.b[off:]), nil
}

func (f *bytesFile) Mappable() (mappable.Mappable, error) {
	if f.mp == nil {
		return nil, errno.ENODEV
	}
	return f.mp, nil
}
func (f *bytesFile) Ref() mm.FileRef             { return f }
func (f *bytesFile) IncRef()                     { f.refs++ }
func (f *bytesFile) DecRef()                     { f.refs-- }
func (f *bytesFile) MapName() string             { return "/test" }
func (f *bytesFile) MapDevIno() (uint64, uint64) { return 1, 1 }

// files is an Opener over a map of paths.
type files map[string]*bytesFile

func (fs files) OpenExec(path string) (File, error) {
	f, ok := fs[path]
	if !ok {
		return nil, errno.ENOENT
	}
	f.refs++
	return f, nil
}

func open(fs files, path string, argv ...string) (*Image, error) {
	f, err := fs.OpenExec(path)
	if err != nil {
		return nil, err
	}
	return Open(Request{Opener: fs, File: f, Path: path, Args: Args{Argv: argv}, StackLimit: 8 << 20})
}

// elfBytes returns an ELF file with the given program headers.
func elfBytes(typ uint16, entry uint64, phdrs ...linux.Elf64Phdr) []byte {
	h := linux.Elf64Ehdr{Type: typ, Machine: linux.EM_X86_64, Version: 1, Entry: entry,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(phdrs))}
	copy(h.Ident[:], linux.ELFMAG)
	h.Ident[linux.EI_CLASS], h.Ident[linux.EI_DATA], h.Ident[linux.EI_VERSION] = 2, 1, 1
	b := make([]byte, 64+56*len(phdrs)+256)
	h.MarshalBytes(b)
	for i := range phdrs {
		phdrs[i].MarshalBytes(b[64+56*i:])
	}
	return b
}

var plainLoad = linux.Elf64Phdr{Type: linux.PT_LOAD, Flags: linux.PF_R | linux.PF_X, Vaddr: 0x400000, Filesz: 200, Memsz: 300}

func TestScriptLines(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		line, interp, arg string
		hasArg            bool
		err               error
	}{
		{line: "#!/bin/sh\n", interp: "/bin/sh"},
		{line: "#! /bin/sh -e\nexit", interp: "/bin/sh", arg: "-e", hasArg: true},
		{line: "#!\t/usr/bin/env  python3 -u \t\n", interp: "/usr/bin/env", arg: "python3 -u", hasArg: true},
		{line: "#!/bin/sh", interp: "/bin/sh"},
		{line: "#!\n", err: errno.ENOEXEC},
		{line: "#!   \n", err: errno.ENOEXEC},
		{line: "#!/" + long, err: errno.ENOEXEC},
		{line: "#!/bin/sh " + long, interp: "/bin/sh", arg: long[:245], hasArg: true},
		{line: "", err: errno.ENOEXEC},
		{line: "echo", err: errno.ENOEXEC},
	}
	for _, tc := range tests {
		var head [linux.BINPRM_BUF_SIZE]byte
		copy(head[:], tc.line)
		interp, arg, hasArg, err := parseScript(&head)
		if interp != tc.interp || arg != tc.arg || hasArg != tc.hasArg || err != tc.err {
			t.Errorf("%.20q: got %q %q %v %v, want %q %q %v %v", tc.line, interp, arg, hasArg, err, tc.interp, tc.arg, tc.hasArg, tc.err)
		}
	}
}

func TestOpen(t *testing.T) {
	exe := elfBytes(linux.ET_EXEC, 0x400000, plainLoad)
	dyn := elfBytes(linux.ET_DYN, 0x10,
		linux.Elf64Phdr{Type: linux.PT_INTERP, Off: 64 + 56*2, Filesz: 4, Memsz: 4},
		linux.Elf64Phdr{Type: linux.PT_LOAD, Flags: 5, Filesz: 200, Memsz: 200})
	copy(dyn[64+56*2:], "/ld\x00")
	with := func(b []byte, off int, v ...byte) []byte {
		c := append([]byte(nil), b...)
		copy(c[off:], v)
		return c
	}
	fs := files{
		"/exe": {b: exe}, "/dyn": {b: dyn}, "/ld": {b: elfBytes(linux.ET_DYN, 0, plainLoad)},
		"/script": {b: []byte("#!/exe -x  y\n")}, "/s2": {b: []byte("#!/script\n")},
		"/s3": {b: []byte("#!/s2\n")}, "/s4": {b: []byte("#!/s3\n")}, "/s5": {b: []byte("#!/s4\n")}, "/s6": {b: []byte("#!/s5\n")},
		"/loop": {b: []byte("#!/loop\n")}, "/missing": {b: []byte("#!/nowhere\n")},
		"/empty": {}, "/text": {b: []byte("echo hello\n")},
		"/short": {b: exe[:40]}, "/class32": {b: with(exe, 4, 1)}, "/arm": {b: with(exe, 18, 183)}, "/rel": {b: with(exe, 16, 1)},
		"/phentsize": {b: with(exe, 54, 55)}, "/phnum0": {b: with(exe, 56, 0, 0)}, "/phnumbig": {b: with(exe, 56, 255, 255)},
		"/phoff": {b: with(exe, 32, 255, 255, 255, 255, 255, 255, 255, 255)},
		"/nold":  {b: with(dyn, 64+56*2, '/', 'n', 'o', 0)}, "/badld": {b: with(dyn, 64+56*2, '/', 't', 'x', 0)}, "/tx": {b: make([]byte, 100)},
		"/interpnonul": {b: with(dyn, 64+56*2, '/', 'l', 'd', 'x')},
		"/noload":      {b: elfBytes(linux.ET_DYN, 0, linux.Elf64Phdr{Type: linux.PT_NOTE})},
		"/huge":        {b: elfBytes(linux.ET_DYN, 0, linux.Elf64Phdr{Type: linux.PT_LOAD, Memsz: 1 << 60})},
		"/wrap":        {b: elfBytes(linux.ET_DYN, 0, linux.Elf64Phdr{Type: linux.PT_LOAD, Vaddr: 1 << 40, Memsz: ^uint64(0)})},
		"/filebig":     {b: elfBytes(linux.ET_DYN, 0, linux.Elf64Phdr{Type: linux.PT_LOAD, Filesz: 100, Memsz: 50})},
	}
	tests := []struct {
		path string
		argv []string
		err  error
	}{
		{"/exe", []string{"a", "b"}, nil},
		{"/dyn", []string{"a", "b"}, nil},
		{"/script", []string{"/exe", "-x  y", "/script", "b"}, nil},
		{"/s2", []string{"/exe", "-x  y", "/script", "/s2", "b"}, nil},
		{"/s5", []string{"/exe", "-x  y", "/script", "/s2", "/s3", "/s4", "/s5", "b"}, nil},
		{"/s6", nil, errno.ELOOP},
		{"/loop", nil, errno.ELOOP},
		{"/missing", nil, errno.ENOENT},
		{"/empty", nil, errno.ENOEXEC},
		{"/text", nil, errno.ENOEXEC},
		{"/short", nil, errno.ENOEXEC},
		{"/class32", nil, errno.ENOEXEC},
		{"/arm", nil, errno.ENOEXEC},
		{"/rel", nil, errno.ENOEXEC},
		{"/phentsize", nil, errno.ENOEXEC},
		{"/phnum0", nil, errno.ENOEXEC},
		{"/phnumbig", nil, errno.ENOEXEC},
		{"/phoff", nil, errno.ENOEXEC},
		{"/nold", nil, errno.ENOENT},
		{"/badld", nil, errno.ELIBBAD},
		{"/interpnonul", nil, errno.ENOEXEC},
		{"/noload", nil, errno.EINVAL},
		{"/huge", nil, errno.EINVAL},
		{"/wrap", nil, errno.EINVAL},
		{"/filebig", nil, errno.EINVAL},
	}
	for _, tc := range tests {
		t.Run(tc.path[1:], func(t *testing.T) {
			img, err := open(fs, tc.path, "a", "b")
			if err != tc.err {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if err == nil {
				if got := strings.Join(img.Args.Argv, "|"); got != strings.Join(tc.argv, "|") {
					t.Errorf("argv %q, want %q", img.Args.Argv, tc.argv)
				}
				img.Release()
			}
			for name, f := range fs {
				if f.refs != 0 {
					t.Errorf("%s: %d references left", name, f.refs)
				}
			}
		})
	}
}

func TestArgumentLimits(t *testing.T) {
	fs := files{"/exe": {b: elfBytes(linux.ET_EXEC, 0x400000, plainLoad)}}
	tests := []struct {
		name string
		argv []string
		err  error
	}{
		{"longest string", []string{strings.Repeat("x", linux.MAX_ARG_STRLEN-1)}, nil},
		{"string too long", []string{strings.Repeat("x", linux.MAX_ARG_STRLEN)}, errno.E2BIG},
		{"too many", make([]string, 2<<20/9+1), errno.E2BIG},
		{"none", nil, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			img, err := open(fs, "/exe", tc.argv...)
			if err != tc.err {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if err == nil && len(img.Args.Argv) == 0 {
				t.Error("no argv[0]")
			}
		})
	}
}

func TestStackLayout(t *testing.T) {
	in := stackInfo{
		args:   Args{Argv: []string{"prog", "one", ""}, Envv: []string{"A=b", "C=d"}},
		execfn: "/bin/prog", platform: "x86_64", jitter: 0x123,
		aux: []auxEntry{{linux.AT_RANDOM, 0}, {linux.AT_EXECFN, 0}, {linux.AT_PLATFORM, 0}, {linux.AT_NULL, 0}},
	}
	copy(in.random[:], "0123456789abcdef")
	const top = addr.Addr(0x7fff0000)
	l := layoutStack(top, &in)
	if l.sp&15 != 0 || uint64(l.sp)+uint64(len(l.bytes)) != uint64(top) {
		t.Fatalf("sp %#x with %d bytes", uint64(l.sp), len(l.bytes))
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(l.bytes[8*i:]) }
	str := func(a uint64) string {
		b := l.bytes[a-uint64(l.sp):]
		return string(b[:strings.IndexByte(string(b), 0)])
	}
	if word(0) != 3 || word(4) != 0 || word(7) != 0 {
		t.Fatalf("argc %d, ends %d %d", word(0), word(4), word(7))
	}
	for i, want := range []string{"prog", "one", ""} {
		if got := str(word(1 + i)); got != want {
			t.Errorf("argv[%d] = %q, want %q", i, got, want)
		}
	}
	for i, want := range []string{"A=b", "C=d"} {
		if got := str(word(5 + i)); got != want {
			t.Errorf("envp[%d] = %q, want %q", i, got, want)
		}
	}
	if word(8) != linux.AT_RANDOM || string(l.bytes[word(9)-uint64(l.sp):][:16]) != "0123456789abcdef" {
		t.Error("AT_RANDOM")
	}
	if str(word(11)) != "/bin/prog" || str(word(13)) != "x86_64" || word(14) != linux.AT_NULL {
		t.Error("AT_EXECFN, AT_PLATFORM or AT_NULL")
	}
	if uint64(l.args.Start) != word(1) || l.args.End != l.env.Start || str(uint64(l.env.Start)) != "A=b" || l.env.Len() != 8 {
		t.Errorf("args %v env %v", l.args, l.env)
	}
}

// TestImageMatchesSource builds the vDSO anew and compares the code's symbols.
func TestImageMatchesSource(t *testing.T) {
	out := filepath.Join(t.TempDir(), "vdso.so")
	if msg, err := exec.Command("go", "run", "ringfence/tools/vdsogen", "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	fresh, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	symbols := func(b []byte) string {
		f := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := exec.Command("nm", "-D", "--format=posix", f).Output()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for line := range strings.Lines(string(got)) {
			names = append(names, strings.Fields(line)[0])
		}
		return strings.Join(names, " ")
	}
	if got, want := symbols(vdsoImage), symbols(fresh); got != want || !strings.Contains(got, "__vdso_clock_gettime@@LINUX_2.6") {
		t.Errorf("committed image exports %q, source %q", got, want)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(elfBytes(linux.ET_EXEC, 0x400000, plainLoad))
	f.Add([]byte("#!/x y\n"))
	if b, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(b[:min(len(b), 8192)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := files{"/x": {b: b}, "/f": {b: b}}
		img, err := open(fs, "/f", "a")
		if err != nil {
			if _, ok := err.(errno.Errno); !ok {
				t.Fatalf("foreign error %v", err)
			}
		} else {
			img.Release()
		}
		for _, f := range fs {
			if f.refs != 0 {
				t.Fatal("references left")
			}
		}
	})
}
