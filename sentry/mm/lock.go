package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Locked memory. Frames never leave memory here, so that locking means to fault
// pages in, to count them against RLIMIT_MEMLOCK, and to refuse what Linux refuses
// for locked mappings.

// lockRange rounds a range as mlock(2) does: start down, end up.
func lockRange(a addr.Addr, n uint64) (start, end uint64, err error) {
	start = uint64(a.RoundDown())
	length, ok := addr.PageRoundUp(n + a.Offset())
	if n+a.Offset() < n || !ok || start+length < start {
		return 0, 0, errno.EINVAL
	}
	return start, start + length, nil
}

// Mlock locks [a, a+n) and faults it in, or with onFault only as it is touched (mlock(2),
// mlock2(2)).
func (m *MM) Mlock(a addr.Addr, n uint64, onFault bool) error {
	m.mapMu.Lock()
	if m.limits.MemLock == 0 {
		m.mapMu.Unlock()
		return errno.EPERM
	}
	start, end, err := lockRange(a, n)
	if err == nil && start < end {
		locked := m.sizes.locked + (end - start)
		if locked > m.limits.MemLock {
			m.vmas.Ascend(start, end, func(v vmEntry) bool { // what is locked already counts once
				if v.V.flags&FlagLocked != 0 {
					locked -= v.Clip(start, end).Len()
				}
				return true
			})
		}
		if locked > m.limits.MemLock {
			err = errno.ENOMEM
		} else {
			flags := FlagLocked
			if onFault {
				flags |= FlagLockOnFault
			}
			err = m.setLocked(start, end, flags)
		}
	}
	m.mapMu.Unlock()
	if err != nil || start == end {
		return err
	}
	err = m.populate(addr.Range{Start: addr.Addr(start), End: addr.Addr(end)}, true)
	switch err.(type) {
	case nil:
		return nil
	case FaultError:
		return errno.ENOMEM // __mlock_posix_error_return
	case *UserFault:
		return err // to be called again once it is resolved
	}
	return errno.EAGAIN
}

// Munlock undoes Mlock (munlock(2)).
func (m *MM) Munlock(a addr.Addr, n uint64) error {
	start, end, err := lockRange(a, n)
	if err != nil || start == end {
		return err
	}
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	return m.setLocked(start, end, 0)
}

// setLocked gives mappings the lock flags. Preconditions: mapMu is held for writing.
func (m *MM) setLocked(start, end uint64, flags VMAFlags) error {
	return m.changeVMAs(start, end, func(v *vmEntry) error {
		v.V.flags = v.V.flags&^(FlagLocked|FlagLockOnFault) | flags
		return nil
	})
}

// Mlockall locks all memory, present or future (mlockall(2)).
func (m *MM) Mlockall(flags uint32) error {
	if flags == 0 || flags&^(linux.MCL_CURRENT|linux.MCL_FUTURE|linux.MCL_ONFAULT) != 0 || flags == linux.MCL_ONFAULT {
		return errno.EINVAL
	}
	m.mapMu.Lock()
	if m.limits.MemLock == 0 {
		m.mapMu.Unlock()
		return errno.EPERM
	}
	if flags&linux.MCL_CURRENT != 0 && m.sizes.total > m.limits.MemLock {
		m.mapMu.Unlock()
		return errno.ENOMEM
	}
	lock := FlagLocked
	if flags&linux.MCL_ONFAULT != 0 {
		lock |= FlagLockOnFault
	}
	m.mlockNext = 0
	if flags&linux.MCL_FUTURE != 0 {
		m.mlockNext = lock
	}
	if flags&linux.MCL_CURRENT == 0 {
		m.mapMu.Unlock()
		return nil
	}
	all := m.vmas.Append(nil, 0, maxAddr)
	for _, v := range all {
		m.setLocked(v.Start, v.End, lock)
	}
	m.mapMu.Unlock()
	for _, v := range all {
		m.populate(rangeOf(v), false)
	}
	return nil
}

// Munlockall undoes Mlockall and all locks (munlockall(2)).
func (m *MM) Munlockall() error {
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	m.mlockNext = 0
	for _, v := range m.vmas.Append(nil, 0, maxAddr) {
		m.setLocked(v.Start, v.End, 0)
	}
	return nil
}
