package hostcall

import "golang.org/x/sys/unix"

// Keys of the auxiliary vector (getauxval(3)).
const AT_HWCAP2 = 26

// HWCAP2_FSGSBASE: programs may read and write the FS and GS bases.
const HWCAP2_FSGSBASE = 1 << 1

// Auxval returns what the host's kernel told this process when it started; 0 if it said nothing.
func Auxval(key uintptr) uintptr {
	auxv, err := unix.Auxv()
	if err != nil {
		return 0
	}
	for _, a := range auxv {
		if a[0] == key {
			return a[1]
		}
	}
	return 0
}
