package tty

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// caller is a vfs.Caller without a session.
type caller struct{ vfs.Caller }

func (caller) Creds() *creds.Credentials { return creds.NewRoot(&creds.UserNamespace{}) }

// end is one end of a terminal, ours or the host's. Reads do not block.
type end interface {
	write(b []byte) (int, error)
	read(n int) ([]byte, error)
	set(t linux.Termios)
	poll() wait.Mask
}

type ourEnd struct {
	ops vfs.FileOps
	f   *vfs.File
	p   *PTY
}

func (e ourEnd) write(b []byte) (int, error) {
	s := usermem.FromBytes(b)
	return e.ops.Write(caller{}, e.f, &s, 0, 0)
}

func (e ourEnd) read(n int) ([]byte, error) {
	b := make([]byte, n)
	s := usermem.FromBytes(b)
	n, err := e.ops.Read(caller{}, e.f, &s, 0, 0)
	return b[:n], err
}

func (e ourEnd) set(t linux.Termios) {
	e.p.lock()
	defer e.p.unlock()
	e.p.setTermiosLocked(t)
}

func (e ourEnd) poll() wait.Mask { return e.ops.Readiness(e.f) }

func ourPair(t *testing.T) (m, s ourEnd) {
	p := New(0, nil)
	mo := p.OpenMaster()
	p.locked = false
	so, err := p.OpenSlave(caller{}, linux.O_RDWR|linux.O_NOCTTY)
	if err != nil {
		t.Fatal(err)
	}
	f := vfs.NewFile(nil, vfs.Path{}, linux.O_RDWR|linux.O_NONBLOCK, 3, nil)
	return ourEnd{mo, f, p}, ourEnd{so, f, p}
}

type hostEnd struct {
	fd   int
	wait time.Duration // how long the host's kernel thread gets to carry bytes to the other end
}

func hostErr(err error) error {
	if e, ok := err.(syscall.Errno); ok {
		return errno.Errno(e)
	}
	return err
}

func (e hostEnd) settle() { time.Sleep(e.wait) }

func (e hostEnd) write(b []byte) (int, error) {
	n, err := syscall.Write(e.fd, b)
	e.settle()
	return max(n, 0), hostErr(err)
}

func (e hostEnd) read(n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := syscall.Read(e.fd, b)
	e.settle()
	return b[:max(n, 0)], hostErr(err)
}

func (e hostEnd) set(t linux.Termios) {
	b := make([]byte, t.SizeBytes())
	t.MarshalBytes(b)
	ioctl(e.fd, linux.TCSETS, uintptr(unsafe.Pointer(&b[0])))
	e.settle()
}

func (e hostEnd) poll() wait.Mask {
	p := [1]struct {
		fd      int32
		ev, rev int16
	}{{fd: int32(e.fd), ev: int16(wait.In | wait.Out | wait.Pri)}}
	syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&p)), 1, 0)
	return wait.Mask(p[0].rev)
}

func ioctl(fd int, cmd, arg uintptr) {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), cmd, arg); e != 0 {
		panic(e)
	}
}

func hostPair(t *testing.T, wait time.Duration) (m, s hostEnd) {
	mfd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int32
	ioctl(mfd, linux.TIOCGPTN, uintptr(unsafe.Pointer(&n)))
	var unlock int32
	ioctl(mfd, linux.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock)))
	sfd, err := syscall.Open("/dev/pts/"+strconv.Itoa(int(n)), syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(mfd); syscall.Close(sfd) })
	return hostEnd{mfd, wait}, hostEnd{sfd, wait}
}

// step is one action of a script.
type step struct {
	who byte // 'm' or 's'
	op  byte // 'w'rite, 'r'ead, 't'ermios, 'p'oll
	arg string
	n   int
	t   func(*linux.Termios)
}

