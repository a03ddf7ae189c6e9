// keyrings(7): add_key, request_key, keyctl.
#include "case.h"
#include <linux/keyctl.h>
#include <pthread.h>

#define THREAD KEY_SPEC_THREAD_KEYRING
#define PROCESS KEY_SPEC_PROCESS_KEYRING
#define SESSION KEY_SPEC_SESSION_KEYRING
#define USER KEY_SPEC_USER_KEYRING
#define USERSES KEY_SPEC_USER_SESSION_KEYRING

#define K(...) syscall(SYS_keyctl, __VA_ARGS__)
#define ADD(type, desc, payload, n, ring) syscall(SYS_add_key, type, desc, payload, (size_t)(n), ring)
#define REQUEST(type, desc, info, ring) syscall(SYS_request_key, type, desc, info, ring)

// A key that nobody refers to any more is gone at once or soon: it is not there, or one may not look.
#define CHECK_GONE(x)                                                          \
	do {                                                                       \
		errno = 0;                                                             \
		long r_ = (x);                                                         \
		CHECK_EQ(r_, -1);                                                      \
	} while (0)

static char buf[5000];

static const char *describe(int id) {
	memset(buf, 0, sizeof buf);
	long n = K(KEYCTL_DESCRIBE, id, buf, sizeof buf);
	CHECK(n > 0);
	CHECK_EQ(n, strlen(buf) + 1);
	return buf;
}

static int key(const char *desc, int ring) {
	int id = ADD("user", desc, "payload", 7, ring);
	CHECK(id > 0);
	return id;
}

static int ring(const char *desc, int in) {
	int id = ADD("keyring", desc, 0, 0, in);
	CHECK(id > 0);
	return id;
}

static void become(int uid) {
	CHECK(setresgid(uid, uid, uid) == 0);
	CHECK(setresuid(uid, uid, uid) == 0);
}

static int links(int id) {
	long n = K(KEYCTL_READ, id, 0, 0);
	CHECK(n >= 0);
	return n / 4;
}

CASE(a_key_is_added_described_and_read) {
	int id = key("a:b", PROCESS);
	CHECK(!strcmp(describe(id), "user;0;0;3f010000;a:b"));
	CHECK_EQ(K(KEYCTL_READ, id, buf, sizeof buf), 7);
	CHECK(!memcmp(buf, "payload", 7));
	// What does not fit is not copied at all.
	memset(buf, 'x', 10);
	CHECK_EQ(K(KEYCTL_READ, id, buf, 3), 7);
	CHECK_EQ(buf[0], 'x');
	CHECK_EQ(K(KEYCTL_READ, id, 0, 0), 7);
	CHECK_EQ(K(KEYCTL_DESCRIBE, id, buf, 3), sizeof "user;0;0;3f010000;a:b");
	CHECK_EQ(buf[0], 'x');
}

CASE(adding_a_key_of_the_same_name_updates_it) {
	int id = key("k", PROCESS);
	CHECK_EQ(ADD("user", "k", "other", 5, PROCESS), id);
	CHECK_EQ(K(KEYCTL_READ, id, buf, sizeof buf), 5);
	CHECK_EQ(K(KEYCTL_UPDATE, id, "third one", 9), 0);
	CHECK_EQ(K(KEYCTL_READ, id, buf, sizeof buf), 9);
	CHECK_EQ(links(PROCESS), 1);
	CHECK_ERRNO(K(KEYCTL_UPDATE, id, "", 0), EINVAL);
	CHECK_ERRNO(K(KEYCTL_UPDATE, id, "", 4097), EINVAL);
	CHECK_ERRNO(K(KEYCTL_UPDATE, id, 8, 5), EFAULT);
	CHECK_ERRNO(K(KEYCTL_UPDATE, ring("r", PROCESS), "a", 1), EOPNOTSUPP);
}

CASE(adding_a_keyring_of_the_same_name_replaces_it) {
	int a = ring("r", PROCESS), b = ring("r", PROCESS);
	CHECK(a != b);
	CHECK_EQ(links(PROCESS), 1);
	CHECK_GONE(ADD("user", "k", "x", 1, a));
}

