// fanotify(7), and what its cases share. Older headers lack some of it.
#ifndef FANOTIFY_H
#define FANOTIFY_H
#include "mountapi.h"

#include <sys/fanotify.h>

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x1000
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif
#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x400
#endif
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x200
#endif
#define INFO_FID 1
#define INFO_DFID_NAME 2
#define INFO_DFID 3
#define INFO_OLD 10
#define INFO_NEW 12

// One event, taken apart.
struct ev {
	uint64_t mask;
	int fd, pid;
	int infos;
	struct {
		int type;
		unsigned char fid[64]; // fsid and handle
		int fidlen;
		char name[256];
	} info[4];
};

MAYBE static int listens(unsigned flags) {
	int fd = fanotify_init(flags | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
	CHECK(fd >= 0);
	return fd;
}
MAYBE static void mark(int fan, unsigned flags, uint64_t mask, const char *path) {
	CHECK_EQ(fanotify_mark(fan, FAN_MARK_ADD | flags, mask, AT_FDCWD, path), 0);
}

static char ev_buf[16384];
static int ev_len, ev_at;

// next takes the next event; 0 if there is none.
MAYBE static int next(int fan, struct ev *e) {
	if (ev_at >= ev_len) {
		ev_at = 0;
		ev_len = read(fan, ev_buf, sizeof ev_buf);
		if (ev_len < 0) {
			int why = errno;
			CHECK_EQ(why, EAGAIN);
			ev_len = 0;
			return 0;
		}
	}
	struct fanotify_event_metadata *m = (void *)(ev_buf + ev_at);
	CHECK_EQ(m->vers, FANOTIFY_METADATA_VERSION);
	CHECK_EQ(m->metadata_len, FAN_EVENT_METADATA_LEN);
	memset(e, 0, sizeof *e);
	e->mask = m->mask, e->fd = m->fd, e->pid = m->pid;
	for (char *p = (char *)m + m->metadata_len, *end = (char *)m + m->event_len; p < end;) {
		struct fanotify_event_info_header *h = (void *)p;
		CHECK(h->len >= 4 && e->infos < 4);
		e->info[e->infos].type = h->info_type;
		struct file_handle *fh = (void *)(p + 12);
		int n = e->info[e->infos].fidlen = 8 + 8 + fh->handle_bytes;
		CHECK(n <= 64);
		memcpy(e->info[e->infos].fid, p + 4, n);
		if (4 + n < h->len) snprintf(e->info[e->infos].name, 256, "%s", p + 4 + n);
		e->infos++;
		p += h->len;
	}
	ev_at += m->event_len;
	return 1;
}

// expect wants an event with exactly that mask, and returns it.
#define EXPECT(fan, e, want)                     \
	do {                                         \
		CHECK(next(fan, e));                     \
		CHECK_EQ((e)->mask, (uint64_t)(want));   \
	} while (0)

// is_file reports whether a descriptor is of the file at path, and closes it.
MAYBE static int is_file(int fd, const char *path) {
	struct stat a, b;
	CHECK(fstat(fd, &a) == 0 && stat(path, &b) == 0);
	close(fd);
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// is_fid reports whether the i-th information of an event is of a type, has the handle of path, and a name.
MAYBE static int is_fid(struct ev *e, int i, int type, const char *path, const char *name) {
	struct { struct file_handle h; unsigned char b[128]; } h = {.h = {128, 0}};
	int id;
	CHECK_EQ(name_to_handle_at(AT_FDCWD, path, &h.h, &id, 0), 0);
	return i < e->infos && e->info[i].type == type && e->info[i].fidlen == (int)(16 + h.h.handle_bytes) &&
		!memcmp(e->info[i].fid + 8, &h.h, 8 + h.h.handle_bytes) && !strcmp(e->info[i].name, name);
}

MAYBE static void touch_open(const char *path) { // opens and closes
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
}
#endif
