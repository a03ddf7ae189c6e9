package linux

// Flags of fanotify_init(2).
const (
	FAN_CLOEXEC           = 0x1
	FAN_NONBLOCK          = 0x2
	FAN_CLASS_NOTIF       = 0x0
	FAN_CLASS_CONTENT     = 0x4
	FAN_CLASS_PRE_CONTENT = 0x8
	FAN_UNLIMITED_QUEUE   = 0x10
	FAN_UNLIMITED_MARKS   = 0x20
	FAN_ENABLE_AUDIT      = 0x40
	FAN_REPORT_PIDFD      = 0x80
	FAN_REPORT_TID        = 0x100
	FAN_REPORT_FID        = 0x200
	FAN_REPORT_DIR_FID    = 0x400
	FAN_REPORT_NAME       = 0x800
	FAN_REPORT_TARGET_FID = 0x1000
)

// Flags of fanotify_mark(2).
const (
	FAN_MARK_ADD                 = 0x1
	FAN_MARK_REMOVE              = 0x2
	FAN_MARK_DONT_FOLLOW         = 0x4
	FAN_MARK_ONLYDIR             = 0x8
	FAN_MARK_MOUNT               = 0x10
	FAN_MARK_IGNORED_MASK        = 0x20
	FAN_MARK_IGNORED_SURV_MODIFY = 0x40
	FAN_MARK_FLUSH               = 0x80
	FAN_MARK_FILESYSTEM          = 0x100
	FAN_MARK_EVICTABLE           = 0x200
	FAN_MARK_IGNORE              = 0x400
)

// Events of fanotify(7) beyond those of inotify(7), whose bits they share.
const (
	FAN_OPEN_EXEC      = 0x1000
	FAN_FS_ERROR       = 0x8000
	FAN_OPEN_PERM      = 0x10000
	FAN_ACCESS_PERM    = 0x20000
	FAN_OPEN_EXEC_PERM = 0x40000
	FAN_EVENT_ON_CHILD = 0x08000000
	FAN_RENAME         = 0x10000000
	FAN_ONDIR          = 0x40000000
)

// What a listener reads and writes.
const (
	FANOTIFY_METADATA_VERSION = 3
	FAN_EVENT_METADATA_LEN    = 24
	FAN_NOFD                  = -1

	FAN_EVENT_INFO_TYPE_FID           = 1
	FAN_EVENT_INFO_TYPE_DFID_NAME     = 2
	FAN_EVENT_INFO_TYPE_DFID          = 3
	FAN_EVENT_INFO_TYPE_PIDFD         = 4
	FAN_EVENT_INFO_TYPE_OLD_DFID_NAME = 10
	FAN_EVENT_INFO_TYPE_NEW_DFID_NAME = 12

	FAN_ALLOW = 1
	FAN_DENY  = 2
	FAN_AUDIT = 0x10
)

// What stands for a pidfd that there is none of (FAN_REPORT_PIDFD).
const (
	FAN_NOPIDFD = -1 // the process is gone
	FAN_EPIDFD  = -2
)
