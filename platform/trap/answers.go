package trap

import (
	"sync/atomic"

	"ringfence/platform"
	"ringfence/platform/clock"
)

// Some calls are answered by stub code, in a fraction of the time that the host would
// take. Their answers are in the thread's area: it says by the call's number which of
// its values it is, if any. Those that take more than a look have kinds of their own.

// maxAnswered bounds the numbers of calls that have answers.
const maxAnswered = 0x200

// Kinds of answers: up to 15 a value of the area.
const (
	kindPID = iota + 1
	kindTID
	kindPPID
	kindUID
	kindEUID
	kindGID
	kindEGID

	kindCPUs = 15 // no answer, but what getcpu has to be below

	kindYield = 16
	kindClock = 17
	kindCPU   = 18
	kindFutex = 19
)

// answerKinds are the calls with answers.
var answerKinds = [...]struct {
	nr   int
	kind uint8
}{
	{39, kindPID}, {186, kindTID}, {110, kindPPID},
	{102, kindUID}, {107, kindEUID}, {104, kindGID}, {108, kindEGID},
	{24, kindYield}, {228, kindClock}, {309, kindCPU}, {202, kindFutex},
}

var _ platform.Answerer = (*context)(nil)

// SetAnswers implements platform.Answerer.
func (c *context) SetAnswers(a platform.Answers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = a
	if c.thread != nil {
		c.thread.area.setAnswers(&a)
	}
}

func (a *area) setAnswers(to *platform.Answers) {
	if !to.On {
		// The values stay: a call that is being answered may still take one.
		for _, k := range answerKinds {
			a.kinds[k.nr] = 0
		}
		return
	}
	for kind, v := range [...]uint32{
		kindPID: uint32(to.PID), kindTID: uint32(to.TID), kindPPID: uint32(to.PPID),
		kindUID: to.UID, kindEUID: to.EUID, kindGID: to.GID, kindEGID: to.EGID, kindCPUs: to.CPUs,
	} {
		atomic.StoreUint32(&a.values[kind], v)
	}
	for _, k := range answerKinds {
		a.kinds[k.nr] = k.kind
	}
}

// clockPage says how the clocks go; stubCode reads it.
type clockPage struct {
	seq     uint32 // odd while it is written
	usable  uint32
	baseTSC uint64
	baseNS  int64
	mult    uint64
	realNS  int64
	bootNS  int64
}

var _ platform.ClockReader = (*Platform)(nil)

// SetClock implements platform.ClockReader. After Close it does nothing: who follows the clocks may
// not know yet.
func (p *Platform) SetClock(to clock.Params) {
	p.clockMu.Lock()
	defer p.clockMu.Unlock()
	c := p.clock
	if c == nil {
		return // closed
	}
	atomic.AddUint32(&c.seq, 1)
	atomic.StoreUint64(&c.baseTSC, to.BaseTSC)
	atomic.StoreInt64(&c.baseNS, to.BaseNS)
	atomic.StoreUint64(&c.mult, to.Mult)
	atomic.StoreInt64(&c.realNS, to.RealNS)
	atomic.StoreInt64(&c.bootNS, to.BootNS)
	usable := uint32(0)
	if to.Usable {
		usable = 1
	}
	atomic.StoreUint32(&c.usable, usable)
	atomic.AddUint32(&c.seq, 1)
}
