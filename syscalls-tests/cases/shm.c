// Semaphores, messages and shared memory of System V, and POSIX message queues: semop(2), semctl(2), msgop(2),
// msgctl(2), shmat(2), shmctl(2), mq_open(3) and what is under it.
#include "case.h"
#include <grp.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif
#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#define MSG_COPY_FLAG 040000

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static int sem_make(int n) {
	int id = semget(IPC_PRIVATE, n, 0600);
	CHECK(id >= 0);
	return id;
}
static int op1(int id, int n, int op, int flags) {
	struct sembuf b = {n, op, flags};
	return semop(id, &b, 1);
}
static int value(int id, int n) { return semctl(id, n, GETVAL); }
static void become(int id) {
	CHECK(setgroups(0, 0) == 0);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
}

CASE(semget_errors) {
	CHECK_ERRNO(semget(IPC_PRIVATE, -1, 0600), EINVAL);
	CHECK_ERRNO(semget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERRNO(semget(IPC_PRIVATE, 1 << 20, 0600), EINVAL);
	int key = 0x5e000000 + getpid();
	CHECK_ERRNO(semget(key, 1, 0600), ENOENT);
	int id = semget(key, 2, IPC_CREAT | 0600);
	CHECK(id >= 0);
	CHECK_ERRNO(semget(key, 2, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_ERRNO(semget(key, 3, 0600), EINVAL);
	CHECK_EQ(semget(key, 0, 0), id);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(semget(key, 2, 0600), EACCES);
		CHECK_EQ(semget(key, 2, 0), id); // asks for nothing
		CHECK_ERRNO(semctl(id, 0, GETVAL), EACCES);
		CHECK_ERRNO(semctl(id, 0, IPC_RMID), EPERM);
		CHECK_ERRNO(op1(id, 0, 1, 0), EACCES);
		struct semid_ds ds;
		CHECK_ERRNO(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), EACCES);
		CHECK_ERRNO(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

CASE(semop_errors) {
	int id = sem_make(2);
	struct sembuf b = {0, 1, 0}, many[2] = {{0, 1, 0}, {0, -2, IPC_NOWAIT}};
	CHECK_ERRNO(semop(id, &b, 0), EINVAL);
	CHECK_ERRNO(semop(id, &b, 100000), E2BIG);
	CHECK_ERRNO(semop(-1, &b, 1), EINVAL);
	CHECK_ERRNO(semop(-1, &b, 100000), E2BIG);
	CHECK_ERRNO(semop(id + 77777, &b, 1), EINVAL);
	CHECK_ERRNO(semop(id, (void *)8, 1), EFAULT);
	CHECK_ERRNO(semop(-1, (void *)8, 1), EFAULT);
	CHECK_ERRNO(op1(id, 2, 1, 0), EFBIG);
	CHECK_ERRNO(op1(id, 0, -1, IPC_NOWAIT), EAGAIN);
	CHECK_EQ(op1(id, 0, 32767, 0), 0);
	CHECK_ERRNO(op1(id, 0, 1, 0), ERANGE);
	CHECK_ERRNO(op1(id, 0, 0, IPC_NOWAIT), EAGAIN);
	CHECK_ERRNO(semop(id, many, 2), ERANGE);
	CHECK_EQ(value(id, 0), 32767);
	struct timespec bad = {0, 1000000000};
	CHECK_ERRNO(semtimedop(id, &b, 1, &bad), EINVAL);
	CHECK_ERRNO(semtimedop(id, &b, 1, (void *)8), EFAULT);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_ERRNO(semop(id, &b, 1), EINVAL);
}

CASE(semctl_errors) {
	int id = sem_make(2);
	union semun u = {.val = 32768};
	CHECK_ERRNO(semctl(id, 0, SETVAL, u), ERANGE);
	u.val = -1;
	CHECK_ERRNO(semctl(id, 0, SETVAL, u), ERANGE);
	u.val = 1;
	CHECK_ERRNO(semctl(id, 2, SETVAL, u), EINVAL);
	CHECK_ERRNO(semctl(id, -1, SETVAL, u), EINVAL);
	CHECK_ERRNO(semctl(id, 2, GETVAL), EINVAL);
	CHECK_ERRNO(semctl(id, 0, 77), EINVAL);
	CHECK_ERRNO(semctl(-1, 0, GETVAL), EINVAL);
	u.array = (void *)8;
	CHECK_ERRNO(semctl(id, 0, GETALL, u), EFAULT);
	CHECK_ERRNO(semctl(id, 0, SETALL, u), EFAULT);
	u.buf = (void *)8;
	CHECK_ERRNO(syscall(SYS_semctl, id, 0, IPC_STAT, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_semctl, id, 0, IPC_SET, 8), EFAULT);
	unsigned short v[2] = {5, 32768};
	u.array = v;
	CHECK_ERRNO(semctl(id, 0, SETALL, u), ERANGE);
	CHECK_EQ(value(id, 0), 0);
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
	CHECK_ERRNO(semctl(id, 0, IPC_RMID), EINVAL);
}

CASE(semctl_counts_waiters_and_remembers_the_last) {
	int id = sem_make(1), st;
	CHECK_EQ(semctl(id, 0, GETPID), 0);
	pid_t p = fork();
	if (!p) _exit(op1(id, 0, -1, 0) ? 1 : 0);
	while (semctl(id, 0, GETNCNT) != 1) CHECK_EQ(waitpid(p, &st, WNOHANG), 0);
	CHECK_EQ(semctl(id, 0, GETZCNT), 0);
	CHECK_EQ(op1(id, 0, 1, 0), 0);
	CHECK_CHILD(p, 0);
	CHECK_EQ(semctl(id, 0, GETNCNT), 0);
	CHECK_EQ(semctl(id, 0, GETPID), p);
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 1}), 0);
	CHECK_EQ(semctl(id, 0, GETPID), getpid());
	p = fork();
	if (!p) _exit(op1(id, 0, 0, 0) ? 1 : 0);
	while (semctl(id, 0, GETZCNT) != 1) CHECK_EQ(waitpid(p, &st, WNOHANG), 0);
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 0}), 0);
	CHECK_CHILD(p, 0);
	semctl(id, 0, IPC_RMID);
}

