package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
)

// copyInExtensible reads a struct that later versions of Linux may make longer: shorter ones are
// filled up with zeros, and what is longer than we know must be zero (Linux's copy_struct_from_user).
// EINVAL below least bytes.
func copyInExtensible(t *kernel.Task, a addr.Addr, size, least uint64, x kernel.Unmarshaler) error {
	if size > addr.PageSize {
		return errno.E2BIG
	}
	if size < least {
		return errno.EINVAL
	}
	b := make([]byte, max(int(size), x.SizeBytes()))
	if err := t.CopyIn(a, b[:size]); err != nil {
		return err
	}
	for _, c := range b[x.SizeBytes():] {
		if c != 0 {
			return errno.E2BIG
		}
	}
	x.UnmarshalBytes(b)
	return nil
}