CASE(add_key_errors) {
	CHECK_ERRNO(ADD("user", "k", "", 0, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("user", "", "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("user", 0, "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("user", 8, "a", 1, PROCESS), EFAULT);
	CHECK_ERRNO(ADD(8, "k", "a", 1, PROCESS), EFAULT);
	CHECK_ERRNO(ADD("user", "k", 8, 1, PROCESS), EFAULT);
	CHECK_ERRNO(ADD("user", "k", 0, 1 << 20, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("nosuch", "k", "a", 1, PROCESS), ENODEV);
	CHECK_ERRNO(ADD("", "k", "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD(".user", "k", "a", 1, PROCESS), EPERM);
	CHECK_ERRNO(ADD("a234567890123456789012345678901x", "k", "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("keyring", ".r", 0, 0, PROCESS), EPERM);
	CHECK_ERRNO(ADD("keyring", "r", "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("user", "k", "a", 1, 0), EINVAL);
	CHECK_ERRNO(ADD("user", "k", "a", 1, KEY_SPEC_GROUP_KEYRING), EINVAL);
	CHECK_ERRNO(ADD("user", "k", "a", 1, KEY_SPEC_REQKEY_AUTH_KEY), ENOKEY);
	CHECK_ERRNO(ADD("user", "k", "a", 1, -9), EINVAL);
	CHECK_ERRNO(ADD("user", "k", "a", 1, 1), ENOKEY);
	CHECK_ERRNO(ADD("user", "k", "a", 1, key("z", PROCESS)), ENOTDIR);
	static char big[32768];
	CHECK_ERRNO(ADD("user", "k", big, 32768, PROCESS), EINVAL);
	CHECK(ADD("user", "k", big, 32767, PROCESS) > 0);
}

CASE(descriptions_have_4095_bytes_at_most) {
	static char d[4100];
	memset(d, 'd', 4096);
	CHECK_ERRNO(ADD("user", d, "a", 1, PROCESS), EINVAL);
	d[4095] = 0;
	CHECK(ADD("user", d, "a", 1, PROCESS) > 0);
}

CASE(logon_keys_want_a_prefix_and_can_not_be_read) {
	CHECK_ERRNO(ADD("logon", "plain", "a", 1, PROCESS), EINVAL);
	CHECK_ERRNO(ADD("logon", ":x", "a", 1, PROCESS), EINVAL);
	int id = ADD("logon", "p:x", "a", 1, PROCESS);
	CHECK(!strcmp(describe(id), "logon;0;0;3d010000;p:x"));
	CHECK_ERRNO(K(KEYCTL_READ, id, buf, 10), EOPNOTSUPP);
	CHECK_EQ(K(KEYCTL_UPDATE, id, "b", 1), 0);
	CHECK_EQ(REQUEST("logon", "p:x", 0, 0), id);
}

CASE(special_keyrings_are_made_when_asked_for) {
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, THREAD, 0), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, PROCESS, 0), ENOKEY);
	int t = K(KEYCTL_GET_KEYRING_ID, THREAD, 1), p = K(KEYCTL_GET_KEYRING_ID, PROCESS, 1);
	CHECK(!strcmp(describe(t), "keyring;0;0;3f010000;_tid"));
	CHECK(!strcmp(describe(p), "keyring;0;0;3f010000;_pid"));
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, THREAD, 0), t);
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, PROCESS, 1), p);
	int u = K(KEYCTL_GET_KEYRING_ID, USER, 0), us = K(KEYCTL_GET_KEYRING_ID, USERSES, 0);
	CHECK(!strcmp(describe(u), "keyring;0;65534;1f3f0000;_uid.0"));
	CHECK(!strcmp(describe(us), "keyring;0;65534;1f3f0000;_uid_ses.0"));
	CHECK_EQ(K(KEYCTL_SEARCH, us, "keyring", "_uid.0", 0), u);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, KEY_SPEC_GROUP_KEYRING, 1), EINVAL);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQKEY_AUTH_KEY, 1), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQUESTOR_KEYRING, 1), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, -9, 1), EINVAL);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, 0, 1), EINVAL);
}

CASE(a_new_session_keyring_takes_the_place_of_the_old) {
	int a = K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	CHECK(!strcmp(describe(a), "keyring;0;0;3f030000;_ses"));
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), a);
	int k = key("k", SESSION);
	CHECK_EQ(REQUEST("user", "k", 0, 0), k);
	int b = K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	CHECK(a != b);
	CHECK_ERRNO(REQUEST("user", "k", 0, 0), ENOKEY);
	CHECK_GONE(K(KEYCTL_READ, k, buf, 10));
}

