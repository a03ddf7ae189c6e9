#include "textflag.h"

// The code that guest threads run when they do not run guest code.
//
// Contract: stubCode is copied to codeAddr (see layout.go), where all processes map it
// read-only, so it is position-independent and refers to no symbol. GS holds the
// address of the thread's area (type area) while the thread is in here; everything
// that is loaded from there the guest may have written: it can harm itself only. Once a
// thread has its filter, no host call is made but futex, sched_yield and one to unblock all
// signals, and none other would be let through.
//
// Places that the sentry must know are marked by a long NOP whose displacement is a
// number (MARK); codeMarks finds them. They are described at type mark.
//
// An area holds the guest's registers from "posted" to "postedEnd". Before that, on
// the way in, they are still in the CPU, or in the signal frame: see untangle.

#define AREA_MASK    $~0x7fff

#define SELF          0x00
#define MAGIC         0x08
#define TURN          0x10
#define STUB_ASLEEP   0x14
#define SENTRY_ASLEEP 0x18
#define SPIN          0x1c
#define EVENT         0x20
#define COMMAND       0x24
#define SIGNO         0x28
#define HOW           0x2c
#define RESULT        0x30
#define FRAME         0x40
#define INFO          0x48
#define CALL_FLAGS    0x38
#define FEATURES      0x50
#define GUEST_GS      0x58
#define SET_GS        0x60
#define CODE          0x68
#define CODE_SIZE     0x70
#define HANDLER_END   0x78
#define ENTER         0x80
#define POSTED        0x88
#define POSTED_END    0x90
#define VALUES        0x98
#define FPU           0xd8
#define CPU           0xe0

#define REG_R15       0x100
#define REG_R14       0x108
#define REG_R13       0x110
#define REG_R12       0x118
#define REG_BP        0x120
#define REG_BX        0x128
#define REG_R11       0x130
#define REG_R10       0x138
#define REG_R9        0x140
#define REG_R8        0x148
#define REG_AX        0x150
#define REG_CX        0x158
#define REG_DX        0x160
#define REG_SI        0x168
#define REG_DI        0x170
#define REG_ORIG_AX   0x178
#define REG_IP        0x180
#define REG_FLAGS     0x190
#define REG_SP        0x198
#define REG_FS_BASE   0x1a8

#define ALT_STACK     0x200
#define FLAGS_IN      0x2c0
#define SCRATCH_END   0x2f0
#define KINDS         0x400
#define FPU_AREA      0x1000

// struct ucontext: uc_mcontext is struct sigcontext_64.
#define UC_R8         40
#define UC_DI         104
#define UC_SI         112
#define UC_DX         136
#define UC_SP         160
#define UC_IP         168
#define UC_FPSTATE    224

// In the code page, behind the code: struct sock_fprog, and an empty signal mask.
#define OWN_CALLS     $0x7ffff0010de0
#define NO_SIGNALS    $0x7ffff0010df0

#define TURN_SENTRY   0
#define TURN_GUEST    1

// The clock page: type clockPage.
#define CLOCK_PAGE     $0x7ffff0040000
#define CLOCK_SEQ      0
#define CLOCK_USABLE   4
#define CLOCK_BASE_TSC 8
#define CLOCK_BASE_NS  16
#define CLOCK_MULT     24
#define CLOCK_REAL_NS  32
#define CLOCK_BOOT_NS  40

// The counters of waiters in the process's table: see waitBucket.
#define WAITS         0x56000
#define WAITS_MASK    $0x3ff
#define FUTEX_WAKE_PRIVATE 129
#define USER_END      $0x7ffffffff000

#define GS_TAKEN      0x17      // offset behind the handler's WRGSBASEQ

#define EVENT_SIGNAL      1
#define EVENT_CALL        2
#define EVENT_INTERRUPTED 3
#define EVENT_SAVED       4

#define HOW_FAST      1
#define COMMAND_SAVE  1

#define KICK          12

#define MAGIC_VALUE   0x52696e67

#define CALLS         0x200     // numbers with an entry in KINDS
#define KIND_SPECIAL  16
#define KIND_YIELD    16
#define KIND_CLOCK    17
#define KIND_CPU      18
#define KIND_FUTEX    19
#define VALUE_CPUS    15        // place in VALUES

#define SYS_rt_sigprocmask 14
#define SYS_sched_yield    24
#define SYS_sigaltstack    131
#define SYS_prctl          157
#define SYS_futex          202
#define SYS_exit_group     231
#define SYS_getcpu         309

#define MARK(n) BYTE $0x0f; BYTE $0x1f; BYTE $0x80; LONG $(0x52460000+n)

// SAVE stores a register in the area, unless it is there already: a cache line that does
// not change need not move between the two CPUs.
#define SAVE(reg, off) \
	CMPQ off(GS), reg; \
	JEQ  2(PC);        \
	MOVQ reg, off(GS)

