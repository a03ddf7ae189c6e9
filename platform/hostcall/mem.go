package hostcall

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Protections and flags of Mmap, advice of Madvise (mmap(2), madvise(2)).
const (
	PROT_NONE  = unix.PROT_NONE
	PROT_READ  = unix.PROT_READ
	PROT_WRITE = unix.PROT_WRITE
	PROT_EXEC  = unix.PROT_EXEC

	MAP_SHARED          = unix.MAP_SHARED
	MAP_PRIVATE         = unix.MAP_PRIVATE
	MAP_FIXED           = unix.MAP_FIXED
	MAP_FIXED_NOREPLACE = unix.MAP_FIXED_NOREPLACE
	MAP_ANONYMOUS       = unix.MAP_ANONYMOUS
	MAP_NORESERVE       = unix.MAP_NORESERVE
	MAP_POPULATE        = unix.MAP_POPULATE

	MADV_DONTNEED       = unix.MADV_DONTNEED
	MADV_REMOVE         = unix.MADV_REMOVE
	MADV_HUGEPAGE       = unix.MADV_HUGEPAGE
	MADV_NOHUGEPAGE     = unix.MADV_NOHUGEPAGE
	MADV_DONTFORK       = unix.MADV_DONTFORK
	MADV_POPULATE_READ  = unix.MADV_POPULATE_READ
	MADV_POPULATE_WRITE = unix.MADV_POPULATE_WRITE

	MFD_CLOEXEC       = unix.MFD_CLOEXEC
	MFD_ALLOW_SEALING = unix.MFD_ALLOW_SEALING
)

// MemfdCreate makes an anonymous file (memfd_create(2)).
func MemfdCreate(name string, flags int) (FD, error) {
	fd, err := unix.MemfdCreate(name, flags)
	if err != nil {
		return NoFD, wrap(err)
	}
	return FD(fd), nil
}

// Mmap maps length bytes of fd at offset into this process; addr is a hint, or
// the place itself with MAP_FIXED. The caller owns the range until Munmap.
func Mmap(addr, length uintptr, prot, flags int, fd FD, offset uint64) (uintptr, error) {
	r, _, e := syscall.Syscall6(unix.SYS_MMAP, addr, length, uintptr(prot), uintptr(flags), uintptr(fd), uintptr(offset))
	if e != 0 {
		return 0, failed(e)
	}
	return r, nil
}

// Munmap removes the mappings of a range of this process.
func Munmap(addr, length uintptr) error {
	_, _, e := syscall.Syscall(unix.SYS_MUNMAP, addr, length, 0)
	return failed(e)
}

// Mprotect changes the protection of a range of this process.
func Mprotect(addr, length uintptr, prot int) error {
	_, _, e := syscall.Syscall(unix.SYS_MPROTECT, addr, length, uintptr(prot))
	return failed(e)
}

// Madvise advises the host about a range of this process.
func Madvise(addr, length uintptr, advice int) error {
	_, _, e := syscall.Syscall(unix.SYS_MADVISE, addr, length, uintptr(advice))
	return failed(e)
}

// MapFile maps length bytes of fd at offset, shared, and returns them as a slice.
// UnmapFile undoes it.
func MapFile(fd FD, offset uint64, length int, prot int) ([]byte, error) {
	a, err := Mmap(0, uintptr(length), prot, MAP_SHARED, fd, offset)
	if err != nil {
		return nil, err
	}
	return Bytes(a, length), nil
}

// UnmapFile removes a mapping that MapFile made. b is the whole slice.
func UnmapFile(b []byte) error {
	return Munmap(Address(b), uintptr(len(b)))
}
