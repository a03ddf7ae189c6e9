package vfs

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// File capabilities are for those user namespaces whose root, or the root of one above, is the user that the attribute
// names (capabilities(7)). Revision 2 of the attribute names nobody: the root of the file system's namespace.

const fileCapsV2, fileCapsV3 = 20, 24 // bytes

// ParseFileCaps reads a security.capability attribute of revision 2, which gets Rootid 0, or 3.
func ParseFileCaps(b []byte) (d linux.VfsNsCapData, ok bool) {
	if len(b) != fileCapsV2 && len(b) != fileCapsV3 {
		return d, false
	}
	raw := make([]byte, fileCapsV3)
	copy(raw, b)
	d.UnmarshalBytes(raw)
	revision := d.MagicEtc & linux.VFS_CAP_REVISION_MASK
	return d, revision == linux.VFS_CAP_REVISION_2 && len(b) == fileCapsV2 || revision == linux.VFS_CAP_REVISION_3 && len(b) == fileCapsV3
}

func marshalFileCaps(d linux.VfsNsCapData, revision uint32) []byte {
	d.MagicEtc = d.MagicEtc&^linux.VFS_CAP_REVISION_MASK | revision
	b := make([]byte, fileCapsV3)
	d.MarshalBytes(b)
	if revision == linux.VFS_CAP_REVISION_2 {
		return b[:fileCapsV2]
	}
	return b
}

// showFileCaps returns the attribute as c sees it: with the name of the root in c's user namespace, without one if
// that is c's own. EOVERFLOW if it has none and is not above.
func showFileCaps(c Caller, n *Inode, b []byte) ([]byte, error) {
	d, ok := ParseFileCaps(b)
	if !ok {
		return nil, errno.EINVAL
	}
	ns := c.Creds().UserNS
	root, ok := n.SB.UserNS.ToUID(d.Rootid)
	if !ok {
		return nil, errno.EOVERFLOW
	}
	if id := ns.FromUID(root); ns.HasUID(root) && id != 0 {
		d.Rootid = id
		return marshalFileCaps(d, linux.VFS_CAP_REVISION_3), nil
	}
	if !ns.RootedBy(root) {
		return nil, errno.EOVERFLOW
	}
	return marshalFileCaps(d, linux.VFS_CAP_REVISION_2), nil
}

// storedFileCaps returns the attribute as the file system keeps it, of one that c gives. The caller's right to do so
// has been checked.
func storedFileCaps(c Caller, n *Inode, b []byte) ([]byte, error) {
	d, ok := ParseFileCaps(b)
	if !ok {
		return nil, errno.EINVAL
	}
	cr := c.Creds()
	if len(b) == fileCapsV2 && cr.HasIn(linux.CAP_SETFCAP, n.SB.UserNS) {
		return b, nil
	}
	root, ok := cr.UserNS.ToUID(d.Rootid)
	if !ok || !n.SB.UserNS.HasUID(root) {
		return nil, errno.EINVAL
	}
	d.Rootid = n.SB.UserNS.FromUID(root)
	return marshalFileCaps(d, linux.VFS_CAP_REVISION_3), nil
}
