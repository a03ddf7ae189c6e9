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
)
