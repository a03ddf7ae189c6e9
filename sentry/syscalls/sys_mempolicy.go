package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
)

const oneNode = "guests see one node"

var mempolicyCalls = []line{
	{linux.SYS_MBIND, "mbind", sysMbind, kernel.Full, "MPOL_MF_STRICT MPOL_MF_MOVE MPOL_MF_MOVE_ALL", oneNode},
	{linux.SYS_SET_MEMPOLICY, "set_mempolicy", sysSetMempolicy, kernel.Full, "MPOL_F_STATIC_NODES MPOL_F_RELATIVE_NODES MPOL_F_NUMA_BALANCING", oneNode},
	{linux.SYS_GET_MEMPOLICY, "get_mempolicy", sysGetMempolicy, kernel.Full, "MPOL_F_NODE MPOL_F_ADDR MPOL_F_MEMS_ALLOWED", oneNode},
	{linux.SYS_SET_MEMPOLICY_HOME_NODE, "set_mempolicy_home_node", sysSetMempolicyHomeNode, kernel.Full, "", oneNode},
	{linux.SYS_MIGRATE_PAGES, "migrate_pages", sysMigratePages, kernel.Full, "", oneNode},
	{linux.SYS_MOVE_PAGES, "move_pages", sysMovePages, kernel.Full, "MPOL_MF_MOVE MPOL_MF_MOVE_ALL", oneNode},
}

const (
	// maxNumnodes is MAX_NUMNODES of Debian's kernels.
	maxNumnodes = 1024
	// allowedNodes is the mask of nodes that there are.
	allowedNodes = 1
)

// copyInNodes reads a node mask of maxnode-1 bits. Nodes from 64 on can't be there, so
// that they are set is remembered in far only.
func copyInNodes(t *kernel.Task, a addr.Addr, maxnode uint64) (mask uint64, far bool, err error) {
	maxnode--
	if maxnode == 0 || a == 0 {
		return 0, false, nil
	}
	if maxnode > addr.PageSize*8 {
		return 0, false, errno.EINVAL
	}
	b := make([]byte, (maxnode+63)/64*8)
	if err := t.CopyIn(a, b); err != nil {
		return 0, false, err
	}
	for i := range len(b) / 8 {
		w := binary.LittleEndian.Uint64(b[8*i:])
		if rest := maxnode - uint64(i)*64; rest < 64 {
			w &= 1<<rest - 1
		}
		switch {
		case w == 0:
		case i == 0:
			mask = w
		case i*64 >= maxNumnodes:
			return 0, false, errno.EINVAL
		default:
			far = true
		}
	}
	return mask, far, nil
}

// policyOf checks a mode with its flags and nodes (sanitize_mpol_flags and mpol_new of mm/mempolicy.c).
func policyOf(t *kernel.Task, mode int32, nodes addr.Addr, maxnode uint64) (mm.MemPolicy, error) {
	const (
		placed = linux.MPOL_F_STATIC_NODES | linux.MPOL_F_RELATIVE_NODES
		flags  = placed | linux.MPOL_F_NUMA_BALANCING
	)
	p := mm.MemPolicy{Mode: uint16(mode &^ flags), Flags: uint16(mode & flags)}
	if uint32(mode&^flags) > linux.MPOL_WEIGHTED_INTERLEAVE || mode&placed == placed ||
		mode&linux.MPOL_F_NUMA_BALANCING != 0 && p.Mode != linux.MPOL_BIND && p.Mode != linux.MPOL_PREFERRED_MANY {
		return p, errno.EINVAL
	}
	mask, far, err := copyInNodes(t, nodes, maxnode)
	if err != nil {
		return p, err
	}
	empty := mask == 0 && !far
	p.Nodes = mask
	switch p.Mode {
	case linux.MPOL_DEFAULT:
		if !empty {
			return p, errno.EINVAL
		}
		return mm.MemPolicy{}, nil
	case linux.MPOL_LOCAL:
		if !empty || mode&placed != 0 {
			return p, errno.EINVAL
		}
		return p, nil
	case linux.MPOL_PREFERRED:
		if empty {
			if mode&placed != 0 {
				return p, errno.EINVAL
			}
			p.Mode = linux.MPOL_LOCAL
			return p, nil
		}
	}
	if empty || mask&allowedNodes == 0 && mode&linux.MPOL_F_RELATIVE_NODES == 0 {
		return p, errno.EINVAL
	}
	return p, nil
}

func sysSetMempolicy(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, err := policyOf(t, a[0].Int(), a[1].Addr(), a[2].Uint64())
	if err != nil {
		return 0, err
	}
	t.SetMemPolicy(p)
	return 0, nil
}

func sysMbind(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[5].Uint()
	if flags&^uint32(linux.MPOL_MF_STRICT|linux.MPOL_MF_MOVE|linux.MPOL_MF_MOVE_ALL) != 0 {
		return 0, errno.EINVAL
	}
	p, err := policyOf(t, a[2].Int(), a[3].Addr(), a[4].Uint64())
	if err != nil {
		return 0, err
	}
	if flags&linux.MPOL_MF_MOVE_ALL != 0 && !t.Creds().Has(linux.CAP_SYS_NICE) {
		return 0, errno.EPERM
	}
	return 0, t.MM().SetPolicy(a[0].Addr(), a[1].Size(), p)
}

