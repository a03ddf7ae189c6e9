package stub

import (
	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// Image is what a platform adds to the stub processes of its factory.
type Image struct {
	// Regions are mapped in every process.
	Regions []Region

	// Signals go to Handler, an address in one of the Regions or HandlerPC, on the
	// alternate stack where a thread has one.
	Signals []int32
	Handler uint64

	// Scratch asks for the scratch pages.
	Scratch bool

	// Rules are the host calls that the filter lets through, besides those of mappers.
	Rules []Rule
	// Trap says that a call which is not let through raises SIGSYS. Else it ends the process.
	Trap bool
}

// Region is a part of a file that stub processes map.
type Region struct {
	Range  addr.Range
	File   hostcall.FD
	Offset uint64
	Prot   int // PROT_*
}