CASE(SETVAL_and_SETALL_forget_undo) {
	int id = sem_make(1);
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 5}), 0);
	pid_t p = fork();
	if (!p) {
		CHECK_EQ(op1(id, 0, -2, SEM_UNDO), 0);
		CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 9}), 0);
		CHECK_EQ(op1(id, 0, 1, SEM_UNDO), 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(value(id, 0), 9); // only the last was undone
	semctl(id, 0, IPC_RMID);
}

CASE(undo_is_not_inherited_by_fork_and_kept_by_exec) {
	int id = sem_make(1);
	CHECK_EQ(semctl(id, 0, SETVAL, (union semun){.val = 5}), 0);
	CHECK_EQ(op1(id, 0, -1, SEM_UNDO), 0);
	pid_t p = fork();
	if (!p) _exit(0);
	CHECK_CHILD(p, 0);
	CHECK_EQ(value(id, 0), 4);
	p = fork();
	if (!p) {
		CHECK_EQ(op1(id, 0, -3, SEM_UNDO), 0);
		execl("/bin/true", "true", (char *)0);
		_exit(1);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(value(id, 0), 4); // undone after exec and exit
	semctl(id, 0, IPC_RMID);
}

CASE(a_blocked_semop_is_interrupted_and_never_restarted) {
	int id = sem_make(1), st;
	pid_t p = fork();
	if (!p) {
		struct sigaction sa = {.sa_handler = (void (*)(int))getpid, .sa_flags = SA_RESTART};
		sigaction(SIGUSR1, &sa, 0);
		CHECK_ERRNO(op1(id, 0, -1, 0), EINTR);
		_exit(0);
	}
	while (semctl(id, 0, GETNCNT) != 1) CHECK_EQ(waitpid(p, &st, WNOHANG), 0);
	kill(p, SIGUSR1);
	CHECK_CHILD(p, 0);
	CHECK_EQ(semctl(id, 0, GETNCNT), 0);
	semctl(id, 0, IPC_RMID);
}

CASE(IPC_SET_changes_owner_and_mode) {
	int id = sem_make(1);
	struct semid_ds ds;
	CHECK_EQ(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
	CHECK_EQ(ds.sem_nsems, 1);
	CHECK_EQ(ds.sem_perm.mode, 0600);
	CHECK_EQ(ds.sem_otime, 0);
	CHECK(ds.sem_ctime > 0);
	ds.sem_perm.uid = 1001, ds.sem_perm.mode = 07640;
	CHECK_EQ(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}), 0);
	CHECK_EQ(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
	CHECK_EQ(ds.sem_perm.mode, 0640);
	CHECK_EQ(ds.sem_perm.uid, 1001);
	CHECK_EQ(ds.sem_perm.cuid, 0);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_EQ(op1(id, 0, 1, 0), 0);
		CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(value(id, 0), EINVAL);
}

CASE(STAT_goes_by_index_and_STAT_ANY_asks_no_permission) {
	int id = sem_make(1), index = -1;
	struct semid_ds ds;
	struct seminfo si;
	int max = semctl(0, 0, SEM_INFO, (union semun){.info = &si});
	CHECK(max >= 0);
	CHECK(si.semusz >= 1); // sets in use
	for (int i = 0; i <= max; i++)
		if (semctl(i, 0, SEM_STAT, (union semun){.buf = &ds}) == id) index = i;
	CHECK(index >= 0);
	CHECK(semctl(0, 0, IPC_INFO, (union semun){.info = &si}) >= 0);
	CHECK_EQ(si.semvmx, 32767);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(semctl(index, 0, SEM_STAT, (union semun){.buf = &ds}), EACCES);
		CHECK_EQ(syscall(SYS_semctl, index, 0, SEM_STAT_ANY, &ds), id);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_ERRNO(semctl(0x7fff, 0, SEM_STAT, (union semun){.buf = &ds}), EINVAL);
	semctl(id, 0, IPC_RMID);
}

struct msg { long type; char text[64]; };

static int queue(void) {
	int id = msgget(IPC_PRIVATE, 0600);
	CHECK(id >= 0);
	for (int i = 1; i <= 4; i++) {
		struct msg m = {i, ""};
		m.text[0] = '0' + i;
		CHECK_EQ(msgsnd(id, &m, 1, 0), 0);
	}
	return id;
}

CASE(msgsnd_and_msgrcv_errors) {
	int id = msgget(IPC_PRIVATE, 0600);
	struct msg m = {0, "x"};
	CHECK_ERRNO(msgsnd(id, &m, 1, 0), EINVAL); // type 0
	m.type = -1;
	CHECK_ERRNO(msgsnd(id, &m, 1, 0), EINVAL);
	m.type = 1;
	CHECK_ERRNO(msgsnd(id, &m, -1, 0), EINVAL);
	CHECK_ERRNO(msgsnd(id, &m, 1 << 20, 0), EINVAL);
	CHECK_ERRNO(msgsnd(id, (void *)8, 1, 0), EFAULT);
	CHECK_ERRNO(msgsnd(-1, &m, 1, 0), EINVAL);
	CHECK_ERRNO(msgrcv(id, &m, 1, 0, IPC_NOWAIT), ENOMSG);
	CHECK_ERRNO(msgrcv(id, &m, -1, 0, IPC_NOWAIT), EINVAL);
	CHECK_ERRNO(msgrcv(-1, &m, 1, 0, IPC_NOWAIT), EINVAL);
	CHECK_EQ(msgsnd(id, &m, 5, 0), 0);
	CHECK_ERRNO(msgrcv(id, &m, 4, 0, IPC_NOWAIT), E2BIG);
	CHECK_EQ(msgrcv(id, &m, 4, 0, IPC_NOWAIT | MSG_NOERROR), 4);
	CHECK_ERRNO(msgrcv(id, &m, 4, 0, IPC_NOWAIT), ENOMSG);
	CHECK_EQ(msgsnd(id, &m, 0, 0), 0); // a message may be empty
	CHECK_EQ(msgrcv(id, &m, 0, 0, 0), 0);
	CHECK_EQ(msgctl(id, IPC_RMID, 0), 0);
	CHECK_ERRNO(msgsnd(id, &m, 1, 0), EINVAL);
}

CASE(msgrcv_chooses_by_type_sign_and_MSG_EXCEPT) {
	int id = queue();
	struct msg m;
	CHECK_EQ(msgrcv(id, &m, 64, 3, 0), 1);
	CHECK_EQ(m.type, 3);
	CHECK_EQ(msgrcv(id, &m, 64, 1, MSG_EXCEPT), 1);
	CHECK_EQ(m.type, 2);
	CHECK_EQ(msgrcv(id, &m, 64, -3, 0), 1);
	CHECK_EQ(m.type, 1);
	CHECK_ERRNO(msgrcv(id, &m, 64, -3, IPC_NOWAIT), ENOMSG);
	CHECK_ERRNO(msgrcv(id, &m, 64, 4, MSG_EXCEPT | IPC_NOWAIT), ENOMSG);
	CHECK_EQ(msgrcv(id, &m, 64, LONG_MIN, 0), 1); // less than any
	CHECK_EQ(m.type, 4);
	msgctl(id, IPC_RMID, 0);
}

CASE(MSG_COPY_looks_and_leaves) {
	int id = queue();
	struct msg m;
	CHECK_EQ(msgrcv(id, &m, 64, 2, MSG_COPY_FLAG | IPC_NOWAIT), 1);
	CHECK_EQ(m.type, 3); // the third in the queue
	CHECK_EQ(m.text[0], '3');
	CHECK_ERRNO(msgrcv(id, &m, 64, 4, MSG_COPY_FLAG | IPC_NOWAIT), ENOMSG);
	CHECK_ERRNO(msgrcv(id, &m, 64, 2, MSG_COPY_FLAG), EINVAL);
	CHECK_ERRNO(msgrcv(id, &m, 64, 2, MSG_COPY_FLAG | IPC_NOWAIT | MSG_EXCEPT), EINVAL);
	struct msqid_ds ds;
	CHECK_EQ(msgctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.msg_qnum, 4);
	CHECK_EQ(ds.msg_cbytes, 4);
	CHECK_EQ(ds.msg_lrpid, 0);
	CHECK_EQ(ds.msg_lspid, getpid());
	msgctl(id, IPC_RMID, 0);
}

CASE(removing_a_queue_wakes_senders_and_receivers_with_EIDRM) {
	int id = msgget(IPC_PRIVATE, 0600);
	int ready[2];
	char c;
	CHECK(pipe(ready) == 0);
	pid_t p = fork();
	if (!p) {
		struct msg m;
		if (write(ready[1], "x", 1) != 1) _exit(1);
		if (msgrcv(id, &m, 64, 0, 0) != -1) _exit(2);
		_exit(errno == EIDRM || errno == EINVAL ? 0 : 3); // EINVAL if it came too late
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	msleep(5);
	CHECK_EQ(msgctl(id, IPC_RMID, 0), 0);
	CHECK_CHILD(p, 0);
}

CASE(a_queue_has_room_for_msg_qbytes) {
	int id = msgget(IPC_PRIVATE, 0600);
	struct msqid_ds ds;
	struct msg m = {1, ""};
	CHECK_EQ(msgctl(id, IPC_STAT, &ds), 0);
	ds.msg_qbytes = 100;
	CHECK_EQ(msgctl(id, IPC_SET, &ds), 0);
	CHECK_EQ(msgsnd(id, &m, 60, IPC_NOWAIT), 0);
	CHECK_ERRNO(msgsnd(id, &m, 60, IPC_NOWAIT), EAGAIN);
	CHECK_EQ(msgsnd(id, &m, 40, IPC_NOWAIT), 0);
	CHECK_ERRNO(msgctl(id, 77, &ds), EINVAL);
	CHECK_ERRNO(msgctl(id, IPC_STAT, (void *)8), EFAULT);
	CHECK_ERRNO(msgctl(-1, IPC_STAT, &ds), EINVAL);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(msgctl(id, IPC_STAT, &ds), EACCES);
		CHECK_ERRNO(msgctl(id, IPC_SET, &ds), EPERM);
		CHECK_ERRNO(msgctl(id, IPC_RMID, 0), EPERM);
		CHECK_ERRNO(msgsnd(id, &m, 1, 0), EACCES);
		CHECK_ERRNO(msgrcv(id, &m, 1, 0, 0), EACCES);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	msgctl(id, IPC_RMID, 0);
}

static int segment(size_t n) {
	int id = shmget(IPC_PRIVATE, n, 0600);
	CHECK(id >= 0);
	return id;
}

CASE(shmget_errors) {
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	int key = 0x5d000000 + getpid();
	CHECK_ERRNO(shmget(key, 4096, 0600), ENOENT);
	int id = shmget(key, 5000, IPC_CREAT | 0600);
	CHECK(id >= 0);
	CHECK_ERRNO(shmget(key, 5001, 0600), EINVAL); // the size asked for counts, not its pages
	CHECK_EQ(shmget(key, 0, 0600), id);
	CHECK_ERRNO(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	struct shmid_ds ds;
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_segsz, 5000);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK_EQ(ds.shm_lpid, 0);
	CHECK_EQ(ds.shm_nattch, 0);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(shmget(key, 0, 0600), EACCES);
		CHECK_ERRNO((long)shmat(id, 0, 0), EACCES);
		CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EACCES);
		CHECK_ERRNO(shmctl(id, IPC_RMID, 0), EPERM);
		CHECK_ERRNO(shmctl(id, SHM_LOCK, 0), EPERM);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(shmctl(id, IPC_RMID, 0), 0);
	CHECK_ERRNO(shmctl(id, IPC_RMID, 0), EINVAL);
	CHECK_ERRNO(shmctl(-1, IPC_STAT, &ds), EINVAL);
}

CASE(shmat_errors) {
	int id = segment(8192);
	CHECK_ERRNO((long)shmat(-1, 0, 0), EINVAL);
	CHECK_ERRNO((long)shmat(id + 77777, 0, 0), EINVAL);
	CHECK_ERRNO((long)shmat(id, (void *)0x10001, 0), EINVAL); // not aligned
	CHECK_ERRNO((long)shmat(id, 0, SHM_REMAP), EINVAL);
	CHECK_ERRNO(shmdt((void *)0x10001), EINVAL);
	char *taken = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERRNO((long)shmat(id, taken, 0), EINVAL);
	CHECK_ERRNO(shmdt(taken), EINVAL);
	CHECK(shmat(id, taken, SHM_REMAP) == taken);
	taken[0] = 'x';
	CHECK_EQ(shmdt(taken), 0);
	CHECK_ERRNO(shmdt(taken), EINVAL);
	char *p = shmat(id, taken + 77, SHM_RND); // rounded down
	CHECK(p == taken);
	CHECK_EQ(p[0], 'x');
	shmctl(id, IPC_RMID, 0);
}

CASE(SHM_RDONLY_cannot_be_written_nor_made_so) {
	int id = shmget(IPC_PRIVATE, 4096, 0400);
	CHECK(id >= 0);
	char *p = shmat(id, 0, SHM_RDONLY);
	CHECK(p != (void *)-1);
	CHECK_EQ(p[0], 0);
	pid_t c = fork();
	if (!c) p[0] = 1, _exit(0);
	int st;
	CHECK_EQ(waitpid(c, &st, 0), c);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
	c = fork();
	if (!c) { // mprotect may undo it only if the segment permits, whoever asks
		CHECK_ERRNO(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
		_exit(0);
	}
	CHECK_CHILD(c, 0);
	shmctl(id, IPC_RMID, 0);
}

CASE(a_removed_segment_lives_until_the_last_detaches) {
	int id = segment(4096);
	char *p = shmat(id, 0, 0), *q = shmat(id, 0, 0);
	CHECK(p != q);
	CHECK_EQ(shmctl(id, IPC_RMID, 0), 0);
	struct shmid_ds ds;
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_nattch, 2);
	CHECK_EQ(ds.shm_perm.mode, 0600 | SHM_DEST);
	CHECK_EQ(*(int *)&ds.shm_perm, IPC_PRIVATE); // __key
	char *r = shmat(id, 0, 0); // Linux lets more attach
	CHECK(r != (void *)-1);
	strcpy(p, "alive");
	CHECK(!strcmp(r, "alive"));
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(shmdt(q), 0);
	CHECK_EQ(munmap(r, 4096), 0);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL);
}

