package linux

// Limits of Linux.
const (
	PATH_MAX      = 4096 // with the NUL
	NAME_MAX      = 255
	IOV_MAX       = 1024
	UIO_FASTIOV   = 8
	PIPE_BUF      = 4096
	NGROUPS_MAX   = 65536
	HOST_NAME_MAX = 64
	LINK_MAX      = 127

	// MAX_RW_COUNT is the most bytes that one read or write moves (read(2)).
	MAX_RW_COUNT = 0x7ffff000

	// MAXSYMLINKS is the most symbolic links followed in one path walk
	// (path_resolution(7)).
	MAXSYMLINKS = 40

	// MAX_ARG_STRLEN and MAX_ARG_STRINGS bound execve(2)'s strings.
	MAX_ARG_STRLEN  = 131072
	MAX_ARG_STRINGS = 0x7fffffff

	// BINPRM_BUF_SIZE is how much of a file execve(2) looks at to know its format.
	BINPRM_BUF_SIZE = 256

	// NR_OPEN is the default of /proc/sys/fs/nr_open.
	NR_OPEN = 1048576

	// PID_MAX_LIMIT is the highest possible value of /proc/sys/kernel/pid_max.
	PID_MAX_LIMIT   = 4194304
	PID_MAX_DEFAULT = 32768

	// STACK_DEFAULT is the soft RLIMIT_STACK of a new system, in bytes.
	STACK_DEFAULT = 8 << 20
)

// OverflowUID and OverflowGID stand for ids without a mapping (user_namespaces(7)).
const (
	OverflowUID = 65534
	OverflowGID = 65534
)

// NoID is (uid_t)-1, "leave unchanged".
const NoID = 0xffffffff
