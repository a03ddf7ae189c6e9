#include "textflag.h"

// The code that runs in stub processes, and the fork that makes the first.
//
// Contract: mapper, park and exit are copied into the code page, each to its own
// place (see stub.go). So they are position-independent, refer to no symbol, use no
// stack and no writable memory, and find each other by absolute address. Each
// ends with eight INT3 bytes that tell the copier where to stop.
//
// Registers of the mapper that hold across host calls:
//   R12  number of the last batch
//   R13  control page
//   R14  orders left
//   BX   current order
//   R15  what becomes of the child of the current order
//   BP   result so far
// A host call destroys AX, CX and R11.

#define CONTROL   $0x7ffff0001000

#define CTL_SEQ     0x00
#define CTL_ASLEEP  0x04
#define CTL_COUNT   0x08
#define CTL_SPIN    0x0c
#define CTL_PARENT  0x10
#define CTL_RESULT  0x18
#define CTL_EVENT   0x20
#define CTL_ONE     0x28
#define CTL_ORDERS  0x40

#define SYS_write      $1
#define SYS_lseek      $8
#define SYS_mmap       $9
#define SYS_rt_sigprocmask $14
#define SYS_pause      $34
#define SYS_exit       $60
#define SYS_getppid    $110
#define SYS_prctl      $157
#define SYS_futex      $202
#define SYS_exit_group $231
#define SYS_clone3     $435
#define SYS_close_range $436

#define END \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc

TEXT ·mapper(SB), NOSPLIT|NOFRAME, $0
	MOVQ CONTROL, R13
	XORL R12, R12

wait:
	MOVL CTL_SPIN(R13), CX
spin:
	MOVL CTL_SEQ(R13), AX
	CMPL AX, R12
	JNE  batch
	TESTL CX, CX
	JZ   sleep
	DECL CX
	PAUSE
	JMP  spin

sleep:
	// futex(&seq, FUTEX_WAIT, last, NULL)
	MOVQ R13, DI
	XORL SI, SI
	MOVL R12, DX
	XORL R10, R10
	MOVL SYS_futex, AX
	SYSCALL
	MOVL CTL_SEQ(R13), AX
	CMPL AX, R12
	JEQ  sleep

batch:
	MOVL AX, R12
	LEAQ CTL_ORDERS(R13), BX
	MOVL CTL_COUNT(R13), R14
	XORL BP, BP

next:
	TESTL R14, R14
	JZ   done
	MOVQ 0(BX), AX
	MOVQ 8(BX), DI
	MOVQ 16(BX), SI
	MOVQ 24(BX), DX
	MOVQ 32(BX), R10
	MOVQ 40(BX), R8
	MOVQ 48(BX), R9
	MOVQ 56(BX), R15        // now: when a child runs, the orders may be others
	SYSCALL
	XORL BP, BP
	CMPQ R15, $3
	JEQ  advance            // whether or not it could be done
	CMPQ AX, $-4095
	JCC  failed             // unsigned: an error number
	TESTQ R15, R15
	JZ   advance
	MOVQ AX, BP             // a clone: the child's id, or we are the child
	TESTQ AX, AX
	JZ   child
advance:
	ADDQ $64, BX
	DECL R14
	JMP  next

failed:
	MOVQ AX, BP

done:
	// lseek(result, (seq & 0x7fffffff) << 32 | low half of BP, SEEK_SET)
	MOVL R12, SI
	ANDL $0x7fffffff, SI
	SHLQ $32, SI
	MOVL BP, AX
	ORQ  AX, SI
	MOVQ CTL_RESULT(R13), DI
	XORL DX, DX
	MOVL SYS_lseek, AX
	SYSCALL
	// The sentry says that it sleeps before it looks at the position a last time; we
	// set the position before we look whether it sleeps.
	MFENCE
	MOVL CTL_ASLEEP(R13), AX
	TESTL AX, AX
	JZ   wait
	MOVQ CTL_EVENT(R13), DI
	LEAQ CTL_ONE(R13), SI
	MOVL $8, DX
	MOVL SYS_write, AX
	SYSCALL
	JMP  wait

child:
	CMPQ R15, $1
	JNE  process
	// A guest thread: drop the descriptors, then go where the order says.
	// close_range(0, ~0, CLOSE_RANGE_UNSHARE)
	XORL DI, DI
	MOVL $0xffffffff, SI
	MOVL $2, DX
	MOVL SYS_close_range, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  die
	JMP  R8

