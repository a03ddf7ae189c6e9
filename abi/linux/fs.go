package linux

// Flags of open(2).
const (
	O_RDONLY    = 0x0
	O_WRONLY    = 0x1
	O_RDWR      = 0x2
	O_CREAT     = 0x40
	O_EXCL      = 0x80
	O_NOCTTY    = 0x100
	O_TRUNC     = 0x200
	O_APPEND    = 0x400
	O_NONBLOCK  = 0x800
	O_DSYNC     = 0x1000
	O_DIRECT    = 0x4000
	O_LARGEFILE = 0x8000
	O_DIRECTORY = 0x10000
	O_NOFOLLOW  = 0x20000
	O_NOATIME   = 0x40000
	O_CLOEXEC   = 0x80000
	O_SYNC      = 0x101000
	O_PATH      = 0x200000
	O_TMPFILE   = 0x410000
	O_NDELAY    = 0x800
	O_ACCMODE   = 3
	FASYNC      = 0x2000
	O_ASYNC     = FASYNC
)

// Flags and special descriptors of the *at calls.
const (
	AT_FDCWD                = -100
	AT_SYMLINK_NOFOLLOW     = 0x100
	AT_EACCESS              = 0x200
	AT_REMOVEDIR            = 0x200
	AT_SYMLINK_FOLLOW       = 0x400
	AT_NO_AUTOMOUNT         = 0x800
	AT_EMPTY_PATH           = 0x1000
	AT_STATX_SYNC_TYPE      = 0x6000
	AT_STATX_SYNC_AS_STAT   = 0x0
	AT_STATX_FORCE_SYNC     = 0x2000
	AT_STATX_DONT_SYNC      = 0x4000
	AT_RECURSIVE            = 0x8000
	AT_RENAME_NOREPLACE     = 0x1
	AT_HANDLE_MNT_ID_UNIQUE = 0x1
	AT_HANDLE_FID           = 0x200
	AT_EXECVE_CHECK         = 0x10000
)

// File type and permission bits of st_mode (inode(7)).
const (
	S_IFMT    = 0o170000
	S_IFSOCK  = 0o140000
	S_IFLNK   = 0o120000
	S_IFREG   = 0o100000
	S_IFBLK   = 0o60000
	S_IFDIR   = 0o40000
	S_IFCHR   = 0o20000
	S_IFIFO   = 0o10000
	S_ISUID   = 0o4000
	S_ISGID   = 0o2000
	S_ISVTX   = 0o1000
	S_IRWXU   = 0o700
	S_IRUSR   = 0o400
	S_IWUSR   = 0o200
	S_IXUSR   = 0o100
	S_IRWXG   = 0o70
	S_IRGRP   = 0o40
	S_IWGRP   = 0o20
	S_IXGRP   = 0o10
	S_IRWXO   = 0o7
	S_IROTH   = 0o4
	S_IWOTH   = 0o2
	S_IXOTH   = 0o1
	S_IRWXUGO = 0o777
	S_IALLUGO = 0o7777
)

// File types in directory entries.
const (
	DT_UNKNOWN = 0
	DT_FIFO    = 1
	DT_CHR     = 2
	DT_DIR     = 4
	DT_BLK     = 6
	DT_REG     = 8
	DT_LNK     = 10
	DT_SOCK    = 12
	DT_WHT     = 14
)

// ModeToDT returns the DT_* value of a st_mode.
func ModeToDT(mode uint32) uint8 { return uint8(mode & S_IFMT >> 12) }

// Whence of lseek(2).
const (
	SEEK_SET  = 0
	SEEK_CUR  = 1
	SEEK_END  = 2
	SEEK_DATA = 3
	SEEK_HOLE = 4
	SEEK_MAX  = SEEK_HOLE
)

// Modes of access(2).
const (
	F_OK = 0
	X_OK = 1
	W_OK = 2
	R_OK = 4
)

