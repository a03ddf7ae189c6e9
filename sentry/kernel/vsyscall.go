package kernel

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/platform"
)

// vsyscalls are the entries of the page at a fixed address by which programs made three calls before
// there was a vDSO. Nothing is mapped there: the jump faults, and the call is made then, as by Linux
// with vsyscall=xonly.
var vsyscalls = map[addr.Addr]uint64{
	0xffffffffff600000: linux.SYS_GETTIMEOFDAY,
	0xffffffffff600400: linux.SYS_TIME,
	0xffffffffff600800: linux.SYS_GETCPU,
}

// doVsyscall makes the call of an entry of the vsyscall page if ev is a jump there, and returns to the caller of
// that entry. It reports whether it did: a bad pointer is a fault, not EFAULT, and no tracer stops here.
func (t *Task) doVsyscall(ev *platform.Event) bool {
	nr, ok := vsyscalls[ev.Addr]
	if !ok || ev.Access != platform.Exec || ev.Addr != t.regs.PC() {
		return false
	}
	var back [8]byte
	if t.CopyIn(addr.Addr(t.regs.Rsp), back[:]) != nil {
		return false
	}
	t.args = t.regs.SyscallArgs()
	t.inCall = true
	defer func() { t.inCall = false }()
	done := false
	if s := t.seccomp.Load(); s != nil {
		var now uint64
		t.regs.OrigRax = nr
		if now, done = t.filterSyscall(s, nr); now != nr {
			t.killFiltered(nr, false) // A tracer may skip such a call, not change it.
			return true
		}
		t.regs.OrigRax = ^uint64(0)
	}
	if !done {
		ret, err := t.call(nr, &t.args)
		if err != nil { // a bad pointer
			return false
		}
		if x := t.k.Tracer; x != nil {
			x.Enter(t, nr, &t.args)
			x.Exit(t, nr, &t.args, ret, nil)
		}
		t.regs.SetReturn(ret)
	}
	t.regs.Rip = binary.LittleEndian.Uint64(back[:])
	t.regs.Rsp += 8
	return true
}
