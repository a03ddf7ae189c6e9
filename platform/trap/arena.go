package trap

import (
	"sync"

	"ringfence/abi/addr"
	"ringfence/platform/hostcall"
)

// arenaAreas is how many areas there can be in all. They cost address space only.
const arenaAreas = 1 << 15

// arena holds the areas of all threads, and the tables of all processes, which are as large. Each
// process maps its own.
type arena struct {
	file hostcall.FD
	mem  []byte

	mu   sync.Mutex
	free []uint32 // guarded by mu
	next uint32   // guarded by mu: the first that was never used
}

func newArena() (*arena, error) {
	fd, err := hostcall.MemfdCreate("ringfence-areas", hostcall.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	const size = arenaAreas * areaSize
	if err = hostcall.Ftruncate(fd, size); err == nil {
		var mem []byte
		if mem, err = hostcall.MapFile(fd, 0, size, hostcall.PROT_READ|hostcall.PROT_WRITE); err == nil {
			return &arena{file: fd, mem: mem}, nil
		}
	}
	hostcall.Close(fd)
	return nil, err
}

// take returns an area that holds zeros. ok is false if there is none left.
func (a *arena) take() (n uint32, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := len(a.free); k > 0 {
		n = a.free[k-1]
		a.free = a.free[:k-1]
		return n, true
	}
	if a.next == arenaAreas {
		return 0, false
	}
	a.next++
	return a.next - 1, true
}

// give takes an area back. Preconditions: no process maps it any more.
func (a *arena) give(n uint32) {
	// What a guest left there the host takes back: the next one must not see it.
	hostcall.Fallocate(a.file, hostcall.FALLOC_FL_PUNCH_HOLE|hostcall.FALLOC_FL_KEEP_SIZE, int64(n)*areaSize, areaSize)
	a.mu.Lock()
	a.free = append(a.free, n)
	a.mu.Unlock()
}

// bytes returns an area as the sentry sees it.
func (a *arena) bytes(n uint32) []byte {
	off := int(n) * areaSize
	return a.mem[off : off+areaSize : off+areaSize]
}

func (a *arena) close() {
	hostcall.UnmapFile(a.mem)
	hostcall.Close(a.file)
}

// areaRange is where slot n of a process is mapped.
func areaRange(n int) addr.Range {
	at := addr.Addr(areaAddr + n*areaSize)
	return addr.Range{Start: at, End: at + areaSize}
}