CASE(a_named_session_can_be_joined_by_who_may_search_it) {
	char name[30], want[60];
	snprintf(name, sizeof name, "case%d", getpid());
	snprintf(want, sizeof want, "keyring;0;0;3f130000;%s", name);
	int a = K(KEYCTL_JOIN_SESSION_KEYRING, name);
	CHECK(!strcmp(describe(a), want));
	int b = K(KEYCTL_JOIN_SESSION_KEYRING, name); // others may not search it yet
	CHECK(a != b);
	CHECK_EQ(K(KEYCTL_SETPERM, b, 0x3f3f0000), 0);
	CHECK_EQ(K(KEYCTL_JOIN_SESSION_KEYRING, name), 0); // there already
	pid_t p = fork();
	if (!p) {
		CHECK(K(KEYCTL_JOIN_SESSION_KEYRING, 0) != b);
		CHECK_EQ(K(KEYCTL_JOIN_SESSION_KEYRING, name), b);
		CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), b);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(K(KEYCTL_JOIN_SESSION_KEYRING, ".x"), EPERM);
	CHECK_ERRNO(K(KEYCTL_JOIN_SESSION_KEYRING, ""), EINVAL);
	CHECK_ERRNO(K(KEYCTL_JOIN_SESSION_KEYRING, 8), EFAULT);
}

CASE(fork_inherits_only_the_session_keyring) {
	int s = K(KEYCTL_JOIN_SESSION_KEYRING, 0), k = key("k", SESSION);
	key("kp", PROCESS);
	key("kt", THREAD);
	pid_t p = fork();
	if (!p) {
		CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), s);
		CHECK_EQ(REQUEST("user", "k", 0, 0), k);
		CHECK_ERRNO(REQUEST("user", "kp", 0, 0), ENOKEY);
		CHECK_ERRNO(REQUEST("user", "kt", 0, 0), ENOKEY);
		CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, PROCESS, 0), ENOKEY);
		key("ofchild", SESSION);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK(REQUEST("user", "ofchild", 0, 0) > 0);
}

static void *in_thread(void *arg) {
	int *ids = arg;
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, PROCESS, 0), ids[0]);
	int t = K(KEYCTL_GET_KEYRING_ID, THREAD, 0); // made, as the parent had one
	CHECK(t > 0 && t != ids[1]);
	CHECK_EQ(REQUEST("user", "kp", 0, 0), ids[2]);
	CHECK_ERRNO(REQUEST("user", "kt", 0, 0), ENOKEY);
	CHECK(K(KEYCTL_JOIN_SESSION_KEYRING, 0) != ids[3]);
	return 0;
}

CASE(threads_share_the_process_keyring_but_not_thread_keyrings) {
	int ids[4] = {K(KEYCTL_GET_KEYRING_ID, PROCESS, 1), K(KEYCTL_GET_KEYRING_ID, THREAD, 1), key("kp", PROCESS),
		      K(KEYCTL_JOIN_SESSION_KEYRING, 0)};
	key("kt", THREAD);
	pthread_t t;
	CHECK_EQ(pthread_create(&t, 0, in_thread, ids), 0);
	CHECK_EQ(pthread_join(t, 0), 0);
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), ids[3]); // a thread's session is its own
}

CASE(exec_keeps_only_the_session_keyring) {
	char self[400], want[20];
	if (getenv("KEYS_SESSION")) _exit(1); // only the case after exec looks at it
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n] = 0;
	snprintf(want, sizeof want, "%ld", K(KEYCTL_JOIN_SESSION_KEYRING, 0));
	key("kp", PROCESS);
	pid_t p = fork();
	if (!p) {
		K(KEYCTL_GET_KEYRING_ID, PROCESS, 1);
		K(KEYCTL_GET_KEYRING_ID, THREAD, 1);
		setenv("KEYS_AFTER_EXEC", want, 1);
		execl(self, self, "none", NULL);
		_exit(2);
	}
	CHECK_CHILD(p, 0);
}

// The program that the case above executes ends here, before main.
__attribute__((constructor)) static void after_exec(void) {
	char *want = getenv("KEYS_AFTER_EXEC");
	if (!want) return;
	if (K(KEYCTL_GET_KEYRING_ID, SESSION, 0) != atoi(want)) _exit(3);
	if (K(KEYCTL_GET_KEYRING_ID, PROCESS, 0) != -1 || errno != ENOKEY) _exit(4);
	if (K(KEYCTL_GET_KEYRING_ID, THREAD, 0) != -1 || errno != ENOKEY) _exit(5);
	_exit(0);
}

