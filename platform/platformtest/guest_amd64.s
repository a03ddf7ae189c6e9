#include "textflag.h"

// What the guests of the suite run. Contract: each routine is copied to some address
// of a guest, so it is position-independent and refers to no symbol. It ends with
// eight INT3 bytes, by which the copier knows its length.

#define END \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc

// callLoop makes system calls for ever.
TEXT ·callLoop(SB), NOSPLIT|NOFRAME, $0
again:
	SYSCALL
	JMP again
	END

// spinLoop counts at (DI) for ever.
TEXT ·spinLoop(SB), NOSPLIT|NOFRAME, $0
again:
	LOCK
	INCQ (DI)
	PAUSE
	JMP again
	END

// countdown adds 1 to (DI) CX times, then makes a system call.
TEXT ·countdown(SB), NOSPLIT|NOFRAME, $0
again:
	LOCK
	INCQ (DI)
	DECQ CX
	JNZ  again
	SYSCALL
	END

// load, store, jump and modify access (DI), then make a system call.
TEXT ·load(SB), NOSPLIT|NOFRAME, $0
	MOVQ (DI), AX
	SYSCALL
	END

TEXT ·store(SB), NOSPLIT|NOFRAME, $0
	MOVQ AX, (DI)
	SYSCALL
	END

TEXT ·modify(SB), NOSPLIT|NOFRAME, $0
	ADDQ AX, (DI)
	SYSCALL
	END

TEXT ·jump(SB), NOSPLIT|NOFRAME, $0
	JMP DI
	END

TEXT ·callDI(SB), NOSPLIT|NOFRAME, $0
	CALL DI
	SYSCALL
	END

TEXT ·push(SB), NOSPLIT|NOFRAME, $0
	BYTE $0x57              // PUSHQ DI
	SYSCALL
	END

// copyBytes copies CX bytes from (SI) to (DI).
TEXT ·copyBytes(SB), NOSPLIT|NOFRAME, $0
	CLD
	REP
	MOVSB
	SYSCALL
	END

// poll waits until (DI) is not zero, then makes a system call with it in SI.
TEXT ·poll(SB), NOSPLIT|NOFRAME, $0
again:
	PAUSE
	MOVQ (DI), SI
	TESTQ SI, SI
	JZ   again
	SYSCALL
	END

TEXT ·divide(SB), NOSPLIT|NOFRAME, $0
	XORL CX, CX
	DIVL CX
	END

TEXT ·breakpoint(SB), NOSPLIT|NOFRAME, $0
	BYTE $0xcc
	NOP
	SYSCALL
	END

TEXT ·undefined(SB), NOSPLIT|NOFRAME, $0
	BYTE $0x0f; BYTE $0x0b  // UD2
	END

TEXT ·halt(SB), NOSPLIT|NOFRAME, $0
	BYTE $0xf4              // HLT
	END

TEXT ·int80(SB), NOSPLIT|NOFRAME, $0
	BYTE $0xcd; BYTE $0x80
	SYSCALL
	END

TEXT ·sysenter(SB), NOSPLIT|NOFRAME, $0
	BYTE $0x0f; BYTE $0x34
	END

TEXT ·int40(SB), NOSPLIT|NOFRAME, $0
	BYTE $0xcd; BYTE $0x40
	END

// floatDivide divides by zero in SSE with that exception unmasked.
TEXT ·floatDivide(SB), NOSPLIT|NOFRAME, $0
	MOVL $0x1d80, (DI)
	LDMXCSR (DI)
	XORPS X0, X0
	MOVL $1, AX
	CVTSL2SS AX, X1
	DIVSS X0, X1
	SYSCALL
	END

// x87Divide divides by zero in x87 with that exception unmasked.
TEXT ·x87Divide(SB), NOSPLIT|NOFRAME, $0
	MOVW $0x37b, (DI)
	BYTE $0xd9; BYTE $0x2f  // FLDCW (DI)
	BYTE $0xd9; BYTE $0xe8  // FLD1
	BYTE $0xd9; BYTE $0xee  // FLDZ
	BYTE $0xde; BYTE $0xf9  // FDIVP
	BYTE $0x9b              // FWAIT
	SYSCALL
	END