CASE(attachments_are_counted_through_fork_exec_and_unmapping) {
	int id = segment(8192), fd[2];
	char c;
	struct shmid_ds ds;
	char *p = shmat(id, 0, 0);
	CHECK(pipe(fd) == 0);
	pid_t k = fork();
	if (!k) _exit(read(fd[0], &c, 1) == 1 && shmdt(p) == 0 ? 0 : 1);
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_nattch, 2);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_CHILD(k, 0);
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_nattch, 1);
	CHECK_EQ(ds.shm_lpid, k);
	CHECK_EQ(munmap(p, 4096), 0); // half of it is still attached
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_nattch, 1);
	CHECK_EQ(shmdt(p), 0); // what is left of it
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_nattch, 0);
	shmctl(id, IPC_RMID, 0);
}

CASE(SHM_STAT_and_SHM_INFO) {
	int id = segment(4096), index = -1;
	struct shmid_ds ds;
	struct shm_info si;
	struct shminfo lim;
	int max = shmctl(0, SHM_INFO, (void *)&si);
	CHECK(max >= 0);
	CHECK(si.used_ids >= 1);
	CHECK(shmctl(0, IPC_INFO, (void *)&lim) >= 0);
	CHECK_EQ(lim.shmmin, 1);
	for (int i = 0; i <= max; i++)
		if (shmctl(i, SHM_STAT, &ds) == id) index = i;
	CHECK(index >= 0);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(shmctl(index, SHM_STAT, &ds), EACCES);
		CHECK_EQ(syscall(SYS_shmctl, index, SHM_STAT_ANY, &ds), id);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(shmctl(id, SHM_LOCK, 0), 0);
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK(ds.shm_perm.mode & SHM_LOCKED);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, 0), 0);
	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	CHECK(!(ds.shm_perm.mode & SHM_LOCKED));
	shmctl(id, IPC_RMID, 0);
}

