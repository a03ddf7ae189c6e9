package mm

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// MemPolicy is a NUMA policy (set_mempolicy(2)). Guests see one node, so it is data
// that can be read back and nothing else. The zero value is the default policy.
type MemPolicy struct {
	Mode  uint16 // MPOL_*
	Flags uint16 // MPOL_F_STATIC_NODES and the like
	Nodes uint64 // node mask as given
}

// SetPolicy sets the policy of [a, a+n) (mbind(2)). EFAULT where nothing is mapped.
func (m *MM) SetPolicy(a addr.Addr, n uint64, p MemPolicy) error {
	start, end, err := adviceRange(a, n)
	if err != nil || start == end {
		return err
	}
	m.mapMu.Lock()
	defer m.mapMu.Unlock()
	if !m.vmas.Covered(start, end) {
		return errno.EFAULT
	}
	return m.changeVMAs(start, end, func(v *vmEntry) error {
		v.V.policy = p
		return nil
	})
}

// PolicyAt returns the policy that mbind set for a. EFAULT if nothing is mapped there.
func (m *MM) PolicyAt(a addr.Addr) (MemPolicy, error) {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	v, ok := m.vmas.Find(uint64(a))
	if !ok {
		return MemPolicy{}, errno.EFAULT
	}
	return v.V.policy, nil
}

// CheckHomeNode says whether [a, a+n) has policies that take a home node
// (set_mempolicy_home_node(2)): ENOENT without any, EOPNOTSUPP for other policies.
func (m *MM) CheckHomeNode(a addr.Addr, n uint64) error {
	start, end, err := adviceRange(a, n)
	if err != nil || start == end {
		return err
	}
	err = errno.ENOENT
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	m.vmas.Ascend(start, end, func(v vmEntry) bool {
		switch v.V.policy.Mode {
		case linux.MPOL_DEFAULT:
		case linux.MPOL_BIND, linux.MPOL_PREFERRED_MANY:
			err = nil
		default:
			err = errno.EOPNOTSUPP
			return false
		}
		return true
	})
	return err
}

// Present reports whether the page at a is in memory: ENOENT if it is not, EFAULT if nothing
// is mapped there.
func (m *MM) Present(a addr.Addr) error {
	m.mapMu.RLock()
	defer m.mapMu.RUnlock()
	if _, ok := m.vmas.Find(uint64(a)); !ok {
		return errno.EFAULT
	}
	m.pageMu.RLock()
	defer m.pageMu.RUnlock()
	if _, ok := m.ptes.Find(uint64(a)); !ok {
		return errno.ENOENT
	}
	return nil
}
