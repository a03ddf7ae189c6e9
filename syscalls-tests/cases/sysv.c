#include "case.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int sem_do(int id, int num, int op, int flags) {
	struct sembuf b = {num, op, flags};
	return semop(id, &b, 1);
}

CASE(semget_flags_and_keys) {
	key_t k = 0x10000 + getpid();
	CHECK_ERRNO(semget(k, 1, 0600), ENOENT);
	int id = semget(k, 3, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(id >= 0);
	CHECK_ERRNO(semget(k, 3, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_EQ(semget(k, 0, 0600), id);
	CHECK_ERRNO(semget(k, 4, 0600), EINVAL);
	CHECK_ERRNO(semget(IPC_PRIVATE, 0, 0600), EINVAL);
	struct semid_ds ds;
	CHECK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}) == 0);
	CHECK_EQ(ds.sem_nsems, 3);
	CHECK_EQ(ds.sem_perm.mode, 0600);
	CHECK_EQ(ds.sem_otime, 0);
	CHECK(semctl(id, 0, IPC_RMID) == 0);
	CHECK_ERRNO(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), EINVAL);
}

CASE(semop_is_all_or_nothing) {
	int id = semget(IPC_PRIVATE, 2, 0600);
	struct sembuf b[2] = {{0, 2, 0}, {1, -1, IPC_NOWAIT}};
	CHECK_ERRNO(semop(id, b, 2), EAGAIN);
	CHECK_EQ(semctl(id, 0, GETVAL), 0);
	CHECK(sem_do(id, 1, 5, 0) == 0);
	CHECK(semop(id, b, 2) == 0);
	CHECK_EQ(semctl(id, 0, GETVAL), 2);
	CHECK_EQ(semctl(id, 1, GETVAL), 4);
	CHECK_EQ(semctl(id, 1, GETPID), getpid());
	CHECK_ERRNO(sem_do(id, 2, 1, 0), EFBIG);
	CHECK_ERRNO(sem_do(id, 0, 32767, 0), ERANGE);
	CHECK_ERRNO(sem_do(id, 0, 0, IPC_NOWAIT), EAGAIN);
	unsigned short v[2] = {7, 8};
	CHECK(semctl(id, 0, SETALL, (union semun){.array = v}) == 0);
	v[0] = v[1] = 0;
	CHECK(semctl(id, 0, GETALL, (union semun){.array = v}) == 0);
	CHECK_EQ(v[0] * 10 + v[1], 78);
	semctl(id, 0, IPC_RMID);
}

CASE(semop_waits_and_removal_gives_EIDRM) {
	int id = semget(IPC_PRIVATE, 1, 0600);
	pid_t p = fork();
	if (p == 0) {
		if (sem_do(id, 0, -1, 0)) _exit(1);
		_exit(sem_do(id, 0, -1, 0) == -1 && errno == EIDRM ? 7 : 2);
	}
	while (semctl(id, 0, GETNCNT) != 1) msleep(1);
	CHECK(sem_do(id, 0, 1, 0) == 0);
	msleep(20);
	while (semctl(id, 0, GETNCNT) != 1) msleep(1);
	CHECK(semctl(id, 0, IPC_RMID) == 0);
	CHECK_CHILD(p, 7);
}

CASE(SEM_UNDO_gives_back_at_exit) {
	int id = semget(IPC_PRIVATE, 1, 0600);
	semctl(id, 0, SETVAL, (union semun){.val = 3});
	pid_t p = fork();
	if (p == 0) _exit(sem_do(id, 0, -2, SEM_UNDO) ? 1 : semctl(id, 0, GETVAL));
	CHECK_CHILD(p, 1);
	CHECK_EQ(semctl(id, 0, GETVAL), 3);
	semctl(id, 0, IPC_RMID);
}

CASE(semtimedop_times_out) {
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf b = {0, -1, 0};
	struct timespec ts = {0, 20000000};
	long long t0 = now_ms();
	CHECK_ERRNO(semtimedop(id, &b, 1, &ts), EAGAIN);
	CHECK(now_ms() - t0 >= 19);
	semctl(id, 0, IPC_RMID);
}

struct msg {
	long type;
	char text[100];
};

