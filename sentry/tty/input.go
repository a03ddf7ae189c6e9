package tty

import (
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// input is the line discipline's buffer: a ring with positions that count up for
// ever. Guarded by PTY.mu.
type input struct {
	buf  [inputSize]byte
	ends [inputSize / 64]uint64 // bit set: the byte ends a line

	tail  uint64 // next byte to read
	canon uint64 // behind the last complete line
	head  uint64 // behind the last byte

	pending byteQueue // written by the master, not looked at yet

	literal bool  // VLNEXT was typed
	erasing bool  // within \.../ of ECHOPRT
	last    int64 // when the last byte came, monotonic; for VTIME
}

func (in *input) at(pos uint64) byte { return in.buf[pos%inputSize] }

func (in *input) put(c byte) {
	in.buf[in.head%inputSize] = c
	in.setEnd(in.head, false)
	in.head++
}

func (in *input) setEnd(pos uint64, on bool) {
	w, bit := pos%inputSize/64, uint64(1)<<(pos%64)
	if on {
		in.ends[w] |= bit
	} else {
		in.ends[w] &^= bit
	}
}

func (in *input) isEnd(pos uint64) bool { return in.ends[pos%inputSize/64]>>(pos%64)&1 != 0 }

// reset drops everything but what is pending.
func (in *input) reset() {
	in.tail, in.canon, in.head = 0, 0, 0
	in.ends = [len(in.ends)]uint64{}
	in.literal, in.erasing = false, false
}

// receiveLocked takes what the master writes, as much as fits, and returns how much
// that was.
func (p *PTY) receiveLocked(b []byte) int {
	n := 0
	if p.in.pending.len() == 0 {
		n = p.feedLocked(b)
	}
	if rest := min(len(b)-n, pendingSize-p.in.pending.len()); rest > 0 {
		p.in.pending.push(b[n : n+rest])
		n += rest
	}
	return n
}

// feedLocked gives bytes to the line discipline until its buffer is full, and
// returns how many.
func (p *PTY) feedLocked(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	in := &p.in
	if p.timers != nil && p.termios.Lflag&linux.ICANON == 0 && p.termios.CC[linux.VTIME] != 0 {
		in.last = p.timers.Clocks.Monotonic()
	}
	for i, c := range b {
		if in.head-in.tail >= inputSize-1 {
			if !p.canonical() || in.canon != in.tail {
				p.flushEchoLocked()
				p.wakeIfReadable()
				return i
			}
			// A line too long: what comes replaces the last byte, so that the line
			// can still be ended or edited.
			if in.head-in.tail >= inputSize {
				in.head--
			}
		}
		p.typeLocked(c)
	}
	p.flushEchoLocked()
	p.wakeIfReadable()
	return len(b)
}

func (p *PTY) wakeIfReadable() {
	if p.available(true) {
		p.wakeReader()
	}
}

// drainPendingLocked goes on with what the master wrote when the buffer was full.
func (p *PTY) drainPendingLocked() {
	for p.in.pending.len() > 0 {
		n := p.feedLocked(p.in.pending.bytes())
		if n == 0 {
			return
		}
		p.in.pending.drop(n)
		p.events.master |= wait.Out | wait.WrNorm
	}
}

func (p *PTY) canonical() bool {
	return p.termios.Lflag&(linux.ICANON|linux.EXTPROC) == linux.ICANON
}

// special reports whether c is the control character cc; 0 means that there is none.
func (p *PTY) special(c byte, cc int) bool { return c != 0 && p.termios.CC[cc] == c }

// typeLocked processes one byte of input (n_tty_receive_char and those around it).
func (p *PTY) typeLocked(c byte) {
	in, t := &p.in, &p.termios
	l := t.Lflag
	if t.Iflag&linux.ISTRIP != 0 {
		c &= 0x7f
	}
	if t.Iflag&linux.IUCLC != 0 && l&linux.IEXTEN != 0 && 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	if l&linux.EXTPROC != 0 {
		in.put(c)
		return
	}
	if in.literal {
		in.literal = false
		p.plainLocked(c, false)
		return
	}
	if t.Iflag&linux.IXON != 0 {
		if p.special(c, linux.VSTART) {
			p.startLocked()
			return
		}
		if p.special(c, linux.VSTOP) {
			p.stopLocked()
			return
		}
	}
	if l&linux.ISIG != 0 {
		for _, s := range [...]struct {
			cc  int
			sig linux.Signal
		}{{linux.VINTR, linux.SIGINT}, {linux.VQUIT, linux.SIGQUIT}, {linux.VSUSP, linux.SIGTSTP}} {
			if p.special(c, s.cc) {
				p.typeSignal(c, s.sig)
				return
			}
		}
	}
	if p.out.stopped && t.Iflag&linux.IXON != 0 && t.Iflag&linux.IXANY != 0 {
		p.startLocked()
	}
	newline := l&linux.ICANON != 0
	switch {
	case c == '\r' && t.Iflag&linux.IGNCR != 0:
		return
	case c == '\r' && t.Iflag&linux.ICRNL != 0:
		c, newline = '\n', true
	case c == '\n' && t.Iflag&linux.INLCR != 0:
		c = '\r'
	}
	if l&linux.ICANON != 0 && p.editLocked(c) {
		return
	}
	p.plainLocked(c, newline)
}

// typeSignal is VINTR, VQUIT or VSUSP.
func (p *PTY) typeSignal(c byte, sig linux.Signal) {
	p.signalLocked(sig)
	if p.termios.Lflag&linux.NOFLSH == 0 {
		p.out.echo = p.out.echo[:0]
		p.out.q.truncate(keepOutput)
		p.in.reset()
		p.packetLocked(linux.TIOCPKT_FLUSHREAD)
		p.wakeWriter()
	}
	if p.termios.Iflag&linux.IXON != 0 {
		p.startLocked()
	}
	if p.termios.Lflag&linux.ECHO != 0 {
		p.echo(c)
	}
}

// editLocked handles the characters that mean something while a line is edited. It returns
// false for those that do not.
func (p *PTY) editLocked(c byte) bool {
	in, t := &p.in, &p.termios
	l := t.Lflag
	extended := l&linux.IEXTEN != 0
	switch {
	case p.special(c, linux.VERASE), p.special(c, linux.VKILL), p.special(c, linux.VWERASE) && extended:
		p.eraseLocked(c)
		return true
	case p.special(c, linux.VLNEXT) && extended:
		in.literal = true
		if l&linux.ECHO != 0 {
			p.finishErasing()
			if l&linux.ECHOCTL != 0 {
				p.echoRaw('^')
				p.echoRaw('\b')
			}
		}
		return true
	case p.special(c, linux.VREPRINT) && extended && l&linux.ECHO != 0:
		p.finishErasing()
		p.echo(c)
		p.echoRaw('\n')
		for pos := in.canon; pos != in.head; pos++ {
			p.echo(in.at(pos))
		}
		return true
	case c == '\n':
		if l&(linux.ECHO|linux.ECHONL) != 0 {
			p.echoRaw('\n')
		}
	case p.special(c, linux.VEOF):
		c = 0 // marks the end without being part of the line
	case p.special(c, linux.VEOL), p.special(c, linux.VEOL2) && extended:
		if l&linux.ECHO != 0 {
			p.recordColumn()
			p.echo(c)
		}
		if c == 0xff && t.Iflag&linux.PARMRK != 0 {
			in.put(c)
		}
	default:
		return false
	}
	in.put(c)
	in.setEnd(in.head-1, true)
	in.canon = in.head
	return true
}

// plainLocked stores and echoes a character without meaning. newline says that a line
// feed is echoed as such; otherwise it is a control character like others.
func (p *PTY) plainLocked(c byte, newline bool) {
	if p.termios.Lflag&linux.ECHO != 0 {
		p.finishErasing()
		if newline && c == '\n' {
			p.echoRaw(c)
		} else {
			p.recordColumn()
			p.echo(c)
		}
	}
	if c == 0xff && p.termios.Iflag&linux.PARMRK != 0 {
		p.in.put(c)
	}
	p.in.put(c)
}

// recordColumn remembers where on the screen the line's input begins.
func (p *PTY) recordColumn() {
	if p.in.canon == p.in.head {
		p.echoLocked(echoCanon)
	}
}

// eraseLocked takes back a character, a word or the line (Linux's eraser).
func (p *PTY) eraseLocked(c byte) {
	in, t := &p.in, &p.termios
	l := t.Lflag
	if in.head == in.canon {
		return
	}
	erase, word := p.special(c, linux.VERASE), p.special(c, linux.VWERASE)
	if erase {
		word = false
	}
	if !erase && !word {
		if l&linux.ECHO == 0 {
			in.head = in.canon
			return
		}
		if l&linux.ECHOK == 0 || l&linux.ECHOKE == 0 || l&linux.ECHOE == 0 {
			in.head = in.canon
			p.finishErasing()
			p.echo(c)
			if l&linux.ECHOK != 0 {
				p.echoRaw('\n')
			}
			return
		}
	}
	seen := false
	for in.head != in.canon {
		pos := in.head - 1
		for isContinuation(t, in.at(pos)) && pos != in.canon {
			pos--
		}
		x := in.at(pos)
		if isContinuation(t, x) {
			break // never a part of a character
		}
		if word {
			if isWord(x) {
				seen = true
			} else if seen {
				break
			}
		}
		n := in.head - pos
		in.head = pos
		if l&linux.ECHO != 0 {
			p.echoErased(x, pos, n, erase)
		}
		if erase {
			break
		}
	}
	if in.head == in.canon && l&linux.ECHO != 0 {
		p.finishErasing()
	}
}

// echoErased shows that the character x of n bytes, which stood at pos, was taken back.
func (p *PTY) echoErased(x byte, pos, n uint64, erase bool) {
	in, l := &p.in, p.termios.Lflag
	switch {
	case l&linux.ECHOPRT != 0:
		if !in.erasing {
			p.echoRaw('\\')
			in.erasing = true
		}
		p.echo(x)
		for i := uint64(1); i < n; i++ {
			p.echoRaw(in.at(pos + i))
			p.echoLocked(echoBack)
		}
	case erase && l&linux.ECHOE == 0:
		p.echo(p.termios.CC[linux.VERASE])
	case x == '\t':
		cols, afterTab := 0, false
		for at := in.head; at != in.canon && !afterTab; {
			at--
			switch y := in.at(at); {
			case y == '\t':
				afterTab = true
			case isControl(y):
				if l&linux.ECHOCTL != 0 {
					cols += 2
				}
			case !isContinuation(&p.termios, y):
				cols++
			}
		}
		p.echoEraseTab(cols, afterTab)
	case !isControl(x):
		p.rubOut()
	case l&linux.ECHOCTL != 0:
		p.rubOut()
		p.rubOut()
	}
}

func (p *PTY) rubOut() {
	p.echoRaw('\b')
	p.echoRaw(' ')
	p.echoRaw('\b')
}

// finishErasing closes the \.../ of ECHOPRT.
func (p *PTY) finishErasing() {
	if p.in.erasing {
		p.in.erasing = false
		p.echoRaw('/')
	}
}
