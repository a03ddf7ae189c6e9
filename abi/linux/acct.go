package linux

// Flags of struct acct_v3 (acct(5)).
const (
	AFORK = 0x01 // has executed nothing since fork
	ACORE = 0x08
	AXSIG = 0x10
)

// AcctVersion is ac_version of struct acct_v3, little-endian.
const AcctVersion = 3

// AcctHZ is the unit of times in accounting records.
const AcctHZ = 100

// AcctV3 is struct acct_v3. Etime holds the bits of a float; fields of 16 bits are comp_t (AcctComp).
type AcctV3 struct {
	Flag     uint8
	Version  uint8
	TTY      uint16
	Exitcode uint32
	UID      uint32
	GID      uint32
	PID      uint32
	PPID     uint32
	Btime    uint32
	Etime    uint32
	Utime    uint16
	Stime    uint16
	Mem      uint16
	IO       uint16
	RW       uint16
	Minflt   uint16
	Majflt   uint16
	Swaps    uint16
	Comm     [16]byte
}

// AcctComp encodes n as comp_t: 13 bits of fraction and three of an exponent of 8.
func AcctComp(n uint64) uint16 {
	exp, round := uint16(0), uint64(0)
	for n > 1<<13-1 {
		round = n >> 2 & 1
		n >>= 3
		exp++
	}
	if n += round; n > 1<<13-1 {
		n >>= 3
		exp++
	}
	if exp > 7 {
		return 1<<16 - 1
	}
	return exp<<13 | uint16(n)
}