CASE(segments_and_queues_show_in_proc_sysvipc) {
	int id = segment(12345), found = 0;
	char line[400];
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	CHECK(f && fgets(line, sizeof line, f));
	CHECK(strstr(line, "key") && strstr(line, "shmid") && strstr(line, "nattch"));
	while (fgets(line, sizeof line, f)) {
		int key, sid, perms;
		unsigned long size;
		CHECK_EQ(sscanf(line, "%d %d %o %lu", &key, &sid, &perms, &size), 4);
		if (sid == id) found = perms == 0600 && size == 12345;
	}
	CHECK(found);
	shmctl(id, IPC_RMID, 0);
}

static mqd_t mq_make(const char *name, long max, long size) {
	struct mq_attr a = {0, max, size, 0};
	mq_unlink(name);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	CHECK(q >= 0);
	return q;
}

CASE(mq_open_errors) {
	char name[64], longname[300];
	sprintf(name, "/errors%d", getpid());
	struct mq_attr a = {0, 0, 8, 0};
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	a = (struct mq_attr){0, 4, 0, 0};
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	a = (struct mq_attr){0, -1, 8, 0};
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	CHECK_ERRNO(syscall(SYS_mq_open, name + 1, O_RDWR | O_CREAT, 0600, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_open, 8, O_RDWR | O_CREAT, 0600, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, 0), EACCES);
	CHECK_ERRNO(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, 0), EACCES);
	memset(longname, 'x', 299), longname[0] = '/', longname[299] = 0;
	CHECK_ERRNO(mq_open(longname, O_RDWR | O_CREAT, 0600, 0), ENAMETOOLONG);
	CHECK_ERRNO(syscall(SYS_mq_open, name + 1, O_RDWR, 0, 8), EFAULT);
	mqd_t q = mq_make(name, 4, 8);
	CHECK_EQ(fcntl(q, F_GETFD), FD_CLOEXEC);
	pid_t p = fork();
	if (!p) {
		become(1001);
		CHECK_ERRNO(mq_open(name, O_RDONLY), EACCES);
		CHECK_ERRNO(mq_unlink(name), EACCES);
		_exit(0);
	}
	CHECK_CHILD(p, 0);
	CHECK_EQ(mq_unlink(name), 0);
	CHECK_ERRNO(mq_unlink(name), ENOENT);
}