#define END \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; \
	BYTE $0xcc; BYTE $0xcc; BYTE $0xcc; BYTE $0xcc

TEXT ·stubCode(SB), NOSPLIT|NOFRAME, $0
	// The signal handler, on the alternate stack, which lies in the area: DI the
	// signal, SI its siginfo, DX its ucontext. None of these and SP changes before the event
	// is posted, so that it can start anew.
handler:
	MOVQ SP, BX
	ANDQ AREA_MASK, BX
	MOVQ SP, R10                    // where the stack goes on
	RDGSBASEQ R8
	WRGSBASEQ BX
	MOVQ UC_IP(DX), R9
	SUBQ CODE(BX), R9
	CMPQ R9, CODE_SIZE(BX)
	JCC  signal
	CMPL DI, $KICK
	JNE  signal                     // a fault of ours: the sentry sorts it out
	CMPQ R9, HANDLER_END(BX)
	JCS  restart
	CMPQ R9, ENTER(BX)
	JCS  kicked
	CMPQ R9, POSTED(BX)
	JCS  signal
	CMPQ R9, POSTED_END(BX)
	JCC  signal

kicked:
	// The area holds the guest's registers. If the guest's FPU state was in the CPU it is in
	// this frame now, which then has to stay.
	MOVQ UC_FPSTATE(DX), CX
	XORL AX, AX
	LOCK
	CMPXCHGQ CX, FPU(BX)
	JEQ  kept
	CMPQ AX, CX
	JEQ  kept
	MOVQ UC_SP(DX), R10
kept:
	CMPL TURN(BX), $TURN_GUEST
	JNE  handled
	MOVL $EVENT_INTERRUPTED, EVENT(BX)
	JMP  post

restart:
	CMPQ R9, $GS_TAKEN
	JCS  early
	MOVQ UC_R8(DX), R8
early:
	WRGSBASEQ R8                    // what the handler found, for it to find again
	MOVQ UC_SP(DX), SP
	MOVQ UC_DI(DX), DI
	MOVQ UC_SI(DX), SI
	MOVQ UC_DX(DX), DX
	JMP  handler

signal:
	MOVL DI, SIGNO(BX)
	MOVQ DX, FRAME(BX)
	MOVQ SI, INFO(BX)
	MOVQ R8, GUEST_GS(BX)
	MOVQ UC_FPSTATE(DX), AX
	MOVQ AX, FPU(BX)
	RDFSBASEQ AX
	MOVQ AX, REG_FS_BASE(BX)
	MOVL $EVENT_SIGNAL, EVENT(BX)
post:
	XORL AX, AX
	XCHGL AX, TURN(BX)
	MARK(1) // handlerEnd
handled:
	MOVQ R10, SP
	JMP  posted

	// A new thread: R9 is its area, which other threads can write already. All signals are
	// blocked until it has given up system calls from anywhere but the code behind common:
	// nothing that happens here can get around that.
	MARK(2) // enter
	WRGSBASEQ R9
	MOVQ R9, BX
	LEAQ ALT_STACK(BX), DI
	XORL SI, SI
	MOVL $SYS_sigaltstack, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  die
	MOVL $59, DI                    // PR_SET_SYSCALL_USER_DISPATCH
	MOVL $1, SI                     // PR_SYS_DISPATCH_ON
	MOVQ OWN_CALLS, BX
	MOVQ 0(BX), DX                  // where calls are not caught
	MOVQ 8(BX), R10
	XORL R8, R8
	MOVL $SYS_prctl, AX
	SYSCALL
	TESTQ AX, AX
	JZ   unblock
die:
	MOVL $1, DI
	MOVL $SYS_exit_group, AX
	SYSCALL
	JMP  die

	// Patched SYSCALL instructions get here, by way of their trampoline: R11 is the address
	// to return to, AX the number; all else is the guest's. CX and R11 are free, as SYSCALL
	// changes them. The load faults if the guest has a GS of its own.
	MARK(3) // common
	MOVQ MAGIC(GS), CX
	LEAQ -MAGIC_VALUE(CX), CX
	JCXZQ ours
	MARK(4) // slow
	UNDEF
ours:
	MOVQ SP, CX
	MARK(5) // spTaken
	MOVQ SELF(GS), SP
	LEAQ FLAGS_IN+8(SP), SP
	PUSHFQ                          // to FLAGS_IN
	MARK(6) // flagsSaved
	SAVE(CX, REG_SP)
	MARK(7) // spSaved
	SAVE(AX, REG_ORIG_AX)
	SAVE(R11, REG_IP)
	MARK(8) // callSaved

	// Calls whose answer is in the area. SP is at FLAGS_IN.
	CMPQ AX, $CALLS
	JCC  full
	MOVBLZX (KINDS-FLAGS_IN)(SP)(AX*1), CX
	TESTL CX, CX
	JZ   full
	CMPL CX, $KIND_SPECIAL
	JCC  special
	MOVL (VALUES-FLAGS_IN)(SP)(CX*4), CX
