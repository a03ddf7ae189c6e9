package linux

// Stat is struct stat of x86-64 (stat(2)).
type Stat struct {
	Dev     uint64
	Ino     uint64
	Nlink   uint64
	Mode    uint32
	UID     uint32
	GID     uint32
	_       [4]byte
	Rdev    uint64
	Size    int64
	Blksize int64
	Blocks  int64 // in units of 512 bytes
	Atim    Timespec
	Mtim    Timespec
	Ctim    Timespec
	_       [24]byte
}

// StatxTimestamp is struct statx_timestamp.
type StatxTimestamp struct {
	Sec  int64
	Nsec uint32
	_    [4]byte
}

// Statx is struct statx (statx(2)).
type Statx struct {
	Mask           uint32
	Blksize        uint32
	Attributes     uint64
	Nlink          uint32
	UID            uint32
	GID            uint32
	Mode           uint16
	_              [2]byte
	Ino            uint64
	Size           uint64
	Blocks         uint64 // in units of 512 bytes
	AttributesMask uint64
	Atime          StatxTimestamp
	Btime          StatxTimestamp
	Ctime          StatxTimestamp
	Mtime          StatxTimestamp
	RdevMajor      uint32
	RdevMinor      uint32
	DevMajor       uint32
	DevMinor       uint32
	MntID          uint64
	DioMemAlign    uint32
	DioOffsetAlign uint32
	Subvol         uint64

	AtomicWriteUnitMin     uint32
	AtomicWriteUnitMax     uint32
	AtomicWriteSegmentsMax uint32

	_ [76]byte
}

// Bits of Statx.Mask and of statx(2)'s mask argument.
const (
	STATX_TYPE          = 0x1
	STATX_MODE          = 0x2
	STATX_NLINK         = 0x4
	STATX_UID           = 0x8
	STATX_GID           = 0x10
	STATX_ATIME         = 0x20
	STATX_MTIME         = 0x40
	STATX_CTIME         = 0x80
	STATX_INO           = 0x100
	STATX_SIZE          = 0x200
	STATX_BLOCKS        = 0x400
	STATX_BASIC_STATS   = 0x7ff
	STATX_BTIME         = 0x800
	STATX_MNT_ID        = 0x1000
	STATX_DIOALIGN      = 0x2000
	STATX_ALL           = 0xfff
	STATX_MNT_ID_UNIQUE = 0x4000
	STATX_SUBVOL        = 0x8000
	STATX_WRITE_ATOMIC  = 0x10000
	STATX__RESERVED     = 0x80000000
)

// Bits of Statx.Attributes.
const (
	STATX_ATTR_COMPRESSED   = 0x4
	STATX_ATTR_IMMUTABLE    = 0x10
	STATX_ATTR_APPEND       = 0x20
	STATX_ATTR_NODUMP       = 0x40
	STATX_ATTR_ENCRYPTED    = 0x800
	STATX_ATTR_AUTOMOUNT    = 0x1000
	STATX_ATTR_MOUNT_ROOT   = 0x2000
	STATX_ATTR_VERITY       = 0x100000
	STATX_ATTR_DAX          = 0x200000
	STATX_ATTR_WRITE_ATOMIC = 0x400000
)

// Statfs is struct statfs (statfs(2)).
type Statfs struct {
	Type    int64
	Bsize   int64
	Blocks  uint64
	Bfree   uint64
	Bavail  uint64
	Files   uint64
	Ffree   uint64
	FSID    [2]int32
	Namelen int64
	Frsize  int64
	Flags   int64
	_       [32]byte
}

// Bits of Statfs.Flags.
const (
	ST_RDONLY      = 0x0001
	ST_NOSUID      = 0x0002
	ST_NODEV       = 0x0004
	ST_NOEXEC      = 0x0008
	ST_SYNCHRONOUS = 0x0010
	ST_VALID       = 0x0020
	ST_MANDLOCK    = 0x0040
	ST_NOATIME     = 0x0400
	ST_NODIRATIME  = 0x0800
	ST_RELATIME    = 0x1000
	ST_NOSYMFOLLOW = 0x2000
)

