package tty

import (
	"bytes"
	"time"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// available reports whether a read finds something. For poll(2), with VMIN bytes as the
// least where no time is set.
func (p *PTY) available(poll bool) bool {
	in := &p.in
	if p.canonical() {
		return in.canon != in.tail
	}
	least := uint64(1)
	if poll && p.termios.CC[linux.VTIME] == 0 {
		least = max(1, uint64(p.termios.CC[linux.VMIN]))
	}
	return in.head-in.tail >= least
}

// readLocked takes at most want bytes for a slave's read. EAGAIN means wait: for input, or
// until wake, a monotonic time, if that is not 0. started is when this read began to wait, kept by
// the open file between tries.
func (p *PTY) readLocked(want int, nonblock bool, started *int64) (b []byte, wake int64, err error) {
	if want == 0 {
		return nil, 0, nil
	}
	if p.canonical() {
		if p.in.canon == p.in.tail {
			return nil, 0, errno.EAGAIN
		}
		b = p.readLine(want)
		p.drainPendingLocked()
		return b, 0, nil
	}
	have := int(p.in.head - p.in.tail)
	least := min(int(p.termios.CC[linux.VMIN]), want)
	limit := int64(p.termios.CC[linux.VTIME]) * int64(100*time.Millisecond)
	if have < max(least, 1) {
		if p.termios.CC[linux.VMIN] == 0 && limit == 0 {
			*started = 0
			return nil, 0, nil
		}
		if limit == 0 || p.timers == nil || nonblock && have == 0 || have == 0 && p.termios.CC[linux.VMIN] > 0 {
			*started = 0
			return nil, 0, errno.EAGAIN
		}
		now := p.timers.Clocks.Monotonic()
		if *started == 0 || now-*started > limit+int64(time.Second) {
			*started = now // a new read; one given up long ago left its time behind
		}
		end := *started + limit
		if have > 0 {
			end = max(*started, p.in.last) + limit
		}
		if now < end {
			return nil, end, errno.EAGAIN
		}
	}
	*started = 0
	b = p.readRaw(min(want, have))
	p.drainPendingLocked()
	return b, 0, nil
}

// readLine takes a line, or what fits of it. An end of file is taken but not returned.
func (p *PTY) readLine(want int) []byte {
	in := &p.in
	var b []byte
	for in.tail != in.canon {
		c, end := in.at(in.tail), in.isEnd(in.tail)
		if end && c == 0 {
			in.tail++
			break
		}
		if len(b) == want {
			break
		}
		b = append(b, c)
		in.tail++
		if end {
			break
		}
	}
	return b
}

func (p *PTY) readRaw(n int) []byte {
	in := &p.in
	from := int(in.tail % inputSize)
	first := min(n, inputSize-from)
	b := bytes.Join([][]byte{in.buf[from : from+first], in.buf[:n-first]}, nil)
	in.tail += uint64(n)
	// Complete lines that canonical mode left behind are read as bytes.
	in.canon = max(in.canon, in.tail)
	return b
}

// setTermiosLocked puts new settings in force.
func (p *PTY) setTermiosLocked(t linux.Termios) {
	t.Cflag = t.Cflag&^(linux.CSIZE|linux.PARENB) | linux.CS8 | linux.CREAD
	old := p.termios
	p.termios = t
	in := &p.in
	if (old.Lflag^t.Lflag)&(linux.ICANON|linux.EXTPROC) != 0 {
		in.ends = [len(in.ends)]uint64{}
		if t.Lflag&linux.ICANON == 0 || in.head == in.tail {
			in.canon = in.tail
		} else {
			// What was typed before counts as a line.
			in.setEnd(in.head-1, true)
			in.canon = in.head
		}
		in.erasing, in.literal = false, false
	}
	if t.Iflag&linux.IXON == 0 && old.Iflag&linux.IXON != 0 && p.out.stopped {
		p.startLocked()
	}
	p.packetTermios(&old, &t)
	p.drainPendingLocked()
	p.wakeIfReadable()
	p.wakeWriter()
}

// packetTermios tells a master in packet mode how flow control changed.
func (p *PTY) packetTermios(old, t *linux.Termios) {
	if !p.packet {
		return
	}
	if (old.Lflag|t.Lflag)&linux.EXTPROC != 0 {
		p.packetLocked(linux.TIOCPKT_IOCTL)
	}
	usual := func(t *linux.Termios) bool {
		return t.Iflag&linux.IXON != 0 && t.CC[linux.VSTOP] == 'S'-'@' && t.CC[linux.VSTART] == 'Q'-'@'
	}
	if was, is := usual(old), usual(t); was != is {
		if is {
			p.packetStop(linux.TIOCPKT_DOSTOP, linux.TIOCPKT_NOSTOP)
		} else {
			p.packetStop(linux.TIOCPKT_NOSTOP, linux.TIOCPKT_DOSTOP)
		}
	}
}

// flushInputLocked drops input that nobody has read.
func (p *PTY) flushInputLocked() {
	p.in.reset()
	p.in.pending.clear()
	p.packetLocked(linux.TIOCPKT_FLUSHREAD)
}
