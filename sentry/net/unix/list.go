package unix

import (
	"fmt"
	"strings"
)

// ProcText returns /proc/net/unix as ns shows it.
func (fs *FS) ProcText(ns *Namespace) string {
	var out strings.Builder
	out.WriteString("Num       RefCount Protocol Flags    Type St Inode Path\n")
	for _, s := range fs.sockets(ns) {
		_, inode := s.File()
		s.mu.Lock()
		flags, st := 0, 1 // SS_UNCONNECTED
		switch s.state {
		case listening:
			flags = 0x10000 // __SO_ACCEPTCON
		case connected:
			st = 3
		}
		if inode == 0 {
			st = 2 // SS_CONNECTING: not yet accepted
		}
		name := ""
		if a := s.addr.Load(); a != nil {
			name = " " + a.String()
		}
		s.mu.Unlock()
		fmt.Fprintf(&out, "%016x: %08X %08X %08X %04X %02X %5d%s\n", 0, 2, 0, flags, s.typ, st, inode, name)
	}
	return out.String()
}
