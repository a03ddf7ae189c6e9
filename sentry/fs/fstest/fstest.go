// Package fstest is the suite that every file system with ordinary files passes. A case
// is a script of operations; it runs on the file system under test, through vfs, and
// on a tmpfs of the host, through system calls, and both must answer the same, line by line.
//
// Scripts know these operations; paths are relative to the root of the file system:
//
//	user N                   go on as uid and gid N, without capabilities; 0 is root again
//	umask M
//	mkdir P M, mknod P M RDEV, symlink T P, link A B, linkfollow A B, unlink P, rmdir P
//	rename A B [noreplace|exchange|whiteout]
//	open FD P FLAGS M        FLAGS like rw|creat|excl; FD is a name of the script's choice
//	linkfd FD P              linkat of an open file, as for O_TMPFILE
//	close FD
//	read FD N, pread FD N OFF, write FD TEXT, pwrite FD TEXT OFF, lseek FD OFF WHENCE
//	truncate P N, ftruncate FD N, fallocate FD MODE OFF N, mmapok FD
//	stat P, lstat P, fstat FD, ls P, readlink P, access P MODE
//	chmod P M, chown P UID GID, lchown P UID GID, utimes P A M
//	setlk FD r|w|u START LEN, getlk FD r|w START LEN    OFD locks (fcntl(2))
//	flock FD OP
//	watch P MASK, unwatch WD, events                    inotify(7)
//	setxattr P NAME VALUE [create|replace], getxattr P NAME, listxattr P, removexattr P NAME
package fstest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"ringfence/abi/linux"
)

// sys is what a script runs on. Errors are errno.Errno.
type sys interface {
	user(id uint32)
	umask(m uint32)
	mkdir(p string, mode uint32) error
	mknod(p string, mode uint32, rdev uint64) error
	symlink(target, p string) error
	link(a, b string, follow bool) error
	unlink(p string) error
	rmdir(p string) error
	rename(a, b string, flags uint32) error
	open(p string, flags, mode uint32) (int, error)
	linkfd(fd int, p string) error
	close(fd int)
	read(fd, n int) (string, error)
	pread(fd, n int, off int64) (string, error)
	write(fd int, s string) (int, error)
	pwrite(fd int, s string, off int64) (int, error)
	lseek(fd int, off int64, whence int) (int64, error)
	truncate(p string, n int64) error
	ftruncate(fd int, n int64) error
	fallocate(fd int, mode uint32, off, n int64) error
	stat(p string, follow bool) (linux.Stat, error)
	fstat(fd int) (linux.Stat, error)
	ls(p string) ([]string, error)
	readlink(p string) (string, error)
	access(p string, mode uint32) error
	chmod(p string, mode uint32) error
	chown(p string, uid, gid uint32, follow bool) error
	utimes(p string, atime, mtime int64) error
	setxattr(p, name, value string, flags uint32) error
	getxattr(p, name string) (string, error)
	listxattr(p string) ([]string, error)
	removexattr(p, name string) error
	setlk(fd int, kind int16, start, n int64) error
	getlk(fd int, kind int16, start, n int64) (linux.Flock, error)
	flock(fd int, op int) error
	watch(p string, mask uint32) (int, error)
	unwatch(wd int) error
	events() []byte
	// unwatchAll starts afresh with an inotify instance.
	unwatchAll()
}

var flagNames = map[string]uint32{
	"r": linux.O_RDONLY, "w": linux.O_WRONLY, "rw": linux.O_RDWR, "creat": linux.O_CREAT, "excl": linux.O_EXCL,
	"trunc": linux.O_TRUNC, "append": linux.O_APPEND, "dir": linux.O_DIRECTORY, "nofollow": linux.O_NOFOLLOW,
	"path": linux.O_PATH, "tmpfile": linux.O_TMPFILE, "noatime": linux.O_NOATIME,
	"noreplace": linux.RENAME_NOREPLACE, "exchange": linux.RENAME_EXCHANGE, "whiteout": linux.RENAME_WHITEOUT,
	"create": linux.XATTR_CREATE, "replace": linux.XATTR_REPLACE, "": 0,
}

