package tty

import (
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// output is what goes to the master. Guarded by PTY.mu.
type output struct {
	q       byteQueue // for the master to read
	echo    []echoOp  // echo that waits until q takes it
	stopped bool      // by VSTOP
	held    bool      // by TCXONC, which only TCXONC undoes

	column      int // of the cursor
	canonColumn int // of the cursor where the line's input began
}

const spaces = "        "

// blocked reports whether nothing goes out for now.
func (o *output) blocked() bool { return o.stopped || o.held }

// room is how many bytes a slave may write now.
func (p *PTY) roomLocked() int {
	p.flushEchoLocked()
	if p.out.blocked() {
		return 0
	}
	return max(outputSize-p.out.q.len(), 0)
}

// flushEchoLocked shows echo that had to wait, as far as there is room.
func (p *PTY) flushEchoLocked() {
	o := &p.out
	if len(o.echo) == 0 || o.blocked() {
		return
	}
	n := 0
	for n < len(o.echo) && o.q.len() < outputSize {
		o.show(&p.termios, o.echo[n])
		n++
	}
	o.echo = append(o.echo[:0], o.echo[n:]...)
	if n > 0 {
		p.events.master |= wait.In | wait.RdNorm
	}
}

// writeLocked puts what a slave writes through output processing, as much as there is
// room for, and returns how much of b that was.
func (p *PTY) writeLocked(b []byte) int {
	room := p.roomLocked()
	if room == 0 || len(b) == 0 {
		return 0
	}
	n := 0
	if p.termios.Oflag&linux.OPOST == 0 {
		n = min(len(b), room)
		p.out.q.push(b[:n])
	} else {
		for n < len(b) {
			k := p.out.process(&p.termios, b[n], room, &p.out.q)
			if k < 0 {
				break
			}
			room -= k
			n++
		}
	}
	p.events.master |= wait.In | wait.RdNorm
	return n
}

// process appends c to q as OPOST wants it, and returns how many bytes that made, -1 if
// they are more than room.
func (o *output) process(t *linux.Termios, c byte, room int, q *byteQueue) int {
	if room < 1 {
		return -1
	}
	switch c {
	case '\n':
		if t.Oflag&linux.ONLRET != 0 {
			o.column = 0
		}
		if t.Oflag&linux.ONLCR != 0 {
			if room < 2 {
				return -1
			}
			o.column, o.canonColumn = 0, 0
			q.pushByte('\r')
			q.pushByte('\n')
			return 2
		}
		o.canonColumn = o.column
	case '\r':
		if t.Oflag&linux.ONOCR != 0 && o.column == 0 {
			return 0
		}
		if t.Oflag&linux.OCRNL != 0 {
			c = '\n'
			if t.Oflag&linux.ONLRET != 0 {
				o.column, o.canonColumn = 0, 0
			}
			break
		}
		o.column, o.canonColumn = 0, 0
	case '\t':
		n := 8 - o.column&7
		if t.Oflag&linux.TABDLY == linux.XTABS {
			if room < n {
				return -1
			}
			o.column += n
			q.push([]byte(spaces[:n]))
			return n
		}
		o.column += n
	case '\b':
		if o.column > 0 {
			o.column--
		}
	default:
		if !isControl(c) {
			if t.Oflag&linux.OLCUC != 0 && 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			if !isContinuation(t, c) {
				o.column++
			}
		}
	}
	q.pushByte(c)
	return 1
}

// echoOp is something to be echoed: a byte, or what its upper half says.
type echoOp uint16

const (
	echoControl  echoOp = 0x100 // the byte as ^X
	echoBack     echoOp = 0x200 // the column moves back by one
	echoCanon    echoOp = 0x300 // input begins here
	echoTab      echoOp = 0x400 // a tab is taken back; the byte counts columns since a tab
	echoStartTab echoOp = 0x500 // the same, columns since the start of input
)

// echoLocked adds to the echo. It is shown when all input that came with it has been
// seen, or much has piled up, and no sooner than output is allowed. A signal
// typed in between drops it.
func (p *PTY) echoLocked(op echoOp) {
	if len(p.out.echo) >= echoCommit {
		p.flushEchoLocked()
	}
	if len(p.out.echo) < echoSize {
		p.out.echo = append(p.out.echo, op)
	}
}

// echoRaw echoes c as it is, but for output processing.
func (p *PTY) echoRaw(c byte) { p.echoLocked(echoOp(c)) }

// echo echoes c as typed: control characters as ^X with ECHOCTL.
func (p *PTY) echo(c byte) {
	op := echoOp(c)
	if p.termios.Lflag&linux.ECHOCTL != 0 && isControl(c) && c != '\t' {
		op |= echoControl
	}
	p.echoLocked(op)
}

// echoEraseTab moves the cursor back over a tab. cols is how many columns the
// characters between it and the tab before it, or the start of input, take.
func (p *PTY) echoEraseTab(cols int, afterTab bool) {
	op := echoStartTab
	if afterTab {
		op = echoTab
	}
	p.echoLocked(op | echoOp(cols&7))
}

// show carries out op.
func (o *output) show(t *linux.Termios, op echoOp) {
	c := byte(op)
	switch op &^ 0xff {
	case echoControl:
		o.q.pushByte('^')
		o.q.pushByte(c ^ 0o100)
		o.column += 2
	case echoBack:
		o.column = max(o.column-1, 0)
	case echoCanon:
		o.canonColumn = o.column
	case echoTab, echoStartTab:
		cols := int(c)
		if op&^0xff == echoStartTab {
			cols += o.canonColumn
		}
		for range 8 - cols&7 {
			o.q.pushByte('\b')
			o.column = max(o.column-1, 0)
		}
	default:
		if t.Oflag&linux.OPOST == 0 {
			o.q.pushByte(c)
			return
		}
		o.process(t, c, len(spaces), &o.q)
	}
}

// stopLocked and startLocked are flow control by VSTOP and VSTART.
func (p *PTY) stopLocked() {
	if !p.out.stopped {
		p.out.stopped = true
		p.packetStop(linux.TIOCPKT_STOP, linux.TIOCPKT_START)
	}
}

func (p *PTY) startLocked() {
	if p.out.stopped {
		p.out.stopped = false
		p.packetStop(linux.TIOCPKT_START, linux.TIOCPKT_STOP)
		p.flushEchoLocked()
		p.wakeWriter()
	}
}

func (p *PTY) packetStop(set, clear uint8) {
	if p.packet {
		p.packetStatus &^= clear
		p.packetLocked(set)
	}
}

// flushOutputLocked drops output that the master has not taken.
func (p *PTY) flushOutputLocked() {
	p.out.q.truncate(keepOutput)
	p.packetLocked(linux.TIOCPKT_FLUSHWRITE)
	p.wakeWriter()
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// isContinuation reports whether c goes on with a character of several bytes.
func isContinuation(t *linux.Termios, c byte) bool {
	return t.Iflag&linux.IUTF8 != 0 && c&0xc0 == 0x80
}

// isWord reports whether c is part of a word for VWERASE (Linux's isalnum, which
// counts Latin 1).
func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' ||
		c >= 0xc0 && c != 0xd7 && c != 0xf7
}