answered:
	MOVQ CX, AX
	MARK(9) // answered
	POPFQ
	MOVQ REG_SP(GS), SP
	MOVQ REG_IP(GS), CX
	JMP  CX
	MARK(10) // answeredEnd

special:
	CMPL CX, $KIND_CLOCK
	JEQ  clock
	CMPL CX, $KIND_CPU
	JEQ  busy
	CMPL CX, $KIND_FUTEX
	JEQ  futex
	MOVL $SYS_sched_yield, AX
	SYSCALL
	XORL CX, CX
	JMP  answered

	// futex, to wake who waits for a word of this process only, where nobody does. Somebody who is
	// about to wait is counted before he looks at the word.
futex:
	CMPL SI, $FUTEX_WAKE_PRIVATE
	JNE  full
	TESTL $3, DI
	JNZ  full
	MOVQ USER_END, CX
	CMPQ DI, CX
	JCC  full
	LOCK
	ORL  $0, FLAGS_IN(GS)           // what the guest stored before can be seen from here on
	MOVL DI, CX
	SHRL $2, CX
	ANDL WAITS_MASK, CX
	MOVL WAITS(CX*4), CX
	TESTL CX, CX
	JZ   answered
	JMP  full

	// clock_gettime, by the parameters in the clock page (type clockPage), and getcpu. DX, BX
	// and R8 are in the area meanwhile. The stores may fault.
clock:
	CMPL DI, $7
	JHI  full
	MOVL $0x83, CX                  // CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME
	BTL  DI, CX
	JCC  full
busy:
	MOVQ DX, REG_DX(GS)
	MOVQ BX, REG_BX(GS)
	MOVQ R8, REG_R8(GS)
	MARK(11) // clockSaved
	CMPL AX, $SYS_getcpu
	JEQ  cpu
	MOVQ CLOCK_PAGE, BX
read:
	MOVL CLOCK_SEQ(BX), R8
	TESTL $1, R8
	JNZ  read
	CMPL CLOCK_USABLE(BX), $0
	JEQ  unknown
	LFENCE
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	SUBQ CLOCK_BASE_TSC(BX), AX
	JCC  later
	XORL AX, AX
later:
	MULQ CLOCK_MULT(BX)
	SHRQ $32, DX, AX
	ADDQ CLOCK_BASE_NS(BX), AX
	CMPL DI, $1
	JEQ  told
	MOVQ CLOCK_REAL_NS(BX), CX
	CMPL DI, $7
	JNE  offset
	MOVQ CLOCK_BOOT_NS(BX), CX
offset:
	ADDQ CX, AX
told:
	CMPL CLOCK_SEQ(BX), R8
	JNE  read
	XORL DX, DX
	MOVL $1000000000, CX
	DIVQ CX
	MOVQ AX, (SI)
	MOVQ DX, 8(SI)
	JMP  back
cpu:
	RDTSCP
	ANDL $0xfff, CX                 // above is the node
	CMPL CX, (VALUES+4*VALUE_CPUS)(GS)
	JCC  unknown
	TESTQ DI, DI
	JZ   node
	MOVL CX, (DI)
node:
	TESTQ SI, SI
	JZ   back
	MOVL $0, (SI)
back:
	MOVQ REG_DX(GS), DX
	MOVQ REG_BX(GS), BX
	MOVQ REG_R8(GS), R8
	XORL CX, CX
	JMP  answered
unknown:
	MOVQ REG_DX(GS), DX
	MOVQ REG_BX(GS), BX
	MOVQ REG_R8(GS), R8
	MARK(12) // clockRestored

full:
	SAVE(R15, REG_R15)
	SAVE(R14, REG_R14)
	SAVE(R13, REG_R13)
	SAVE(R12, REG_R12)
	SAVE(BP, REG_BP)
	SAVE(BX, REG_BX)
	SAVE(R10, REG_R10)
	SAVE(R9, REG_R9)
	SAVE(R8, REG_R8)
	SAVE(DX, REG_DX)
	SAVE(SI, REG_SI)
	SAVE(DI, REG_DI)
	RDFSBASEQ CX
	SAVE(CX, REG_FS_BASE)
	MOVQ FLAGS_IN(GS), CX
	SAVE(CX, CALL_FLAGS)
	MOVL $EVENT_CALL, CX
	CMPL EVENT(GS), CX
	JEQ  2(PC)
	MOVL CX, EVENT(GS)
	XORL CX, CX
	XCHGL CX, TURN(GS)

	MARK(13) // posted
