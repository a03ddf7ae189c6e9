package linux

// Sysinfo is struct sysinfo (sysinfo(2)). Amounts of memory are in units of Unit bytes.
type Sysinfo struct {
	Uptime    int64
	Loads     [3]uint64 // scaled by 1<<SI_LOAD_SHIFT
	Totalram  uint64
	Freeram   uint64
	Sharedram uint64
	Bufferram uint64
	Totalswap uint64
	Freeswap  uint64
	Procs     uint16
	_         [6]byte
	Totalhigh uint64
	Freehigh  uint64
	Unit      uint32
	_         [4]byte
}

// SI_LOAD_SHIFT is the number of fraction bits in Sysinfo.Loads.
const SI_LOAD_SHIFT = 16

// Actions of syslog(2).
const (
	SYSLOG_ACTION_CLOSE         = 0
	SYSLOG_ACTION_OPEN          = 1
	SYSLOG_ACTION_READ          = 2
	SYSLOG_ACTION_READ_ALL      = 3
	SYSLOG_ACTION_READ_CLEAR    = 4
	SYSLOG_ACTION_CLEAR         = 5
	SYSLOG_ACTION_CONSOLE_OFF   = 6
	SYSLOG_ACTION_CONSOLE_ON    = 7
	SYSLOG_ACTION_CONSOLE_LEVEL = 8
	SYSLOG_ACTION_SIZE_UNREAD   = 9
	SYSLOG_ACTION_SIZE_BUFFER   = 10
)

// Magic numbers and commands of reboot(2).
const (
	LINUX_REBOOT_MAGIC1         = 0xfee1dead
	LINUX_REBOOT_MAGIC2         = 0x28121969
	LINUX_REBOOT_MAGIC2A        = 0x5121996
	LINUX_REBOOT_MAGIC2B        = 0x16041998
	LINUX_REBOOT_MAGIC2C        = 0x20112000
	LINUX_REBOOT_CMD_RESTART    = 0x1234567
	LINUX_REBOOT_CMD_HALT       = 0xcdef0123
	LINUX_REBOOT_CMD_CAD_ON     = 0x89abcdef
	LINUX_REBOOT_CMD_CAD_OFF    = 0x0
	LINUX_REBOOT_CMD_POWER_OFF  = 0x4321fedc
	LINUX_REBOOT_CMD_RESTART2   = 0xa1b2c3d4
	LINUX_REBOOT_CMD_SW_SUSPEND = 0xd000fce2
	LINUX_REBOOT_CMD_KEXEC      = 0x45584543
)
