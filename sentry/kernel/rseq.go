package kernel

import "ringfence/abi/addr"

// rseqArea is what rseq(2) registered. Task goroutine only.
type rseqArea struct {
	addr      addr.Addr
	size      uint32
	signature uint32
}

func (t *Task) rseqAbort(signal bool) {}
