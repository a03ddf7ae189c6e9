package linux

// Capabilities (capabilities(7)).
const (
	CAP_CHOWN              = 0
	CAP_DAC_OVERRIDE       = 1
	CAP_DAC_READ_SEARCH    = 2
	CAP_FOWNER             = 3
	CAP_FSETID             = 4
	CAP_KILL               = 5
	CAP_SETGID             = 6
	CAP_SETUID             = 7
	CAP_SETPCAP            = 8
	CAP_LINUX_IMMUTABLE    = 9
	CAP_NET_BIND_SERVICE   = 10
	CAP_NET_BROADCAST      = 11
	CAP_NET_ADMIN          = 12
	CAP_NET_RAW            = 13
	CAP_IPC_LOCK           = 14
	CAP_IPC_OWNER          = 15
	CAP_SYS_MODULE         = 16
	CAP_SYS_RAWIO          = 17
	CAP_SYS_CHROOT         = 18
	CAP_SYS_PTRACE         = 19
	CAP_SYS_PACCT          = 20
	CAP_SYS_ADMIN          = 21
	CAP_SYS_BOOT           = 22
	CAP_SYS_NICE           = 23
	CAP_SYS_RESOURCE       = 24
	CAP_SYS_TIME           = 25
	CAP_SYS_TTY_CONFIG     = 26
	CAP_MKNOD              = 27
	CAP_LEASE              = 28
	CAP_AUDIT_WRITE        = 29
	CAP_AUDIT_CONTROL      = 30
	CAP_SETFCAP            = 31
	CAP_MAC_OVERRIDE       = 32
	CAP_MAC_ADMIN          = 33
	CAP_SYSLOG             = 34
	CAP_WAKE_ALARM         = 35
	CAP_BLOCK_SUSPEND      = 36
	CAP_AUDIT_READ         = 37
	CAP_PERFMON            = 38
	CAP_BPF                = 39
	CAP_CHECKPOINT_RESTORE = 40
	CAP_LAST_CAP           = CAP_CHECKPOINT_RESTORE
)

// Versions of capget(2)'s header.
const (
	LINUX_CAPABILITY_VERSION_1 = 0x19980330
	LINUX_CAPABILITY_VERSION_2 = 0x20071026
	LINUX_CAPABILITY_VERSION_3 = 0x20080522
)

// CapUserHeader is struct __user_cap_header_struct.
type CapUserHeader struct {
	Version uint32
	PID     int32
}

// CapUserData is struct __user_cap_data_struct: 32 capabilities of each set.
// Versions 2 and 3 use two of them.
type CapUserData struct {
	Effective   uint32
	Permitted   uint32
	Inheritable uint32
}

// Revisions and flags of the security.capability attribute.
const (
	VFS_CAP_REVISION_MASK   = 0xff000000
	VFS_CAP_REVISION_1      = 0x01000000
	VFS_CAP_REVISION_2      = 0x02000000
	VFS_CAP_REVISION_3      = 0x03000000
	VFS_CAP_FLAGS_EFFECTIVE = 0x000001
)

// VfsNsCapData is struct vfs_ns_cap_data, revision 3 of the security.capability
// attribute; revision 2 is the same without Rootid.
type VfsNsCapData struct {
	MagicEtc uint32
	Data     [2]VfsCapPair
	Rootid   uint32
}

// VfsCapPair is 32 capabilities of a file's two sets.
type VfsCapPair struct {
	Permitted   uint32
	Inheritable uint32
}
