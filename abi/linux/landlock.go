package linux

// LANDLOCK_ABI is what landlock_create_ruleset(2) answers to LANDLOCK_CREATE_RULESET_VERSION.
const (
	LANDLOCK_ABI                    = 6
	LANDLOCK_CREATE_RULESET_VERSION = 1
)

// Types of rules.
const (
	LANDLOCK_RULE_PATH_BENEATH = 1
	LANDLOCK_RULE_NET_PORT     = 2
)

// Rights to files.
const (
	LANDLOCK_ACCESS_FS_EXECUTE     = 1 << 0
	LANDLOCK_ACCESS_FS_WRITE_FILE  = 1 << 1
	LANDLOCK_ACCESS_FS_READ_FILE   = 1 << 2
	LANDLOCK_ACCESS_FS_READ_DIR    = 1 << 3
	LANDLOCK_ACCESS_FS_REMOVE_DIR  = 1 << 4
	LANDLOCK_ACCESS_FS_REMOVE_FILE = 1 << 5
	LANDLOCK_ACCESS_FS_MAKE_CHAR   = 1 << 6
	LANDLOCK_ACCESS_FS_MAKE_DIR    = 1 << 7
	LANDLOCK_ACCESS_FS_MAKE_REG    = 1 << 8
	LANDLOCK_ACCESS_FS_MAKE_SOCK   = 1 << 9
	LANDLOCK_ACCESS_FS_MAKE_FIFO   = 1 << 10
	LANDLOCK_ACCESS_FS_MAKE_BLOCK  = 1 << 11
	LANDLOCK_ACCESS_FS_MAKE_SYM    = 1 << 12
	LANDLOCK_ACCESS_FS_REFER       = 1 << 13
	LANDLOCK_ACCESS_FS_TRUNCATE    = 1 << 14
	LANDLOCK_ACCESS_FS_IOCTL_DEV   = 1 << 15
)

// Rights to ports.
const (
	LANDLOCK_ACCESS_NET_BIND_TCP    = 1 << 0
	LANDLOCK_ACCESS_NET_CONNECT_TCP = 1 << 1
)

// What may be kept within a domain.
const (
	LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0
	LANDLOCK_SCOPE_SIGNAL               = 1 << 1
)

// LandlockRulesetAttr is struct landlock_ruleset_attr of ABI 6.
type LandlockRulesetAttr struct {
	HandledAccessFS  uint64
	HandledAccessNet uint64
	Scoped           uint64
}

// LandlockRulesetAttrSizeVer0 is the size of the first version.
const LandlockRulesetAttrSizeVer0 = 8

// LandlockNetPortAttr is struct landlock_net_port_attr.
type LandlockNetPortAttr struct {
	AllowedAccess uint64
	Port          uint64
}

// LandlockPathBeneathAttrSize is the size of struct landlock_path_beneath_attr, which is packed: the rights in
// 8 bytes and a descriptor.
const LandlockPathBeneathAttrSize = 12
