#include "textflag.h"

// func fsBase() uint64
//
// Preconditions: the host lets programs read it (HWCAP2_FSGSBASE).
TEXT ·fsBase(SB), NOSPLIT, $0-8
	RDFSBASEQ AX
	MOVQ AX, ret+0(FP)
	RET
