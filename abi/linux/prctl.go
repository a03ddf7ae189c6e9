package linux

// Operations of prctl(2) and their arguments.
const (
	PR_SET_PDEATHSIG                  = 1
	PR_GET_PDEATHSIG                  = 2
	PR_GET_DUMPABLE                   = 3
	PR_SET_DUMPABLE                   = 4
	PR_GET_UNALIGN                    = 5
	PR_SET_UNALIGN                    = 6
	PR_UNALIGN_NOPRINT                = 1
	PR_UNALIGN_SIGBUS                 = 2
	PR_GET_KEEPCAPS                   = 7
	PR_SET_KEEPCAPS                   = 8
	PR_GET_FPEMU                      = 9
	PR_SET_FPEMU                      = 10
	PR_FPEMU_NOPRINT                  = 1
	PR_FPEMU_SIGFPE                   = 2
	PR_GET_FPEXC                      = 11
	PR_SET_FPEXC                      = 12
	PR_FP_EXC_SW_ENABLE               = 0x80
	PR_FP_EXC_DIV                     = 0x10000
	PR_FP_EXC_OVF                     = 0x20000
	PR_FP_EXC_UND                     = 0x40000
	PR_FP_EXC_RES                     = 0x80000
	PR_FP_EXC_INV                     = 0x100000
	PR_FP_EXC_DISABLED                = 0
	PR_FP_EXC_NONRECOV                = 1
	PR_FP_EXC_ASYNC                   = 2
	PR_FP_EXC_PRECISE                 = 3
	PR_GET_TIMING                     = 13
	PR_SET_TIMING                     = 14
	PR_TIMING_STATISTICAL             = 0
	PR_TIMING_TIMESTAMP               = 1
	PR_SET_NAME                       = 15
	PR_GET_NAME                       = 16
	PR_GET_ENDIAN                     = 19
	PR_SET_ENDIAN                     = 20
	PR_ENDIAN_BIG                     = 0
	PR_ENDIAN_LITTLE                  = 1
	PR_ENDIAN_PPC_LITTLE              = 2
	PR_GET_SECCOMP                    = 21
	PR_SET_SECCOMP                    = 22
	PR_CAPBSET_READ                   = 23
	PR_CAPBSET_DROP                   = 24
	PR_GET_TSC                        = 25
	PR_SET_TSC                        = 26
	PR_TSC_ENABLE                     = 1
	PR_TSC_SIGSEGV                    = 2
	PR_GET_SECUREBITS                 = 27
	PR_SET_SECUREBITS                 = 28
	PR_SET_TIMERSLACK                 = 29
	PR_GET_TIMERSLACK                 = 30
	PR_TASK_PERF_EVENTS_DISABLE       = 31
	PR_TASK_PERF_EVENTS_ENABLE        = 32
	PR_MCE_KILL                       = 33
	PR_MCE_KILL_CLEAR                 = 0
	PR_MCE_KILL_SET                   = 1
	PR_MCE_KILL_LATE                  = 0
	PR_MCE_KILL_EARLY                 = 1
	PR_MCE_KILL_DEFAULT               = 2
	PR_MCE_KILL_GET                   = 34
	PR_SET_MM                         = 35
	PR_SET_MM_START_CODE              = 1
	PR_SET_MM_END_CODE                = 2
	PR_SET_MM_START_DATA              = 3
	PR_SET_MM_END_DATA                = 4
	PR_SET_MM_START_STACK             = 5
	PR_SET_MM_START_BRK               = 6
	PR_SET_MM_BRK                     = 7
	PR_SET_MM_ARG_START               = 8
	PR_SET_MM_ARG_END                 = 9
	PR_SET_MM_ENV_START               = 10
	PR_SET_MM_ENV_END                 = 11
	PR_SET_MM_AUXV                    = 12
	PR_SET_MM_EXE_FILE                = 13
	PR_SET_MM_MAP                     = 14
	PR_SET_MM_MAP_SIZE                = 15
	PR_SET_PTRACER                    = 0x59616d61
	PR_SET_PTRACER_ANY                = -1
	PR_SET_CHILD_SUBREAPER            = 36
	PR_GET_CHILD_SUBREAPER            = 37
	PR_SET_NO_NEW_PRIVS               = 38
	PR_GET_NO_NEW_PRIVS               = 39
	PR_GET_TID_ADDRESS                = 40
	PR_SET_THP_DISABLE                = 41
	PR_GET_THP_DISABLE                = 42
	PR_MPX_ENABLE_MANAGEMENT          = 43
	PR_MPX_DISABLE_MANAGEMENT         = 44
	PR_SET_FP_MODE                    = 45
	PR_GET_FP_MODE                    = 46
	PR_FP_MODE_FR                     = 0x1
	PR_FP_MODE_FRE                    = 0x2
	PR_CAP_AMBIENT                    = 47
	PR_CAP_AMBIENT_IS_SET             = 1
	PR_CAP_AMBIENT_RAISE              = 2
	PR_CAP_AMBIENT_LOWER              = 3
	PR_CAP_AMBIENT_CLEAR_ALL          = 4
	PR_SVE_SET_VL                     = 50
	PR_SVE_SET_VL_ONEXEC              = 0x40000
	PR_SVE_GET_VL                     = 51
	PR_SVE_VL_LEN_MASK                = 0xffff
	PR_SVE_VL_INHERIT                 = 0x20000
	PR_GET_SPECULATION_CTRL           = 52
	PR_SET_SPECULATION_CTRL           = 53
	PR_SPEC_STORE_BYPASS              = 0
	PR_SPEC_INDIRECT_BRANCH           = 1
	PR_SPEC_L1D_FLUSH                 = 2
	PR_SPEC_NOT_AFFECTED              = 0
	PR_SPEC_PRCTL                     = 0x1
	PR_SPEC_ENABLE                    = 0x2
	PR_SPEC_DISABLE                   = 0x4
	PR_SPEC_FORCE_DISABLE             = 0x8
	PR_SPEC_DISABLE_NOEXEC            = 0x10
	PR_PAC_RESET_KEYS                 = 54
	PR_PAC_APIAKEY                    = 0x1
	PR_PAC_APIBKEY                    = 0x2
	PR_PAC_APDAKEY                    = 0x4
	PR_PAC_APDBKEY                    = 0x8
	PR_PAC_APGAKEY                    = 0x10
	PR_SET_TAGGED_ADDR_CTRL           = 55
	PR_GET_TAGGED_ADDR_CTRL           = 56
	PR_TAGGED_ADDR_ENABLE             = 0x1
	PR_MTE_TCF_NONE                   = 0
	PR_MTE_TCF_SYNC                   = 0x2
	PR_MTE_TCF_ASYNC                  = 0x4
	PR_MTE_TCF_MASK                   = 6
	PR_MTE_TAG_SHIFT                  = 3
	PR_MTE_TAG_MASK                   = 0x7fff8
	PR_MTE_TCF_SHIFT                  = 1
	PR_SET_IO_FLUSHER                 = 57
	PR_GET_IO_FLUSHER                 = 58
	PR_SET_SYSCALL_USER_DISPATCH      = 59
	PR_SYS_DISPATCH_OFF               = 0
	PR_SYS_DISPATCH_ON                = 1
	PR_SYS_DISPATCH_INCLUSIVE_ON      = 2
	SYSCALL_DISPATCH_FILTER_ALLOW     = 0
	SYSCALL_DISPATCH_FILTER_BLOCK     = 1
	PR_PAC_SET_ENABLED_KEYS           = 60
	PR_PAC_GET_ENABLED_KEYS           = 61
	PR_SCHED_CORE                     = 62
	PR_SCHED_CORE_GET                 = 0
	PR_SCHED_CORE_CREATE              = 1
	PR_SCHED_CORE_SHARE_TO            = 2
	PR_SCHED_CORE_SHARE_FROM          = 3
	PR_SCHED_CORE_MAX                 = 4
	PR_SCHED_CORE_SCOPE_THREAD        = 0
	PR_SCHED_CORE_SCOPE_THREAD_GROUP  = 1
	PR_SCHED_CORE_SCOPE_PROCESS_GROUP = 2
	PR_SME_SET_VL                     = 63
	PR_SME_SET_VL_ONEXEC              = 0x40000
	PR_SME_GET_VL                     = 64
	PR_SME_VL_LEN_MASK                = 0xffff
	PR_SME_VL_INHERIT                 = 0x20000
	PR_SET_VMA                        = 0x53564d41
	PR_SET_VMA_ANON_NAME              = 0
	PR_SET_MDWE                       = 65
	PR_GET_MDWE                       = 66
	PR_MDWE_REFUSE_EXEC_GAIN          = 1
	PR_MDWE_NO_INHERIT                = 2
	PR_SET_MEMORY_MERGE               = 67
	PR_GET_MEMORY_MERGE               = 68
	PR_GET_AUXV                       = 0x41555856
)

