package linux

// Requests of ptrace(2).
const (
	PTRACE_TRACEME                          = 0
	PTRACE_PEEKTEXT                         = 1
	PTRACE_PEEKDATA                         = 2
	PTRACE_PEEKUSR                          = 3
	PTRACE_POKETEXT                         = 4
	PTRACE_POKEDATA                         = 5
	PTRACE_POKEUSR                          = 6
	PTRACE_PEEKUSER                         = PTRACE_PEEKUSR // ptrace(2) spells it so
	PTRACE_POKEUSER                         = PTRACE_POKEUSR
	PTRACE_CONT                             = 7
	PTRACE_KILL                             = 8
	PTRACE_SINGLESTEP                       = 9
	PTRACE_ATTACH                           = 16
	PTRACE_DETACH                           = 17
	PTRACE_SYSCALL                          = 24
	PTRACE_SETOPTIONS                       = 0x4200
	PTRACE_GETEVENTMSG                      = 0x4201
	PTRACE_GETSIGINFO                       = 0x4202
	PTRACE_SETSIGINFO                       = 0x4203
	PTRACE_GETREGSET                        = 0x4204
	PTRACE_SETREGSET                        = 0x4205
	PTRACE_SEIZE                            = 0x4206
	PTRACE_INTERRUPT                        = 0x4207
	PTRACE_LISTEN                           = 0x4208
	PTRACE_PEEKSIGINFO                      = 0x4209
	PTRACE_GETSIGMASK                       = 0x420a
	PTRACE_SETSIGMASK                       = 0x420b
	PTRACE_SECCOMP_GET_FILTER               = 0x420c
	PTRACE_SECCOMP_GET_METADATA             = 0x420d
	PTRACE_GET_SYSCALL_INFO                 = 0x420e
	PTRACE_SYSCALL_INFO_NONE                = 0
	PTRACE_SYSCALL_INFO_ENTRY               = 1
	PTRACE_SYSCALL_INFO_EXIT                = 2
	PTRACE_SYSCALL_INFO_SECCOMP             = 3
	PTRACE_GET_RSEQ_CONFIGURATION           = 0x420f
	PTRACE_EVENTMSG_SYSCALL_ENTRY           = 1
	PTRACE_EVENTMSG_SYSCALL_EXIT            = 2
	PTRACE_PEEKSIGINFO_SHARED               = 0x1
	PTRACE_GETREGS                          = 12
	PTRACE_SETREGS                          = 13
	PTRACE_GETFPREGS                        = 14
	PTRACE_SETFPREGS                        = 15
	PTRACE_GETFPXREGS                       = 18
	PTRACE_SETFPXREGS                       = 19
	PTRACE_OLDSETOPTIONS                    = 21
	PTRACE_GET_THREAD_AREA                  = 25
	PTRACE_SET_THREAD_AREA                  = 26
	PTRACE_ARCH_PRCTL                       = 30
	PTRACE_SYSEMU                           = 31
	PTRACE_SYSEMU_SINGLESTEP                = 32
	PTRACE_SINGLEBLOCK                      = 33
	PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG = 0x4210
	PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211
)

// Options of PTRACE_SETOPTIONS and the events that they ask for.
const (
	PTRACE_EVENT_FORK        = 0x1
	PTRACE_EVENT_VFORK       = 0x2
	PTRACE_EVENT_CLONE       = 0x3
	PTRACE_EVENT_EXEC        = 0x4
	PTRACE_EVENT_VFORK_DONE  = 0x5
	PTRACE_EVENT_EXIT        = 0x6
	PTRACE_EVENT_SECCOMP     = 0x7
	PTRACE_EVENT_STOP        = 0x80
	PTRACE_O_TRACESYSGOOD    = 0x1
	PTRACE_O_TRACEFORK       = 0x2
	PTRACE_O_TRACEVFORK      = 0x4
	PTRACE_O_TRACECLONE      = 0x8
	PTRACE_O_TRACEEXEC       = 0x10
	PTRACE_O_TRACEVFORKDONE  = 0x20
	PTRACE_O_TRACEEXIT       = 0x40
	PTRACE_O_TRACESECCOMP    = 0x80
	PTRACE_O_EXITKILL        = 0x100000
	PTRACE_O_SUSPEND_SECCOMP = 0x200000
	PTRACE_O_MASK            = 0x3000ff
)

// UserRegs is struct user_regs_struct (PTRACE_GETREGS, NT_PRSTATUS).
type UserRegs struct {
	R15     uint64
	R14     uint64
	R13     uint64
	R12     uint64
	Rbp     uint64
	Rbx     uint64
	R11     uint64
	R10     uint64
	R9      uint64
	R8      uint64
	Rax     uint64
	Rcx     uint64
	Rdx     uint64
	Rsi     uint64
	Rdi     uint64
	OrigRax uint64
	Rip     uint64
	Cs      uint64
	Eflags  uint64
	Rsp     uint64
	Ss      uint64
	FsBase  uint64
	GsBase  uint64
	Ds      uint64
	Es      uint64
	Fs      uint64
	Gs      uint64
}

// Layout of struct user, as PTRACE_PEEKUSER addresses it.
const (
	UserSize          = 912
	UserDebugRegsBase = 848
)

// UserFPRegs is struct user_fpregs_struct (PTRACE_GETFPREGS, NT_PRFPREG): FXSAVE's format.
type UserFPRegs struct {
	Cwd      uint16
	Swd      uint16
	Ftw      uint16
	Fop      uint16
	Rip      uint64
	Rdp      uint64
	Mxcsr    uint32
	MxcrMask uint32
	StSpace  [32]uint32
	XmmSpace [64]uint32
	_        [96]byte
}

// Register sets of PTRACE_GETREGSET.
const (
	NT_PRSTATUS   = 1
	NT_PRFPREG    = 2
	NT_PRPSINFO   = 3
	NT_TASKSTRUCT = 4
	NT_AUXV       = 6
	NT_SIGINFO    = 0x53494749
	NT_FILE       = 0x46494c45
	NT_386_TLS    = 0x200
	NT_X86_XSTATE = 0x202
)

// PtraceSyscallInfo is struct ptrace_syscall_info (PTRACE_GET_SYSCALL_INFO). The
// union follows the head: Entry uses Data[0] as the number and Data[1:7] as
// arguments; Seccomp adds ret_data in the low half of Data[7]; Exit has the
// result in Data[0] and is_error in the low byte of Data[1].
type PtraceSyscallInfo struct {
	Op                 uint8
	_                  [3]byte
	Arch               uint32
	InstructionPointer uint64
	StackPointer       uint64
	Data               [8]uint64
}

// PtracePeekSigInfoArgs is struct ptrace_peeksiginfo_args.
type PtracePeekSigInfoArgs struct {
	Off   uint64
	Flags uint32
	Nr    int32
}

// PtraceSudConfig is struct ptrace_sud_config.
type PtraceSudConfig struct {
	Mode     uint64
	Selector uint64
	Offset   uint64
	Len      uint64
}

// PtraceRseqConfiguration is struct ptrace_rseq_configuration.
type PtraceRseqConfiguration struct {
	RseqABIPointer uint64
	RseqABISize    uint32
	Signature      uint32
	Flags          uint32
	_              [4]byte
}
