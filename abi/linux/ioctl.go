package linux

// Parts of an ioctl request (include/uapi/asm-generic/ioctl.h).
const (
	IOC_NONE      = 0
	IOC_WRITE     = 1
	IOC_READ      = 2
	IOC_NRSHIFT   = 0
	IOC_TYPESHIFT = 8
	IOC_SIZESHIFT = 16
	IOC_DIRSHIFT  = 30
)

// IOC builds an ioctl request number.
func IOC(dir, typ, nr, size uint32) uint32 {
	return dir<<IOC_DIRSHIFT | typ<<IOC_TYPESHIFT | nr<<IOC_NRSHIFT | size<<IOC_SIZESHIFT
}

// Requests that many kinds of files know (ioctl_list(2)).
const (
	FIONREAD = 0x541b
	FIONBIO  = 0x5421
	FIONCLEX = 0x5450
	FIOCLEX  = 0x5451
	FIOASYNC = 0x5452
	FIOQSIZE = 0x5460
)

// Requests for file systems and their inodes.
const (
	FS_IOC_SET_ENCRYPTION_POLICY           = 0x800c6613
	FS_IOC_GET_ENCRYPTION_PWSALT           = 0x40106614
	FS_IOC_GET_ENCRYPTION_POLICY           = 0x400c6615
	FS_IOC_GET_ENCRYPTION_POLICY_EX        = 0xc0096616
	FS_IOC_ADD_ENCRYPTION_KEY              = 0xc0506617
	FS_IOC_REMOVE_ENCRYPTION_KEY           = 0xc0406618
	FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS = 0xc0406619
	FS_IOC_GET_ENCRYPTION_KEY_STATUS       = 0xc080661a
	FS_IOC_GET_ENCRYPTION_NONCE            = 0x8010661b
	FS_XFLAG_REALTIME                      = 0x1
	FS_XFLAG_PREALLOC                      = 0x2
	FS_XFLAG_IMMUTABLE                     = 0x8
	FS_XFLAG_APPEND                        = 0x10
	FS_XFLAG_SYNC                          = 0x20
	FS_XFLAG_NOATIME                       = 0x40
	FS_XFLAG_NODUMP                        = 0x80
	FS_XFLAG_RTINHERIT                     = 0x100
	FS_XFLAG_PROJINHERIT                   = 0x200
	FS_XFLAG_NOSYMLINKS                    = 0x400
	FS_XFLAG_EXTSIZE                       = 0x800
	FS_XFLAG_EXTSZINHERIT                  = 0x1000
	FS_XFLAG_NODEFRAG                      = 0x2000
	FS_XFLAG_FILESTREAM                    = 0x4000
	FS_XFLAG_DAX                           = 0x8000
	FS_XFLAG_COWEXTSIZE                    = 0x10000
	FS_XFLAG_HASATTR                       = 0x80000000
	FIBMAP                                 = 0x1
	FIGETBSZ                               = 0x2
	FIFREEZE                               = 0xc0045877
	FITHAW                                 = 0xc0045878
	FITRIM                                 = 0xc0185879
	FICLONE                                = 0x40049409
	FICLONERANGE                           = 0x4020940d
	FIDEDUPERANGE                          = 0xc0189436
	FS_IOC_GETFLAGS                        = 0x80086601
	FS_IOC_SETFLAGS                        = 0x40086602
	FS_IOC_GETVERSION                      = 0x80087601
	FS_IOC_SETVERSION                      = 0x40087602
	FS_IOC_FIEMAP                          = 0xc020660b
	FS_IOC_FSGETXATTR                      = 0x801c581f
	FS_IOC_FSSETXATTR                      = 0x401c5820
	FS_IOC_GETFSLABEL                      = 0x81009431
	FS_IOC_SETFSLABEL                      = 0x41009432
	FS_SECRM_FL                            = 0x1
	FS_UNRM_FL                             = 0x2
	FS_COMPR_FL                            = 0x4
	FS_SYNC_FL                             = 0x8
	FS_IMMUTABLE_FL                        = 0x10
	FS_APPEND_FL                           = 0x20
	FS_NODUMP_FL                           = 0x40
	FS_NOATIME_FL                          = 0x80
	FS_DIRTY_FL                            = 0x100
	FS_COMPRBLK_FL                         = 0x200
	FS_NOCOMP_FL                           = 0x400
	FS_ENCRYPT_FL                          = 0x800
	FS_BTREE_FL                            = 0x1000
	FS_INDEX_FL                            = 0x1000
	FS_IMAGIC_FL                           = 0x2000
	FS_NOTAIL_FL                           = 0x8000
	FS_DIRSYNC_FL                          = 0x10000
	FS_TOPDIR_FL                           = 0x20000
	FS_EXTENT_FL                           = 0x80000
	FS_VERITY_FL                           = 0x100000
	FS_EOFBLOCKS_FL                        = 0x400000
	FS_NOCOW_FL                            = 0x800000
	FS_DAX_FL                              = 0x2000000
	FS_PROJINHERIT_FL                      = 0x20000000
	FS_CASEFOLD_FL                         = 0x40000000
	FS_RESERVED_FL                         = 0x80000000
	FIEMAP_MAX_OFFSET                      = -1
	FIEMAP_FLAG_SYNC                       = 0x1
	FIEMAP_FLAG_XATTR                      = 0x2
	FIEMAP_FLAG_CACHE                      = 0x4
	FIEMAP_FLAGS_COMPAT                    = 0x3
	FIEMAP_EXTENT_LAST                     = 0x1
	FIEMAP_EXTENT_UNKNOWN                  = 0x2
	FIEMAP_EXTENT_DELALLOC                 = 0x4
	FIEMAP_EXTENT_ENCODED                  = 0x8
	FIEMAP_EXTENT_DATA_ENCRYPTED           = 0x80
	FIEMAP_EXTENT_NOT_ALIGNED              = 0x100
	FIEMAP_EXTENT_DATA_INLINE              = 0x200
	FIEMAP_EXTENT_DATA_TAIL                = 0x400
	FIEMAP_EXTENT_UNWRITTEN                = 0x800
	FIEMAP_EXTENT_MERGED                   = 0x1000
	FIEMAP_EXTENT_SHARED                   = 0x2000
	FS_IOC_GETFSUUID                       = 0x80111500
	FS_IOC_GETFSSYSFSPATH                  = 0x80811501
	PROCMAP_QUERY                          = 0xc0686611
)

