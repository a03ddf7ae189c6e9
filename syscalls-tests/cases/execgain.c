// Memory that must not become executable (PR_SET_MDWE).
#include "case.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#define REFUSE 1
#define NO_INHERIT 2
#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)
#define PG 4096

static char *map(int prot, int flags) { return mmap(0, PG, prot, flags | MAP_ANONYMOUS, -1, 0); }

static int denied(void) { return map(RW | PROT_EXEC, MAP_PRIVATE) == MAP_FAILED && errno == EACCES; }

CASE(nothing_is_writable_and_executable) {
	char *old = map(RW | PROT_EXEC, MAP_PRIVATE), *rw = map(RW, MAP_PRIVATE);
	CHECK(old != MAP_FAILED);
	CHECK(prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) == 0);
	CHECK(map(RW | PROT_EXEC, MAP_PRIVATE) == MAP_FAILED && errno == EACCES);
	CHECK(map(PROT_WRITE | PROT_EXEC, MAP_SHARED) == MAP_FAILED && errno == EACCES);
	CHECK(mmap(rw, PG, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EACCES);
	rw[0] = 1; // it is still there
	CHECK(map(RX, MAP_PRIVATE) != MAP_FAILED);
	// What is there already stays.
	old[0] = (char)0xc3;
	((void (*)(void))old)();
	CHECK_ERRNO(mprotect(old, PG, RW | PROT_EXEC), EACCES);
	CHECK(mprotect(old, PG, RX) == 0);
	CHECK_EQ(prctl(PR_GET_MDWE, 0, 0, 0, 0), REFUSE);
}

CASE(nothing_becomes_executable) {
	char *r = map(PROT_READ, MAP_PRIVATE), *rw = map(RW, MAP_SHARED), *rx = map(RX, MAP_PRIVATE), *none = map(PROT_NONE, MAP_PRIVATE);
	CHECK(prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) == 0);
	CHECK_ERRNO(mprotect(r, PG, RX), EACCES);
	CHECK_ERRNO(mprotect(none, PG, PROT_EXEC), EACCES);
	CHECK_ERRNO(mprotect(rw, PG, RW | PROT_EXEC), EACCES);
	CHECK(mprotect(rx, PG, RX) == 0);
	CHECK(mprotect(rx, PG, PROT_READ) == 0);
	CHECK_ERRNO(mprotect(rx, PG, RX), EACCES);
}

CASE(shared_memory_segments_are_no_way_around) {
	int id = shmget(IPC_PRIVATE, PG, 0700);
	CHECK(prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) == 0);
	CHECK(shmat(id, 0, SHM_EXEC) == (void *)-1 && errno == EACCES);
	char *p = shmat(id, 0, SHM_EXEC | SHM_RDONLY);
	shmctl(id, IPC_RMID, 0);
	CHECK(p != (void *)-1);
}

CASE(it_is_not_taken_back) {
	CHECK_ERRNO(prctl(PR_SET_MDWE, NO_INHERIT, 0, 0, 0), EINVAL);
	CHECK(prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) == 0);
	CHECK_ERRNO(prctl(PR_SET_MDWE, 0, 0, 0, 0), EPERM);
	CHECK_ERRNO(prctl(PR_SET_MDWE, REFUSE | NO_INHERIT, 0, 0, 0), EPERM);
	CHECK(prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) == 0);
}

CASE(children_inherit_it_unless_told) {
	for (int flags = REFUSE; flags <= (REFUSE | NO_INHERIT); flags += NO_INHERIT) {
		pid_t p = fork();
		if (p == 0) {
			CHECK(prctl(PR_SET_MDWE, flags, 0, 0, 0) == 0);
			CHECK(denied());
			pid_t q = fork();
			if (q == 0) _exit(denied() == (flags == REFUSE) && prctl(PR_GET_MDWE, 0, 0, 0, 0) == (flags == REFUSE ? REFUSE : 0) ? 7 : 1);
			CHECK_CHILD(q, 7);
			_exit(7);
		}
		CHECK_CHILD(p, 7);
	}
}

// A new program, which finds it set, ends with 3.
__attribute__((constructor)) static void new_program(void) {
	if (getenv("EXECGAIN")) _exit(denied() ? 3 : prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 ? 5 : 4);
}

CASE(new_programs_inherit_it) {
	char *argv[] = {"execgain", 0}, *env[] = {"EXECGAIN=1", 0};
	for (int flags = 0; flags <= (REFUSE | NO_INHERIT); flags++) {
		if (flags == NO_INHERIT) continue;
		pid_t p = fork();
		if (p == 0) {
			CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
			if (flags) CHECK(prctl(PR_SET_MDWE, flags, 0, 0, 0) == 0);
			execve("/proc/self/exe", argv, env);
			_exit(9);
		}
		CHECK_CHILD(p, flags == REFUSE ? 3 : 5);
	}
}

MAIN()
