package limits

import (
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

func TestChange(t *testing.T) {
	for _, c := range []struct {
		name       string
		resource   uint32
		to         linux.Rlimit
		privileged bool
		want       error
	}{
		{"lower", linux.RLIMIT_NOFILE, linux.Rlimit{Cur: 10, Max: 100}, false, nil},
		{"raise soft", linux.RLIMIT_NOFILE, linux.Rlimit{Cur: 4096, Max: 4096}, false, nil},
		{"raise hard", linux.RLIMIT_NOFILE, linux.Rlimit{Cur: 1, Max: 5000}, false, errno.EPERM},
		{"raise hard privileged", linux.RLIMIT_NOFILE, linux.Rlimit{Cur: 1, Max: 5000}, true, nil},
		{"above nr_open", linux.RLIMIT_NOFILE, linux.Rlimit{Cur: 1, Max: MaxFiles + 1}, true, errno.EPERM},
		{"soft above hard", linux.RLIMIT_CORE, linux.Rlimit{Cur: 2, Max: 1}, true, errno.EINVAL},
		{"unknown", 16, linux.Rlimit{}, true, errno.EINVAL},
		{"infinite", linux.RLIMIT_CORE, linux.Rlimit{Cur: Infinity, Max: Infinity}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Default(1 << 30)
			var before linux.Rlimit
			if c.resource < 16 {
				before = s.Get(int(c.resource))
			}
			old, err := s.Change(c.resource, &c.to, c.privileged)
			if err != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			if old != before || s.Get(int(c.resource)) != c.to {
				t.Errorf("old %v, now %v", old, s.Get(int(c.resource)))
			}
		})
	}
}

func TestCloneIsSeparate(t *testing.T) {
	a := Default(1 << 30)
	b := a.Clone()
	b.Put(linux.RLIMIT_CORE, linux.Rlimit{Cur: 7, Max: 7})
	if a.Cur(linux.RLIMIT_CORE) != 0 || b.Cur(linux.RLIMIT_CORE) != 7 {
		t.Error("clone shares its limits")
	}
	if l, err := a.Change(linux.RLIMIT_STACK, nil, false); err != nil || l.Cur != 8<<20 {
		t.Errorf("get: %v %v", l, err)
	}
}
