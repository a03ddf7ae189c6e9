#include "files.h"
#include <dirent.h>
#include <sys/mman.h>

static long getdents(int fd, void *b, unsigned n) { return syscall(SYS_getdents64, fd, b, n); }

// entries returns how many names fd still has to tell.
static int entries(int fd) {
	char b[4096];
	int n = 0;
	for (long l; (l = getdents(fd, b, sizeof b)) != 0;) {
		CHECK(l > 0);
		for (char *p = b; p < b + l; p += ((struct dirent *)p)->d_reclen) n++;
	}
	return n;
}

CASE(getdents_errors) {
	char b[300];
	CHECK(mkdir("d", 0755) == 0);
	int fd = open("d", O_RDONLY);
	CHECK_ERRNO(getdents(fd, b, 10), EINVAL);
	CHECK_ERRNO(getdents(fd, (void *)8, 300), EFAULT);
	CHECK_ERRNO(getdents(make("f", ""), b, 300), ENOTDIR);
	CHECK_ERRNO(getdents(77, b, 300), EBADF);
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERRNO(getdents(p[0], b, 300), ENOTDIR);
	// What failed has moved nothing.
	CHECK_EQ(entries(fd), 2);
	CHECK_EQ(getdents(fd, b, 300), 0);
	CHECK_EQ(getdents(fd, b, 1), 0);
}

CASE(getdents_gives_what_fits_in_front_of_a_fault) {
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), n[8];
	CHECK(p != MAP_FAILED);
	CHECK(munmap(p + 4096, 4096) == 0);
	CHECK(mkdir("d", 0755) == 0);
	for (int i = 0; i < 10; i++) {
		snprintf(n, sizeof n, "d/%d", i);
		close(make(n, ""));
	}
	int fd = open("d", O_RDONLY);
	CHECK_EQ(getdents(fd, p + 4096 - 60, 4096), 48);
	CHECK_EQ(entries(fd), 10);
}

CASE(getdents_tells_the_kind_and_the_inode) {
	CHECK(mkdir("dir", 0755) == 0);
	close(make("reg", ""));
	CHECK(symlink("reg", "lnk") == 0);
	CHECK(mkfifo("fifo", 0600) == 0);
	CHECK(mknod("chr", S_IFCHR | 0600, 0x103) == 0);
	CHECK(mknod("blk", S_IFBLK | 0600, 0x700) == 0);
	CHECK(mknod("sock", S_IFSOCK | 0600, 0) == 0);
	DIR *d = opendir(".");
	int n = 0;
	for (struct dirent *e; (e = readdir(d)); n++) {
		struct stat st = stat_of(e->d_name);
		CHECK_EQ(DTTOIF(e->d_type), st.st_mode & S_IFMT);
		if (strcmp(e->d_name, "..")) CHECK_EQ(e->d_ino, st.st_ino);
	}
	CHECK_EQ(n, 9);
}

CASE(getdents_old_form_has_the_kind_at_the_end) {
	struct { unsigned long ino, off; unsigned short reclen; char name[]; } *e;
	char b[1024];
	CHECK(mkdir("d", 0755) == 0);
	close(make("d/file", ""));
	int fd = open("d", O_RDONLY), files = 0;
	long n = syscall(SYS_getdents, fd, b, sizeof b);
	CHECK(n > 0);
	for (char *p = b; p < b + n; p += e->reclen) {
		e = (void *)p;
		CHECK_EQ(e->reclen % 8, 0);
		int kind = p[e->reclen - 1];
		if (!strcmp(e->name, "file")) files++;
		CHECK_EQ(kind, e->name[0] == '.' ? DT_DIR : DT_REG);
	}
	CHECK_EQ(files, 1);
	CHECK_EQ(syscall(SYS_getdents, fd, b, sizeof b), 0);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET) == 0 ? syscall(SYS_getdents, fd, b, 20) : 0, EINVAL);
}

CASE(directory_offsets_lead_back) {
	char n[8], seen[12][256];
	CHECK(mkdir("d", 0755) == 0);
	for (int i = 0; i < 10; i++) {
		snprintf(n, sizeof n, "d/%d", i);
		close(make(n, ""));
	}
	DIR *d = opendir("d");
	long at[12];
	int i;
	for (i = 0; i < 12; i++) {
		at[i] = telldir(d);
		struct dirent *e = readdir(d);
		CHECK(e);
		strcpy(seen[i], e->d_name);
	}
	CHECK(!readdir(d));
	for (i = 11; i >= 0; i--) {
		seekdir(d, at[i]);
		struct dirent *e = readdir(d);
		CHECK(e && !strcmp(e->d_name, seen[i]));
	}
	int fd = open("d", O_RDONLY);
	CHECK_EQ(entries(fd), 12);
	CHECK_EQ(entries(fd), 0);
	close(make("d/new", ""));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(entries(fd), 13);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
}

