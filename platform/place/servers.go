package place

import "ringfence/platform/hostcall"

// maxServers is how many servers are told from each other; the others share a record, which does
// no harm but to speed.
const maxServers = 1 << 12

// threadKey returns a number that the calling host thread has for itself.
var threadKey = func() func() uint64 {
	if hostcall.Auxval(hostcall.AT_HWCAP2)&hostcall.HWCAP2_FSGSBASE != 0 {
		return fsBase // The address of its thread-local storage: much quicker.
	}
	return func() uint64 { return uint64(hostcall.Gettid()) }
}()

// fsBase reads the FS base.
func fsBase() uint64

// server returns the record of the calling host thread. The goroutine may be on another one
// at any time, unless it is in a host call: what then is confined is confined for a while.
func (k *Keeper) server() *server {
	key := threadKey()
	for i := uint64(0); ; i++ {
		slot := &k.servers[(key>>6*0x9e3779b97f4a7c15>>40+i)%maxServers]
		s := slot.Load()
		if s == nil {
			n := &server{key: key}
			n.cpu.Store(anywhere)
			n.moveTo.Store(anywhere)
			if slot.CompareAndSwap(nil, n) {
				return n
			}
			s = slot.Load()
		}
		if s.key == key || i == maxServers {
			return s
		}
	}
}
