// reboot(2) in a PID namespace ends it (pid_namespaces(7)).
#include "case.h"

#include <linux/reboot.h>
#include <sched.h>
#include <sys/prctl.h>

static long reboot_with(unsigned cmd) {
	return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, cmd, 0);
}

// init_ends makes a namespace whose init forks a child that calls reboot, and returns how init ended.
static int init_ends(unsigned cmd, int init_itself) {
	int st = -1;
	pid_t outer = fork();
	if (!outer) {
		CHECK(unshare(CLONE_NEWPID) == 0);
		pid_t init = fork();
		if (!init) {
			if (init_itself || fork() == 0) reboot_with(cmd);
			if (init_itself) _exit(1);
			for (;;) pause();
		}
		CHECK_EQ(waitpid(init, &st, 0), init);
		_exit(WIFSIGNALED(st) ? WTERMSIG(st) : 100 + WEXITSTATUS(st));
	}
	CHECK_EQ(waitpid(outer, &st, 0), outer);
	CHECK(WIFEXITED(st));
	return WEXITSTATUS(st);
}

CASE(reboot_restart_ends_init_with_SIGHUP) {
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_RESTART, 0), SIGHUP);
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_RESTART2, 0), SIGHUP);
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_RESTART, 1), SIGHUP);
}

CASE(reboot_power_off_ends_init_with_SIGINT) {
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_POWER_OFF, 0), SIGINT);
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_HALT, 0), SIGINT);
	CHECK_EQ(init_ends(LINUX_REBOOT_CMD_HALT, 1), SIGINT);
}

CASE(reboot_of_a_namespace_knows_no_other_commands) {
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t pid = fork();
	if (!pid) {
		CHECK_ERRNO(reboot_with(LINUX_REBOOT_CMD_CAD_ON), EINVAL);
		CHECK_ERRNO(reboot_with(LINUX_REBOOT_CMD_CAD_OFF), EINVAL);
		CHECK_ERRNO(reboot_with(12345), EINVAL);
		CHECK_ERRNO(syscall(SYS_reboot, 1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0), EINVAL);
		CHECK_ERRNO(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, 1, LINUX_REBOOT_CMD_RESTART, 0), EINVAL);
		CHECK(setuid(1234) == 0);
		CHECK_ERRNO(reboot_with(LINUX_REBOOT_CMD_RESTART), EPERM);
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
}

MAIN()