process:
	// The mapper of a new process; R9 is the memfd of its control page.
	// prctl(PR_SET_PDEATHSIG, SIGKILL)
	MOVL $1, DI
	MOVL $9, SI
	MOVL SYS_prctl, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  die
	// The sentry may have died before that.
	MOVL SYS_getppid, AX
	SYSCALL
	CMPQ AX, CTL_PARENT(R13)
	JNE  die
	// mmap(control, 4096, PROT_READ, MAP_SHARED|MAP_FIXED, R9, 0)
	MOVQ R13, DI
	MOVL $0x1000, SI
	MOVL $1, DX
	MOVL $0x11, R10
	MOVQ R9, R8
	XORL R9, R9
	MOVL SYS_mmap, AX
	SYSCALL
	CMPQ AX, R13
	JNE  die
	XORL R12, R12
	JMP  wait

die:
	MOVL $1, DI
	MOVL SYS_exit_group, AX
	SYSCALL
	JMP  die
	END

TEXT ·park(SB), NOSPLIT|NOFRAME, $0
again:
	MOVL SYS_pause, AX
	SYSCALL
	JMP  again
	END

TEXT ·exit(SB), NOSPLIT|NOFRAME, $0
again:
	XORL DI, DI
	MOVL SYS_exit, AX
	SYSCALL
	JMP  again
	END

// func routines() (mapper, park, exit uintptr)
TEXT ·routines(SB), NOSPLIT, $0-24
	LEAQ ·mapper(SB), AX
	MOVQ AX, mapper+0(FP)
	LEAQ ·park(SB), AX
	MOVQ AX, park+8(FP)
	LEAQ ·exit(SB), AX
	MOVQ AX, exit+16(FP)
	RET

#define FORK_MASK    0
#define FORK_OLD     8
#define FORK_HELPER  16
#define FORK_CLONE   80
#define FORK_CODE    144
#define FORK_CONTROL 152
#define FORK_PARENT  160
#define FORK_PID     168

// func forkTemplate(a *forkArgs) (helper int64)
//
// Forks twice. The helper shares our memory, and we wait until it exits, as for
// vfork(2): it is there because such a child loses the restartable sequence area that
// a C library may have registered, into which the host would write for ever. The
// helper forks the template, whose parent is ours, and leaves its id in the arguments.
//
// The template has a copy of our memory, of which it uses nothing after the registers
// are loaded: it maps the stub pages and jumps there. All signals are blocked
// meanwhile, so no handler of the Go runtime runs in a child.
TEXT ·forkTemplate(SB), NOSPLIT, $0-16
	MOVQ a+0(FP), R15
	// rt_sigprocmask(SIG_SETMASK, &mask, &old, 8)
	MOVL $2, DI
	LEAQ FORK_MASK(R15), SI
	LEAQ FORK_OLD(R15), DX
	MOVL $8, R10
	MOVL SYS_rt_sigprocmask, AX
	SYSCALL
	LEAQ FORK_HELPER(R15), DI
	MOVL $64, SI
	MOVL SYS_clone3, AX
	SYSCALL
	TESTQ AX, AX
	JZ   helper
	MOVQ AX, R14
	MOVL $2, DI
	LEAQ FORK_OLD(R15), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL SYS_rt_sigprocmask, AX
	SYSCALL
	MOVQ R14, helper+8(FP)
	RET

helper:
	LEAQ FORK_CLONE(R15), DI
	MOVL $64, SI
	MOVL SYS_clone3, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, FORK_PID(R15)
	XORL DI, DI
	MOVL SYS_exit, AX
	SYSCALL

child:
	MOVQ FORK_CODE(R15), BX
	MOVQ FORK_CONTROL(R15), BP
	MOVQ FORK_PARENT(R15), R14
	MOVL $1, DI
	MOVL $9, SI
	MOVL SYS_prctl, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  die
	MOVL SYS_getppid, AX
	SYSCALL
	CMPQ AX, R14
	JNE  die
	// mmap(code, 4096, PROT_READ|PROT_EXEC, MAP_SHARED|MAP_FIXED, code fd, 0)
	MOVQ CONTROL, R13
	LEAQ -0x1000(R13), DI
	MOVL $0x1000, SI
	MOVL $5, DX
	MOVL $0x11, R10
	MOVQ BX, R8
	XORL R9, R9
	MOVL SYS_mmap, AX
	SYSCALL
	LEAQ -0x1000(R13), R15
	CMPQ AX, R15
	JNE  die
	// mmap(control, 4096, PROT_READ, MAP_SHARED|MAP_FIXED, control fd, 0)
	MOVQ R13, DI
	MOVL $0x1000, SI
	MOVL $1, DX
	MOVL $0x11, R10
	MOVQ BP, R8
	XORL R9, R9
	MOVL SYS_mmap, AX
	SYSCALL
	CMPQ AX, R13
	JNE  die
	JMP  R15

die:
	MOVL $1, DI
	MOVL SYS_exit_group, AX
	SYSCALL
	JMP  die