func flags(s string) (f uint32) {
	for _, name := range strings.Split(s, "|") {
		v, ok := flagNames[name]
		if !ok {
			panic("fstest: unknown flag " + name)
		}
		f |= v
	}
	return f
}

// runner runs one script.
type runner struct {
	sys
	fds     map[string]int
	cookies map[uint32]int
}

func newRunner(s sys) *runner { return &runner{s, map[string]int{}, map[uint32]int{}} }

// arg returns argument i; paths may be given as "" for the empty path, and long:N for a name of N bytes.
func arg(f []string, i int) string {
	if i >= len(f) {
		return ""
	}
	s := f[i]
	if s == `""` {
		return ""
	}
	if n, ok := strings.CutPrefix(s, "long:"); ok {
		return strings.Repeat("n", num(n))
	}
	return s
}

func num(s string) int {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic("fstest: " + err.Error())
	}
	return int(n)
}

func octal(s string) uint32 {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		panic("fstest: " + err.Error())
	}
	return uint32(n)
}

func result(v any, err error) string {
	if err != nil {
		return err.Error()
	}
	if v == nil {
		return "ok"
	}
	return fmt.Sprint(v)
}

// do runs one line and returns what it answered.
func (r *runner) do(line string) string {
	f := strings.Fields(line)
	a := func(i int) string { return arg(f, i) }
	n := func(i int) int64 { return int64(num(f[i])) }
	fd := func() int { return r.fds[f[1]] }
	switch f[0] {
	case "linkfd", "close", "read", "pread", "write", "pwrite", "lseek", "ftruncate", "fallocate", "fstat", "setlk", "getlk", "flock":
		if _, ok := r.fds[f[1]]; !ok {
			return "not open"
		}
	}
	switch f[0] {
	case "user":
		r.user(uint32(n(1)))
		return ""
	case "umask":
		r.umask(octal(f[1]))
		return ""
	case "mkdir":
		return result(nil, r.mkdir(a(1), octal(f[2])))
	case "mknod":
		return result(nil, r.mknod(a(1), octal(f[2]), uint64(n(3))))
	case "symlink":
		return result(nil, r.symlink(a(1), a(2)))
	case "link":
		return result(nil, r.link(a(1), a(2), false))
	case "linkfollow":
		return result(nil, r.link(a(1), a(2), true))
	case "unlink":
		return result(nil, r.unlink(a(1)))
	case "rmdir":
		return result(nil, r.rmdir(a(1)))
	case "rename":
		return result(nil, r.rename(a(1), a(2), flags(a(3))))
	case "open":
		v, err := r.open(a(2), flags(f[3]), octal(f[4]))
		if err == nil {
			if old, ok := r.fds[f[1]]; ok {
				r.close(old)
			}
			r.fds[f[1]] = v
		}
		return result(nil, err)
	case "linkfd":
		return result(nil, r.linkfd(fd(), a(2)))
	case "close":
		r.close(fd())
		delete(r.fds, f[1])
		return ""
	case "read":
		s, err := r.read(fd(), int(n(2)))
		return result(strconv.Quote(s), err)
	case "pread":
		s, err := r.pread(fd(), int(n(2)), n(3))
		return result(strconv.Quote(s), err)
	case "write":
		v, err := r.write(fd(), a(2))
		return result(v, err)
	case "pwrite":
		v, err := r.pwrite(fd(), a(2), n(3))
		return result(v, err)
	case "lseek":
		v, err := r.lseek(fd(), n(2), int(n(3)))
		return result(v, err)
	case "truncate":
		return result(nil, r.truncate(a(1), n(2)))
	case "ftruncate":
		return result(nil, r.ftruncate(fd(), n(2)))
	case "fallocate":
		return result(nil, r.fallocate(fd(), uint32(n(2)), n(3), n(4)))
	case "stat":
		st, err := r.stat(a(1), true)
		return result(show(st), err)
	case "lstat":
		st, err := r.stat(a(1), false)
		return result(show(st), err)
	case "fstat":
		st, err := r.fstat(fd())
		return result(show(st), err)
	case "ls":
		names, err := r.ls(a(1))
		return result(names, err)
	case "readlink":
		s, err := r.readlink(a(1))
		return result(strconv.Quote(s), err)
	case "access":
		return result(nil, r.access(a(1), uint32(n(2))))
	case "chmod":
		return result(nil, r.chmod(a(1), octal(f[2])))
	case "chown":
		return result(nil, r.chown(a(1), uint32(n(2)), uint32(n(3)), true))
	case "lchown":
		return result(nil, r.chown(a(1), uint32(n(2)), uint32(n(3)), false))
	case "utimes":
		return result(nil, r.utimes(a(1), n(2), n(3)))
	case "setxattr":
		return result(nil, r.setxattr(a(1), a(2), a(3), flags(a(4))))
	case "getxattr":
		s, err := r.getxattr(a(1), a(2))
		return result(strconv.Quote(s), err)
	case "listxattr":
		names, err := r.listxattr(a(1))
		return result(names, err)
	case "setlk":
		return result(nil, r.setlk(fd(), lockKinds[f[2]], n(3), n(4)))
	case "getlk":
		l, err := r.getlk(fd(), lockKinds[f[2]], n(3), n(4))
		return result(l, err)
	case "flock":
		return result(nil, r.flock(fd(), int(n(2))))
	case "watch":
		wd, err := r.watch(a(1), uint32(n(2)))
		return result(wd, err)
	case "unwatch":
		return result(nil, r.unwatch(int(n(1))))
	case "events":
		return r.showEvents(r.events())
	case "removexattr":
		return result(nil, r.removexattr(a(1), a(2)))
	}
	panic("fstest: unknown operation " + f[0])
}