// PrctlMmMap is struct prctl_mm_map (PR_SET_MM_MAP).
type PrctlMmMap struct {
	StartCode  uint64
	EndCode    uint64
	StartData  uint64
	EndData    uint64
	StartBrk   uint64
	Brk        uint64
	StartStack uint64
	ArgStart   uint64
	ArgEnd     uint64
	EnvStart   uint64
	EnvEnd     uint64
	Auxv       uint64
	AuxvSize   uint32
	ExeFD      uint32
}

// Securebits (capabilities(7)).
const (
	SECBIT_NOROOT                      = 1 << 0
	SECBIT_NOROOT_LOCKED               = 1 << 1
	SECBIT_NO_SETUID_FIXUP             = 1 << 2
	SECBIT_NO_SETUID_FIXUP_LOCKED      = 1 << 3
	SECBIT_KEEP_CAPS                   = 1 << 4
	SECBIT_KEEP_CAPS_LOCKED            = 1 << 5
	SECBIT_NO_CAP_AMBIENT_RAISE        = 1 << 6
	SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7
	SECURE_ALL_BITS                    = 0x55
	SECURE_ALL_LOCKS                   = 0xaa
)

// Values of the dumpable attribute (PR_SET_DUMPABLE).
const (
	SUID_DUMP_DISABLE = 0
	SUID_DUMP_USER    = 1
	SUID_DUMP_ROOT    = 2
)