// Flags of renameat2(2), fallocate(2), sync_file_range(2), preadv2(2), copy and splice calls.
const (
	RENAME_NOREPLACE               = 0x1
	RENAME_EXCHANGE                = 0x2
	RENAME_WHITEOUT                = 0x4
	SYNC_FILE_RANGE_WAIT_BEFORE    = 0x1
	SYNC_FILE_RANGE_WRITE          = 0x2
	SYNC_FILE_RANGE_WAIT_AFTER     = 0x4
	SYNC_FILE_RANGE_WRITE_AND_WAIT = 0x7
	RWF_HIPRI                      = 0x1
	RWF_DSYNC                      = 0x2
	RWF_SYNC                       = 0x4
	RWF_NOWAIT                     = 0x8
	RWF_APPEND                     = 0x10
	FALLOC_FL_KEEP_SIZE            = 0x1
	FALLOC_FL_PUNCH_HOLE           = 0x2
	FALLOC_FL_NO_HIDE_STALE        = 0x4
	FALLOC_FL_COLLAPSE_RANGE       = 0x8
	FALLOC_FL_ZERO_RANGE           = 0x10
	FALLOC_FL_INSERT_RANGE         = 0x20
	FALLOC_FL_UNSHARE_RANGE        = 0x40
	RWF_NOAPPEND                   = 0x20
	RWF_ATOMIC                     = 0x40
	RWF_SUPPORTED                  = 0x7f
	SPLICE_F_MOVE                  = 1
	SPLICE_F_NONBLOCK              = 2
	SPLICE_F_MORE                  = 4
	SPLICE_F_GIFT                  = 8
)

// Advice of posix_fadvise(2).
const (
	POSIX_FADV_NORMAL     = 0
	POSIX_FADV_RANDOM     = 1
	POSIX_FADV_SEQUENTIAL = 2
	POSIX_FADV_WILLNEED   = 3
	POSIX_FADV_DONTNEED   = 4
	POSIX_FADV_NOREUSE    = 5
)

// Operations of flock(2).
const (
	LOCK_SH = 1
	LOCK_EX = 2
	LOCK_NB = 4
	LOCK_UN = 8
)

// Commands of fcntl(2).
const (
	F_DUPFD               = 0
	F_GETFD               = 1
	F_SETFD               = 2
	F_GETFL               = 3
	F_SETFL               = 4
	F_GETLK               = 5
	F_SETLK               = 6
	F_SETLKW              = 7
	F_SETOWN              = 8
	F_GETOWN              = 9
	F_SETSIG              = 10
	F_GETSIG              = 11
	F_SETOWN_EX           = 15
	F_GETOWN_EX           = 16
	F_GETOWNER_UIDS       = 17
	F_OFD_GETLK           = 36
	F_OFD_SETLK           = 37
	F_OFD_SETLKW          = 38
	F_OWNER_TID           = 0
	F_OWNER_PID           = 1
	F_OWNER_PGRP          = 2
	FD_CLOEXEC            = 1
	F_RDLCK               = 0
	F_WRLCK               = 1
	F_UNLCK               = 2
	F_EXLCK               = 4
	F_SHLCK               = 8
	F_LINUX_SPECIFIC_BASE = 1024
	F_SETLEASE            = 1024
	F_GETLEASE            = 1025
	F_CANCELLK            = 1029
	F_DUPFD_CLOEXEC       = 1030
	F_NOTIFY              = 1026
	F_SETPIPE_SZ          = 1031
	F_GETPIPE_SZ          = 1032
	F_ADD_SEALS           = 1033
	F_GET_SEALS           = 1034
	F_GET_RW_HINT         = 1035
	F_SET_RW_HINT         = 1036
	F_GET_FILE_RW_HINT    = 1037
	F_SET_FILE_RW_HINT    = 1038
	F_DUPFD_QUERY         = 1027
	F_CREATED_QUERY       = 1028
)

// Seals of a memfd (F_ADD_SEALS).
const (
	F_SEAL_SEAL         = 0x1
	F_SEAL_SHRINK       = 0x2
	F_SEAL_GROW         = 0x4
	F_SEAL_WRITE        = 0x8
	F_SEAL_FUTURE_WRITE = 0x10
	F_SEAL_EXEC         = 0x20
)

// Read/write hints (F_SET_RW_HINT) and directory notification events (F_NOTIFY).
const (
	RWH_WRITE_LIFE_NOT_SET = 0x0
	RWH_WRITE_LIFE_NONE    = 0x1
	RWH_WRITE_LIFE_SHORT   = 0x2
	RWH_WRITE_LIFE_MEDIUM  = 0x3
	RWH_WRITE_LIFE_LONG    = 0x4
	RWH_WRITE_LIFE_EXTREME = 0x5
	RWF_WRITE_LIFE_NOT_SET = 0x0
	DN_ACCESS              = 0x1
	DN_MODIFY              = 0x2
	DN_CREATE              = 0x4
	DN_DELETE              = 0x8
	DN_RENAME              = 0x10
	DN_ATTRIB              = 0x20
	DN_MULTISHOT           = 0x80000000
)

