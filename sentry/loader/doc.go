// Package loader turns an executable file into a program ready to run: it
// recognises ELF files and scripts, maps segments and interpreter, and lays out
// the stack that a program finds at its first instruction.
//
// execve(2) is two steps, with the point of no return between them:
//
//	Open      reads headers, follows #! lines, finds the ELF interpreter;
//	          changes nothing, so every error goes to the caller
//	Image.Load  fills a fresh mm.MM and returns where the program starts
//
// Files are foreign bytes. Headers are read once into memory of our own, then
// checked, then used; a hostile file gives ENOEXEC, EINVAL or ELIBBAD as on Linux.
//
// The package knows no tasks: who runs what, with which credentials, is decided
// by the kernel between the two steps. It also makes the vDSO (vdso.go).
package loader