CASE(messages_are_picked_by_type) {
	int id = msgget(IPC_PRIVATE, 0600);
	CHECK(id >= 0);
	for (int i = 1; i <= 5; i++) {
		struct msg m = {i == 5 ? 2 : i, ""};
		sprintf(m.text, "m%d", i);
		CHECK(msgsnd(id, &m, 3, 0) == 0);
	}
	struct msg m;
	CHECK_EQ(msgrcv(id, &m, sizeof m.text, 3, 0), 3);
	CHECK(!strcmp(m.text, "m3"));
	CHECK_EQ(msgrcv(id, &m, sizeof m.text, -2, 0), 3);
	CHECK(!strcmp(m.text, "m1"));
	CHECK_EQ(msgrcv(id, &m, sizeof m.text, 2, MSG_EXCEPT), 3);
	CHECK(!strcmp(m.text, "m4"));
	CHECK_ERRNO(msgrcv(id, &m, 1, 0, 0), E2BIG);
	CHECK_EQ(msgrcv(id, &m, 1, 0, MSG_NOERROR), 1);
	CHECK_EQ(m.type, 2);
	CHECK_ERRNO(msgrcv(id, &m, sizeof m.text, 9, IPC_NOWAIT), ENOMSG);
	struct msqid_ds ds;
	CHECK(msgctl(id, IPC_STAT, &ds) == 0);
	CHECK_EQ(ds.msg_qnum, 1);
	CHECK_EQ(ds.msg_lrpid, getpid());
	m.type = 0;
	CHECK_ERRNO(msgsnd(id, &m, 1, 0), EINVAL);
	CHECK(msgctl(id, IPC_RMID, 0) == 0);
}

CASE(a_full_queue_blocks_the_sender) {
	int id = msgget(IPC_PRIVATE, 0600);
	struct {
		long type;
		char text[8192];
	} m = {1, ""};
	CHECK(msgsnd(id, &m, 8192, IPC_NOWAIT) == 0);
	CHECK(msgsnd(id, &m, 8192, IPC_NOWAIT) == 0);
	CHECK_ERRNO(msgsnd(id, &m, 1, IPC_NOWAIT), EAGAIN);
	CHECK_ERRNO(msgsnd(id, &m, 8193, IPC_NOWAIT), EINVAL);
	pid_t p = fork();
	if (p == 0) { m.type = 2; _exit(msgsnd(id, &m, 10, 0) ? 1 : 5); }
	msleep(30);
	CHECK_EQ(msgrcv(id, &m, 8192, 1, 0), 8192);
	CHECK_CHILD(p, 5);
	CHECK_EQ(msgrcv(id, &m, 8192, 2, 0), 10);
	msgctl(id, IPC_RMID, 0);
}

CASE(shared_memory_is_shared_and_counted) {
	int id = shmget(IPC_PRIVATE, 5000, 0600);
	CHECK(id >= 0);
	int *a = shmat(id, 0, 0), *b = shmat(id, 0, SHM_RDONLY);
	CHECK(a != (void *)-1 && b != (void *)-1);
	*a = 42;
	CHECK_EQ(*b, 42);
	struct shmid_ds ds;
	CHECK(shmctl(id, IPC_STAT, &ds) == 0);
	CHECK_EQ(ds.shm_nattch, 2);
	CHECK_EQ(ds.shm_segsz, 5000);
	CHECK_EQ(ds.shm_cpid, getpid());
	pid_t p = fork();
	if (p == 0) {
		*a = 43;
		shmctl(id, IPC_STAT, &ds);
		_exit(ds.shm_nattch);
	}
	CHECK_CHILD(p, 4);
	CHECK_EQ(*b, 43);
	CHECK(shmctl(id, IPC_RMID, 0) == 0);
	CHECK_EQ(*b, 43);
	CHECK(shmctl(id, IPC_STAT, &ds) == 0);
	CHECK_EQ(ds.shm_perm.mode & 01000, 01000);
	CHECK(shmdt(a) == 0);
	CHECK_ERRNO(shmdt(a), EINVAL);
	CHECK(shmdt(b) == 0);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL);
}

CASE(shmat_at_an_address) {
	int id = shmget(IPC_PRIVATE, 8192, 0600);
	char *p = mmap(0, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERRNO((long)shmat(id, p + 1, 0), EINVAL);
	CHECK_ERRNO((long)shmat(id, p, 0), EINVAL);
	CHECK(shmat(id, p + 4096, SHM_REMAP) == p + 4096);
	p[4096] = 1;
	munmap(p + 4096, 4096);
	CHECK(shmdt(p + 4096) == 0);
	munmap(p, 65536);
	CHECK(shmat(id, p + 100, SHM_RND) == p);
	CHECK_EQ(p[0], 1);
	CHECK(shmdt(p) == 0);
	shmctl(id, IPC_RMID, 0);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}

CASE(message_queues_order_by_priority) {
	char name[40];
	sprintf(name, "/case%d", getpid());
	struct mq_attr at = {0, 4, 16, 0};
	CHECK_ERRNO(mq_open(name, O_RDWR), ENOENT);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &at);
	CHECK(q >= 0);
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &at), EEXIST);
	CHECK(mq_send(q, "a", 1, 1) == 0);
	CHECK(mq_send(q, "b", 1, 5) == 0);
	CHECK(mq_send(q, "c", 1, 5) == 0);
	CHECK_ERRNO(mq_send(q, "0123456789abcdefg", 17, 0), EMSGSIZE);
	CHECK(mq_getattr(q, &at) == 0);
	CHECK_EQ(at.mq_curmsgs, 3);
	char b[16];
	unsigned prio;
	CHECK_ERRNO(mq_receive(q, b, 15, &prio), EMSGSIZE);
	for (const char *want = "bca"; *want; want++) {
		CHECK_EQ(mq_receive(q, b, sizeof b, &prio), 1);
		CHECK_EQ(b[0], *want);
	}
	CHECK_EQ(prio, 1);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	CHECK_ERRNO(mq_timedreceive(q, b, sizeof b, 0, &ts), ETIMEDOUT);
	CHECK(mq_unlink(name) == 0);
	CHECK_ERRNO(mq_unlink(name), ENOENT);
	CHECK(mq_send(q, "z", 1, 0) == 0);
	CHECK(mq_close(q) == 0);
}