// singleStep sets the trap flag.
TEXT ·singleStep(SB), NOSPLIT|NOFRAME, $0
	PUSHFQ
	ORQ $0x100, (SP)
	POPFQ
	BYTE $0x90
	BYTE $0x90
	SYSCALL
	END

// misalign reads 8 bytes at 1(DI) with alignment checks on.
TEXT ·misalign(SB), NOSPLIT|NOFRAME, $0
	PUSHFQ
	ORQ $0x40000, (SP)
	POPFQ
	MOVQ 1(DI), AX
	SYSCALL
	END

// fpuLoop for ever makes a system call, stores the vector registers to DX, and loads
// them from (DI) before the next. BX says how wide they are: 16, 32 or 64.
TEXT ·fpuLoop(SB), NOSPLIT|NOFRAME, $0
	CMPQ BX, $32
	JEQ  avx
	JHI  avx512
sse:
	MOVOU 0(DI), X0
	MOVOU 16(DI), X7
	MOVOU 32(DI), X15
	SYSCALL
	MOVOU X0, 0(DX)
	MOVOU X7, 16(DX)
	MOVOU X15, 32(DX)
	JMP  sse
avx:
	VMOVDQU 0(DI), Y0
	VMOVDQU 32(DI), Y7
	VMOVDQU 64(DI), Y15
	SYSCALL
	VMOVDQU Y0, 0(DX)
	VMOVDQU Y7, 32(DX)
	VMOVDQU Y15, 64(DX)
	JMP  avx
avx512:
	VMOVDQU64 0(DI), Z0
	VMOVDQU64 64(DI), Z15
	VMOVDQU64 128(DI), Z31
	KMOVQ 192(DI), K1
	KMOVQ 200(DI), K7
	SYSCALL
	VMOVDQU64 Z0, 0(DX)
	VMOVDQU64 Z15, 64(DX)
	VMOVDQU64 Z31, 128(DX)
	KMOVQ K1, 192(DX)
	KMOVQ K7, 200(DX)
	JMP  avx512
	END

// farJump goes on in 32-bit code at the address in DI, whose selector is in SI.
TEXT ·farJump(SB), NOSPLIT|NOFRAME, $0
	BYTE $0x56              // PUSHQ SI
	BYTE $0x57              // PUSHQ DI
	BYTE $0x48; BYTE $0xcb  // RETFQ
	END

// setBases sets the fs and gs bases to SI without asking anybody.
TEXT ·setBases(SB), NOSPLIT|NOFRAME, $0
	BYTE $0xf3; BYTE $0x48; BYTE $0x0f; BYTE $0xae; BYTE $0xd6 // WRFSBASE SI
	BYTE $0xf3; BYTE $0x48; BYTE $0x0f; BYTE $0xae; BYTE $0xde // WRGSBASE SI
	SYSCALL
	END

// func addresses(out *[32]uintptr) int
TEXT ·addresses(SB), NOSPLIT, $0-16
	MOVQ out+0(FP), DI
#define ADDRESS(i, name) \
	LEAQ name(SB), AX; \
	MOVQ AX, (8*i)(DI)
	ADDRESS(0, ·callLoop)
	ADDRESS(1, ·spinLoop)
	ADDRESS(2, ·countdown)
	ADDRESS(3, ·load)
	ADDRESS(4, ·store)
	ADDRESS(5, ·modify)
	ADDRESS(6, ·jump)
	ADDRESS(7, ·callDI)
	ADDRESS(8, ·push)
	ADDRESS(9, ·copyBytes)
	ADDRESS(10, ·poll)
	ADDRESS(11, ·divide)
	ADDRESS(12, ·breakpoint)
	ADDRESS(13, ·undefined)
	ADDRESS(14, ·halt)
	ADDRESS(15, ·int80)
	ADDRESS(16, ·int40)
	ADDRESS(17, ·floatDivide)
	ADDRESS(18, ·x87Divide)
	ADDRESS(19, ·singleStep)
	ADDRESS(20, ·misalign)
	ADDRESS(21, ·fpuLoop)
	ADDRESS(22, ·farJump)
	ADDRESS(23, ·setBases)
	ADDRESS(24, ·sysenter)
	MOVQ $25, ret+8(FP)
	RET
