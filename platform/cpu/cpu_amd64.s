#include "textflag.h"

// func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
TEXT ·CPUID(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func xgetbv(index uint32) uint64
TEXT ·xgetbv(SB), NOSPLIT, $0-16
	MOVL index+0(FP), CX
	XGETBV
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+8(FP)
	RET

// func fxsave(area *[512]byte)
//
// FXSAVE wants 16-byte alignment, which Go does not promise: it goes to an
// aligned place in the frame first.
TEXT ·fxsave(SB), NOSPLIT, $528-8
	LEAQ 15(SP), SI
	ANDQ $~15, SI
	FXSAVE (SI)
	MOVQ area+0(FP), DI
	MOVQ $64, CX
	CLD
	REP
	MOVSQ
	RET