CASE(directory_position_is_shared_by_duplicates) {
	CHECK(mkdir("d", 0755) == 0);
	close(make("d/f", ""));
	int fd = open("d", O_RDONLY), other = open("d", O_RDONLY);
	CHECK_EQ(entries(dup(fd)), 3);
	CHECK_EQ(entries(fd), 0);
	CHECK_EQ(entries(other), 3);
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	CHECK_ERRNO(read(open("d", O_RDONLY), (char[1]){0}, 1), EISDIR);
}

CASE(directory_listing_shows_renames_and_removals) {
	CHECK(mkdir("d", 0755) == 0);
	close(make("d/a", ""));
	CHECK(rename("d/a", "d/b") == 0);
	CHECK(mkdir("d/c", 0755) == 0);
	CHECK(rmdir("d/c") == 0);
	CHECK(link("d/b", "d/e") == 0);
	DIR *d = opendir("d");
	int b = 0, e = 0, n = 0;
	for (struct dirent *x; (x = readdir(d)); n++) {
		b += !strcmp(x->d_name, "b");
		e += !strcmp(x->d_name, "e");
	}
	CHECK(b == 1 && e == 1 && n == 4);
}

CASE(chdir_errors) {
	close(make("f", ""));
	CHECK(symlink("l", "l") == 0);
	CHECK_ERRNO(chdir("f"), ENOTDIR);
	CHECK_ERRNO(chdir("none"), ENOENT);
	CHECK_ERRNO(chdir(""), ENOENT);
	CHECK_ERRNO(chdir("l"), ELOOP);
	CHECK_ERRNO(chdir(name_of(256)), ENAMETOOLONG);
	CHECK_ERRNO(chdir((char *)8), EFAULT);
	CHECK_ERRNO(fchdir(77), EBADF);
	CHECK_ERRNO(fchdir(open("f", O_RDONLY)), ENOTDIR);
	CHECK(mkdir("d", 0755) == 0);
	CHECK(fchdir(open("d", O_PATH)) == 0);
	CHECK_EQ(stat_of(".").st_ino, stat_of("../d").st_ino);
}

CASE(getcwd_errors) {
	char b[PATH_MAX];
	CHECK(syscall(SYS_getcwd, b, sizeof b) == (long)strlen(b) + 1);
	size_t n = strlen(b) + 1;
	CHECK_ERRNO(syscall(SYS_getcwd, b, n - 1), ERANGE);
	CHECK_ERRNO(syscall(SYS_getcwd, b, 0), ERANGE);
	CHECK_EQ(syscall(SYS_getcwd, b, n), n);
	CHECK_ERRNO(syscall(SYS_getcwd, 8, n), EFAULT);
	CHECK(chdir("/") == 0);
	CHECK_EQ(syscall(SYS_getcwd, b, 2), 2);
	CHECK(!strcmp(b, "/"));
}

CASE(chroot_errors) {
	CHECK(chmod(".", 0755) == 0);
	close(make("f", ""));
	CHECK(mkdir("d", 0700) == 0);
	CHECK_ERRNO(chroot("f"), ENOTDIR);
	CHECK_ERRNO(chroot("none"), ENOENT);
	CHECK_ERRNO(chroot((char *)8), EFAULT);
	AS(1000, 1000,
		CHECK_ERRNO(chroot("."), EPERM);
		CHECK_ERRNO(chroot("f"), ENOTDIR);
		CHECK_ERRNO(chroot("none"), ENOENT);
		CHECK_ERRNO(chroot("d"), EACCES));
}

CASE(chroot_has_no_way_up) {
	CHECK(mkdir("r", 0755) == 0);
	CHECK(mkdir("r/d", 0755) == 0);
	CHECK(symlink("/d", "r/abs") == 0);
	CHECK(symlink("../../../d", "r/up") == 0);
	ino_t root = stat_of("r").st_ino, d = stat_of("r/d").st_ino;
	struct stat st;
	char b[PATH_MAX] = "";
	CHECK(chroot("r") == 0);
	// The working directory stays, outside.
	CHECK(syscall(SYS_getcwd, b, sizeof b) > 0);
	CHECK(!strncmp(b, "(unreachable)/", 14));
	CHECK_EQ(stat_of("r").st_ino, root);
	CHECK(chdir("/") == 0);
	CHECK_EQ(stat_of("..").st_ino, root);
	CHECK_EQ(stat_of("/../..").st_ino, root);
	CHECK(stat("abs", &st) == 0);
	CHECK_EQ(st.st_ino, d);
	CHECK(stat("up", &st) == 0);
	CHECK_EQ(st.st_ino, d);
	CHECK_EQ(syscall(SYS_getcwd, b, sizeof b), 2);
}

MAIN()
