package loader

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
)

// auxEntry is one pair of the auxiliary vector (getauxval(3)).
type auxEntry struct{ key, val uint64 }

// stackInfo is what a new program's stack holds, beside the strings.
type stackInfo struct {
	args     Args
	execfn   string
	random   [16]byte
	jitter   uint64 // how far below the strings the rest begins, at most a few KiB
	aux      []auxEntry
	platform string
}

// stackLayout is the finished stack: the bytes from sp to the stack's top, and
// where in it things are found.
type stackLayout struct {
	sp    addr.Addr
	bytes []byte

	args, env addr.Range
	auxv      []byte
}

// layoutStack lays out, from top downwards as Linux's create_elf_tables does:
//
//	8 zero bytes, file name, environment strings, argument strings, a random
//	gap, the platform's name, 16 random bytes, auxv, envp, argv, argc
//
// The result's length is bounded because args have passed check.
// Preconditions: top is aligned to 16 bytes.
func layoutStack(top addr.Addr, in *stackInfo) stackLayout {
	size := func(list []string) (n uint64) {
		for _, s := range list {
			n += uint64(len(s)) + 1
		}
		return n
	}
	execfn := uint64(top) - 8 - uint64(len(in.execfn)) - 1
	env := execfn - size(in.args.Envv)
	arg := env - size(in.args.Argv)

	p := (arg - in.jitter) &^ 15
	platform := p - uint64(len(in.platform)) - 1
	random := platform - uint64(len(in.random))

	aux := make([]auxEntry, 0, len(in.aux)+4)
	for _, e := range in.aux {
		switch e.key {
		case linux.AT_RANDOM:
			e.val = random
		case linux.AT_EXECFN:
			e.val = execfn
		case linux.AT_PLATFORM:
			e.val = platform
		}
		aux = append(aux, e)
	}
	words := 1 + len(in.args.Argv) + 1 + len(in.args.Envv) + 1 + 2*len(aux)
	sp := (random - 8*uint64(words)) &^ 15

	l := stackLayout{
		sp:    addr.Addr(sp),
		bytes: make([]byte, uint64(top)-sp),
		args:  addr.Range{Start: addr.Addr(arg), End: addr.Addr(env)},
		env:   addr.Range{Start: addr.Addr(env), End: addr.Addr(execfn)},
	}
	at := sp
	word := func(v uint64) {
		binary.LittleEndian.PutUint64(l.bytes[at-sp:], v)
		at += 8
	}
	word(uint64(len(in.args.Argv)))
	for _, v := range []struct {
		start uint64
		list  []string
	}{{arg, in.args.Argv}, {env, in.args.Envv}} {
		for _, s := range v.list {
			word(v.start)
			copy(l.bytes[v.start-sp:], s)
			v.start += uint64(len(s)) + 1
		}
		word(0)
	}
	auxStart := at
	for _, e := range aux {
		word(e.key)
		word(e.val)
	}
	l.auxv = append([]byte(nil), l.bytes[auxStart-sp:at-sp]...)
	copy(l.bytes[execfn-sp:], in.execfn)
	copy(l.bytes[platform-sp:], in.platform)
	copy(l.bytes[random-sp:], in.random[:])
	return l
}