// run plays a script and returns what was seen.
func run(m, s end, script []step) []string {
	term := linux.DefaultTermios
	term.Cflag = linux.B38400 | linux.CS8 | linux.CREAD
	s.set(term)
	var log []string
	for _, st := range script {
		e := m
		if st.who == 's' {
			e = s
		}
		switch st.op {
		case 'w':
			n, err := e.write([]byte(st.arg))
			log = append(log, fmt.Sprintf("%c write %q: %d %v", st.who, st.arg, n, err))
		case 'r':
			b, err := e.read(st.n)
			log = append(log, fmt.Sprintf("%c read %d: %q %v", st.who, st.n, b, err))
		case 't':
			st.t(&term)
			s.set(term)
		case 'p':
			log = append(log, fmt.Sprintf("%c poll %#x", st.who, e.poll()&(wait.In|wait.Out|wait.Pri|wait.Hup|wait.Err)))
		}
	}
	return log
}

func compare(t *testing.T, script []step) {
	t.Helper()
	om, os := ourPair(t)
	got := run(om, os, script)
	var want []string
	for wait := 300 * time.Microsecond; wait < time.Second; wait *= 4 {
		// A busy host may be slow to carry bytes; that is no difference.
		hm, hs := hostPair(t, wait)
		if want = run(hm, hs, script); slices.Equal(got, want) {
			return
		}
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d: got %.200s\n        host %.200s\nafter %.1000s", i, got[i], want[i], strings.Join(want[:i], "; "))
			return
		}
	}
}

func typed(s string) []step {
	return []step{{who: 'm', op: 'w', arg: s}, {who: 'm', op: 'r', n: 4096}, {who: 's', op: 'p'}, {who: 's', op: 'r', n: 100}, {who: 's', op: 'r', n: 100}, {who: 'm', op: 'r', n: 4096}, {who: 'm', op: 'p'}}
}

func shown(s string) []step {
	return []step{{who: 's', op: 'w', arg: s}, {who: 'm', op: 'p'}, {who: 'm', op: 'r', n: 4096}}
}

func with(f func(t *linux.Termios), scripts ...[]step) []step {
	out := []step{{op: 't', t: f}}
	for _, s := range scripts {
		out = append(out, s...)
	}
	return out
}

func set(field func(*linux.Termios) *uint32, on, off uint32) func(*linux.Termios) {
	return func(t *linux.Termios) { *field(t) = *field(t)&^off | on }
}

func iflag(t *linux.Termios) *uint32 { return &t.Iflag }
func oflag(t *linux.Termios) *uint32 { return &t.Oflag }
func lflag(t *linux.Termios) *uint32 { return &t.Lflag }

