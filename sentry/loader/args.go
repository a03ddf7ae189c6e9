package loader

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// Bounds on what argv and envp may take, in bytes (execve(2)).
const (
	minArgBytes = 131072          // Linux's ARG_MAX
	maxArgBytes = 8 << 20 / 4 * 3 // 3/4 of _STK_LIM
)

// Args are the strings of execve(2).
type Args struct {
	Argv, Envv []string
}

// argBudget returns how many bytes strings and their pointers may take under a
// stack limit (RLIMIT_STACK).
func argBudget(stackLimit uint64) uint64 {
	return max(min(stackLimit/4, maxArgBytes), minArgBytes)
}

// check is E2BIG if the strings do not fit under stackLimit.
func (a *Args) check(stackLimit uint64) error {
	left := argBudget(stackLimit)
	for _, list := range [][]string{a.Argv, a.Envv} {
		for _, s := range list {
			n := uint64(len(s)) + 1 + 8
			if len(s) >= linux.MAX_ARG_STRLEN || n > left {
				return errno.E2BIG
			}
			left -= n
		}
	}
	return nil
}

// CopyInArgs reads argv and envp, the arrays of execve(2), from guest memory.
// Either may be 0 for an empty list. E2BIG beyond what stackLimit allows,
// EFAULT if memory ends.
func CopyInArgs(m usermem.IO, argv, envp addr.Addr, stackLimit uint64) (Args, error) {
	left := argBudget(stackLimit)
	var a Args
	for _, l := range []struct {
		at  addr.Addr
		out *[]string
	}{{argv, &a.Argv}, {envp, &a.Envv}} {
		if l.at == 0 {
			continue
		}
		list, err := copyInStrings(m, l.at, &left)
		if err != nil {
			return Args{}, err
		}
		*l.out = list
	}
	return a, nil
}

func copyInStrings(m usermem.IO, at addr.Addr, left *uint64) ([]string, error) {
	var out []string
	var page [64 * 8]byte
	for {
		// Not across a page end: the array may end before it.
		n := min(len(page), addr.PageSize-int(at.Offset()))
		if n < 8 {
			n = 8
		} else {
			n &^= 7
		}
		got, err := m.CopyIn(at, page[:n])
		for i := 0; i+8 <= got; i += 8 {
			p := addr.Addr(binary.LittleEndian.Uint64(page[i:]))
			if p == 0 {
				return out, nil
			}
			s, err := usermem.CopyInString(m, p, linux.MAX_ARG_STRLEN-1)
			if err == errno.ENAMETOOLONG {
				return nil, errno.E2BIG
			}
			if err != nil {
				return nil, err
			}
			cost := uint64(len(s)) + 1 + 8
			if cost > *left {
				return nil, errno.E2BIG
			}
			*left -= cost
			out = append(out, s)
		}
		if err != nil {
			return nil, err
		}
		at += addr.Addr(n)
	}
}
