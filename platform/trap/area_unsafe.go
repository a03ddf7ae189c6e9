package trap

import (
	"unsafe"

	"ringfence/platform/arch"
	"ringfence/platform/hostcall"
)

// area is what a guest thread shares with the sentry, the first page of it. The offsets are those
// of stub_amd64.s, which a test compares. The guest can write all of it at any time.
//
// What a system call that is answered at once needs on the way back is in the first cache
// line: to move one to another CPU costs as much as the rest of a turn. The sentry looks at
// that line while it waits, and takes it away each time: so a thread on its way in
// writes to it once, at the end.
type area struct {
	self         uint64 // the area's address in the stub process
	magic        uint64 // magicValue: this is an area
	turn         uint32 // whose turn it is: turnSentry or turnGuest; a futex
	stubAsleep   uint32 // the thread sleeps on turn, or is about to
	sentryAsleep uint32 // the sentry does
	spin         uint32 // how often the thread looks at turn before it sleeps
	event        uint32 // event*
	command      uint32 // command*: what to do with the turn
	signo        uint32 // of eventSignal
	how          uint32 // howFast: return result as SYSCALL does
	result       uint64
	flags        uint64 // of eventCall, and to return with as from SYSCALL

	frame    uint64 // of eventSignal: address of the ucontext
	info     uint64 // and of the siginfo
	features uint64 // of XSAVE and XRSTOR
	guestGS  uint64 // of eventSignal: the GS base that was found
	setGS    uint64 // GS base to return to the guest with; the area, if it has none

	// Where in the code is what: see mark.
	code, codeSize                        uint64
	handlerEnd, enter, posted, postedStop uint64

	// values are answers to calls, by kind: see answers.go.
	values [16]uint32

	fpu uint64 // address of the FPU state; 0: it is in the CPU
	cpu uint32 // where the thread woke the sentry; Linux's node number is above bit 12

	_    [0x100 - 0xe4]byte
	regs arch.Registers
	_    [0x200 - 0x100 - arch.RegistersSize]byte

	altStack struct {
		sp    uint64
		flags uint32
		_     uint32
		size  uint64
	}
	_       [0x2c0 - 0x218]byte
	flagsIn uint64 // the flags of a call on its way in; the thread's own
	_       [0x400 - 0x2c8]byte
	kinds   [maxAnswered]uint8 // by number of the call; 0: the sentry answers
}

const (
	turnSentry = 0
	turnGuest  = 1

	eventSignal      = 1
	eventCall        = 2
	eventInterrupted = 3
	eventSaved       = 4

	howFast     = 1
	commandSave = 1

	magicValue = 0x52696e67
)

// areaOf returns the area that starts at b.
func areaOf(b []byte) *area {
	_ = b[:areaSize]
	return (*area)(unsafe.Pointer(unsafe.SliceData(b)))
}

// clockPageOf returns the clock page that b is.
func clockPageOf(b []byte) *clockPage {
	_ = b[:4096]
	return (*clockPage)(unsafe.Pointer(unsafe.SliceData(b)))
}

// stubCode is copied to stub processes, see stub_amd64.s.
func codeAt() uintptr

// codeBytes returns stubCode, without what follows it.
func codeBytes() []byte {
	const end = 8 // INT3 bytes
	for n := 0; ; n++ {
		if b := hostcall.Bytes(codeAt(), n+end); [end]byte(b[n:]) == [end]byte{0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc} {
			return b[:n]
		}
	}
}

// spinWhile looks at *word up to n times and reports whether it is something other than old.
//
//go:noescape
func spinWhile(word *uint32, old, n uint32) bool