func TestLineDisciplineAsOnTheHost(t *testing.T) {
	raw := set(lflag, 0, linux.ICANON|linux.ECHO|linux.ISIG)
	tests := map[string][]step{
		"line":              typed("hello\n"),
		"carriage return":   typed("hello\r"),
		"no line yet":       typed("hello"),
		"two lines":         typed("a\nb\n"),
		"erase":             typed("helpx\x7f\x7flo\n"),
		"erase too much":    typed("a\x7f\x7f\x7fb\n"),
		"erase control":     typed("a\x01\x7fb\n"),
		"erase tab":         typed("ab\tc\t\x7f\x7f\x7f\n"),
		"erase tab control": typed("a\x02b\t\x7f\x7f\n"),
		"werase":            typed("one two, three  \x17x\x17\x17\n"),
		"kill":              typed("one two\x15three\n"),
		"kill nothing":      typed("\x15three\n"),
		"literal":           typed("a\x16\x7f\x16\x03\x16\x16b\n"),
		"reprint":           typed("ab\x01\x12c\n"),
		"eof at start":      typed("\x04"),
		"eof behind text":   typed("abc\x04"),
		"eof twice":         typed("abc\x04\x04"),
		"eof exact":         {{who: 'm', op: 'w', arg: "abc\x04def\n"}, {who: 's', op: 'r', n: 3}, {who: 's', op: 'r', n: 10}},
		"short reads":       {{who: 'm', op: 'w', arg: "abcdef\ngh\n"}, {who: 's', op: 'r', n: 4}, {who: 's', op: 'r', n: 4}, {who: 's', op: 'r', n: 4}, {who: 's', op: 'r', n: 4}},
		"interrupt":         typed("abc\x03def\n"),
		"quit":              typed("abc\x1cdef\n"),
		"suspend":           typed("abc\x1adef\n"),
		"interrupt noflsh":  with(set(lflag, linux.NOFLSH, 0), typed("abc\x03def\n")),
		"stop and start": append(append([]step{{who: 'm', op: 'w', arg: "ab\x13cd"}, {who: 's', op: 'p'}, {who: 's', op: 'w', arg: "x"}, {who: 'm', op: 'r', n: 100}},
			step{who: 'm', op: 'w', arg: "\x11"}, step{who: 'm', op: 'r', n: 100}), shown("y")...),
		"stop and any":            with(set(iflag, linux.IXANY, 0), typed("ab\x13cd\n")),
		"utf8 erase":              with(set(iflag, linux.IUTF8, 0), typed("h\xc3\xa4\xe2\x82\xac\x7f\x7fx\n")),
		"utf8 werase":             with(set(iflag, linux.IUTF8, 0), typed("ab h\xc3\xa4\x17x\n")),
		"bytes erase":             typed("h\xc3\xa4\x7fx\n"),
		"no echo":                 with(set(lflag, 0, linux.ECHO), typed("sec\x7fret\n")),
		"echonl":                  with(set(lflag, linux.ECHONL, linux.ECHO), typed("secret\n")),
		"no echoctl":              with(set(lflag, 0, linux.ECHOCTL), typed("a\x01b\x7f\x7f\n")),
		"no echoe":                with(set(lflag, 0, linux.ECHOE), typed("ab\x7fc\x15d\n")),
		"no echoke":               with(set(lflag, 0, linux.ECHOKE), typed("ab\x15c\n")),
		"no echok":                with(set(lflag, 0, linux.ECHOK|linux.ECHOKE), typed("ab\x15c\n")),
		"echoprt":                 with(set(lflag, linux.ECHOPRT, 0), typed("abc\x7f\x7fd\x7f\x7f\x7fe\n")),
		"no iexten":               with(set(lflag, 0, linux.IEXTEN), typed("ab cd\x17\x16\x7f\x12\n")),
		"no isig":                 with(set(lflag, 0, linux.ISIG), typed("a\x03b\n")),
		"no ixon":                 with(set(iflag, 0, linux.IXON), typed("a\x13b\x11\n")),
		"inlcr":                   with(set(iflag, linux.INLCR, linux.ICRNL), typed("a\nb\rc")),
		"igncr":                   with(set(iflag, linux.IGNCR, 0), typed("a\rb\n")),
		"istrip":                  with(set(iflag, linux.ISTRIP, 0), typed("\xe1\xe2\n")),
		"iuclc":                   with(set(iflag, linux.IUCLC, 0), typed("HeLLo\n")),
		"parmrk":                  with(set(iflag, linux.PARMRK, 0), typed("a\xffb\n")),
		"eol":                     with(func(t *linux.Termios) { t.CC[linux.VEOL] = ';'; t.CC[linux.VEOL2] = ',' }, typed("ab;cd,ef\n")),
		"disabled characters":     with(func(t *linux.Termios) { t.CC[linux.VERASE] = 0; t.CC[linux.VEOF] = 0 }, typed("a\x00b\x04\n")),
		"raw":                     with(raw, typed("a\x03\x7f\x04\r\n")),
		"raw empty":               with(raw, []step{{who: 's', op: 'r', n: 10}}),
		"raw min 0":               with(func(t *linux.Termios) { raw(t); t.CC[linux.VMIN] = 0 }, []step{{who: 's', op: 'r', n: 10}, {who: 's', op: 'p'}}),
		"raw min 3 poll":          with(func(t *linux.Termios) { raw(t); t.CC[linux.VMIN] = 3 }, []step{{who: 'm', op: 'w', arg: "ab"}, {who: 's', op: 'p'}, {who: 'm', op: 'w', arg: "c"}, {who: 's', op: 'p'}, {who: 's', op: 'r', n: 10}}),
		"raw with echo":           with(set(lflag, 0, linux.ICANON), typed("a\tb\x01\n")),
		"output":                  shown("one\ntwo\tthree\r\n\bx"),
		"output xtabs":            with(set(oflag, linux.XTABS, 0), shown("a\tbb\tccc\n\t")),
		"output ocrnl":            with(set(oflag, linux.OCRNL, linux.ONLCR), shown("a\rb\nc")),
		"output onocr":            with(set(oflag, linux.ONOCR, linux.ONLCR), shown("\ra\r\rb\n\r")),
		"output onlret":           with(set(oflag, linux.ONLRET|linux.ONOCR, 0), shown("ab\n\rc\n")),
		"output olcuc":            with(set(oflag, linux.OLCUC, 0), shown("Hello\n")),
		"output raw":              with(set(oflag, 0, linux.OPOST), shown("a\nb\t\r")),
		"erase tab behind prompt": append(shown("$ "), typed("a\tb\x7f\x7f\n")...),
		"canonical to raw":        with(set(lflag, 0, 0), []step{{who: 'm', op: 'w', arg: "ab\ncd"}, {op: 't', t: raw}, {who: 's', op: 'p'}, {who: 's', op: 'r', n: 10}}),
		"raw to canonical":        with(raw, []step{{who: 'm', op: 'w', arg: "ab\ncd"}, {op: 't', t: set(lflag, linux.ICANON, 0)}, {who: 's', op: 'p'}, {who: 's', op: 'r', n: 10}, {who: 'm', op: 'w', arg: "x\n"}, {who: 's', op: 'r', n: 10}}),
		"line too long":           append([]step{{who: 'm', op: 'w', arg: strings.Repeat("a", 4090)}, {who: 'm', op: 'r', n: 10000}, {who: 'm', op: 'w', arg: "bcdefghijk\n"}}, step{who: 's', op: 'r', n: 5000}),
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) { compare(t, script) })
	}
}