CASE(keys_are_linked_and_unlinked) {
	int r = ring("r", PROCESS), k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_LINK, k, r), 0);
	CHECK_EQ(K(KEYCTL_LINK, k, r), 0);
	CHECK_EQ(links(r), 1);
	int32_t id = 0;
	CHECK_EQ(K(KEYCTL_READ, r, &id, sizeof id), 4);
	CHECK_EQ(id, k);
	CHECK_EQ(K(KEYCTL_UNLINK, k, PROCESS), 0);
	CHECK_ERRNO(K(KEYCTL_UNLINK, k, PROCESS), ENOENT);
	CHECK_EQ(K(KEYCTL_READ, k, buf, 10), 7); // r still holds it
	CHECK_EQ(K(KEYCTL_CLEAR, r), 0);
	CHECK_EQ(links(r), 0);
	CHECK_GONE(K(KEYCTL_READ, k, buf, 10));
	k = key("k", PROCESS);
	CHECK_ERRNO(K(KEYCTL_CLEAR, k), ENOTDIR);
	CHECK_ERRNO(K(KEYCTL_LINK, k, k), ENOTDIR);
	CHECK_ERRNO(K(KEYCTL_UNLINK, k, k), ENOTDIR);
	CHECK_ERRNO(K(KEYCTL_LINK, 1, PROCESS), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_LINK, k, 0), EINVAL);
}

CASE(linking_a_key_displaces_one_of_the_same_name) {
	int r = ring("r", PROCESS), a = key("k", PROCESS), b = key("k", r);
	CHECK(a != b);
	CHECK_EQ(K(KEYCTL_LINK, a, r), 0);
	CHECK_EQ(links(r), 1);
	CHECK_EQ(K(KEYCTL_SEARCH, r, "user", "k", 0), a);
	CHECK_GONE(K(KEYCTL_READ, b, buf, 10));
}

CASE(keyrings_do_not_form_cycles) {
	int a = ring("a", PROCESS), b = ring("b", a), c = ring("c", b);
	CHECK_ERRNO(K(KEYCTL_LINK, a, a), EDEADLK);
	CHECK_ERRNO(K(KEYCTL_LINK, a, b), EDEADLK);
	CHECK_ERRNO(K(KEYCTL_LINK, a, c), EDEADLK);
	CHECK_EQ(K(KEYCTL_LINK, c, a), 0);
}

CASE(keyrings_that_nest_too_deep_can_not_be_linked) {
	int r[9];
	r[0] = ring("r0", PROCESS);
	for (int i = 1; i < 9; i++) {
		char name[10];
		snprintf(name, sizeof name, "r%d", i);
		r[i] = ring(name, PROCESS);
		CHECK_EQ(K(KEYCTL_LINK, r[i], r[i - 1]), 0);
	}
	int x = ring("x", PROCESS);
	CHECK_ERRNO(K(KEYCTL_LINK, r[0], x), ELOOP);
	CHECK_EQ(K(KEYCTL_LINK, r[2], x), 0); // six below it
	// Nor is anything found below that depth.
	CHECK(key("deep", r[8]) > 0);
	CHECK(key("high", r[6]) > 0);
	CHECK_ERRNO(K(KEYCTL_SEARCH, r[0], "user", "deep", 0), ENOKEY);
	CHECK(K(KEYCTL_SEARCH, r[0], "user", "high", 0) > 0);
	CHECK(K(KEYCTL_SEARCH, r[2], "user", "deep", 0) > 0);
}

CASE(search_goes_through_nested_keyrings_and_links_what_it_finds) {
	int a = ring("a", PROCESS), b = ring("b", a), k = key("k", b), d = ring("d", PROCESS);
	CHECK_EQ(K(KEYCTL_SEARCH, a, "user", "k", 0), k);
	CHECK_EQ(K(KEYCTL_SEARCH, PROCESS, "keyring", "b", 0), b);
	CHECK_EQ(K(KEYCTL_SEARCH, a, "keyring", "a", 0), a); // itself
	CHECK_EQ(K(KEYCTL_SEARCH, a, "user", "k", d), k);
	CHECK_EQ(links(d), 1);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, "user", "none", 0), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, "logon", "k", 0), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, "nosuch", "k", 0), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, ".user", "k", 0), EPERM);
	CHECK_ERRNO(K(KEYCTL_SEARCH, k, "user", "k", 0), ENOTDIR);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, 8, "k", 0), EFAULT);
	CHECK_ERRNO(K(KEYCTL_SEARCH, a, "user", 8, 0), EFAULT);
}

