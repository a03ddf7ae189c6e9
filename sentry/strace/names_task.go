package strace

import "ringfence/abi/linux"

// Names of what memory, signal, time and process calls take.
var (
	protFlags = set{"PROT_???", []name{
		{linux.PROT_NONE, "PROT_NONE"},
		{linux.PROT_READ, "PROT_READ"},
		{linux.PROT_WRITE, "PROT_WRITE"},
		{linux.PROT_EXEC, "PROT_EXEC"},
		{linux.PROT_SEM, "PROT_SEM"},
		{linux.PROT_GROWSDOWN, "PROT_GROWSDOWN"},
		{linux.PROT_GROWSUP, "PROT_GROWSUP"},
	}}
	mapTypes = set{"MAP_???", []name{
		{linux.MAP_SHARED, "MAP_SHARED"},
		{linux.MAP_PRIVATE, "MAP_PRIVATE"},
		{linux.MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"},
		{linux.MAP_DROPPABLE, "MAP_DROPPABLE"},
	}}
	mapFlags = set{"MAP_???", []name{
		{linux.MAP_FIXED, "MAP_FIXED"},
		{linux.MAP_ANONYMOUS, "MAP_ANONYMOUS"},
		{linux.MAP_32BIT, "MAP_32BIT"},
		{linux.MAP_NORESERVE, "MAP_NORESERVE"},
		{linux.MAP_POPULATE, "MAP_POPULATE"},
		{linux.MAP_NONBLOCK, "MAP_NONBLOCK"},
		{linux.MAP_GROWSDOWN, "MAP_GROWSDOWN"},
		{linux.MAP_DENYWRITE, "MAP_DENYWRITE"},
		{linux.MAP_EXECUTABLE, "MAP_EXECUTABLE"},
		{linux.MAP_LOCKED, "MAP_LOCKED"},
		{linux.MAP_STACK, "MAP_STACK"},
		{linux.MAP_HUGETLB, "MAP_HUGETLB"},
		{linux.MAP_SYNC, "MAP_SYNC"},
		{linux.MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
		{linux.MAP_UNINITIALIZED, "MAP_UNINITIALIZED"},
	}}
	mremapFlags = set{"MREMAP_???", []name{
		{linux.MREMAP_MAYMOVE, "MREMAP_MAYMOVE"},
		{linux.MREMAP_FIXED, "MREMAP_FIXED"},
		{linux.MREMAP_DONTUNMAP, "MREMAP_DONTUNMAP"},
	}}
	msyncFlags = set{"MS_???", []name{
		{linux.MS_SYNC, "MS_SYNC"},
		{linux.MS_ASYNC, "MS_ASYNC"},
		{linux.MS_INVALIDATE, "MS_INVALIDATE"},
	}}
	mlockFlags = set{"MLOCK_???", []name{
		{linux.MLOCK_ONFAULT, "MLOCK_ONFAULT"},
	}}
	mclFlags = set{"MCL_???", []name{
		{linux.MCL_CURRENT, "MCL_CURRENT"},
		{linux.MCL_FUTURE, "MCL_FUTURE"},
		{linux.MCL_ONFAULT, "MCL_ONFAULT"},
	}}
	madvices = set{"MADV_???", []name{
		{linux.MADV_NORMAL, "MADV_NORMAL"},
		{linux.MADV_RANDOM, "MADV_RANDOM"},
		{linux.MADV_SEQUENTIAL, "MADV_SEQUENTIAL"},
		{linux.MADV_WILLNEED, "MADV_WILLNEED"},
		{linux.MADV_DONTNEED, "MADV_DONTNEED"},
		{linux.MADV_FREE, "MADV_FREE"},
		{linux.MADV_REMOVE, "MADV_REMOVE"},
		{linux.MADV_DONTFORK, "MADV_DONTFORK"},
		{linux.MADV_DOFORK, "MADV_DOFORK"},
		{linux.MADV_HWPOISON, "MADV_HWPOISON"},
		{linux.MADV_SOFT_OFFLINE, "MADV_SOFT_OFFLINE"},
		{linux.MADV_MERGEABLE, "MADV_MERGEABLE"},
		{linux.MADV_UNMERGEABLE, "MADV_UNMERGEABLE"},
		{linux.MADV_HUGEPAGE, "MADV_HUGEPAGE"},
		{linux.MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
		{linux.MADV_DONTDUMP, "MADV_DONTDUMP"},
		{linux.MADV_DODUMP, "MADV_DODUMP"},
		{linux.MADV_WIPEONFORK, "MADV_WIPEONFORK"},
		{linux.MADV_KEEPONFORK, "MADV_KEEPONFORK"},
		{linux.MADV_COLD, "MADV_COLD"},
		{linux.MADV_PAGEOUT, "MADV_PAGEOUT"},
		{linux.MADV_POPULATE_READ, "MADV_POPULATE_READ"},
		{linux.MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
		{linux.MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED"},
		{linux.MADV_COLLAPSE, "MADV_COLLAPSE"},
		{linux.MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL"},
		{linux.MADV_GUARD_REMOVE, "MADV_GUARD_REMOVE"},
	}}
	pkeyRights = set{"PKEY_???", []name{
		{linux.PKEY_DISABLE_ACCESS, "PKEY_DISABLE_ACCESS"},
		{linux.PKEY_DISABLE_WRITE, "PKEY_DISABLE_WRITE"},
	}}
	memfdFlags = set{"MFD_???", []name{
		{linux.MFD_CLOEXEC, "MFD_CLOEXEC"},
		{linux.MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING"},
		{linux.MFD_HUGETLB, "MFD_HUGETLB"},
		{linux.MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL"},
		{linux.MFD_EXEC, "MFD_EXEC"},
	}}
	membarrierCmds = set{"MEMBARRIER_CMD_???", []name{
		{linux.MEMBARRIER_CMD_QUERY, "MEMBARRIER_CMD_QUERY"},
		{linux.MEMBARRIER_CMD_GLOBAL, "MEMBARRIER_CMD_GLOBAL"},
		{linux.MEMBARRIER_CMD_GLOBAL_EXPEDITED, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"},
		{linux.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"},
		{linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"},
		{linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"},
		{linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"},
		{linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"},
		{linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"},
		{linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"},
		{linux.MEMBARRIER_CMD_GET_REGISTRATIONS, "MEMBARRIER_CMD_GET_REGISTRATIONS"},
	}}
	membarrierFlags = set{"MEMBARRIER_CMD_FLAG_???", []name{
		{linux.MEMBARRIER_CMD_FLAG_CPU, "MEMBARRIER_CMD_FLAG_CPU"},
	}}
	mempolicies = set{"MPOL_???", []name{
		{linux.MPOL_DEFAULT, "MPOL_DEFAULT"},
		{linux.MPOL_PREFERRED, "MPOL_PREFERRED"},
		{linux.MPOL_BIND, "MPOL_BIND"},
		{linux.MPOL_INTERLEAVE, "MPOL_INTERLEAVE"},
		{linux.MPOL_LOCAL, "MPOL_LOCAL"},
		{linux.MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY"},
		{linux.MPOL_WEIGHTED_INTERLEAVE, "MPOL_WEIGHTED_INTERLEAVE"},
	}}
	mbindFlags = set{"MPOL_MF_???", []name{
		{linux.MPOL_MF_STRICT, "MPOL_MF_STRICT"},
		{linux.MPOL_MF_MOVE, "MPOL_MF_MOVE"},
		{linux.MPOL_MF_MOVE_ALL, "MPOL_MF_MOVE_ALL"},
		{linux.MPOL_MF_LAZY, "MPOL_MF_LAZY"},
	}}
	getMempolicyFlags = set{"MPOL_F_???", []name{
		{linux.MPOL_F_NODE, "MPOL_F_NODE"},
		{linux.MPOL_F_ADDR, "MPOL_F_ADDR"},
		{linux.MPOL_F_MEMS_ALLOWED, "MPOL_F_MEMS_ALLOWED"},
	}}
	sigHows = set{"SIG_???", []name{
		{linux.SIG_BLOCK, "SIG_BLOCK"},
		{linux.SIG_UNBLOCK, "SIG_UNBLOCK"},
		{linux.SIG_SETMASK, "SIG_SETMASK"},
	}}
	saFlags = set{"SA_???", []name{
		{linux.SA_RESTORER, "SA_RESTORER"},
		{linux.SA_RESTART, "SA_RESTART"},
		{linux.SA_NOCLDWAIT, "SA_NOCLDWAIT"},
		{linux.SA_NOCLDSTOP, "SA_NOCLDSTOP"},
		{linux.SA_SIGINFO, "SA_SIGINFO"},
		{linux.SA_ONSTACK, "SA_ONSTACK"},
		{linux.SA_NODEFER, "SA_NODEFER"},
		{linux.SA_RESETHAND, "SA_RESETHAND"},
		{linux.SA_UNSUPPORTED, "SA_UNSUPPORTED"},
		{linux.SA_EXPOSE_TAGBITS, "SA_EXPOSE_TAGBITS"},
	}}
	ssFlags = set{"SS_???", []name{
		{linux.SS_ONSTACK, "SS_ONSTACK"},
		{linux.SS_DISABLE, "SS_DISABLE"},
		{linux.SS_AUTODISARM, "SS_AUTODISARM"},
	}}
	siCodes = set{"SI_???", []name{
		{linux.SI_USER, "SI_USER"},
		{linux.SI_KERNEL, "SI_KERNEL"},
		{1<<32 + linux.SI_QUEUE, "SI_QUEUE"},
		{1<<32 + linux.SI_TIMER, "SI_TIMER"},
		{1<<32 + linux.SI_MESGQ, "SI_MESGQ"},
		{1<<32 + linux.SI_ASYNCIO, "SI_ASYNCIO"},
		{1<<32 + linux.SI_SIGIO, "SI_SIGIO"},
		{1<<32 + linux.SI_TKILL, "SI_TKILL"},
		{1<<32 + linux.SI_DETHREAD, "SI_DETHREAD"},
		{1<<32 + linux.SI_ASYNCNL, "SI_ASYNCNL"},
	}}
	illCodes = set{"ILL_???", []name{
		{linux.ILL_ILLOPC, "ILL_ILLOPC"},
		{linux.ILL_ILLOPN, "ILL_ILLOPN"},
		{linux.ILL_ILLADR, "ILL_ILLADR"},
		{linux.ILL_ILLTRP, "ILL_ILLTRP"},
		{linux.ILL_PRVOPC, "ILL_PRVOPC"},
		{linux.ILL_PRVREG, "ILL_PRVREG"},
		{linux.ILL_COPROC, "ILL_COPROC"},
		{linux.ILL_BADSTK, "ILL_BADSTK"},
		{linux.ILL_BADIADDR, "ILL_BADIADDR"},
	}}
	fpeCodes = set{"FPE_???", []name{
		{linux.FPE_INTDIV, "FPE_INTDIV"},
		{linux.FPE_INTOVF, "FPE_INTOVF"},
		{linux.FPE_FLTDIV, "FPE_FLTDIV"},
		{linux.FPE_FLTOVF, "FPE_FLTOVF"},
		{linux.FPE_FLTUND, "FPE_FLTUND"},
		{linux.FPE_FLTRES, "FPE_FLTRES"},
		{linux.FPE_FLTINV, "FPE_FLTINV"},
		{linux.FPE_FLTSUB, "FPE_FLTSUB"},
		{linux.FPE_FLTUNK, "FPE_FLTUNK"},
		{linux.FPE_CONDTRAP, "FPE_CONDTRAP"},
	}}
	segvCodes = set{"SEGV_???", []name{
		{linux.SEGV_MAPERR, "SEGV_MAPERR"},
		{linux.SEGV_ACCERR, "SEGV_ACCERR"},
		{linux.SEGV_BNDERR, "SEGV_BNDERR"},
		{linux.SEGV_PKUERR, "SEGV_PKUERR"},
		{linux.SEGV_ACCADI, "SEGV_ACCADI"},
		{linux.SEGV_ADIDERR, "SEGV_ADIDERR"},
		{linux.SEGV_ADIPERR, "SEGV_ADIPERR"},
		{linux.SEGV_MTEAERR, "SEGV_MTEAERR"},
		{linux.SEGV_MTESERR, "SEGV_MTESERR"},
		{linux.SEGV_CPERR, "SEGV_CPERR"},
	}}
	busCodes = set{"BUS_???", []name{
		{linux.BUS_ADRALN, "BUS_ADRALN"},
		{linux.BUS_ADRERR, "BUS_ADRERR"},
		{linux.BUS_OBJERR, "BUS_OBJERR"},
		{linux.BUS_MCEERR_AR, "BUS_MCEERR_AR"},
		{linux.BUS_MCEERR_AO, "BUS_MCEERR_AO"},
	}}
	trapCodes = set{"TRAP_???", []name{
		{linux.TRAP_BRKPT, "TRAP_BRKPT"},
		{linux.TRAP_TRACE, "TRAP_TRACE"},
		{linux.TRAP_BRANCH, "TRAP_BRANCH"},
		{linux.TRAP_HWBKPT, "TRAP_HWBKPT"},
		{linux.TRAP_UNK, "TRAP_UNK"},
		{linux.TRAP_PERF, "TRAP_PERF"},
	}}
	cldCodes = set{"CLD_???", []name{
		{linux.CLD_EXITED, "CLD_EXITED"},
		{linux.CLD_KILLED, "CLD_KILLED"},
		{linux.CLD_DUMPED, "CLD_DUMPED"},
		{linux.CLD_TRAPPED, "CLD_TRAPPED"},
		{linux.CLD_STOPPED, "CLD_STOPPED"},
		{linux.CLD_CONTINUED, "CLD_CONTINUED"},
	}}
	pollCodes = set{"POLL_???", []name{
		{linux.POLL_IN, "POLL_IN"},
		{linux.POLL_OUT, "POLL_OUT"},
		{linux.POLL_MSG, "POLL_MSG"},
		{linux.POLL_ERR, "POLL_ERR"},
		{linux.POLL_PRI, "POLL_PRI"},
		{linux.POLL_HUP, "POLL_HUP"},
	}}
	sigevKinds = set{"SIGEV_???", []name{
		{linux.SIGEV_SIGNAL, "SIGEV_SIGNAL"},
		{linux.SIGEV_NONE, "SIGEV_NONE"},
		{linux.SIGEV_THREAD, "SIGEV_THREAD"},
		{linux.SIGEV_THREAD_ID, "SIGEV_THREAD_ID"},
	}}
	sfdFlags = set{"SFD_???", []name{
		{linux.SFD_CLOEXEC, "SFD_CLOEXEC"},
		{linux.SFD_NONBLOCK, "SFD_NONBLOCK"},
	}}
	efdFlags = set{"EFD_???", []name{
		{linux.EFD_SEMAPHORE, "EFD_SEMAPHORE"},
		{linux.EFD_CLOEXEC, "EFD_CLOEXEC"},
		{linux.EFD_NONBLOCK, "EFD_NONBLOCK"},
	}}
	tfdFlags = set{"TFD_???", []name{
		{linux.TFD_CLOEXEC, "TFD_CLOEXEC"},
		{linux.TFD_NONBLOCK, "TFD_NONBLOCK"},
	}}
	tfdSetFlags = set{"TFD_???", []name{
		{linux.TFD_TIMER_ABSTIME, "TFD_TIMER_ABSTIME"},
		{linux.TFD_TIMER_CANCEL_ON_SET, "TFD_TIMER_CANCEL_ON_SET"},
	}}
	timerFlags = set{"TIMER_???", []name{
		{linux.TIMER_ABSTIME, "TIMER_ABSTIME"},
	}}
	clocks = set{"CLOCK_???", []name{
		{linux.CLOCK_REALTIME, "CLOCK_REALTIME"},
		{linux.CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
		{linux.CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
		{linux.CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"},
		{linux.CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW"},
		{linux.CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE"},
		{linux.CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE"},
		{linux.CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
		{linux.CLOCK_REALTIME_ALARM, "CLOCK_REALTIME_ALARM"},
		{linux.CLOCK_BOOTTIME_ALARM, "CLOCK_BOOTTIME_ALARM"},
		{linux.CLOCK_TAI, "CLOCK_TAI"},
	}}
	itimers = set{"ITIMER_???", []name{
		{linux.ITIMER_REAL, "ITIMER_REAL"},
		{linux.ITIMER_VIRTUAL, "ITIMER_VIRTUAL"},
		{linux.ITIMER_PROF, "ITIMER_PROF"},
	}}
	adjModes = set{"ADJ_???", []name{
		{linux.ADJ_OFFSET, "ADJ_OFFSET"},
		{linux.ADJ_FREQUENCY, "ADJ_FREQUENCY"},
		{linux.ADJ_MAXERROR, "ADJ_MAXERROR"},
		{linux.ADJ_ESTERROR, "ADJ_ESTERROR"},
		{linux.ADJ_STATUS, "ADJ_STATUS"},
		{linux.ADJ_TIMECONST, "ADJ_TIMECONST"},
		{linux.ADJ_TAI, "ADJ_TAI"},
		{linux.ADJ_SETOFFSET, "ADJ_SETOFFSET"},
		{linux.ADJ_MICRO, "ADJ_MICRO"},
		{linux.ADJ_NANO, "ADJ_NANO"},
		{linux.ADJ_TICK, "ADJ_TICK"},
	}}
	cloneFlags = set{"CLONE_???", []name{
		{linux.CLONE_VM, "CLONE_VM"},
		{linux.CLONE_FS, "CLONE_FS"},
		{linux.CLONE_FILES, "CLONE_FILES"},
		{linux.CLONE_SIGHAND, "CLONE_SIGHAND"},
		{linux.CLONE_PIDFD, "CLONE_PIDFD"},
		{linux.CLONE_PTRACE, "CLONE_PTRACE"},
		{linux.CLONE_VFORK, "CLONE_VFORK"},
		{linux.CLONE_PARENT, "CLONE_PARENT"},
		{linux.CLONE_THREAD, "CLONE_THREAD"},
		{linux.CLONE_NEWNS, "CLONE_NEWNS"},
		{linux.CLONE_SYSVSEM, "CLONE_SYSVSEM"},
		{linux.CLONE_SETTLS, "CLONE_SETTLS"},
		{linux.CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
		{linux.CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
		{linux.CLONE_DETACHED, "CLONE_DETACHED"},
		{linux.CLONE_UNTRACED, "CLONE_UNTRACED"},
		{linux.CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"},
		{linux.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
		{linux.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{linux.CLONE_NEWIPC, "CLONE_NEWIPC"},
		{linux.CLONE_NEWUSER, "CLONE_NEWUSER"},
		{linux.CLONE_NEWPID, "CLONE_NEWPID"},
		{linux.CLONE_NEWNET, "CLONE_NEWNET"},
		{linux.CLONE_IO, "CLONE_IO"},
		{linux.CLONE_CLEAR_SIGHAND, "CLONE_CLEAR_SIGHAND"},
		{linux.CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP"},
		{linux.CLONE_NEWTIME, "CLONE_NEWTIME"},
	}}
	unshareFlags = set{"CLONE_???", []name{
		{linux.CLONE_VM, "CLONE_VM"},
		{linux.CLONE_FS, "CLONE_FS"},
		{linux.CLONE_FILES, "CLONE_FILES"},
		{linux.CLONE_SIGHAND, "CLONE_SIGHAND"},
		{linux.CLONE_THREAD, "CLONE_THREAD"},
		{linux.CLONE_NEWNS, "CLONE_NEWNS"},
		{linux.CLONE_SYSVSEM, "CLONE_SYSVSEM"},
		{linux.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
		{linux.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{linux.CLONE_NEWIPC, "CLONE_NEWIPC"},
		{linux.CLONE_NEWUSER, "CLONE_NEWUSER"},
		{linux.CLONE_NEWPID, "CLONE_NEWPID"},
		{linux.CLONE_NEWNET, "CLONE_NEWNET"},
		{linux.CLONE_NEWTIME, "CLONE_NEWTIME"},
	}}
	policies = set{"SCHED_???", []name{
		{linux.SCHED_OTHER, "SCHED_OTHER"},
		{linux.SCHED_FIFO, "SCHED_FIFO"},
		{linux.SCHED_RR, "SCHED_RR"},
		{linux.SCHED_BATCH, "SCHED_BATCH"},
		{linux.SCHED_IDLE, "SCHED_IDLE"},
		{linux.SCHED_DEADLINE, "SCHED_DEADLINE"},
		{linux.SCHED_EXT, "SCHED_EXT"},
	}}
	schedFlags = set{"SCHED_FLAG_???", []name{
		{linux.SCHED_FLAG_RESET_ON_FORK, "SCHED_FLAG_RESET_ON_FORK"},
		{linux.SCHED_FLAG_RECLAIM, "SCHED_FLAG_RECLAIM"},
		{linux.SCHED_FLAG_DL_OVERRUN, "SCHED_FLAG_DL_OVERRUN"},
		{linux.SCHED_FLAG_KEEP_POLICY, "SCHED_FLAG_KEEP_POLICY"},
		{linux.SCHED_FLAG_KEEP_PARAMS, "SCHED_FLAG_KEEP_PARAMS"},
		{linux.SCHED_FLAG_UTIL_CLAMP_MIN, "SCHED_FLAG_UTIL_CLAMP_MIN"},
		{linux.SCHED_FLAG_UTIL_CLAMP_MAX, "SCHED_FLAG_UTIL_CLAMP_MAX"},
	}}
	waitOptions = set{"W???", []name{
		{linux.WNOHANG, "WNOHANG"},
		{linux.WUNTRACED, "WSTOPPED"},
		{linux.WEXITED, "WEXITED"},
		{linux.WCONTINUED, "WCONTINUED"},
		{linux.WNOWAIT, "WNOWAIT"},
		{linux.WCLONE, "__WCLONE"},
		{linux.WALL, "__WALL"},
		{linux.WNOTHREAD, "__WNOTHREAD"},
	}}
	idTypes = set{"P_???", []name{
		{linux.P_ALL, "P_ALL"},
		{linux.P_PID, "P_PID"},
		{linux.P_PGID, "P_PGID"},
		{linux.P_PIDFD, "P_PIDFD"},
	}}
	futexOps = set{"FUTEX_???", []name{
		{linux.FUTEX_WAIT, "FUTEX_WAIT"},
		{linux.FUTEX_WAKE, "FUTEX_WAKE"},
		{linux.FUTEX_FD, "FUTEX_FD"},
		{linux.FUTEX_REQUEUE, "FUTEX_REQUEUE"},
		{linux.FUTEX_CMP_REQUEUE, "FUTEX_CMP_REQUEUE"},
		{linux.FUTEX_WAKE_OP, "FUTEX_WAKE_OP"},
		{linux.FUTEX_LOCK_PI, "FUTEX_LOCK_PI"},
		{linux.FUTEX_UNLOCK_PI, "FUTEX_UNLOCK_PI"},
		{linux.FUTEX_TRYLOCK_PI, "FUTEX_TRYLOCK_PI"},
		{linux.FUTEX_WAIT_BITSET, "FUTEX_WAIT_BITSET"},
		{linux.FUTEX_WAKE_BITSET, "FUTEX_WAKE_BITSET"},
		{linux.FUTEX_WAIT_REQUEUE_PI, "FUTEX_WAIT_REQUEUE_PI"},
		{linux.FUTEX_CMP_REQUEUE_PI, "FUTEX_CMP_REQUEUE_PI"},
		{linux.FUTEX_LOCK_PI2, "FUTEX_LOCK_PI2"},
	}}
	futexWakeOps = set{"FUTEX_OP_???", []name{
		{linux.FUTEX_OP_SET, "FUTEX_OP_SET"},
		{linux.FUTEX_OP_ADD, "FUTEX_OP_ADD"},
		{linux.FUTEX_OP_OR, "FUTEX_OP_OR"},
		{linux.FUTEX_OP_ANDN, "FUTEX_OP_ANDN"},
		{linux.FUTEX_OP_XOR, "FUTEX_OP_XOR"},
	}}
	futexCmps = set{"FUTEX_OP_CMP_???", []name{
		{linux.FUTEX_OP_CMP_EQ, "FUTEX_OP_CMP_EQ"},
		{linux.FUTEX_OP_CMP_NE, "FUTEX_OP_CMP_NE"},
		{linux.FUTEX_OP_CMP_LT, "FUTEX_OP_CMP_LT"},
		{linux.FUTEX_OP_CMP_LE, "FUTEX_OP_CMP_LE"},
		{linux.FUTEX_OP_CMP_GT, "FUTEX_OP_CMP_GT"},
		{linux.FUTEX_OP_CMP_GE, "FUTEX_OP_CMP_GE"},
	}}
	futex2Flags = set{"FUTEX2_???", []name{
		{linux.FUTEX2_SIZE_U32, "FUTEX2_SIZE_U32"},
		{linux.FUTEX2_NUMA, "FUTEX2_NUMA"},
		{linux.FUTEX2_PRIVATE, "FUTEX2_PRIVATE"},
	}}
)