CASE(mq_send_and_receive_errors) {
	char name[64], b[16];
	unsigned prio;
	sprintf(name, "/sends%d", getpid());
	mqd_t q = mq_make(name, 2, 8), r = mq_open(name, O_RDONLY), w = mq_open(name, O_WRONLY | O_NONBLOCK);
	CHECK_ERRNO(mq_send(q, "123456789", 9, 0), EMSGSIZE);
	CHECK_ERRNO(mq_send(q, "x", 1, 32768), EINVAL);
	CHECK_EQ(mq_send(q, "x", 1, 32767), 0);
	CHECK_ERRNO(mq_send(r, "x", 1, 0), EBADF);
	CHECK_ERRNO(mq_receive(w, b, 8, &prio), EBADF);
	CHECK_ERRNO(mq_send(1, "x", 1, 0), EBADF); // no queue
	CHECK_ERRNO(mq_receive(999, b, 8, &prio), EBADF);
	CHECK_ERRNO(mq_receive(q, b, 7, &prio), EMSGSIZE);
	CHECK_EQ(mq_receive(q, b, 8, &prio), 1);
	CHECK_EQ(prio, 32767);
	CHECK_EQ(mq_send(w, "", 0, 0), 0);
	CHECK_EQ(mq_send(w, "x", 1, 0), 0);
	CHECK_ERRNO(mq_send(w, "x", 1, 0), EAGAIN);
	struct timespec past = {0, 0}, bad = {0, 1000000000}, neg = {-1, 0};
	CHECK_ERRNO(mq_timedsend(q, "x", 1, 0, &past), ETIMEDOUT);
	CHECK_ERRNO(mq_timedsend(q, "x", 1, 0, &bad), EINVAL);
	CHECK_ERRNO(mq_timedsend(q, "x", 1, 0, &neg), EINVAL);
	CHECK_ERRNO(mq_timedsend(q, "x", 1, 0, (void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_timedsend, w, 8, 1, 0, 0), EFAULT); // even if there is no room
	struct mq_attr a = {O_NONBLOCK, 0, 0, 0}, old;
	CHECK_EQ(mq_setattr(q, &a, &old), 0);
	CHECK(old.mq_flags == 0 && old.mq_curmsgs == 2 && old.mq_maxmsg == 2 && old.mq_msgsize == 8);
	CHECK_ERRNO(mq_send(q, "x", 1, 0), EAGAIN);
	a.mq_flags = O_APPEND;
	CHECK_ERRNO(mq_setattr(q, &a, 0), EINVAL);
	CHECK_ERRNO(mq_getattr(1, &a), EBADF);
	mq_unlink(name);
}

CASE(a_queue_polls_and_tells_its_size_when_read) {
	char name[64], b[200];
	sprintf(name, "/polls%d", getpid());
	mqd_t q = mq_make(name, 1, 8);
	struct pollfd p = {q, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK_EQ(mq_send(q, "abc", 3, 0), 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	int n = read(q, b, sizeof b - 1);
	CHECK(n > 0);
	b[n] = 0;
	CHECK(!strncmp(b, "QSIZE:3 ", 8));
	CHECK_EQ(read(q, b, sizeof b), 0); // the end
	CHECK_EQ(lseek(q, 0, SEEK_SET), 0);
	CHECK_EQ(pread(q, b, 6, 0), 6);
	CHECK(!memcmp(b, "QSIZE:", 6));
	mq_unlink(name);
}

CASE(RLIMIT_MSGQUEUE_limits_the_bytes_of_queues) {
	char name[64];
	sprintf(name, "/limit%d", getpid());
	struct rlimit r = {2000, 2000};
	become(54340); // who has no other queues
	CHECK(setrlimit(RLIMIT_MSGQUEUE, &r) == 0);
	struct mq_attr a = {0, 10, 1000, 0};
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EMFILE);
	a = (struct mq_attr){0, 2, 100, 0};
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	CHECK(q >= 0);
	mq_unlink(name);
}

MAIN()
