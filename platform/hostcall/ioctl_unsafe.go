package hostcall

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl is ioctl(2) with a pointer to buf, which is as long as the command says.
func Ioctl(fd FD, cmd uint32, buf []byte) (int, error) {
	r, _, e := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(cmd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
	return int(r), failed(e)
}

// IoctlInt is ioctl(2) with a number.
func IoctlInt(fd FD, cmd uint32, arg uintptr) (int, error) {
	r, _, e := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(cmd), arg)
	return int(r), failed(e)
}
