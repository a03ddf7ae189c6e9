package loader

import (
	"bytes"
	"crypto/rand"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/hostcall"
	"ringfence/sentry/mappable"
	"ringfence/sentry/memfile"
	"ringfence/sentry/mm"
	"ringfence/sentry/pagestore"
	"ringfence/sentry/usermem"
)

// nowhere is a platform whose address spaces forget what they are told: the tests
// look at memory through mm.
type nowhere struct{}

func (nowhere) Name() string { return "nowhere" }
func (nowhere) UserRange() addr.Range {
	return addr.Range{Start: 0x10000, End: 0x7ffff0000000}
}
func (nowhere) NewAddressSpace() (platform.AddressSpace, error) { return nowhere{}, nil }
func (nowhere) NewContext() platform.Context                    { return nil }
func (nowhere) Close()                                          {}
func (nowhere) Release()                                        {}
func (nowhere) Unmap(addr.Range) error                          { return nil }
func (nowhere) MapAll([]platform.Mapping) error                 { return nil }
func (nowhere) Map(addr.Range, hostcall.FD, uint64, platform.Prot, platform.Populate) error {
	return nil
}

// hostMappable maps a host file.
type hostMappable struct {
	*memfile.HostFile
	size uint64
}

func (h *hostMappable) Translate(off, n, hint uint64, write bool) (mappable.Pages, error) {
	end, _ := addr.PageRoundUp(h.size)
	if off >= end {
		return mappable.Pages{}, errno.EFAULT
	}
	n = min(n, end-off)
	h.IncRef(off, n)
	return mappable.Pages{Off: off, Len: n, Backing: h.HostFile, Start: off}, nil
}
func (h *hostMappable) AddMapping(mappable.Space, addr.Range, uint64, bool) error { return nil }
func (h *hostMappable) RemoveMapping(mappable.Space, addr.Range, uint64, bool)    {}

// hostFile opens a file of the host as an executable.
func hostFile(t *testing.T, path string) *bytesFile {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := hostcall.Dup(hostcall.FD(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return &bytesFile{b: b, mp: &hostMappable{memfile.NewHostFile(fd, false), uint64(len(b))}}
}

// hostFiles opens what the host has under a path.
type hostFiles struct{ t *testing.T }

func (h hostFiles) OpenExec(path string) (File, error) {
	f := hostFile(h.t, path)
	f.refs++
	return f, nil
}

func newMM(t *testing.T) (*mm.MM, *memfile.File) {
	mf, err := memfile.New()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mm.New(nowhere{}, mf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.DecUsers()
		mf.Close()
	})
	return m, mf
}

func build(t *testing.T, name, source string, args ...string) string {
	dir := t.TempDir()
	src := filepath.Join(dir, "x"+filepath.Ext(name))
	out := filepath.Join(dir, "prog")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := append(args, "-o", out, src)
	c := exec.Command(cmd[0], cmd[1:]...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, msg)
	}
	return out
}

const cProgram = `
static int zeros[100000]; int data[3000] = {1,2,3};
int main(void) { return zeros[5] + data[1]; }`

const goProgram = `package main
var zeros [1 << 20]byte
func main() { zeros[0]++; println("hello") }`

