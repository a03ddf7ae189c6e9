package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// refusals are calls that fail whatever their arguments: what a sandbox does not
// offer, and what Linux itself has dropped.
var refusals = []refusal{
	{linux.SYS_RSEQ, "rseq", errno.ENOSYS, "a critical section must end when the host preempts the thread, which only the host sees; libraries have other ways"},

	{linux.SYS__SYSCTL, "_sysctl", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_CREATE_MODULE, "create_module", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_GET_KERNEL_SYMS, "get_kernel_syms", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_QUERY_MODULE, "query_module", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_NFSSERVCTL, "nfsservctl", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_GETPMSG, "getpmsg", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_PUTPMSG, "putpmsg", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_AFS_SYSCALL, "afs_syscall", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_TUXCALL, "tuxcall", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_SECURITY, "security", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_LOOKUP_DCOOKIE, "lookup_dcookie", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_EPOLL_CTL_OLD, "epoll_ctl_old", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_EPOLL_WAIT_OLD, "epoll_wait_old", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_VSERVER, "vserver", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_USELIB, "uselib", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_SET_THREAD_AREA, "set_thread_area", errno.ENOSYS, "dropped by Linux"},
	{linux.SYS_GET_THREAD_AREA, "get_thread_area", errno.ENOSYS, "dropped by Linux"},

	{linux.SYS_SWAPON, "swapon", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_SWAPOFF, "swapoff", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_IOPL, "iopl", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_IOPERM, "ioperm", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_INIT_MODULE, "init_module", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_FINIT_MODULE, "finit_module", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_DELETE_MODULE, "delete_module", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_KEXEC_LOAD, "kexec_load", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_KEXEC_FILE_LOAD, "kexec_file_load", errno.EPERM, "the machine is not the guest's"},
	{linux.SYS_BPF, "bpf", errno.EPERM, "the machine is not the guest's"},

	{linux.SYS_MODIFY_LDT, "modify_ldt", errno.ENOSYS, "not offered: segments of a table can't be honoured"},
	{linux.SYS_MEMFD_SECRET, "memfd_secret", errno.ENOSYS, "not offered: as on a Linux built without it"},
	{linux.SYS_MAP_SHADOW_STACK, "map_shadow_stack", errno.ENOSYS, "not offered: as on a Linux built without it"},
	{linux.SYS_URETPROBE, "uretprobe", errno.ENOSYS, "not offered: as on a Linux built without it"},

	{linux.SYS_PERF_EVENT_OPEN, "perf_event_open", errno.EACCES, "the host's counters are not the guest's"},
}
