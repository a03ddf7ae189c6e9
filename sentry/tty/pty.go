package tty

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/ktime"
	"ringfence/sentry/vfs"
)

// Sizes of buffers, in bytes.
const (
	// inputSize is how much input the line discipline holds (N_TTY_BUF_SIZE).
	inputSize = 4096
	// pendingSize is how much more a master may write while that is full.
	pendingSize = 8192
	// outputSize is how much a slave may write before the master reads.
	outputSize = 64 << 10
	// echoSize is how much echo is kept while it can't be shown.
	echoSize = 4096
	// echoCommit is how much is gathered before it is shown.
	echoCommit = 256
	// keepOutput is how much output survives a flush: Linux has handed so much to the
	// master's side, where no flush reaches it.
	keepOutput = 4095
)

// PTY is a pseudo terminal: master, line discipline and slave.
type PTY struct {
	// Index is the N of /dev/pts/N. Immutable.
	Index  int
	timers *ktime.Manager

	slaveQ, masterQ wait.Queue
	timer           ktime.Timer // ends a read with VTIME

	// mu guards the rest. Use lock and unlock.
	mu sync.Mutex

	termios linux.Termios
	winsize linux.Winsize
	// frozen has bits set for the settings that TCSETS and its like leave as they are (TIOCSLCKTRMIOS).
	frozen linux.Termios

	in  input
	out output

	locked    bool   // TIOCSPTLCK
	exclusive bool   // TIOCEXCL
	masters   int    // open files of the master
	slaves    int    // open files of the slave that are not hung up
	opened    bool   // a slave was open, and none is: the master sees a hangup
	gone      bool   // the master was closed
	hangups   uint64 // slave files of an earlier count are dead

	packet       bool  // TIOCPKT
	packetStatus uint8 // TIOCPKT_* not yet read

	session    Session // nil if it controls none
	foreground Group   // or nil

	events events // what unlock has to tell
}

// events are collected under PTY.mu.
type events struct {
	slave, master wait.Mask
	signals       []linux.Signal // for group
	group         Group
}

// New returns a pair, as yet without open files. It is locked until the master unlocks
// it (TIOCSPTLCK). timers serves VTIME.
func New(index int, timers *ktime.Manager) *PTY {
	p := &PTY{Index: index, timers: timers, termios: linux.DefaultTermios, locked: true}
	p.termios.Cflag = linux.B38400 | linux.CS8 | linux.CREAD
	p.timer.Listener = p
	return p
}

func (p *PTY) lock() { p.mu.Lock() }

// unlock drops mu, then wakes and signals whom the change concerns.
func (p *PTY) unlock() {
	e := p.events
	if e.slave|e.master == 0 && e.signals == nil {
		p.mu.Unlock()
		return
	}
	p.events = events{}
	p.mu.Unlock()
	if e.group != nil {
		for _, sig := range e.signals {
			e.group.Signal(sig)
		}
	}
	if e.slave != 0 {
		p.slaveQ.Notify(e.slave)
	}
	if e.master != 0 {
		p.masterQ.Notify(e.master)
	}
}

func (p *PTY) wakeReader() { p.events.slave |= wait.In | wait.RdNorm }
func (p *PTY) wakeWriter() { p.events.slave |= wait.Out | wait.WrNorm }

// signalLocked sends sig to the foreground group, when mu is dropped.
func (p *PTY) signalLocked(sig linux.Signal) {
	if p.foreground != nil {
		p.events.group = p.foreground
		p.events.signals = append(p.events.signals, sig)
	}
}

// packetLocked tells a master in packet mode what happened.
func (p *PTY) packetLocked(status uint8) {
	if p.packet {
		p.packetStatus |= status
		p.events.master |= wait.Pri | wait.In | wait.RdNorm
	}
}

// Window returns the size of the window.
func (p *PTY) Window() linux.Winsize {
	p.lock()
	defer p.unlock()
	return p.winsize
}

// SetWindow changes the size of the window; the foreground group gets SIGWINCH if it is
// another.
func (p *PTY) SetWindow(w linux.Winsize) {
	p.lock()
	defer p.unlock()
	if p.winsize != w {
		p.winsize = w
		p.signalLocked(linux.SIGWINCH)
	}
}

// Locked reports whether the slave can't be opened yet.
func (p *PTY) Locked() bool {
	p.lock()
	defer p.unlock()
	return p.locked
}

// OpenMaster returns the operations of an open master.
func (p *PTY) OpenMaster() *Master {
	p.lock()
	defer p.unlock()
	p.masters++
	return &Master{p: p}
}

// OpenSlave returns the operations of an open slave, and makes it the controlling terminal of
// a session leader without one, unless flags say O_NOCTTY. EIO if it is locked or
// the master is closed.
func (p *PTY) OpenSlave(c vfs.Caller, flags uint32) (*Slave, error) {
	p.lock()
	switch {
	case p.gone || p.locked:
		p.unlock()
		return nil, errno.EIO
	case p.exclusive && !c.Creds().Has(linux.CAP_SYS_ADMIN):
		p.unlock()
		return nil, errno.EBUSY
	}
	p.slaves++
	p.opened = false
	p.events.master |= wait.Out | wait.WrNorm
	s := &Slave{p: p, hangups: p.hangups}
	p.unlock()
	if proc, ok := c.(Process); ok && flags&linux.O_NOCTTY == 0 && flags&linux.O_ACCMODE != linux.O_WRONLY {
		if s := proc.TTYSession(); s != nil && s.Terminal() == nil && proc.LeadsSession() {
			// Another session may have it, which is no error of open.
			_ = p.acquire(proc, false)
		}
	}
	return s, nil
}

// closeMaster hangs the slave up when the last master goes.
func (p *PTY) closeMaster() {
	p.lock()
	if p.masters--; p.masters > 0 {
		p.unlock()
		return
	}
	p.gone = true
	p.hangups++
	p.slaves = 0
	p.in = input{}
	p.out = output{}
	s, g := p.session, p.foreground
	p.session, p.foreground = nil, nil
	p.events.slave |= wait.All
	p.unlock()
	if p.timers != nil {
		p.timers.Stop(&p.timer)
	}
	if s != nil {
		s.SetTerminal(nil)
		s.HungUp(g)
	}
}

// closeSlave takes back an OpenSlave that was not hung up in between.
func (p *PTY) closeSlave(hangups uint64) {
	p.lock()
	defer p.unlock()
	if hangups != p.hangups {
		return
	}
	if p.slaves--; p.slaves == 0 {
		p.opened = true
		p.exclusive = false
		p.events.master |= wait.Hup | wait.In | wait.RdNorm
	}
}

// TimerExpired implements ktime.Listener: a read has waited long enough.
func (p *PTY) TimerExpired(*ktime.Timer, uint64) { p.slaveQ.Notify(wait.In) }