CASE(request_key_searches_thread_process_and_session) {
	K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	int s = key("k", SESSION);
	CHECK_EQ(REQUEST("user", "k", 0, 0), s);
	int p = key("k", PROCESS);
	CHECK_EQ(REQUEST("user", "k", 0, 0), p);
	int t = key("k", THREAD);
	CHECK_EQ(REQUEST("user", "k", 0, 0), t);
	int d = ring("d", PROCESS);
	CHECK_EQ(REQUEST("user", "k", 0, d), t);
	CHECK_EQ(links(d), 1);
	CHECK_ERRNO(REQUEST("user", "none", 0, 0), ENOKEY);
	CHECK_ERRNO(REQUEST("nosuch", "none", 0, 0), ENOKEY);
	CHECK_ERRNO(REQUEST(".user", "none", 0, 0), EPERM);
	CHECK_ERRNO(REQUEST("user", 8, 0, 0), EFAULT);
	CHECK_ERRNO(REQUEST("user", "k", 8, 0), EFAULT);
	CHECK_ERRNO(REQUEST("user", "k", 0, t), ENOTDIR);
}

CASE(a_revoked_key_can_not_be_used) {
	K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_REVOKE, k), 0);
	CHECK_ERRNO(K(KEYCTL_READ, k, buf, 10), EKEYREVOKED);
	CHECK_ERRNO(K(KEYCTL_DESCRIBE, k, buf, 10), EKEYREVOKED);
	CHECK_ERRNO(K(KEYCTL_REVOKE, k), EKEYREVOKED);
	CHECK_ERRNO(K(KEYCTL_SEARCH, PROCESS, "user", "k", 0), EKEYREVOKED);
	CHECK_ERRNO(REQUEST("user", "k", 0, 0), ENOKEY); // the session could be searched
	CHECK_EQ(links(PROCESS), 1);
	CHECK_EQ(K(KEYCTL_UNLINK, k, PROCESS), 0);
	int k2 = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_REVOKE, k2), 0);
	CHECK(key("k", PROCESS) != k2); // a new one takes its place
	CHECK_EQ(links(PROCESS), 1);
}

CASE(a_revoked_session_keyring_is_of_no_use) {
	int s = K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	key("k", SESSION);
	CHECK_EQ(K(KEYCTL_REVOKE, SESSION), 0);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), EKEYREVOKED);
	CHECK_ERRNO(K(KEYCTL_GET_KEYRING_ID, SESSION, 1), EKEYREVOKED);
	CHECK_ERRNO(ADD("user", "q", "q", 1, SESSION), EKEYREVOKED);
	CHECK(K(KEYCTL_JOIN_SESSION_KEYRING, 0) != s);
	key("k", SESSION);
}

CASE(an_invalidated_key_is_gone_from_all_keyrings) {
	int k = key("k", PROCESS), r = ring("r", PROCESS);
	CHECK_EQ(K(KEYCTL_LINK, k, r), 0);
	CHECK_EQ(K(KEYCTL_INVALIDATE, k), 0);
	CHECK_ERRNO(K(KEYCTL_DESCRIBE, k, buf, 10), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_INVALIDATE, k), ENOKEY);
	for (int i = 0; i < 100 && links(r); i++) msleep(20); // Linux does it a little later
	CHECK_EQ(links(r), 0);
	CHECK_EQ(links(PROCESS), 1);
	CHECK_ERRNO(REQUEST("user", "k", 0, 0), ENOKEY);
}

CASE(a_key_expires) {
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_SET_TIMEOUT, k, 100), 0);
	CHECK_EQ(K(KEYCTL_READ, k, buf, 10), 7);
	CHECK_EQ(K(KEYCTL_SET_TIMEOUT, k, 0), 0);
	CHECK_EQ(K(KEYCTL_SET_TIMEOUT, k, 1), 0);
	msleep(2100);
	CHECK_ERRNO(K(KEYCTL_READ, k, buf, 10), EKEYEXPIRED);
	CHECK_ERRNO(K(KEYCTL_DESCRIBE, k, buf, 10), EKEYEXPIRED);
	CHECK_ERRNO(K(KEYCTL_SEARCH, PROCESS, "user", "k", 0), EKEYEXPIRED);
	CHECK_ERRNO(REQUEST("user", "k", 0, 0), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_SET_TIMEOUT, 1, 1), ENOKEY);
}

CASE(permissions_of_the_possessor_go_when_it_may_not_search) {
	int k = key("k", PROCESS);
	CHECK_ERRNO(K(KEYCTL_SETPERM, k, 0x40000000), EINVAL);
	CHECK_EQ(K(KEYCTL_SETPERM, k, 0x3f3f3f3f), 0);
	CHECK(!strcmp(describe(k), "user;0;0;3f3f3f3f;k"));
	CHECK_EQ(K(KEYCTL_SETPERM, k, 0), 0);
	CHECK_ERRNO(K(KEYCTL_DESCRIBE, k, buf, 10), EACCES);
	CHECK_ERRNO(K(KEYCTL_READ, k, buf, 10), EACCES);
	CHECK_ERRNO(K(KEYCTL_SETPERM, k, 0x3f3f3f3f), EACCES); // root or not
	CHECK_ERRNO(K(KEYCTL_GET_SECURITY, k, buf, 10), ENOKEY);
	CHECK_EQ(K(KEYCTL_UNLINK, k, PROCESS), 0); // that is a matter of the keyring
}

