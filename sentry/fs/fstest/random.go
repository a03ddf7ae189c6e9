package fstest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomScript returns a script of n operations on few names, so that they meet each other.
func randomScript(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	name := func() string { return pick("a", "b", "c", "l") }
	path := func() string {
		p := name()
		for r.IntN(3) == 0 {
			p += "/" + pick(name(), name(), name(), "..", ".")
		}
		if r.IntN(15) == 0 {
			p += "/"
		}
		return p
	}
	mode := func() string { return pick("755", "700", "644", "777", "1777", "2775", "6755", "0", "555") }
	fd := func() string { return pick("f", "g", "h") }
	var b strings.Builder
	// Newer kernels do not tell of files that were opened when nobody watched anything.
	b.WriteString("watch . 0x400\n")
	for range n {
		switch r.IntN(40) {
		case 0, 1, 2, 3:
			fmt.Fprintf(&b, "open %s %s %s %s\n", fd(), path(), pick("rw|creat", "rw|creat|excl", "w|creat|trunc", "r", "rw", "rw|creat|append", "r|dir", "r|nofollow", "r|creat", "w|trunc"), mode())
		case 4, 5:
			fmt.Fprintf(&b, "mkdir %s %s\n", path(), mode())
		case 6:
			fmt.Fprintf(&b, "rmdir %s\n", path())
		case 7, 8:
			fmt.Fprintf(&b, "unlink %s\n", path())
		case 9, 10, 11, 12:
			fmt.Fprintf(&b, "rename %s %s %s\n", path(), path(), pick("", "", "", "noreplace", "exchange"))
		case 13:
			fmt.Fprintf(&b, "link %s %s\n", path(), path())
		case 14:
			fmt.Fprintf(&b, "symlink %s %s\n", path(), path())
		case 15:
			fmt.Fprintf(&b, "chmod %s %s\n", path(), mode())
		case 16:
			fmt.Fprintf(&b, "chown %s %d %d\n", path(), r.IntN(3), r.IntN(3))
		case 17:
			fmt.Fprintf(&b, "user %d\n", r.IntN(3))
		case 18, 19:
			fmt.Fprintf(&b, "write %s %s\n", fd(), strings.Repeat("x", r.IntN(40)+1))
		case 20:
			fmt.Fprintf(&b, "pwrite %s %s %d\n", fd(), strings.Repeat("y", r.IntN(9000)+1), r.IntN(20000))
		case 21:
			fmt.Fprintf(&b, "pread %s %d %d\n", fd(), r.IntN(300), r.IntN(9000))
		case 22:
			fmt.Fprintf(&b, "ftruncate %s %d\n", fd(), r.IntN(20000))
		case 23:
			fmt.Fprintf(&b, "truncate %s %d\n", path(), r.IntN(9000))
		case 24:
			fmt.Fprintf(&b, "close %s\n", fd())
		case 25:
			fmt.Fprintf(&b, "ls %s\n", path())
		case 26:
			fmt.Fprintf(&b, "lstat %s\n", path())
		case 27:
			fmt.Fprintf(&b, "fstat %s\n", fd())
		case 28:
			fmt.Fprintf(&b, "setxattr %s user.%s v%d %s\n", path(), name(), r.IntN(5), pick("", "create", "replace"))
		case 29:
			fmt.Fprintf(&b, "%s %s user.%s\n", pick("getxattr", "removexattr"), path(), name())
		case 30:
			fmt.Fprintf(&b, "open %s . rw|tmpfile 600\n", fd())
		case 31:
			fmt.Fprintf(&b, "linkfd %s %s\n", fd(), path())
		case 32:
			fmt.Fprintf(&b, "access %s %d\n", path(), r.IntN(8))
		case 34, 35:
			fmt.Fprintf(&b, "setlk %s %s %d %d\n", fd(), pick("r", "w", "u"), r.IntN(30), r.IntN(12)-2)
		case 36:
			fmt.Fprintf(&b, "getlk %s %s %d %d\n", fd(), pick("r", "w"), r.IntN(30), r.IntN(12)-2)
		case 37:
			fmt.Fprintf(&b, "flock %s %d\n", fd(), [...]int{5, 6, 8}[r.IntN(3)])
		case 38:
			fmt.Fprintf(&b, "watch %s %s\n", path(), pick("0xfff", "0xfff", "0x100", "0xc00", "0x4000fff", "0x20000006"))
		case 39:
			b.WriteString("events\n")
		case 33:
			fmt.Fprintf(&b, "mknod %s %s 0\n", path(), pick("100600", "140777"))
		}
		if r.IntN(10) == 0 {
			b.WriteString("user 0\nls .\nls a\nstat a\nstat b\nlstat l\n")
		}
	}
	return b.String()
}
