package linux

// Flags of userfaultfd(2), besides O_CLOEXEC and O_NONBLOCK.
const UFFD_USER_MODE_ONLY = 1

// UFFD_API is the version that UFFDIO_API asks for.
const UFFD_API = 0xaa

// Requests of /dev/userfaultfd and of its files (ioctl_userfaultfd(2)). Their structs are rows of 64-bit words.
const (
	USERFAULTFD_IOC_NEW = 0xaa00
	UFFDIO_REGISTER     = 0xc020aa00
	UFFDIO_UNREGISTER   = 0x8010aa01
	UFFDIO_WAKE         = 0x8010aa02
	UFFDIO_COPY         = 0xc028aa03
	UFFDIO_ZEROPAGE     = 0xc020aa04
	UFFDIO_MOVE         = 0xc028aa05
	UFFDIO_WRITEPROTECT = 0xc018aa06
	UFFDIO_CONTINUE     = 0xc020aa07
	UFFDIO_POISON       = 0xc020aa08
	UFFDIO_API          = 0xc018aa3f
)

// Numbers of those requests, as the masks that UFFDIO_API and UFFDIO_REGISTER return have them.
const (
	UFFDIO_REGISTER_NR     = 0x00
	UFFDIO_UNREGISTER_NR   = 0x01
	UFFDIO_WAKE_NR         = 0x02
	UFFDIO_COPY_NR         = 0x03
	UFFDIO_ZEROPAGE_NR     = 0x04
	UFFDIO_MOVE_NR         = 0x05
	UFFDIO_WRITEPROTECT_NR = 0x06
	UFFDIO_CONTINUE_NR     = 0x07
	UFFDIO_POISON_NR       = 0x08
	UFFDIO_API_NR          = 0x3f
)

// Features of UFFDIO_API.
const (
	UFFD_FEATURE_PAGEFAULT_FLAG_WP  = 1 << 0
	UFFD_FEATURE_EVENT_FORK         = 1 << 1
	UFFD_FEATURE_EVENT_REMAP        = 1 << 2
	UFFD_FEATURE_EVENT_REMOVE       = 1 << 3
	UFFD_FEATURE_MISSING_HUGETLBFS  = 1 << 4
	UFFD_FEATURE_MISSING_SHMEM      = 1 << 5
	UFFD_FEATURE_EVENT_UNMAP        = 1 << 6
	UFFD_FEATURE_SIGBUS             = 1 << 7
	UFFD_FEATURE_THREAD_ID          = 1 << 8
	UFFD_FEATURE_MINOR_HUGETLBFS    = 1 << 9
	UFFD_FEATURE_MINOR_SHMEM        = 1 << 10
	UFFD_FEATURE_EXACT_ADDRESS      = 1 << 11
	UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12
	UFFD_FEATURE_WP_UNPOPULATED     = 1 << 13
	UFFD_FEATURE_POISON             = 1 << 14
	UFFD_FEATURE_WP_ASYNC           = 1 << 15
	UFFD_FEATURE_MOVE               = 1 << 16
	UFFD_FEATURE_INITIALIZED        = 1 << 31 // the kernel's own mark, which fdinfo shows
)

// Modes of the requests.
const (
	UFFDIO_REGISTER_MODE_MISSING      = 1 << 0
	UFFDIO_REGISTER_MODE_WP           = 1 << 1
	UFFDIO_REGISTER_MODE_MINOR        = 1 << 2
	UFFDIO_COPY_MODE_DONTWAKE         = 1 << 0
	UFFDIO_COPY_MODE_WP               = 1 << 1
	UFFDIO_ZEROPAGE_MODE_DONTWAKE     = 1 << 0
	UFFDIO_WRITEPROTECT_MODE_WP       = 1 << 0
	UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 1 << 1
	UFFDIO_CONTINUE_MODE_DONTWAKE     = 1 << 0
	UFFDIO_CONTINUE_MODE_WP           = 1 << 1
	UFFDIO_POISON_MODE_DONTWAKE       = 1 << 0
	UFFDIO_MOVE_MODE_DONTWAKE         = 1 << 0
	UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES  = 1 << 1
)

// Events that a userfaultfd is read for: the first byte of struct uffd_msg.
const (
	UFFD_EVENT_PAGEFAULT = 0x12
	UFFD_EVENT_FORK      = 0x13
	UFFD_EVENT_REMAP     = 0x14
	UFFD_EVENT_REMOVE    = 0x15
	UFFD_EVENT_UNMAP     = 0x16

	UFFD_PAGEFAULT_FLAG_WRITE = 1 << 0
	UFFD_PAGEFAULT_FLAG_WP    = 1 << 1
	UFFD_PAGEFAULT_FLAG_MINOR = 1 << 2

	// SizeofUffdMsg is the size of struct uffd_msg.
	SizeofUffdMsg = 32
)
