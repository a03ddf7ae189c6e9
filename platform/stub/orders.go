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
	thenAnyway  = 3 // no clone; an error does not matter
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

// GuestOrders map pages of a guest. What can be written or executed can be read on this CPU;
// saying so lets a protection fault mean that the access was no read.
func GuestOrders(ms ...platform.Mapping) []Order {
	orders := make([]Order, 0, len(ms)+1)
	for _, m := range ms {
		write := m.Populate == platform.PopulateWrite && m.Prot&platform.Write != 0
		orders = append(orders, MapOrder(m.Range, m.File, m.Offset, int(m.Prot|platform.Read), m.Populate != platform.PopulateNone && !write))
		if write {
			// MAP_POPULATE only reads what is shared, and is no quicker.
			orders = append(orders, Order{nr: sysMadvise,
				args: [6]uint64{uint64(m.Range.Start), m.Range.Len(), madvPopulateWrite}, then: thenAnyway})
		}
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
