package linux

// UTSLen is the longest string in a Utsname, without its NUL.
const UTSLen = 64

// Utsname is struct new_utsname (uname(2)).
type Utsname struct {
	Sysname    [UTSLen + 1]byte
	Nodename   [UTSLen + 1]byte
	Release    [UTSLen + 1]byte
	Version    [UTSLen + 1]byte
	Machine    [UTSLen + 1]byte
	Domainname [UTSLen + 1]byte
}