func TestRandomInputAsOnTheHost(t *testing.T) {
	const alphabet = "aaabcd  \t\tAZ_,.;\n\n\r\x7f\x7f\x7f\x15\x17\x17\x16\x12\x04\x01\x1b\xc3\xa4\xff\x03"
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		pick := func(n int) string {
			b := make([]byte, 1+r.Intn(n))
			for i := range b {
				b[i] = alphabet[r.Intn(len(alphabet))]
			}
			return string(b)
		}
		var lbits, ibits, obits uint32
		for _, bit := range []uint32{linux.ECHOPRT, linux.ECHOE, linux.ECHOK, linux.ECHOKE, linux.ECHOCTL, linux.ECHO, linux.IEXTEN, linux.ISIG, linux.ICANON} {
			if r.Intn(4) == 0 {
				lbits |= bit
			}
		}
		for _, bit := range []uint32{linux.IUTF8, linux.ICRNL, linux.IGNCR, linux.INLCR, linux.ISTRIP} {
			if r.Intn(4) == 0 {
				ibits |= bit
			}
		}
		for _, bit := range []uint32{linux.ONLCR, linux.XTABS, linux.OCRNL} {
			if r.Intn(4) == 0 {
				obits |= bit
			}
		}
		script := []step{{op: 't', t: func(t *linux.Termios) { t.Lflag ^= lbits; t.Iflag ^= ibits; t.Oflag ^= obits }}}
		for range 6 {
			switch r.Intn(3) {
			case 0, 1:
				script = append(script, step{who: 'm', op: 'w', arg: pick(20)}, step{who: 'm', op: 'r', n: 4096})
			case 2:
				script = append(script, step{who: 's', op: 'w', arg: pick(8)}, step{who: 'm', op: 'r', n: 4096})
			}
			script = append(script, step{who: 's', op: 'p'}, step{who: 's', op: 'r', n: 1 + r.Intn(30)})
		}
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) { compare(t, script) })
	}
}