// Requests for block devices.
const (
	BLKROSET         = 0x125d
	BLKROGET         = 0x125e
	BLKRRPART        = 0x125f
	BLKGETSIZE       = 0x1260
	BLKFLSBUF        = 0x1261
	BLKRASET         = 0x1262
	BLKRAGET         = 0x1263
	BLKFRASET        = 0x1264
	BLKFRAGET        = 0x1265
	BLKSECTSET       = 0x1266
	BLKSECTGET       = 0x1267
	BLKSSZGET        = 0x1268
	BLKBSZGET        = 0x80081270
	BLKBSZSET        = 0x40081271
	BLKGETSIZE64     = 0x80081272
	BLKTRACESTART    = 0x1274
	BLKTRACESTOP     = 0x1275
	BLKTRACETEARDOWN = 0x1276
	BLKDISCARD       = 0x1277
	BLKIOMIN         = 0x1278
	BLKIOOPT         = 0x1279
	BLKALIGNOFF      = 0x127a
	BLKPBSZGET       = 0x127b
	BLKDISCARDZEROES = 0x127c
	BLKSECDISCARD    = 0x127d
	BLKROTATIONAL    = 0x127e
	BLKZEROOUT       = 0x127f
	BLKGETDISKSEQ    = 0x80081280
)

// Requests for pidfds and /dev/random.
const (
	RNDGETENTCNT   = 0x80045200
	RNDADDTOENTCNT = 0x40045201
	RNDGETPOOL     = 0x80085202
	RNDADDENTROPY  = 0x40085203
	RNDZAPENTCNT   = 0x5204
	RNDCLEARPOOL   = 0x5206
	RNDRESEEDCRNG  = 0x5207
)
