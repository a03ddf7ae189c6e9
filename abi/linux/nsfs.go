package linux

// Inode numbers of the first namespaces (include/uapi/linux/nsfs.h); others follow FirstNSInode.
const (
	MNT_NS_INIT_INO    = 0xeffffff8
	NET_NS_INIT_INO    = 0xeffffff9
	TIME_NS_INIT_INO   = 0xeffffffa
	CGROUP_NS_INIT_INO = 0xeffffffb
	PID_NS_INIT_INO    = 0xeffffffc
	USER_NS_INIT_INO   = 0xeffffffd
	UTS_NS_INIT_INO    = 0xeffffffe
	IPC_NS_INIT_INO    = 0xefffffff
	FirstNSInode       = 0xf0000000
)

// Requests of ioctl_nsfs(2).
const (
	NS_GET_USERNS    = 0xb701
	NS_GET_PARENT    = 0xb702
	NS_GET_NSTYPE    = 0xb703
	NS_GET_OWNER_UID = 0xb704
	NS_GET_MNTNS_ID  = 0x8008b705

	// Numbers of threads and processes: from a namespace to the caller's, and the other way round.
	NS_GET_PID_FROM_PIDNS  = 0x8004b706
	NS_GET_TGID_FROM_PIDNS = 0x8004b707
	NS_GET_PID_IN_PIDNS    = 0x8004b708
	NS_GET_TGID_IN_PIDNS   = 0x8004b709
)