// Operations of arch_prctl(2).
const (
	ARCH_SET_GS               = 0x1001
	ARCH_SET_FS               = 0x1002
	ARCH_GET_FS               = 0x1003
	ARCH_GET_GS               = 0x1004
	ARCH_GET_CPUID            = 0x1011
	ARCH_SET_CPUID            = 0x1012
	ARCH_GET_XCOMP_SUPP       = 0x1021
	ARCH_GET_XCOMP_PERM       = 0x1022
	ARCH_REQ_XCOMP_PERM       = 0x1023
	ARCH_GET_XCOMP_GUEST_PERM = 0x1024
	ARCH_REQ_XCOMP_GUEST_PERM = 0x1025
	ARCH_MAP_VDSO_X32         = 0x2001
	ARCH_MAP_VDSO_32          = 0x2002
	ARCH_MAP_VDSO_64          = 0x2003
	ARCH_GET_UNTAG_MASK       = 0x4001
	ARCH_ENABLE_TAGGED_ADDR   = 0x4002
	ARCH_GET_MAX_TAG_BITS     = 0x4003
	ARCH_SHSTK_ENABLE         = 0x5001
	ARCH_SHSTK_DISABLE        = 0x5002
	ARCH_SHSTK_LOCK           = 0x5003
	ARCH_SHSTK_UNLOCK         = 0x5004
	ARCH_SHSTK_STATUS         = 0x5005
)

// Execution domains (personality(2)).
const (
	UNAME26            = 0x20000
	ADDR_NO_RANDOMIZE  = 0x40000
	FDPIC_FUNCPTRS     = 0x80000
	MMAP_PAGE_ZERO     = 0x100000
	ADDR_COMPAT_LAYOUT = 0x200000
	READ_IMPLIES_EXEC  = 0x400000
	ADDR_LIMIT_32BIT   = 0x800000
	SHORT_INODE        = 0x1000000
	WHOLE_SECONDS      = 0x2000000
	STICKY_TIMEOUTS    = 0x4000000
	ADDR_LIMIT_3GB     = 0x8000000
	PER_LINUX          = 0x0
	PER_LINUX32        = 0x8
	PER_MASK           = 0xff
	PER_CLEAR_ON_SETID = 0x740000
)
