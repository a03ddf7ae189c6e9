// Package linux holds the numbers, flags and structs of Linux's system call
// interface: x86-64, as of Linux 6.12.
//
// Constants carry Linux's own names and are untyped unless a type helps. There
// is one file per subsystem. Structs have the kernel's layout, with all
// padding written out, and cross to guest memory only through their MarshalBytes
// and UnmarshalBytes methods (little-endian), which tools/abigen writes to
// *_marshal.go. Field names drop the C prefix (st_mode is Stat.Mode).
//
// Nothing here has behaviour beyond encoding and small predicates. Numbers come
// from the kernel's uapi headers and the manual pages; a test compares sizes,
// offsets and numbers with what a C compiler sees.
package linux

//go:generate go run ringfence/tools/abigen .