CASE(a_possessor_reads_what_it_may_search) {
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_SETPERM, k, 0x08000000), 0); // search only
	CHECK_EQ(K(KEYCTL_READ, k, buf, 10), 7);
	CHECK_ERRNO(K(KEYCTL_DESCRIBE, k, buf, 10), EACCES);
	CHECK_ERRNO(K(KEYCTL_UPDATE, k, "x", 1), EACCES);
	CHECK_ERRNO(K(KEYCTL_LINK, k, PROCESS), EACCES);
	CHECK_ERRNO(ADD("user", "k", "x", 1, PROCESS), EACCES);
}

CASE(users_see_of_a_key_what_its_permissions_say) {
	int k = key("k", PROCESS), g = key("g", PROCESS);
	CHECK_EQ(K(KEYCTL_SETPERM, k, 0x3f3f0003), 0); // others: view, read
	CHECK_EQ(K(KEYCTL_CHOWN, g, -1, 54322), 0);
	CHECK_EQ(K(KEYCTL_SETPERM, g, 0x3f3f0102), 0); // the group: view; others: read
	pid_t p = fork();
	if (!p) {
		become(54322);
		CHECK(!strcmp(describe(k), "user;0;0;3f3f0003;k"));
		CHECK_EQ(K(KEYCTL_READ, k, buf, 10), 7);
		CHECK_ERRNO(K(KEYCTL_UPDATE, k, "x", 1), EACCES);
		CHECK_ERRNO(K(KEYCTL_LINK, k, PROCESS), EACCES);
		CHECK_ERRNO(K(KEYCTL_SETPERM, k, 0x3f3f3f3f), EACCES);
		CHECK_ERRNO(K(KEYCTL_REVOKE, k), EACCES);
		CHECK(!strcmp(describe(g), "user;0;54322;3f3f0102;g"));
		CHECK_ERRNO(K(KEYCTL_READ, g, buf, 10), EACCES);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
}

CASE(only_an_administrator_gives_keys_away) {
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_CHOWN, k, -1, -1), 0);
	CHECK_EQ(K(KEYCTL_CHOWN, k, 54323, 54324), 0);
	CHECK(!strcmp(describe(k), "user;54323;54324;3f010000;k"));
	become(54323);
	k = key("own", PROCESS);
	CHECK_ERRNO(K(KEYCTL_CHOWN, k, 0, -1), EACCES);
	CHECK_ERRNO(K(KEYCTL_CHOWN, k, -1, 0), EACCES);
	CHECK_EQ(K(KEYCTL_CHOWN, k, 54323, 54323), 0);
}

CASE(the_thread_keyring_follows_the_user) {
	int t = K(KEYCTL_GET_KEYRING_ID, THREAD, 1), p = K(KEYCTL_GET_KEYRING_ID, PROCESS, 1);
	become(54325);
	CHECK(!strcmp(describe(t), "keyring;54325;54325;3f010000;_tid"));
	CHECK(!strcmp(describe(p), "keyring;0;0;3f010000;_pid"));
	CHECK(strstr(describe(K(KEYCTL_GET_KEYRING_ID, USER, 0)), "_uid.54325"));
}

CASE(a_user_has_a_quota) {
	become(54326);
	int r = ring("r", PROCESS), n = 0;
	char name[20];
	do snprintf(name, sizeof name, "k%d", n++);
	while (n < 1000 && ADD("user", name, "x", 1, r) > 0);
	int e = errno;
	CHECK_EQ(e, EDQUOT);
	CHECK(n > 180 && n < 205); // of 200 some are keyrings
	CHECK_EQ(K(KEYCTL_CLEAR, r), 0);
	static char big[32000];
	int i;
	for (i = 0; i < 100 && ADD("user", "a", "x", 1, r) < 0; i++) msleep(20); // Linux frees later
	CHECK_ERRNO(ADD("user", "b", big, 20000, r), EDQUOT);
	CHECK_ERRNO(K(KEYCTL_UPDATE, r, "b", 1), EOPNOTSUPP);
	for (i = 0; i < 100 && ADD("user", "b", big, 15000, r) < 0; i++) msleep(20);
	CHECK(i < 100);
	CHECK_ERRNO(ADD("user", "b", big, 20000, r), EDQUOT);
	CHECK_EQ(K(KEYCTL_SEARCH, r, "user", "b", 0) > 0, 1);
}