func TestLoadRealPrograms(t *testing.T) {
	tests := []struct {
		name string
		path func(t *testing.T) string
		dyn  bool
	}{
		{"true", func(*testing.T) string { return "/bin/true" }, true},
		{"pie", func(t *testing.T) string { return build(t, "x.c", cProgram, "gcc") }, true},
		{"static", func(t *testing.T) string { return build(t, "x.c", cProgram, "gcc", "-static") }, false},
		{"static-pie", func(t *testing.T) string { return build(t, "x.c", cProgram, "gcc", "-static-pie") }, false},
		{"no-pie", func(t *testing.T) string { return build(t, "x.c", cProgram, "gcc", "-no-pie") }, true},
		{"execstack", func(t *testing.T) string { return build(t, "x.c", cProgram, "gcc", "-z", "execstack") }, true},
		{"go", func(t *testing.T) string { return build(t, "x.go", goProgram, "go", "build") }, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			path := tc.path(t)
			f := hostFile(t, path)
			f.refs++
			img, err := Open(Request{Opener: hostFiles{t}, File: f, Path: path, Args: Args{Argv: []string{"prog"}, Envv: []string{"X=y"}}, StackLimit: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer img.Release()
			m, mf := newMM(t)
			vdso, err := NewVDSO(mf, 2)
			if err != nil {
				t.Fatal(err)
			}
			regs, err := img.Load(m, &LoadParams{VDSO: vdso, User: nowhere{}.UserRange(), StackLimit: 8 << 20, Random: true, Entropy: rand.Reader, UID: 5})
			if err != nil {
				t.Fatal(err)
			}
			checkSegments(t, m, path, auxValue(m, linux.AT_ENTRY))
			if (img.interp != nil) != tc.dyn {
				t.Errorf("interpreter %v", img.interp)
			}
			if entry := auxValue(m, linux.AT_ENTRY); !tc.dyn && regs.Rip != entry || tc.dyn && regs.Rip == entry {
				t.Errorf("starts at %#x, AT_ENTRY %#x", regs.Rip, entry)
			}
			var head [4]byte
			if _, err := m.CopyIn(addr.Addr(auxValue(m, linux.AT_SYSINFO_EHDR)), head[:]); err != nil || string(head[:]) != linux.ELFMAG {
				t.Errorf("vDSO: %q %v", head, err)
			}
			if base := auxValue(m, linux.AT_BASE); tc.dyn {
				if _, err := m.CopyIn(addr.Addr(base), head[:]); err != nil || string(head[:]) != linux.ELFMAG {
					t.Errorf("interpreter: %q %v", head, err)
				}
			}
			var argc [8]byte
			if _, err := m.CopyIn(addr.Addr(regs.Rsp), argc[:]); err != nil || argc[0] != 1 {
				t.Errorf("argc %v %v", argc, err)
			}
			names := map[string]string{}
			m.ForEachVMA(false, func(v mm.VMAInfo) bool {
				names[v.Name] += fmt.Sprint(v.Prot, " ")
				return true
			})
			if names["[vdso]"] != "5 " || names["[vvar]"] != "1 " {
				t.Errorf("mappings %v", names)
			}
			if want := map[bool]string{true: "7 ", false: "3 "}[tc.name == "execstack"]; names["[stack]"] != want {
				t.Errorf("stack has protection %s", names["[stack]"])
			}
		})
	}
}

func auxValue(m *mm.MM, key uint64) uint64 {
	a := m.Meta().Auxv
	for i := 0; i+16 <= len(a); i += 16 {
		if binary.LittleEndian.Uint64(a[i:]) == key {
			return binary.LittleEndian.Uint64(a[i+8:])
		}
	}
	return 0
}

// checkSegments compares memory with what the file says must be there.
func checkSegments(t *testing.T, m *mm.MM, path string, entry uint64) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bias := entry - f.Entry
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		want := make([]byte, p.Memsz)
		if _, err := p.ReadAt(want[:p.Filesz], 0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, p.Memsz)
		if _, err := m.CopyIn(addr.Addr(p.Vaddr+bias), got); err != nil {
			t.Errorf("segment at %#x: %v", p.Vaddr+bias, err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("segment at %#x differs", p.Vaddr+bias)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(elfBytes(linux.ET_EXEC, 0x400000, plainLoad))
	f.Add(elfBytes(linux.ET_DYN, 0, linux.Elf64Phdr{Type: linux.PT_LOAD, Flags: 6, Vaddr: 0x1123, Off: 0x123, Filesz: 50, Memsz: 5000, Align: 1 << 20}))
	mf, err := memfile.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		store := pagestore.New(mf, memfile.FileData, nil)
		defer store.Release()
		s := usermem.FromBytes(b)
		if _, err := store.Write(&s, 0); err != nil {
			t.Fatal(err)
		}
		x := &bytesFile{b: b, mp: store, refs: 1}
		img, err := Open(Request{Opener: files{}, File: x, Path: "/x", StackLimit: 8 << 20})
		if err != nil {
			return
		}
		m, err := mm.New(nowhere{}, mf)
		if err != nil {
			t.Fatal(err)
		}
		defer m.DecUsers()
		_, err = img.Load(m, &LoadParams{User: nowhere{}.UserRange(), StackLimit: 8 << 20, Random: true, Entropy: rand.Reader})
		if _, ok := err.(errno.Errno); err != nil && !ok {
			t.Fatalf("foreign error %v", err)
		}
		img.Release()
	})
}
