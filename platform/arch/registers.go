// Package arch describes the CPU state of a guest thread: registers, extended
// (FPU) state, the system call convention and the signal frames that Linux lays
// out on a guest's stack.
//
// Files end in the architecture they describe where another would differ.
package arch

import (
	"encoding/binary"

	"ringfence/abi/addr"
)

// Registers are the general registers of an x86-64 thread, in the order of
// struct user_regs_struct (arch/x86/include/asm/user_64.h): ptrace(2) and core
// dumps use the same layout.
type Registers struct {
	R15, R14, R13, R12, Rbp, Rbx, R11, R10, R9, R8 uint64
	Rax, Rcx, Rdx, Rsi, Rdi                        uint64
	OrigRax                                        uint64
	Rip, Cs, Eflags, Rsp, Ss                       uint64
	FsBase, GsBase                                 uint64
	Ds, Es, Fs, Gs                                 uint64
}

// Selectors of 64-bit user code and data, the only ones a guest may have.
const (
	UserCS = 0x33
	UserDS = 0x2b
)

// NewRegisters returns the registers with which a program starts at pc on stack sp.
func NewRegisters(pc, sp addr.Addr) Registers {
	return Registers{Rip: uint64(pc), Rsp: uint64(sp), Cs: UserCS, Ss: UserDS, Eflags: 0x202, OrigRax: ^uint64(0)}
}

// SyscallNo returns the number of the system call that the thread makes.
func (r *Registers) SyscallNo() uint64 { return r.OrigRax }

// Arg is one argument of a system call, as the register held it.
type Arg uint64

// Args are the six arguments of a system call.
type Args [6]Arg

// SyscallArgs returns the arguments of the system call that the thread makes.
func (r *Registers) SyscallArgs() Args {
	return Args{Arg(r.Rdi), Arg(r.Rsi), Arg(r.Rdx), Arg(r.R10), Arg(r.R8), Arg(r.R9)}
}

// SetReturn stores the result of a system call.
func (r *Registers) SetReturn(v uint64) { r.Rax = v }

// Return gives the current return value register.
func (r *Registers) Return() uint64 { return r.Rax }

// PC and SP are the program counter and the stack pointer.
func (r *Registers) PC() addr.Addr { return addr.Addr(r.Rip) }
func (r *Registers) SP() addr.Addr { return addr.Addr(r.Rsp) }

// RestartSyscall moves back over the SYSCALL instruction so that the call is
// made again with its old number.
func (r *Registers) RestartSyscall() {
	r.Rax = r.OrigRax
	r.Rip -= 2
}

// Addr returns the argument as a guest address.
func (a Arg) Addr() addr.Addr { return addr.Addr(a) }

// Int returns the argument as a C int: the upper half is ignored, as Linux does.
func (a Arg) Int() int32 { return int32(a) }

// Uint returns the argument as a C unsigned int.
func (a Arg) Uint() uint32 { return uint32(a) }

// Int64 returns the argument as a C long.
func (a Arg) Int64() int64 { return int64(a) }

// Uint64 returns the argument as a C unsigned long.
func (a Arg) Uint64() uint64 { return uint64(a) }

// Size returns the argument as a size_t.
func (a Arg) Size() uint64 { return uint64(a) }

// RegistersSize is the size of struct user_regs_struct.
const RegistersSize = 27 * 8

func (r *Registers) words() [27]*uint64 {
	return [...]*uint64{
		&r.R15, &r.R14, &r.R13, &r.R12, &r.Rbp, &r.Rbx, &r.R11, &r.R10, &r.R9, &r.R8,
		&r.Rax, &r.Rcx, &r.Rdx, &r.Rsi, &r.Rdi, &r.OrigRax, &r.Rip, &r.Cs, &r.Eflags, &r.Rsp, &r.Ss,
		&r.FsBase, &r.GsBase, &r.Ds, &r.Es, &r.Fs, &r.Gs,
	}
}

// Bytes returns the registers as struct user_regs_struct (PTRACE_GETREGS).
func (r *Registers) Bytes() []byte {
	b := make([]byte, 0, RegistersSize)
	for _, w := range r.words() {
		b = binary.LittleEndian.AppendUint64(b, *w)
	}
	return b
}

// SetBytes sets the registers from b as Bytes gave it. Preconditions: len(b) == RegistersSize.
func (r *Registers) SetBytes(b []byte) {
	for i, w := range r.words() {
		*w = binary.LittleEndian.Uint64(b[8*i:])
	}
}