CASE(a_restricted_keyring_takes_no_more_links) {
	int r = ring("r", PROCESS), k = key("k", PROCESS);
	key("there", r);
	CHECK_ERRNO(K(KEYCTL_RESTRICT_KEYRING, r, "user", 0), EINVAL);
	CHECK_ERRNO(K(KEYCTL_RESTRICT_KEYRING, r, 0, "x"), EINVAL);
	CHECK_ERRNO(K(KEYCTL_RESTRICT_KEYRING, r, "user", "x"), ENOENT);
	CHECK_ERRNO(K(KEYCTL_RESTRICT_KEYRING, k, 0, 0), ENOTDIR);
	CHECK_EQ(K(KEYCTL_RESTRICT_KEYRING, r, 0, 0), 0);
	CHECK_ERRNO(K(KEYCTL_RESTRICT_KEYRING, r, 0, 0), EEXIST);
	CHECK_ERRNO(K(KEYCTL_LINK, k, r), EPERM);
	CHECK_ERRNO(ADD("user", "k", "x", 1, r), EPERM);
	CHECK_ERRNO(K(KEYCTL_MOVE, k, PROCESS, r, 0), EPERM);
	CHECK_EQ(links(r), 1);
}

CASE(keys_are_moved) {
	int a = ring("a", PROCESS), b = ring("b", PROCESS), k = key("k", a);
	CHECK_EQ(K(KEYCTL_MOVE, k, a, b, 0), 0);
	CHECK_EQ(links(a), 0);
	CHECK_EQ(links(b), 1);
	CHECK_ERRNO(K(KEYCTL_MOVE, k, a, b, 0), ENOENT);
	CHECK_EQ(K(KEYCTL_MOVE, k, b, b, 0), 0);
	int k2 = key("k", a);
	CHECK_ERRNO(K(KEYCTL_MOVE, k2, a, b, KEYCTL_MOVE_EXCL), EEXIST);
	CHECK_ERRNO(K(KEYCTL_MOVE, k2, a, b, 2), EINVAL);
	CHECK_ERRNO(K(KEYCTL_MOVE, k2, a, k2, 0), ENOTDIR);
	CHECK_EQ(K(KEYCTL_MOVE, k2, a, b, 0), 0);
	CHECK_EQ(K(KEYCTL_SEARCH, b, "user", "k", 0), k2);
	CHECK_EQ(links(b), 1);
}

CASE(persistent_keyrings_are_linked_where_one_asks) {
	int r = ring("r", PROCESS);
	int p = K(KEYCTL_GET_PERSISTENT, -1, r);
	CHECK(!strcmp(describe(p), "keyring;0;65534;1f030000;_persistent.0"));
	CHECK_EQ(links(r), 1);
	CHECK_EQ(K(KEYCTL_GET_PERSISTENT, 0, PROCESS), p);
	CHECK_ERRNO(K(KEYCTL_GET_PERSISTENT, -1, 0), EINVAL);
	CHECK_ERRNO(K(KEYCTL_GET_PERSISTENT, -1, key("k", PROCESS)), ENOTDIR);
	int o = K(KEYCTL_GET_PERSISTENT, 54327, PROCESS);
	CHECK(o > 0 && o != p);
	become(54327);
	CHECK_EQ(K(KEYCTL_GET_PERSISTENT, -1, THREAD), o);
	CHECK_ERRNO(K(KEYCTL_GET_PERSISTENT, 0, THREAD), EPERM);
}

CASE(where_requested_keys_go_is_remembered) {
	CHECK_EQ(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE), 0);
	CHECK_EQ(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_PROCESS_KEYRING), 0);
	CHECK(K(KEYCTL_GET_KEYRING_ID, PROCESS, 0) > 0); // made for it
	CHECK_EQ(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_USER_KEYRING), 2);
	CHECK_ERRNO(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_GROUP_KEYRING), EINVAL);
	CHECK_ERRNO(K(KEYCTL_SET_REQKEY_KEYRING, 8), EINVAL);
	CHECK_ERRNO(K(KEYCTL_SET_REQKEY_KEYRING, -2), EINVAL);
	CHECK_EQ(K(KEYCTL_SET_REQKEY_KEYRING, -1), 4);
}

