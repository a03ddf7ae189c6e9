package inet

import (
	"bytes"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/vfs/vfstest"
)

func FuzzAddr(f *testing.F) {
	f.Add(int32(linux.AF_INET), []byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(int32(linux.AF_INET6), append([]byte{10, 0, 0, 80}, make([]byte, 24)...))
	f.Add(int32(linux.AF_INET6), []byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(int32(linux.AF_INET), []byte{0, 0, 0, 0})
	f.Add(int32(linux.AF_INET), []byte{2})
	st := NewStack(testNet(vfstest.Root()))
	f.Fuzz(func(t *testing.T, family int32, b []byte) {
		if family != linux.AF_INET {
			family = linux.AF_INET6
		}
		st.bindArgs(&options{}, family, b, len(b)%2 == 0)
		a, err := parse(family, b)
		if err != nil {
			if err != errno.EINVAL && err != errno.EAFNOSUPPORT {
				t.Fatal(err)
			}
			return
		}
		again, err := parse(family, encode(family, a))
		if err != nil || again != a {
			t.Fatal(a, again, err)
		}
		if family == linux.AF_INET && !bytes.Equal(encode(family, a)[:8], b[:8]) {
			t.Fatal(a, b)
		}
		st.route(a.Addr())
		hexAddr(a, family == linux.AF_INET6)
	})
}
