package linux

// MakeDev returns the device number of major and minor in the encoding that
// user space sees (st_rdev, mknod(2)): 12 bits of major, 20 bits of minor.
// glibc's wider dev_t is the same where both fit.
func MakeDev(major, minor uint32) uint32 {
	return minor&0xff | major<<8 | minor&^0xff<<12
}

// Major returns the major number of dev.
func Major(dev uint32) uint32 { return dev >> 8 & 0xfff }

// Minor returns the minor number of dev.
func Minor(dev uint32) uint32 { return dev&0xff | dev>>12&^0xff }

// MakeDev64 returns the device number of major and minor in glibc's 64-bit
// encoding (makedev(3)).
func MakeDev64(major, minor uint32) uint64 {
	return uint64(minor&0xff) | uint64(major&0xfff)<<8 | uint64(minor&^0xff)<<12 | uint64(major&^0xfff)<<32
}

// Well-known major numbers (Documentation/admin-guide/devices.txt).
const (
	UNNAMED_MAJOR           = 0
	MEM_MAJOR               = 1
	TTY_MAJOR               = 4
	TTYAUX_MAJOR            = 5
	MISC_MAJOR              = 10
	UNIX98_PTY_MASTER_MAJOR = 128
	UNIX98_PTY_SLAVE_MAJOR  = 136
)

// Minor numbers of MEM_MAJOR.
const (
	DEVMEM_MINOR  = 1
	NULL_MINOR    = 3
	ZERO_MINOR    = 5
	FULL_MINOR    = 7
	RANDOM_MINOR  = 8
	URANDOM_MINOR = 9
	KMSG_MINOR    = 11
)

// Minor numbers of TTYAUX_MAJOR and MISC_MAJOR.
const (
	TTY_MINOR         = 0
	CONSOLE_MINOR     = 1
	PTMX_MINOR        = 2
	FUSE_MINOR        = 229
	TUN_MINOR         = 200
	USERFAULTFD_MINOR = 126 // the first that Linux gives out by itself
)
