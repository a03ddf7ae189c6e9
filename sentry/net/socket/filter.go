package socket

import (
	"encoding/binary"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/bpf"
)

// Filters of SO_ATTACH_FILTER: a socket receives of a packet only as many bytes as its program says (socket(7)). Who
// calls setsockopt(2) hands in the instructions themselves, in the place of struct sock_fprog.

// setFilter serves the options of filters; ok says that it is one.
func (b *Base) setFilter(name int32, value []byte) (ok bool, err error) {
	switch name {
	case linux.SO_ATTACH_FILTER, linux.SO_DETACH_FILTER, linux.SO_LOCK_FILTER:
	default:
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == linux.SO_LOCK_FILTER {
		on := binary.LittleEndian.Uint32(value) != 0
		if b.filterLocked && !on {
			return true, errno.EPERM
		}
		b.filterLocked = on
		return true, nil
	}
	var p *bpf.Program
	if name == linux.SO_ATTACH_FILTER {
		prog, err := bpf.Check(bpf.Unmarshal(value))
		if err != nil {
			return true, err
		}
		p = &prog
	}
	switch {
	case b.filterLocked:
		return true, errno.EPERM
	case p == nil && b.filter.Load() == nil:
		return true, errno.ENOENT
	}
	b.filter.Store(p)
	return true, nil
}

// Accepts runs the socket's filter, if it has one, on a packet, and returns how many bytes the socket receives of its
// data; not ok if none.
func (b *Base) Accepts(d *bpf.Packet) (n int, ok bool) {
	size := len(d.Bytes) - d.Start
	p := b.filter.Load()
	if p == nil {
		return size, true
	}
	v := p.Run(d)
	return int(min(uint64(v), uint64(size))), v != 0
}

// Filtered reports whether the socket has a filter.
func (b *Base) Filtered() bool { return b.filter.Load() != nil }

// program returns the instructions of the filter, none if there is none.
func (b *Base) program() []byte {
	if p := b.filter.Load(); p != nil {
		return bpf.Marshal(*p)
	}
	return nil
}
