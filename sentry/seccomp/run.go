package seccomp

import (
	"encoding/binary"

	"ringfence/abi/linux"
	"ringfence/sentry/bpf"
)

// Data is struct seccomp_data as a program reads it: by words, each of which has the guest's value.
type Data [dataSize]byte

// DataOf returns d as a program reads it. Linux's data lies in memory in little-endian order.
func DataOf(d *linux.SeccompData) (w Data) {
	put := func(i int, v uint32) { binary.BigEndian.PutUint32(w[4*i:], v) }
	put(0, uint32(d.Nr))
	put(1, d.Arch)
	put(2, uint32(d.InstructionPointer))
	put(3, uint32(d.InstructionPointer>>32))
	for i, a := range d.Args {
		put(4+2*i, uint32(a))
		put(5+2*i, uint32(a>>32))
	}
	return w
}

// Run returns the verdict of p on the call that d describes.
func (p Program) Run(d *Data) uint32 { return bpf.Program(p).Run(&bpf.Packet{Bytes: d[:]}) }