var lockKinds = map[string]int16{"r": linux.F_RDLCK, "w": linux.F_WRLCK, "u": linux.F_UNLCK}

// showEvents writes inotify events; cookies are numbered as they come.
func (r *runner) showEvents(b []byte) string {
	var out []string
	for len(b) >= linux.InotifyEventHeadSize {
		var e linux.InotifyEvent
		e.UnmarshalBytes(b)
		name := b[linux.InotifyEventHeadSize : linux.InotifyEventHeadSize+e.Len]
		b = b[linux.InotifyEventHeadSize+e.Len:]
		if e.Mask == linux.IN_ACCESS|linux.IN_ISDIR {
			continue // how many depends on how much a call reads
		}
		text := strings.TrimRight(string(name), "\x00")
		if strings.HasPrefix(text, "#") {
			text, name = "#", nil // O_TMPFILE; an inode number follows
		}
		s := fmt.Sprintf("%d:%#x:%q:%d", e.WD, e.Mask, text, len(name))
		if e.Cookie != 0 {
			if r.cookies[e.Cookie] == 0 {
				r.cookies[e.Cookie] = len(r.cookies) + 1
			}
			s += fmt.Sprintf(":cookie%d", r.cookies[e.Cookie])
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// show writes what file systems must agree on.
func show(st linux.Stat) string {
	s := fmt.Sprintf("%06o links=%d uid=%d gid=%d", st.Mode, st.Nlink, st.UID, st.GID)
	switch st.Mode & linux.S_IFMT {
	case linux.S_IFDIR:
	case linux.S_IFCHR, linux.S_IFBLK:
		s += fmt.Sprintf(" rdev=%#x", st.Rdev)
	default:
		s += fmt.Sprintf(" size=%d", st.Size)
	}
	return s
}

// compare runs script on both sides and reports lines that differ. In front of line number at, if that is
// not 0, all files are closed and change is called.
func compare(t *testing.T, script string, got, want sys, at int, change func()) {
	t.Helper()
	g, w := newRunner(got), newRunner(want)
	closeAll := func() {
		for _, fd := range g.fds {
			g.close(fd)
		}
		for _, fd := range w.fds {
			w.close(fd)
		}
		clear(g.fds)
		clear(w.fds)
	}
	defer closeAll()
	wrong := 0
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		if i == at && at > 0 {
			closeAll()
			change()
			for _, r := range [...]*runner{g, w} {
				r.unwatchAll()
				r.do("watch . 0x400")
			}
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		a, b := g.do(line), w.do(line)
		if a != b {
			t.Errorf("line %d: %s\n\tgot:  %.200s\n\tLinux: %.200s", i+1, line, a, b)
			if wrong++; wrong == 10 {
				t.FailNow() // the rest follows from these
			}
		}
	}
}