posted:
	CMPL SENTRY_ASLEEP(GS), $0
	JEQ  wait
	RDTSCP
	MOVL CX, CPU(GS)
	MOVQ SELF(GS), DI
	LEAQ TURN(DI), DI
	MOVL $1, SI                     // FUTEX_WAKE
	MOVL $1, DX
	MOVL $SYS_futex, AX
	SYSCALL
wait:
	MOVL SPIN(GS), CX
spin:
	CMPL TURN(GS), $TURN_GUEST
	JEQ  go
	SUBL $1, CX
	JCS  sleep
	PAUSE
	JMP  spin
sleep:
	MOVL $1, AX
	XCHGL AX, STUB_ASLEEP(GS)
	CMPL TURN(GS), $TURN_GUEST
	JEQ  awake
	MOVQ SELF(GS), DI
	LEAQ TURN(DI), DI
	XORL SI, SI                     // FUTEX_WAIT
	XORL DX, DX
	XORL R10, R10
	MOVL $SYS_futex, AX
	SYSCALL
awake:
	MOVL $0, STUB_ASLEEP(GS)
	CMPL TURN(GS), $TURN_GUEST
	JNE  sleep
go:
	CMPL COMMAND(GS), $COMMAND_SAVE
	JEQ  save
	MOVQ FPU(GS), DI
	TESTQ DI, DI
	JZ   loaded
	MOVL FEATURES(GS), AX
	MOVL (FEATURES+4)(GS), DX
	XRSTOR64 (DI)
	MOVQ SELF(GS), SP               // the frame is not needed any more: the next one may take its place
	MOVQ $0, FPU(GS)
loaded:
	MOVQ REG_R15(GS), R15
	MOVQ REG_R14(GS), R14
	MOVQ REG_R13(GS), R13
	MOVQ REG_R12(GS), R12
	MOVQ REG_BP(GS), BP
	MOVQ REG_BX(GS), BX
	MOVQ REG_R10(GS), R10
	MOVQ REG_R9(GS), R9
	MOVQ REG_R8(GS), R8
	MOVQ REG_DX(GS), DX
	MOVQ REG_SI(GS), SI
	MOVQ REG_DI(GS), DI
	MOVQ SELF(GS), SP
	CMPL HOW(GS), $HOW_FAST
	JNE  whole
	MOVQ RESULT(GS), AX
	MOVQ CALL_FLAGS(GS), R11
	LEAQ CALL_FLAGS(SP), SP
	POPFQ
	MOVQ REG_SP(GS), SP
	MOVQ REG_IP(GS), CX
	JMP  CX

whole:
	// No flag may be set that IRETQ or our stores would trip over.
	LEAQ SCRATCH_END(SP), SP
	PUSHQ $0x202
	POPFQ
	MOVQ SELF(GS), SP
	MOVQ REG_FS_BASE(GS), AX
	WRFSBASEQ AX
	MOVQ REG_CX(GS), CX
	MOVQ REG_R11(GS), R11
	LEAQ REG_IP(SP), SP             // rip, cs, rflags, rsp, ss
	MOVQ SET_GS(GS), AX
	WRGSBASEQ AX
	MOVQ (REG_AX-REG_IP)(SP), AX
	IRETQ

	// XSAVE, for the sentry to read.
save:
	CMPQ FPU(GS), $0
	JNE  saved
	MOVQ SELF(GS), DI
	LEAQ FPU_AREA(DI), DI
	MOVL FEATURES(GS), AX
	MOVL (FEATURES+4)(GS), DX
	XSAVE64 (DI)
saved:
	MOVL $EVENT_SAVED, EVENT(GS)
	XORL AX, AX
	XCHGL AX, TURN(GS)
	JMP  posted

	// A new thread is ready. Here a kick finds it as it finds one that waits.
unblock:
	MOVL $2, DI                     // SIG_SETMASK
	MOVQ NO_SIGNALS, SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $SYS_rt_sigprocmask, AX
	SYSCALL
	JMP  wait
	MARK(14) // postedEnd
	END

// func codeAt() uintptr
TEXT ·codeAt(SB), NOSPLIT, $0-8
	LEAQ ·stubCode(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func spinWhile(word *uint32, old, n uint32) bool
//
// Looks at *word up to n times and reports whether it is something other than old.
TEXT ·spinWhile(SB), NOSPLIT, $0-17
	MOVQ word+0(FP), DI
	MOVL old+8(FP), AX
	MOVL n+12(FP), CX
again:
	CMPL (DI), AX
	JNE  changed
	SUBL $1, CX
	JCS  same
	PAUSE
	JMP  again
changed:
	MOVB $1, ret+16(FP)
	RET
same:
	MOVB $0, ret+16(FP)
	RET
