package fstest

var cases = []struct{ name, script string }{
	{"devices", `
		umask 0
		mknod null 20666 259
		stat null
		mknod blk 60660 2049
		stat blk
		user 1000
		mknod null2 20666 259
	`},
	{"names", `
		mkdir a 755
		mkdir a 755
		mkdir a/b 700
		mkdir c/d 755
		mkdir a/b/ 755
		mkdir a/new/ 755
		stat a
		stat a/
		stat a/b/..
		stat a/b/.
		stat nothing
		stat a/nothing/x
		stat ""
		rmdir a
		rmdir a/b/.
		rmdir a/b/..
		rmdir /
		rmdir a/b
		rmdir a/new/
		stat a
		ls a
		rmdir a
		rmdir a
		ls .
		unlink .
		unlink ..
		mkdir . 755
		mkdir .. 755
		mkdir long:255 755
		mkdir long:256 755
		stat long:256
		stat long:5000
		stat x/long:256
	`},
	{"files", `
		open f file rw|creat|excl 644
		open g file rw|creat|excl 644
		write f hello
		lseek f 0 0
		read f 3
		read f 10
		read f 10
		pwrite f XY 10
		fstat f
		pread f 20 0
		pread f 20 -1
		lseek f -3 2
		lseek f -30 2
		lseek f -30 1
		lseek f 4 1
		lseek f 0 9
		ftruncate f 4
		pread f 20 0
		ftruncate f 8
		pread f 20 0
		ftruncate f -1
		truncate file 2
		truncate file -2
		truncate nofile 2
		truncate . 2
		stat file
		stat file/
		stat file/x
		open h file r 0
		write h abc
		ftruncate h 0
		read h 10
		open i file w 0
		read i 10
		open j file w|append 0
		write j END
		lseek j 0 1
		pwrite j more 0
		pread f 30 0
		open k file rw|trunc 0
		fstat f
		open l . w 0
		open l . rw 0
		open l . r|creat 644
		open l . r|dir 0
		read l 10
		open m file r|dir 0
		open m file/ r 0
		open m new/ rw|creat 644
		open m "" r 0
		open m nodir/file rw|creat 644
		close f
		close g
		unlink file
		stat file
		fstat h
		read h 5
		unlink file/
	`},
	{"umask and modes", `
		umask 22
		open f file rw|creat 666
		fstat f
		mkdir d 777
		stat d
		mknod n 10666 0
		stat n
		umask 77
		open g file2 rw|creat 7777
		fstat g
		mkdir e 7777
		stat e
		chmod file 4755
		stat file
		chmod d 1777
		stat d
		chmod nothing 644
		umask 0
		mknod sock 140755 0
		stat sock
		open s sock r 0
		mknod reg 100644 0
		stat reg
		mknod bad 120644 0
		mknod bad 40755 0
	`},
	{"symlinks", `
		mkdir d 755
		open f d/file rw|creat 644
		write f content
		symlink d/file l
		symlink file d/rel
		symlink ../d/rel d/up
		symlink loop loop
		symlink a2 a1
		symlink a1 a2
		symlink nothing dangling
		symlink d dir
		symlink "" empty
		symlink x l
		lstat l
		stat l
		stat loop
		lstat loop
		stat a1
		stat d/up
		stat dir/file
		lstat dir/
		lstat dir
		stat dangling
		readlink l
		readlink d
		readlink dir/
		readlink nothing
		open g l r 0
		read g 20
		open g l r|nofollow 0
		open g loop r 0
		open g dir r|nofollow|dir 0
		open g dangling rw|creat|excl 644
		open g dangling rw|creat 644
		stat nothing
		lstat dangling
		unlink dir/
		rmdir dir
		mkdir dangling2 755
		symlink newdir dl
		mkdir dl 755
		mkdir dl/ 755
		rmdir dl/
		unlink dl
		unlink l
		stat d/file
		symlink long:4095 toolong
		symlink long:4096 toolong2
		stat toolong
		symlink d/ slash
		stat slash
		stat slash/file
		open h slash r 0
		symlink d/file/ bad
		stat bad
		symlink . dot
		stat dot/dot/dot/d/file
		open p dir path|nofollow 0
		fstat p
		read p 1
		symlink / abs
		ls dir
		open t d/newlink rw|creat|nofollow 600
	`},
	{"forty links", `
		mkdir x 755
		symlink . x/l
		stat x/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l
		stat x/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l
		lstat x/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l/l
	`},
	{"hard links", `
		open f a rw|creat 644
		link a b
		link a b
		stat a
		link nothing c
		mkdir d 755
		link d e
		link a d/a
		link a d
		link a d/
		link a nodir/x
		link a new/
		unlink a
		stat b
		fstat f
		symlink b s
		link s s2
		lstat s2
		linkfollow s f2
		lstat f2
		stat b
		unlink b
		unlink d/a
		unlink f2
		fstat f
		linkfd f back
		open t . rw|tmpfile 600
		write t hidden
		fstat t
		linkfd t named
		stat named
		fstat t
		linkfd t named2
		stat named
		open u . rw|tmpfile|excl 600
		linkfd u no
		open w . r|tmpfile 600
		open w named rw|tmpfile 600
		ls .
	`},
	{"rename", `
		mkdir a 755
		mkdir b 755
		open f a/f rw|creat 644
		write f one
		open g b/g rw|creat 644
		rename a/f b/f
		stat a/f
		stat b/f
		rename b/f b/g
		fstat g
		fstat f
		ls b
		rename b/g b/g
		rename nothing x
		rename a b
		stat b
		ls .
		rename b a
		rename a a/x
		mkdir a/x 755
		rename a a/x/y
		rename a/x a
		mkdir c 755
		open h c/h rw|creat 644
		rename a c
		rename c a
		rename c/h a
		rename a c/h
		rename a/. b
		rename a/.. b
		rename c/h c/h2/
		rename c/h/ c/h2
		rename a z/
		stat z
		link c/h c/k
		rename c/h c/k
		ls c
		rename c/h c/new noreplace
		rename c/new c/k noreplace
		rename c/new c/none exchange
		rename c/new z exchange
		stat z
		stat c
		stat c/new
		ls .
		ls c
		rename c/k c/k2 exchange|noreplace
		rename . x
		rename x .
		mkdir deep 755
		mkdir deep/er 755
		rename deep/er er
		stat deep
		stat er
		stat .
	`},
	{"whiteouts", `
		mkdir z 755
		mkdir a 755
		rename z z2 whiteout
		lstat z
		lstat z2
		rename a/x z whiteout
		unlink z
		rename z2 a/z whiteout
		ls .
		ls a
		stat a
		user 1000
		rename a b whiteout
	`},
	{"permissions", `
		mkdir pub 777
		chmod pub 777
		mkdir priv 700
		open f priv/f rw|creat 600
		open g r rw|creat 644
		open h x rw|creat 755
		user 1000
		stat priv
		stat priv/f
		ls priv
		open a r r 0
		open a r rw 0
		open a r r|trunc 0
		open a new rw|creat 644
		mkdir new 755
		open b pub/mine rw|creat 600
		fstat b
		chmod r 666
		chown r 1000 1000
		chown pub/mine 1000 1000
		chown pub/mine 0 1000
		chown pub/mine 1000 0
		unlink r
		rename r r2
		link r pub/r
		truncate r 0
		utimes r 5 5
		utimes pub/mine 5 5
		access r 4
		access r 6
		access x 5
		access r 1
		access nothing 0
		setxattr r user.a b
		setxattr pub/mine user.a b
		getxattr r user.a
		open n r r|noatime 0
		open n pub/mine r|noatime 0
		user 1001
		open c pub/mine r 0
		unlink pub/mine
		ls pub
		user 0
		access r 1
		access x 1
		open d priv/f rw 0
		ls pub
	`},
	{"sticky", `
		mkdir tmp 1777
		chmod tmp 1777
		user 1000
		open f tmp/f rw|creat 666
		symlink f tmp/l
		mkdir tmp/d 755
		user 1001
		unlink tmp/f
		rmdir tmp/d
		rename tmp/f tmp/g
		open h tmp/h rw|creat 644
		rename tmp/h tmp/f
		unlink tmp/h
		user 1000
		stat tmp/l
		unlink tmp/f
		user 0
		unlink tmp/l
		ls tmp
	`},
	{"set-id bits", `
		open f f rw|creat 755
		chmod f 6755
		write f x
		fstat f
		chown f 1000 1000
		fstat f
		chmod f 6755
		chown f 1000 1000
		fstat f
		chmod f 6745
		chown f 1000 1000
		fstat f
		chmod f 6777
		user 1001
		open g f rw 0
		write g y
		fstat g
		user 0
		chmod f 6777
		user 1001
		truncate f 0
		stat f
		user 0
		mkdir d 755
		chmod d 2777
		chown d 0 50
		stat d
		user 1000
		mkdir d/sub 755
		stat d/sub
		open h d/file rw|creat 2755
		fstat h
		open i d/file2 rw|creat 2745
		fstat i
		chmod d/file 2755
		stat d/file
		user 0
		chown d -1 -1
		stat d
		chown d 7 -1
		stat d
		symlink f l
		lchown l 5 6
		lstat l
		stat f
	`},
	{"extended attributes", `
		open f f rw|creat 644
		setxattr f user.one 1
		setxattr f user.one 2 create
		setxattr f user.two 2 replace
		getxattr f user.one
		getxattr f user.two
		setxattr f user.one 3 replace
		getxattr f user.one
		setxattr f trusted.t x
		setxattr f security.s y
		listxattr f
		user 1000
		getxattr f security.s
		setxattr f user.x y
		user 0
		removexattr f user.one
		removexattr f user.one
		setxattr f nospace v
		setxattr f other.x v
		setxattr f user. v
		getxattr f long:256
		mknod p 10644 0
		setxattr p user.x y
		getxattr p user.x
		setxattr p trusted.x y
		getxattr p trusted.x
		listxattr p
		mkdir d 755
		setxattr d user.d v
		getxattr d user.d
	`},
	{"holes", `
		open f f rw|creat 644
		ftruncate f 1048576
		fstat f
		lseek f 0 3
		lseek f 0 4
		pwrite f data 65536
		lseek f 0 3
		lseek f 65536 4
		lseek f 70000 3
		lseek f 70000 4
		lseek f 2000000 3
		lseek f 2000000 4
		lseek f -1 3
		fallocate f 0 0 8192
		fallocate f 3 0 4096
		fallocate f 3 65536 4096
		lseek f 65536 4
		pread f 8 65534
		fallocate f 1 2000000 4096
		fstat f
		fallocate f 0 2000000 4096
		fstat f
		fallocate f 2 0 4096
		fallocate f 64 0 4096
		fallocate f 0 0 0
		fallocate f 0 -1 5
		fallocate f 256 0 5
		pread f 8 65534
		open r f r 0
		fallocate r 0 0 4096
	`},
	{"locks", `
		open f file rw|creat 644
		open g file rw 0
		open r file r 0
		setlk f w 0 100
		getlk g r 50 10
		getlk g w 100 10
		getlk f w 0 100
		setlk g r 99 1
		setlk g r 100 1
		setlk f r 20 30
		getlk g w 0 0
		getlk g w 25 1
		getlk g r 25 1
		setlk g r 20 30
		setlk f w 10 20
		setlk f u 0 10
		getlk g w 0 20
		setlk f w 0 0
		setlk g u 0 0
		setlk f w 0 0
		getlk g w 5 0
		setlk r w 0 1
		setlk r r 0 1
		setlk f u 0 0
		setlk f r -1 5
		setlk f r 5 -3
		getlk g w 0 10
		setlk f r 5 -9
		flock f 1
		flock g 1
		flock g 6
		flock f 6
		flock f 8
		flock g 6
		flock f 5
		close g
		flock f 5
	`},
	{"inotify", `
		mkdir d 755
		open f d/f rw|creat 644
		watch d 0xfff
		watch d/f 0xfff
		watch nothing 0xfff
		watch d 0
		events
		write f hello
		write f hello
		events
		pread f 3 0
		events
		ftruncate f 2
		chmod d/f 600
		chown d/f 1 1
		utimes d/f 5 5
		setxattr d/f user.a b
		events
		open g d/f r 0
		close g
		open g d/new rw|creat 644
		close g
		events
		mkdir d/sub 755
		symlink x d/l
		link d/f d/f2
		mknod d/p 10644 0
		events
		rename d/f2 d/f3
		events
		rename d/f3 out
		rename out d/in
		events
		rename d/in d/l
		events
		rename d/sub d/f exchange
		events
		rename d/f d/sub exchange
		events
		ls d
		events
		unlink d/l
		events
		unlink d/f
		events
		close f
		events
		rmdir d/sub
		events
		watch d 0x40000100
		open g d/once w|creat 600
		close g
		events
		watch d 0x20000200
		unlink d/once
		events
		watch d 0x10000fff
		watch d 0x30000fff
		watch d/new 0x80000020
		open g d/new r 0
		open g d/new r 0
		events
		unwatch 1
		events
		unwatch 1
		unwatch 77
		watch d 0xc00
		rename d e
		events
		unlink e/new
		unlink e/p
		events
		rmdir e
		events
		mkdir x 755
		watch x 0x4000fff
		open h x/t rw|creat 600
		unlink x/t
		events
		write h abc
		events
	`},
	{"removed directories", `
		mkdir d 755
		mkdir d/e 755
		open d d r|dir 0
		open e d/e r|dir 0
		rmdir d/e
		rmdir d
		fstat d
		fstat e
		mkdir d 755
		stat d
		fstat d
	`},
	{"many names", `
		mkdir d 755
		open a d/1 w|creat 644
		open a d/2 w|creat 644
		open a d/3 w|creat 644
		open a d/4 w|creat 644
		open a d/5 w|creat 644
		open a d/6 w|creat 644
		open a d/7 w|creat 644
		ls d
		unlink d/3
		unlink d/7
		ls d
		rename d/1 d/8
		ls d
		stat d
	`},
}
