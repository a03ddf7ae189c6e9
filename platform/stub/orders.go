package stub

import (
	"ringfence/abi/addr"
	"ringfence/platform"
	"ringfence/platform/hostcall"
)

// Order is a host call that a mapper makes.
type Order struct {
	nr   uint64
	args [6]uint64
	then uint64 // what becomes of the child of a clone
}

const (
	thenNothing = 0
	thenThread  = 1 // the child is a guest thread; args[4] is where it goes
	thenProcess = 2 // the child is the mapper of a new process; args[5] its control page
)

// MapOrder maps r to file at offset, shared. prot has the bits of PROT_*. With populate the
// host's page tables are filled ahead.
func MapOrder(r addr.Range, file hostcall.FD, offset uint64, prot int, populate bool) Order {
	flags := hostcall.MAP_SHARED | hostcall.MAP_FIXED
	if populate {
		flags |= hostcall.MAP_POPULATE
	}
	return Order{nr: sysMmap, args: [6]uint64{
		uint64(r.Start), r.Len(), uint64(prot), uint64(flags), fd(file), offset}}
}

// GuestOrder maps pages of a guest. What can be written or executed can be read on this CPU;
// saying so lets a protection fault mean that the access was no read.
func GuestOrder(m platform.Mapping) Order {
	return MapOrder(m.Range, m.File, m.Offset, int(m.Prot|platform.Read), m.Populate)
}

// GuestOrders are GuestOrder for each of ms.
func GuestOrders(ms []platform.Mapping) []Order {
	orders := make([]Order, len(ms))
	for i, m := range ms {
		orders[i] = GuestOrder(m)
	}
	return orders
}

// UnmapOrder removes all mappings from r.
func UnmapOrder(r addr.Range) Order {
	return Order{nr: sysMunmap, args: [6]uint64{uint64(r.Start), r.Len()}}
}

// ThreadOrder makes a guest thread, which gives up its descriptors and goes to pc with arg
// in R9, all signals blocked.
func ThreadOrder(pc, arg uint64) Order {
	return Order{nr: sysClone, args: [6]uint64{threadFlags, 0, 0, 0, pc, arg}, then: thenThread}
}
