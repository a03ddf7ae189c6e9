// Package tty makes pseudo terminals: pairs of a master, where a terminal emulator
// sits, and a slave, where a program finds a terminal with Linux's line
// discipline N_TTY (termios(3), pty(7), tty_ioctl(4)).
//
//	master write -> input.go: editing, signals, echo -> slave read
//	slave write  -> output.go: OPOST                -> master read
//
// A PTY is the pair. OpenMaster and OpenSlave give the operations of open files; a
// Console is the master's end for code of the sentry, such as the relay to the
// terminal that `runsc do` was started from. Package devpts gives pairs their
// names.
//
// Job control needs processes, which live above this package: it knows them by
// the interfaces in jobs.go.
//
// Lock order: PTY.mu is a leaf: signals are sent and queues notified after
// it was dropped (see PTY.unlock).
package tty
