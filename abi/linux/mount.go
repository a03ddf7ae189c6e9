package linux

// Flags of mount(2).
const (
	MS_RDONLY       = 0x1
	MS_NOSUID       = 0x2
	MS_NODEV        = 0x4
	MS_NOEXEC       = 0x8
	MS_SYNCHRONOUS  = 0x10
	MS_REMOUNT      = 0x20
	MS_MANDLOCK     = 0x40
	MS_DIRSYNC      = 0x80
	MS_NOSYMFOLLOW  = 0x100
	MS_NOATIME      = 0x400
	MS_NODIRATIME   = 0x800
	MS_BIND         = 0x1000
	MS_MOVE         = 0x2000
	MS_REC          = 0x4000
	MS_VERBOSE      = 0x8000
	MS_SILENT       = 0x8000
	MS_POSIXACL     = 0x10000
	MS_UNBINDABLE   = 0x20000
	MS_PRIVATE      = 0x40000
	MS_SLAVE        = 0x80000
	MS_SHARED       = 0x100000
	MS_RELATIME     = 0x200000
	MS_KERNMOUNT    = 0x400000
	MS_I_VERSION    = 0x800000
	MS_STRICTATIME  = 0x1000000
	MS_LAZYTIME     = 0x2000000
	MS_SUBMOUNT     = 0x4000000
	MS_NOREMOTELOCK = 0x8000000
	MS_NOSEC        = 0x10000000
	MS_BORN         = 0x20000000
	MS_ACTIVE       = 0x40000000
	MS_NOUSER       = 0x80000000
	MS_RMT_MASK     = 0x2800051
	MS_MGC_VAL      = 0xc0ed0000
	MS_MGC_MSK      = 0xffff0000
)

// Flags of umount2(2).
const (
	MNT_FORCE       = 1
	MNT_DETACH      = 2
	MNT_EXPIRE      = 4
	UMOUNT_NOFOLLOW = 8
)

// Flags of the newer mount calls: open_tree, move_mount, fsopen, fsmount, fspick
// and mount_setattr(2).
const (
	OPEN_TREE_CLONE         = 0x1
	MOVE_MOUNT_F_SYMLINKS   = 0x1
	MOVE_MOUNT_F_AUTOMOUNTS = 0x2
	MOVE_MOUNT_F_EMPTY_PATH = 0x4
	MOVE_MOUNT_T_SYMLINKS   = 0x10
	MOVE_MOUNT_T_AUTOMOUNTS = 0x20
	MOVE_MOUNT_T_EMPTY_PATH = 0x40
	MOVE_MOUNT_SET_GROUP    = 0x100
	MOVE_MOUNT__MASK        = 0x177
	FSOPEN_CLOEXEC          = 0x1
	FSPICK_CLOEXEC          = 0x1
	FSPICK_SYMLINK_NOFOLLOW = 0x2
	FSPICK_NO_AUTOMOUNT     = 0x4
	FSPICK_EMPTY_PATH       = 0x8
	FSMOUNT_CLOEXEC         = 0x1
	MOUNT_ATTR_RDONLY       = 0x1
	MOUNT_ATTR_NOSUID       = 0x2
	MOUNT_ATTR_NODEV        = 0x4
	MOUNT_ATTR_NOEXEC       = 0x8
	MOUNT_ATTR__ATIME       = 0x70
	MOUNT_ATTR_RELATIME     = 0x0
	MOUNT_ATTR_NOATIME      = 0x10
	MOUNT_ATTR_STRICTATIME  = 0x20
	MOUNT_ATTR_NODIRATIME   = 0x80
	MOUNT_ATTR_IDMAP        = 0x100000
	MOUNT_ATTR_NOSYMFOLLOW  = 0x200000
	OPEN_TREE_CLOEXEC       = O_CLOEXEC
	MOVE_MOUNT_BENEATH      = 0x200
	MOUNT_ATTR_SIZE_VER0    = 32
)

// Commands of fsconfig(2).
const (
	FSCONFIG_SET_FLAG        = 0
	FSCONFIG_SET_STRING      = 1
	FSCONFIG_SET_BINARY      = 2
	FSCONFIG_SET_PATH        = 3
	FSCONFIG_SET_PATH_EMPTY  = 4
	FSCONFIG_SET_FD          = 5
	FSCONFIG_CMD_CREATE      = 6
	FSCONFIG_CMD_RECONFIGURE = 7
	FSCONFIG_CMD_CREATE_EXCL = 8
)

// MountAttr is struct mount_attr of mount_setattr(2).
type MountAttr struct {
	Set         uint64
	Clr         uint64
	Propagation uint64
	UsernsFD    uint64
}

// Sizes of struct mnt_id_req, and what its MntID may name.
const (
	MNT_ID_REQ_SIZE_VER0 = 24
	MNT_ID_REQ_SIZE_VER1 = 32

	LSMT_ROOT         = 0xffffffffffffffff
	LISTMOUNT_REVERSE = 1
)

// Fields that statmount(2) is asked for.
const (
	STATMOUNT_SB_BASIC       = 0x1
	STATMOUNT_MNT_BASIC      = 0x2
	STATMOUNT_PROPAGATE_FROM = 0x4
	STATMOUNT_MNT_ROOT       = 0x8
	STATMOUNT_MNT_POINT      = 0x10
	STATMOUNT_FS_TYPE        = 0x20
	STATMOUNT_MNT_NS_ID      = 0x40
	STATMOUNT_MNT_OPTS       = 0x80
)

// MntIDReq is struct mnt_id_req of statmount(2) and listmount(2). Param is the mask of the one and the last
// number seen of the other.
type MntIDReq struct {
	Size    uint32
	Spare   uint32
	MntID   uint64
	Param   uint64
	MntNSID uint64
}

// Statmount is struct statmount without the strings that follow it. The fields of strings are offsets
// from its end.
type Statmount struct {
	Size           uint32
	MntOpts        uint32
	Mask           uint64
	SBDevMajor     uint32
	SBDevMinor     uint32
	SBMagic        uint64
	SBFlags        uint32
	FSType         uint32
	MntID          uint64
	MntParentID    uint64
	MntIDOld       uint32
	MntParentIDOld uint32
	MntAttr        uint64
	MntPropagation uint64
	MntPeerGroup   uint64
	MntMaster      uint64
	PropagateFrom  uint64
	MntRoot        uint32
	MntPoint       uint32
	MntNSID        uint64
	Spare2         [49]uint64
}
