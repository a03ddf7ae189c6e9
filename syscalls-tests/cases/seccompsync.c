#include "seccomp.h"

static long hot_getpid(void) { return syscall(__NR_getpid); }

static void *sleeper(void *arg) {
	for (;;) pause();
	return NULL;
}

static volatile int stage;
static volatile pid_t other_tid;
static volatile long other_result;

static void await_stage(int s) {
	while (stage < s) msleep(1);
}

// other waits for stage 2 and makes the call 1000.
static void *other(void *filter) {
	other_tid = gettid();
	if (filter) CHECK_EQ(filtered(0, 1001, ERR(3)), 0);
	stage = 1;
	while (stage < 2) {} // the filter comes while it runs
	errno = 0;
	syscall(1000);
	other_result = errno;
	return NULL;
}

CASE(tsync_gives_all_threads_the_filters) {
	pthread_t t;
	CHECK_EQ(filtered(0, 1002, ERR(3)), 0);
	CHECK(pthread_create(&t, NULL, other, NULL) == 0);
	await_stage(1);
	CHECK_EQ(filtered(0, 1000, ERR(2)), 0);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0);
	CHECK_EQ(status_field(other_tid, "Seccomp_filters"), 3);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, 1);
}

static void *spin_getpid(void *arg) {
	other_tid = gettid();
	for (int i = 0; i < 20000; i++) hot_getpid();
	stage = 1;
	while (hot_getpid() > 0) {}
	other_result = errno;
	return NULL;
}

CASE(tsync_reaches_a_thread_whose_calls_are_answered_fast) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, spin_getpid, NULL) == 0);
	await_stage(1);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, __NR_getpid, ERR(EDOM)), 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, EDOM);
}

CASE(tsync_names_a_thread_with_filters_of_its_own) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, other, (void *)1) == 0);
	await_stage(1);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), other_tid);
	CHECK_ERRNO(filtered(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 1000, ERR(1)), ESRCH);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(other_result, ENOSYS);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0); // it is gone
}

CASE(tsync_takes_the_right_to_gain_privileges_along) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, other, NULL) == 0);
	await_stage(1);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(status_field(other_tid, "NoNewPrivs"), 0);
	CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1)), 0);
	CHECK_EQ(status_field(other_tid, "NoNewPrivs"), 1);
	stage = 2;
	CHECK(pthread_join(t, NULL) == 0);
}

static volatile int latest, wrong, finished;

static void *call_and_end(void *arg) {
	for (int i = 0; i < 20; i++) {
		int least = latest;
		errno = 0;
		syscall(1000);
		if (least && errno < least) wrong = 1;
	}
	return NULL;
}

static void *come_and_go(void *arg) {
	while (!finished) {
		pthread_t t[2];
		for (int i = 0; i < 2; i++)
			if (pthread_create(&t[i], NULL, call_and_end, NULL)) wrong = 2;
		for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
	}
	return NULL;
}

CASE(tsync_while_threads_come_and_go) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, come_and_go, NULL) == 0);
	for (int i = 1; i <= 60; i++) {
		CHECK_EQ(filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(100 + i)), 0);
		latest = 100 + i;
		msleep(2);
	}
	finished = 1;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(wrong, 0);
}

static void *sync_forever(void *arg) {
	for (int i = 0; i < 2000; i++) filtered(SECCOMP_FILTER_FLAG_TSYNC, 1000, ERR(1));
	return sleeper(arg);
}

CASE(exec_while_a_thread_syncs) {
	for (int i = 0; i < 20; i++) {
		pid_t p = fork();
		if (p == 0) {
			pthread_t t;
			CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
			CHECK(pthread_create(&t, NULL, sync_forever, NULL) == 0);
			msleep(i % 4);
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		CHECK_CHILD(p, 0);
	}
}

MAIN()
