package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// progress is one line on a terminal that tells what goes on. Elsewhere it is silent.
type progress struct {
	out   *os.File // nil if there is no terminal
	shown bool
}

func newProgress(f *os.File) *progress {
	if !isTerminal(f) {
		f = nil
	}
	return &progress{out: f}
}

// show replaces the line.
func (p *progress) show(format string, args ...any) {
	if p.out != nil {
		fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
		p.shown = true
	}
}

// clear takes the line away, before something else is printed.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
