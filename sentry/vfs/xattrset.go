package vfs

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Xattrs are the extended attributes of a file that are kept in memory: those of user., trusted. and security.
// The zero value has none. It has no lock.
type Xattrs struct {
	m map[string][]byte
}

// maxXattrs bounds the attributes of one file, in bytes of names and values.
const maxXattrs = 1 << 20

// XattrInMemory returns EOPNOTSUPP unless an Xattrs keeps attributes called name.
func XattrInMemory(name string) error {
	for _, p := range [...]string{linux.XATTR_USER_PREFIX, linux.XATTR_TRUSTED_PREFIX, linux.XATTR_SECURITY_PREFIX} {
		if strings.HasPrefix(name, p) {
			return nil
		}
	}
	return errno.EOPNOTSUPP
}

// Get returns a copy of the value; ENODATA if there is none.
func (x *Xattrs) Get(name string) ([]byte, error) {
	if err := XattrInMemory(name); err != nil {
		return nil, err
	}
	v, ok := x.m[name]
	if !ok {
		return nil, errno.ENODATA
	}
	return bytes.Clone(v), nil
}

// Set is setxattr(2). It keeps no reference to value. ENOSPC if the file has too many.
func (x *Xattrs) Set(name string, value []byte, flags uint32) error {
	if err := XattrInMemory(name); err != nil {
		return err
	}
	old, ok := x.m[name]
	switch {
	case ok && flags&linux.XATTR_CREATE != 0:
		return errno.EEXIST
	case !ok && flags&linux.XATTR_REPLACE != 0:
		return errno.ENODATA
	}
	size := len(name) + len(value) - len(old)
	for k, v := range x.m {
		size += len(k) + len(v)
	}
	if size > maxXattrs {
		return errno.ENOSPC
	}
	if x.m == nil {
		x.m = make(map[string][]byte)
	}
	x.m[name] = append([]byte{}, value...)
	return nil
}

// Remove is removexattr(2).
func (x *Xattrs) Remove(name string) error {
	if err := XattrInMemory(name); err != nil {
		return err
	}
	if _, ok := x.m[name]; !ok {
		return errno.ENODATA
	}
	delete(x.m, name)
	return nil
}

// List returns the names in order.
func (x *Xattrs) List() []string { return slices.Sorted(maps.Keys(x.m)) }