// Flock is struct flock, for F_SETLK and its relatives.
type Flock struct {
	Type   int16
	Whence int16
	_      [4]byte
	Start  int64
	Len    int64
	PID    int32
	_      [4]byte
}

// FOwnerEx is struct f_owner_ex, for F_SETOWN_EX.
type FOwnerEx struct {
	Type int32
	PID  int32
}

// OpenHow is struct open_how of openat2(2).
type OpenHow struct {
	Flags   uint64
	Mode    uint64
	Resolve uint64
}

// OpenHowSizeVer0 is the smallest size that openat2(2) accepts.
const OpenHowSizeVer0 = 24

// Bits of OpenHow.Resolve.
const (
	RESOLVE_NO_XDEV       = 0x1
	RESOLVE_NO_MAGICLINKS = 0x2
	RESOLVE_NO_SYMLINKS   = 0x4
	RESOLVE_BENEATH       = 0x8
	RESOLVE_IN_ROOT       = 0x10
	RESOLVE_CACHED        = 0x20
)

// Flags of close_range(2).
const (
	CLOSE_RANGE_UNSHARE = 2
	CLOSE_RANGE_CLOEXEC = 4
)

// FileHandle is the head of struct file_handle; Bytes bytes follow it.
type FileHandle struct {
	Bytes uint32
	Type  int32
}

// FILEID_INVALID is the type of no handle.
const FILEID_INVALID = 0xff

// MAX_HANDLE_SZ bounds FileHandle.Bytes.
const MAX_HANDLE_SZ = 128

// Dirent64 is the fixed head of struct linux_dirent64; a NUL-terminated name
// follows and Reclen, a multiple of 8, counts it all (getdents64(2)).
//
// abigen:packed
type Dirent64 struct {
	Ino    uint64
	Off    int64
	Reclen uint16
	Type   uint8
	// The name starts here.
}

// Dirent64HeadSize is the offset of the name in struct linux_dirent64.
const Dirent64HeadSize = 19

// DirentHeadSize is the offset of the name in the older struct linux_dirent
// (getdents(2)), whose type byte is the last byte of the entry.
const DirentHeadSize = 18

// Dirent is the fixed head of struct linux_dirent.
//
// abigen:packed
type Dirent struct {
	Ino    uint64
	Off    int64
	Reclen uint16
}

// Flags and name spaces of extended attributes (xattr(7)).
const (
	XATTR_CREATE   = 1
	XATTR_REPLACE  = 2
	XATTR_NAME_MAX = 255
	XATTR_SIZE_MAX = 65536
	XATTR_LIST_MAX = 65536

	XATTR_OS2_PREFIX      = "os2."
	XATTR_SECURITY_PREFIX = "security."
	XATTR_SYSTEM_PREFIX   = "system."
	XATTR_TRUSTED_PREFIX  = "trusted."
	XATTR_USER_PREFIX     = "user."

	XATTR_NAME_CAPS              = "security.capability"
	XATTR_NAME_SOCKPROTONAME     = "system.sockprotoname" // of sockets alone, and read-only
	XATTR_NAME_POSIX_ACL_ACCESS  = "system.posix_acl_access"
	XATTR_NAME_POSIX_ACL_DEFAULT = "system.posix_acl_default"
)

// PipeDefaultSize and PipeMaxSize are the capacity of a new pipe and what
// /proc/sys/fs/pipe-max-size holds.
const (
	PipeDefaultSize = 65536
	PipeMaxSize     = 1048576
)

// XattrArgs is struct xattr_args of setxattrat(2) and getxattrat(2).
type XattrArgs struct {
	Value uint64
	Size  uint32
	Flags uint32
}

// FileCloneRange is struct file_clone_range (FICLONERANGE).
type FileCloneRange struct {
	SrcFD      int64
	SrcOffset  uint64
	SrcLength  uint64
	DestOffset uint64
}

// FSXattr is struct fsxattr (FS_IOC_FSGETXATTR).
type FSXattr struct {
	Xflags     uint32
	Extsize    uint32
	Nextents   uint32
	Projid     uint32
	Cowextsize uint32
	_          [8]byte
}