static volatile int notified;
static void on_notify(int s, siginfo_t *si, void *c) {
	(void)s, (void)c;
	notified = si->si_code == SI_MESGQ ? si->si_value.sival_int : -1;
}

CASE(mq_notify_signals_once) {
	char name[40];
	sprintf(name, "/case%d", getpid());
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, 0);
	CHECK(q >= 0);
	mq_unlink(name);
	struct sigaction sa = {0};
	sa.sa_sigaction = on_notify;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, 0);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
	CHECK(mq_notify(q, &ev) == 0);
	CHECK_ERRNO(mq_notify(q, &ev), EBUSY);
	CHECK(mq_send(q, "x", 1, 0) == 0);
	CHECK_EQ(notified, 77);
	notified = 0;
	CHECK(mq_send(q, "x", 1, 0) == 0);
	CHECK_EQ(notified, 0);
}

// mq returns a queue of the case's own.
static mqd_t mq(void) {
	char name[40];
	sprintf(name, "/case%d", getpid());
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, 0);
	CHECK(q >= 0);
	mq_unlink(name);
	return q;
}

static void in_thread(union sigval v) { __atomic_store_n((int *)v.sival_ptr, 1, __ATOMIC_SEQ_CST); }

CASE(mq_notify_starts_a_thread) {
	mqd_t q = mq();
	static int ran;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_ptr = &ran};
	CHECK(mq_notify(q, &ev) == 0);
	CHECK_ERRNO(mq_notify(q, &ev), EBUSY);
	CHECK(mq_send(q, "x", 1, 0) == 0);
	for (int i = 0; i < 5000 && !__atomic_load_n(&ran, __ATOMIC_SEQ_CST); i++) msleep(1);
	CHECK_EQ(ran, 1);
	char b[8192];
	CHECK(mq_receive(q, b, sizeof b, 0) == 1);
	CHECK(mq_notify(q, &ev) == 0); // it was used up
}

// registers asks for cookies of q through a netlink socket, which it returns.
static int registers(mqd_t q, char *cookie) {
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK(s >= 0);
	for (int i = 0; i < 32; i++) cookie[i] = i + 1;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_signo = s, .sigev_value.sival_ptr = cookie};
	CHECK(syscall(SYS_mq_notify, q, &ev) == 0);
	return s;
}

CASE(mq_notify_sends_a_cookie) {
	mqd_t q = mq();
	char cookie[32], b[64];
	int s = registers(q, cookie);
	CHECK_ERRNO(recv(s, b, sizeof b, MSG_DONTWAIT), EAGAIN);
	CHECK(mq_send(q, "x", 1, 0) == 0);
	CHECK_EQ(recv(s, b, sizeof b, MSG_DONTWAIT), 32);
	CHECK(!memcmp(b, cookie, 31));
	CHECK_EQ(b[31], 1); // NOTIFY_WOKENUP
	CHECK(mq_send(q, "x", 1, 0) == 0);
	CHECK_ERRNO(recv(s, b, sizeof b, MSG_DONTWAIT), EAGAIN);
}

CASE(mq_notify_cookie_tells_of_the_end) {
	mqd_t q = mq();
	char cookie[32], b[64];
	int s = registers(q, cookie);
	CHECK(syscall(SYS_mq_notify, q, 0) == 0);
	CHECK_EQ(recv(s, b, sizeof b, MSG_DONTWAIT), 32);
	CHECK_EQ(b[31], 2); // NOTIFY_REMOVED
	int s2 = registers(q, cookie);
	CHECK(mq_close(q) == 0);
	CHECK_EQ(recv(s2, b, sizeof b, MSG_DONTWAIT), 32);
	CHECK_EQ(b[31], 2);
}

CASE(mq_notify_checks_its_argument) {
	mqd_t q = mq();
	char cookie[32] = "";
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_signo = -1, .sigev_value.sival_ptr = cookie};
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), EBADF);
	ev.sigev_signo = open("/", O_RDONLY);
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), ENOTSOCK);
	ev.sigev_signo = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), EINVAL);
	ev.sigev_signo = socket(AF_NETLINK, SOCK_RAW, 0);
	CHECK_ERRNO(syscall(SYS_mq_notify, -1, &ev), EBADF);
	ev.sigev_value.sival_ptr = (void *)8;
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), EFAULT);
	ev.sigev_notify = 99;
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), EINVAL);
	ev = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
	CHECK_ERRNO(syscall(SYS_mq_notify, q, &ev), EINVAL);
}

MAIN()
