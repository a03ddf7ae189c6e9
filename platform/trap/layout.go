package trap

import "ringfence/platform/stub"

// Where stub processes map what. The code and the trampolines are the same in all of
// them, and read-only; so is the table of jumps. A process has a table of sites of its own,
// which it can only read, and the areas of its threads.
const (
	codeAddr = stub.ImageStart
	codeSize = 0x1000

	trampolineAddr = stub.ImageStart + 0x10000
	trampolineSize = 32 // of one

	// clockAddr is the page of the clocks.
	clockAddr = stub.ImageStart + 0x30000

	// areaAddr is the first area; areas are aligned to their size.
	areaAddr   = stub.ImageStart + 0xf0000
	areaSize   = 0x8000
	maxThreads = (0x7fffffff0000 - areaAddr) / areaSize

	// The tables lie where a 32-bit displacement reaches them, below the guest's
	// memory. For jumpTable see sites.go.
	siteTable = 0x50000
	jumpTable = 0x60000
	tableSize = 0x10000

	// userStart is the lowest address that guests can map.
	userStart = jumpTable + tableSize
)

// Parts of an area.
const (
	fpuOffset   = 0x1000
	fpuSize     = 0x2000
	stackOffset = fpuOffset + fpuSize
	stackSize   = areaSize - stackOffset
)

// Places in the code page, behind the code.
const (
	callsOffset = 0xde0 // where the host's dispatcher lets calls of guest threads through: address and length
	maskOffset  = 0xdf0 // an empty signal mask
)

// mark is a place in stubCode that the sentry must know: an offset.
type mark int

// Marks, in the order of the code.
const (
	// Up to handlerEnd the signal handler has not posted its event.
	handlerEnd mark = iota + 1
	// enter is where new threads start. From handlerEnd to here, and from posted to
	// postedEnd, the area holds the guest's registers.
	enter
	// common is where trampolines go.
	common
	// slow is an undefined instruction: the thread's GS is not ours.
	slow
	// From spTaken on the guest's stack pointer is in CX, from spSaved on in the area; from
	// flagsSaved on its flags; from callSaved on the call's number and return address.
	spTaken
	flagsSaved
	spSaved
	callSaved
	// From answered on AX holds the answer to the call; to the end of the answers.
	answered
	answeredEnd
	// From clockSaved to clockRestored DX, BX and R8 are in the area.
	clockSaved
	clockRestored
	posted
	postedEnd
	numMarks
)