func sysGetMempolicy(t *kernel.Task, a *arch.Args) (uint64, error) {
	mode, nodes, maxnode, at, flags := a[0].Addr(), a[1].Addr(), a[2].Uint64(), a[3].Addr(), a[4].Uint64()
	if nodes != 0 && maxnode < 1 || flags&^(linux.MPOL_F_NODE|linux.MPOL_F_ADDR|linux.MPOL_F_MEMS_ALLOWED) != 0 {
		return 0, errno.EINVAL
	}
	p := t.MemPolicy()
	result := uint32(p.Mode) | uint32(p.Flags)
	mask := p.Nodes
	if p.Flags&(linux.MPOL_F_STATIC_NODES|linux.MPOL_F_RELATIVE_NODES) == 0 {
		mask &= allowedNodes
	}
	switch {
	case flags&linux.MPOL_F_MEMS_ALLOWED != 0:
		if flags != linux.MPOL_F_MEMS_ALLOWED {
			return 0, errno.EINVAL
		}
		result, mask = 0, allowedNodes
	case flags&linux.MPOL_F_ADDR != 0:
		vp, err := t.MM().PolicyAt(at)
		if err != nil {
			return 0, err
		}
		result, mask = uint32(vp.Mode)|uint32(vp.Flags), vp.Nodes // of the mapping alone
		if flags&linux.MPOL_F_NODE != 0 {                         // the node that the page lies on
			var b [1]byte
			if err := t.CopyIn(at, b[:]); err != nil {
				return 0, err
			}
			result = 0
		}
	case at != 0:
		return 0, errno.EINVAL
	case flags&linux.MPOL_F_NODE != 0:
		if p.Mode != linux.MPOL_INTERLEAVE && p.Mode != linux.MPOL_WEIGHTED_INTERLEAVE {
			return 0, errno.EINVAL
		}
		result = 0
	}
	if mode != 0 {
		if err := t.CopyOutUint32(mode, result); err != nil {
			return 0, err
		}
	}
	if nodes != 0 {
		b := make([]byte, min((maxnode-1+63)/64*8, maxNumnodes/8))
		if len(b) > 0 {
			binary.LittleEndian.PutUint64(b, mask)
		}
		return 0, t.CopyOut(nodes, b)
	}
	return 0, nil
}

func sysSetMempolicyHomeNode(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !a[0].Addr().Aligned() || a[2] != 0 || a[3] != 0 {
		return 0, errno.EINVAL
	}
	return 0, t.MM().CheckHomeNode(a[0].Addr(), a[1].Size())
}

// sysMigratePages has nothing to move: all pages are on the one node.
func sysMigratePages(t *kernel.Task, a *arch.Args) (uint64, error) {
	var masks [2]uint64
	for i, p := range []arch.Arg{a[2], a[3]} {
		mask, far, err := copyInNodes(t, p.Addr(), a[1].Uint64())
		if err != nil {
			return 0, err
		}
		if i == 1 && (far || mask&^allowedNodes != 0) {
			return 0, errno.EINVAL
		}
		masks[i] = mask
	}
	if _, err := traceable(t, a[0].Int()); err != nil {
		return 0, err
	}
	if masks[1]&allowedNodes == 0 {
		return 0, errno.EINVAL
	}
	return 0, nil
}

// traceable returns the task of a call's pid argument, 0 for the caller: ESRCH, or EPERM if the caller
// may not look into it.
func traceable(t *kernel.Task, pid int32) (*kernel.Task, error) {
	if pid == 0 {
		return t, nil
	}
	x := t.Kernel().Task(t.PIDNamespace(), pid)
	if x == nil {
		return nil, errno.ESRCH
	}
	if x.ThreadGroup() != t.ThreadGroup() && !t.MayTrace(x, false) {
		return nil, errno.EPERM
	}
	return x, nil
}

func sysMovePages(t *kernel.Task, a *arch.Args) (uint64, error) {
	n, pages, nodes, status, flags := a[1].Uint64(), a[2].Addr(), a[3].Addr(), a[4].Addr(), a[5].Int()
	if flags&^(linux.MPOL_MF_MOVE|linux.MPOL_MF_MOVE_ALL) != 0 {
		return 0, errno.EINVAL
	}
	if flags&linux.MPOL_MF_MOVE_ALL != 0 && !t.Creds().Has(linux.CAP_SYS_NICE) {
		return 0, errno.EPERM
	}
	x, err := traceable(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	m := x.AcquireMM()
	if m == nil {
		return 0, errno.EINVAL
	}
	defer m.DecUsers()
	for i := range n {
		p, err := t.CopyInUint64(pages + addr.Addr(8*i))
		if err != nil {
			return 0, err
		}
		if nodes != 0 {
			node, err := t.CopyInUint32(nodes + addr.Addr(4*i))
			if err != nil {
				return 0, err
			}
			if node != 0 {
				return 0, errno.ENODEV
			}
		}
		st := int32(0)
		if e, ok := m.Present(addr.Addr(p)).(errno.Errno); ok {
			st = -int32(e)
		}
		if err := t.CopyOutUint32(status+addr.Addr(4*i), uint32(st)); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