CASE(nobody_has_authority_to_instantiate) {
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_ASSUME_AUTHORITY, 0), 0);
	CHECK_ERRNO(K(KEYCTL_ASSUME_AUTHORITY, -1), EINVAL);
	CHECK_ERRNO(K(KEYCTL_ASSUME_AUTHORITY, k), ENOKEY);
	CHECK_ERRNO(K(KEYCTL_INSTANTIATE, k, "x", 1, 0), EPERM);
	CHECK_ERRNO(K(KEYCTL_NEGATE, k, 1, 0), EPERM);
	CHECK_ERRNO(K(KEYCTL_REJECT, k, 1, EKEYREJECTED, 0), EPERM);
	CHECK_ERRNO(K(KEYCTL_REJECT, k, 1, 0, 0), EINVAL);
	CHECK_ERRNO(K(KEYCTL_REJECT, k, 1, 512, 0), EINVAL);
	CHECK_ERRNO(K(KEYCTL_REJECT, k, 1, 4095, 0), EINVAL);
}

CASE(session_to_parent_replaces_the_parents) {
	int a = K(KEYCTL_JOIN_SESSION_KEYRING, 0);
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t c = fork();
	if (!c) {
		int b = K(KEYCTL_JOIN_SESSION_KEYRING, 0);
		CHECK_EQ(K(KEYCTL_SESSION_TO_PARENT), 0);
		CHECK_EQ(write(p[1], &b, sizeof b), sizeof b);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	int b = 0;
	CHECK_EQ(read(p[0], &b, sizeof b), sizeof b);
	CHECK(b != a);
	CHECK_EQ(K(KEYCTL_GET_KEYRING_ID, SESSION, 0), b);
	c = fork();
	if (!c) {
		become(54328);
		K(KEYCTL_JOIN_SESSION_KEYRING, 0);
		CHECK_ERRNO(K(KEYCTL_SESSION_TO_PARENT), EPERM);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
}

CASE(proc_keys_shows_what_one_may_view) {
	char line[500], want[100], hidden[100];
	int k = key("shown", PROCESS), h = key("hidden", PROCESS);
	CHECK_EQ(K(KEYCTL_SETPERM, h, 0x08080000), 0);
	CHECK_EQ(K(KEYCTL_SET_TIMEOUT, k, 1000), 0);
	snprintf(want, sizeof want, "%08x I--Q---     1  16m 3f010000     0     0 user      shown: 7\n", k);
	snprintf(hidden, sizeof hidden, "%08x ", h);
	FILE *f = fopen("/proc/keys", "r");
	int seen = 0;
	while (fgets(line, sizeof line, f)) {
		seen |= !strcmp(line, want);
		CHECK(strncmp(line, hidden, 9));
	}
	CHECK(seen);
}

CASE(proc_key_users_counts) {
	become(54329);
	int r = ring("r", PROCESS); // _pid and r: 5 + 2 bytes, and 4 for the link
	(void)r;
	char line[500];
	FILE *f = fopen("/proc/key-users", "r");
	int uid, usage, nkeys, nikeys, qnkeys, maxkeys, qbytes, maxbytes, seen = 0;
	while (fgets(line, sizeof line, f)) {
		CHECK_EQ(sscanf(line, "%d: %d %d/%d %d/%d %d/%d", &uid, &usage, &nkeys, &nikeys, &qnkeys, &maxkeys, &qbytes, &maxbytes), 8);
		if (uid != 54329) continue;
		seen = 1;
		CHECK_EQ(qnkeys, 2);
		CHECK_EQ(qbytes, 11);
		CHECK_EQ(maxkeys, 200);
		CHECK_EQ(maxbytes, 20000);
	}
	CHECK(seen);
}

CASE(keyctl_capabilities_and_unknown_operations) {
	unsigned char c[8];
	memset(c, 0xff, sizeof c);
	CHECK_EQ(K(KEYCTL_CAPABILITIES, c, sizeof c), 2);
	CHECK_EQ(c[0] & 0xe3, 0xe3);
	CHECK_EQ(c[7], 0);
	CHECK_EQ(K(KEYCTL_CAPABILITIES, 0, 0), 2);
	CHECK_ERRNO(K(KEYCTL_CAPABILITIES, 8, 1), EFAULT);
	CHECK_ERRNO(K(1000), EOPNOTSUPP);
	CHECK_ERRNO(K(-1), EOPNOTSUPP);
	int k = key("k", PROCESS);
	CHECK_EQ(K(KEYCTL_GET_SECURITY, k, buf, sizeof buf), 1);
	CHECK_EQ(buf[0], 0);
}

MAIN()