func TestHangups(t *testing.T) {
	p := New(3, nil)
	m := ourEnd{p.OpenMaster(), vfs.NewFile(nil, vfs.Path{}, linux.O_RDWR, 3, nil), p}
	if _, err := p.OpenSlave(caller{}, 0); err != errno.EIO {
		t.Errorf("open while locked: %v", err)
	}
	p.locked = false
	if _, err := m.read(1); err != errno.EAGAIN {
		t.Errorf("master read before any slave: %v", err)
	}
	if _, err := m.write([]byte("x")); err != errno.EIO {
		t.Errorf("master write before any slave: %v", err)
	}
	so, err := p.OpenSlave(caller{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := ourEnd{so, m.f, p}
	if _, err := s.write([]byte("last\n")); err != nil {
		t.Fatal(err)
	}
	so.Release(nil)
	if m.poll()&(wait.Hup|wait.In) != wait.Hup|wait.In {
		t.Errorf("master poll %#x", m.poll())
	}
	if b, err := m.read(10); string(b) != "last\r\n" || err != nil {
		t.Errorf("master read %q %v", b, err)
	}
	if _, err := m.read(10); err != errno.EIO {
		t.Errorf("master read after slave closed: %v", err)
	}
	so, _ = p.OpenSlave(caller{}, 0)
	s.ops = so
	if _, err := m.read(10); err != errno.EAGAIN {
		t.Errorf("master read after slave came back: %v", err)
	}
	m.ops.Release(nil)
	if b, err := s.read(10); len(b) != 0 || err != nil {
		t.Errorf("slave read after hangup %q %v", b, err)
	}
	if _, err := s.write([]byte("x")); err != errno.EIO {
		t.Errorf("slave write after hangup: %v", err)
	}
	if want := wait.In | wait.Out | wait.Err | wait.Hup | wait.RdNorm | wait.WrNorm; s.poll() != want {
		t.Errorf("slave poll after hangup %#x", s.poll())
	}
}

func TestConsoleCarriesManyBytes(t *testing.T) {
	p := New(0, nil)
	con := p.OpenConsole()
	so, err := p.OpenSlave(caller{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := ourEnd{so, vfs.NewFile(nil, vfs.Path{}, linux.O_RDWR, 3, nil), p}
	want := bytes.Repeat([]byte("0123456789\n"), 40000)
	go func() {
		for b := want; len(b) > 0; {
			n, err := s.write(b)
			b = b[n:]
			if err == errno.EAGAIN {
				time.Sleep(10 * time.Microsecond)
			}
		}
		so.Release(nil)
	}()
	var got bytes.Buffer
	if _, err := got.ReadFrom(con); err != nil {
		t.Fatal(err)
	}
	if exp := bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n")); !bytes.Equal(got.Bytes(), exp) {
		t.Errorf("got %d bytes, want %d", got.Len(), len(exp))
	}
	con.Close()
}

func FuzzLineDiscipline(f *testing.F) {
	f.Add([]byte("hello\x7f\x15\x17\n"), uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, l, i uint32) {
		m, s := ourPair(t)
		term := linux.DefaultTermios
		term.Lflag ^= l
		term.Iflag ^= i
		s.set(term)
		for range 3 {
			m.write(b)
			s.read(len(b) + 1)
			s.write(b)
			m.read(100)
		}
	})
}