// Magic numbers in Statfs.Type (statfs(2)).
const (
	ADFS_SUPER_MAGIC      = 0xadf5
	AFFS_SUPER_MAGIC      = 0xadff
	AFS_SUPER_MAGIC       = 0x5346414f
	AUTOFS_SUPER_MAGIC    = 0x187
	CEPH_SUPER_MAGIC      = 0xc36400
	CODA_SUPER_MAGIC      = 0x73757245
	CRAMFS_MAGIC          = 0x28cd3d45
	DEBUGFS_MAGIC         = 0x64626720
	SECURITYFS_MAGIC      = 0x73636673
	SELINUX_MAGIC         = 0xf97cff8c
	SMACK_MAGIC           = 0x43415d53
	RAMFS_MAGIC           = 0x858458f6
	TMPFS_MAGIC           = 0x1021994
	HUGETLBFS_MAGIC       = 0x958458f6
	SQUASHFS_MAGIC        = 0x73717368
	ECRYPTFS_SUPER_MAGIC  = 0xf15f
	EFS_SUPER_MAGIC       = 0x414a53
	EXT2_SUPER_MAGIC      = 0xef53
	EXT3_SUPER_MAGIC      = 0xef53
	XENFS_SUPER_MAGIC     = 0xabba1974
	EXT4_SUPER_MAGIC      = 0xef53
	BTRFS_SUPER_MAGIC     = 0x9123683e
	NILFS_SUPER_MAGIC     = 0x3434
	F2FS_SUPER_MAGIC      = 0xf2f52010
	HPFS_SUPER_MAGIC      = 0xf995e849
	ISOFS_SUPER_MAGIC     = 0x9660
	JFFS2_SUPER_MAGIC     = 0x72b6
	XFS_SUPER_MAGIC       = 0x58465342
	PSTOREFS_MAGIC        = 0x6165676c
	EFIVARFS_MAGIC        = 0xde5e81e4
	HOSTFS_SUPER_MAGIC    = 0xc0ffee
	OVERLAYFS_SUPER_MAGIC = 0x794c7630
	FUSE_SUPER_MAGIC      = 0x65735546
	MINIX_SUPER_MAGIC     = 0x137f
	MINIX2_SUPER_MAGIC    = 0x2468
	MINIX3_SUPER_MAGIC    = 0x4d5a
	MSDOS_SUPER_MAGIC     = 0x4d44
	EXFAT_SUPER_MAGIC     = 0x2011bab0
	NCP_SUPER_MAGIC       = 0x564c
	NFS_SUPER_MAGIC       = 0x6969
	OCFS2_SUPER_MAGIC     = 0x7461636f
	OPENPROM_SUPER_MAGIC  = 0x9fa1
	QNX4_SUPER_MAGIC      = 0x2f
	QNX6_SUPER_MAGIC      = 0x68191122
	AFS_FS_MAGIC          = 0x6b414653
	REISERFS_SUPER_MAGIC  = 0x52654973
	SMB_SUPER_MAGIC       = 0x517b
	CIFS_SUPER_MAGIC      = 0xff534d42
	SMB2_SUPER_MAGIC      = 0xfe534d42
	CGROUP_SUPER_MAGIC    = 0x27e0eb
	CGROUP2_SUPER_MAGIC   = 0x63677270
	RDTGROUP_SUPER_MAGIC  = 0x7655821
	STACK_END_MAGIC       = 0x57ac6e9d
	TRACEFS_MAGIC         = 0x74726163
	V9FS_MAGIC            = 0x1021997
	BDEVFS_MAGIC          = 0x62646576
	DAXFS_MAGIC           = 0x64646178
	BINFMTFS_MAGIC        = 0x42494e4d
	DEVPTS_SUPER_MAGIC    = 0x1cd1
	BINDERFS_SUPER_MAGIC  = 0x6c6f6f70
	FUTEXFS_SUPER_MAGIC   = 0xbad1dea
	PIPEFS_MAGIC          = 0x50495045
	PROC_SUPER_MAGIC      = 0x9fa0
	SOCKFS_MAGIC          = 0x534f434b
	SYSFS_MAGIC           = 0x62656572
	USBDEVICE_SUPER_MAGIC = 0x9fa2
	MTD_INODE_FS_MAGIC    = 0x11307854
	ANON_INODE_FS_MAGIC   = 0x9041934
	BTRFS_TEST_MAGIC      = 0x73727279
	NSFS_MAGIC            = 0x6e736673
	BPF_FS_MAGIC          = 0xcafe4a11
	ZONEFS_MAGIC          = 0x5a4f4653
	UDF_SUPER_MAGIC       = 0x15013346
	DMA_BUF_MAGIC         = 0x444d4142
	DEVMEM_MAGIC          = 0x454d444d
	SECRETMEM_MAGIC       = 0x5345434d
	MQUEUE_MAGIC          = 0x19800202
	PID_FS_MAGIC          = 0x50494446
)
