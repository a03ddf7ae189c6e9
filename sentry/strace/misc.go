package strace

import (
	"ringfence/abi/linux"
)

// openParams and openatParams leave the mode out where open(2) does not look at it.
func openParams(a *[6]uint64) []param {
	if takesMode(a[1]) {
		return []param{pathArg, openFlagsArg, modeArg}
	}
	return []param{pathArg, openFlagsArg}
}

func openatParams(a *[6]uint64) []param {
	if takesMode(a[2]) {
		return []param{dirArg, pathArg, openFlagsArg, modeArg}
	}
	return []param{dirArg, pathArg, openFlagsArg}
}

// mknodParams and mknodatParams leave the device out where there is none.
func mknodParams(a *[6]uint64) []param {
	if isDevice(uint32(a[1])) {
		return []param{pathArg, mknodMode, devArg}
	}
	return []param{pathArg, mknodMode}
}

func mknodatParams(a *[6]uint64) []param {
	if isDevice(uint32(a[2])) {
		return []param{dirArg, pathArg, mknodMode, devArg}
	}
	return []param{dirArg, pathArg, mknodMode}
}

// Memory.

var mapFlagsArg = param{show: func(p *printer, i int) {
	v := uint64(uint32(p.arg(i)))
	p.enum(v&linux.MAP_TYPE, &mapTypes)
	v &^= linux.MAP_TYPE
	huge := uint64(0)
	if v&linux.MAP_HUGETLB != 0 {
		huge = v >> linux.MAP_HUGE_SHIFT & linux.MAP_HUGE_MASK
		v &^= linux.MAP_HUGE_MASK << linux.MAP_HUGE_SHIFT
	}
	if v != 0 {
		p.str("|")
		p.flags(v, &mapFlags)
	}
	if huge != 0 {
		p.str("|")
		p.udec(huge)
		p.str("<<MAP_HUGE_SHIFT")
	}
}}

func mremapParams(a *[6]uint64) []param {
	ps := []param{ptrArg, sizeArg, sizeArg, flagsArg(&mremapFlags)}
	if a[3]&linux.MREMAP_FIXED != 0 {
		ps = append(ps, ptrArg)
	}
	return ps
}

// outResident is mincore(2)'s vector: one digit a page.
var outResident = out(func(p *printer, i int) {
	n := (p.arg(1) + 4095) / 4096
	b, ok := p.read(p.arg(i), int(min(n, maxString)))
	if !ok && n > 0 {
		p.ptr(p.arg(i))
		return
	}
	p.str("[")
	for j, c := range b {
		if j > 0 {
			p.str(", ")
		}
		p.b = append(p.b, '0'+c&1)
	}
	if n > maxString {
		p.str(", ...")
	}
	p.str("]")
})

// waitArg is the options of wait4(2); WUNTRACED is WSTOPPED there and in waitid(2).
var waitArg = param{show: func(p *printer, i int) { p.flags(uint64(uint32(p.arg(i))), &waitOptions) }}

// Sockets.

// destAddr is sendto(2)'s address, whose length is the last argument.
var destAddr = param{show: func(p *printer, i int) { p.sockaddr(p.arg(i), uint64(uint32(p.arg(i+1)))) }}

// outFrom is recvfrom(2)'s address.
var (
	outFrom    = param{out: true, show: outAddr.show}
	outFromLen = outLen
)

// System V IPC.

var keyArg = param{show: func(p *printer, i int) {
	if v := uint32(p.arg(i)); v == linux.IPC_PRIVATE {
		p.str("IPC_PRIVATE")
	} else {
		p.hex(uint64(v))
	}
}}

// ipcModeArg is flags with a mode in the low nine bits.
func ipcModeArg(s *set) param {
	return param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		if f := v &^ 0o777; f != 0 {
			p.flags(f, s)
			p.str("|")
		}
		p.oct(v & 0o777)
	}}
}

func ipcCmdArg(s *set) param {
	return param{show: func(p *printer, i int) {
		v := uint64(uint32(p.arg(i)))
		if v&linux.IPC_64 != 0 {
			p.str("IPC_64|")
			v &^= linux.IPC_64
		}
		p.enum(v, s)
	}}
}

// message prints struct msgbuf: a type and n bytes of text.
func (p *printer) message(a, n uint64) {
	t, ok := p.u64(a)
	if !ok {
		p.ptr(a)
		return
	}
	p.str("{mtype=")
	p.dec(int64(t))
	p.str(", mtext=")
	p.data(a+8, n)
	p.str("}")
}

var (
	inMessage  = param{show: func(p *printer, i int) { p.message(p.arg(i), p.arg(i+1)) }}
	outMessage = out(func(p *printer, i int) { p.message(p.arg(i), p.ret) })
)

func (p *printer) mqAttr(v *linux.MqAttr) {
	p.str("{mq_flags=")
	if v.Flags == 0 {
		p.str("0")
	} else {
		p.flags(uint64(v.Flags), &openFlags)
	}
	p.str(", mq_maxmsg=")
	p.dec(v.Maxmsg)
	p.str(", mq_msgsize=")
	p.dec(v.Msgsize)
	p.str(", mq_curmsgs=")
	p.dec(v.Curmsgs)
	p.str("}")
}

var (
	inMqAttr  = structArg((*printer).mqAttr)
	outMqAttr = outStruct((*printer).mqAttr)
)

// The system.

func (p *printer) utsname(v *linux.Utsname) {
	p.str("{sysname=")
	p.cstr(v.Sysname[:])
	p.str(", nodename=")
	p.cstr(v.Nodename[:])
	p.str(", ...}")
}

func (p *printer) sysinfo(v *linux.Sysinfo) {
	p.str("{uptime=")
	p.dec(v.Uptime)
	p.str(", loads=[")
	for i, l := range v.Loads {
		if i > 0 {
			p.str(", ")
		}
		p.udec(l)
	}
	p.str("]")
	for _, f := range [...]struct {
		name string
		v    uint64
	}{
		{"totalram", v.Totalram}, {"freeram", v.Freeram}, {"sharedram", v.Sharedram}, {"bufferram", v.Bufferram},
		{"totalswap", v.Totalswap}, {"freeswap", v.Freeswap}, {"procs", uint64(v.Procs)},
		{"totalhigh", v.Totalhigh}, {"freehigh", v.Freehigh}, {"mem_unit", uint64(v.Unit)},
	} {
		p.str(", ", f.name, "=")
		p.udec(f.v)
	}
	p.str("}")
}

func (p *printer) tms(v *linux.Tms) {
	p.str("{tms_utime=")
	p.ticks(v.Utime)
	p.str(", tms_stime=")
	p.ticks(v.Stime)
	p.str(", tms_cutime=")
	p.ticks(v.Cutime)
	p.str(", tms_cstime=")
	p.ticks(v.Cstime)
	p.str("}")
}

var (
	outTimezone = out(func(p *printer, i int) { inTimezone.show(p, i) })
	inUtimbuf   = structArg(func(p *printer, v *linux.Utimbuf) {
		p.str("{actime=")
		p.dec(v.Actime)
		p.date(v.Actime, 0)
		p.str(", modtime=")
		p.dec(v.Modtime)
		p.date(v.Modtime, 0)
		p.str("}")
	})
	outTimex = outStruct(func(p *printer, v *linux.Timex) {
		p.str("{modes=")
		p.flags(uint64(v.Modes), &adjModes)
		p.str(", offset=")
		p.dec(v.Offset)
		p.str(", freq=")
		p.dec(v.Freq)
		p.str(", ...}")
	})
	outQuadTime = outULong
	restartArg  = param{show: func(p *printer, i int) { p.str("<... resuming interrupted system call ...>") }}
)

// Scheduling.

func (p *printer) schedParam(v *linux.SchedParam) {
	p.str("[")
	p.dec(int64(v.Priority))
	p.str("]")
}

func (p *printer) schedAttr(v *linux.SchedAttr) {
	p.str("{size=")
	p.udec(uint64(v.Size))
	p.str(", sched_policy=")
	p.enum(uint64(v.Policy), &policies)
	p.str(", sched_flags=")
	p.flags(v.Flags, &schedFlags)
	p.str(", sched_nice=")
	p.dec(int64(v.Nice))
	p.str(", sched_priority=")
	p.udec(uint64(v.Priority))
	p.str(", sched_runtime=")
	p.udec(v.Runtime)
	p.str(", sched_deadline=")
	p.udec(v.Deadline)
	p.str(", sched_period=")
	p.udec(v.Period)
	p.str(", ...}")
}

func (p *printer) policy(v uint32) {
	if v&linux.SCHED_RESET_ON_FORK != 0 {
		p.str("SCHED_RESET_ON_FORK|")
		v &^= linux.SCHED_RESET_ON_FORK
	}
	p.enum(uint64(v), &policies)
}

var (
	inSchedParam  = structArg((*printer).schedParam)
	outSchedParam = outStruct((*printer).schedParam)
	inSchedAttr   = structArg((*printer).schedAttr)
	outSchedAttr  = outStruct((*printer).schedAttr)
	policyArg     = param{show: func(p *printer, i int) { p.policy(uint32(p.arg(i))) }}
)

func policyNote(p *printer) { p.policy(uint32(p.ret)) }

// clone3Note says what clone3(2) stored through its argument's pointers.
func clone3Note(p *printer) {
	var v linux.CloneArgs
	b, ok := p.read(p.arg(0), int(min(p.arg(1), uint64(v.SizeBytes()))))
	if !ok || len(b) < linux.CLONE_ARGS_SIZE_VER0 {
		return
	}
	v.UnmarshalBytes(append(b, make([]byte, v.SizeBytes()-len(b))...))
	if v.Flags&linux.CLONE_PARENT_SETTID != 0 {
		p.str("parent_tid=")
		p.word(v.ParentTID, func(v uint32) { p.dec(int64(int32(v))) })
	}
}

// Privileges.

func (p *printer) capHeader(v *linux.CapUserHeader) {
	p.str("{version=")
	p.enum(uint64(v.Version), &capVersions)
	p.str(", pid=")
	p.dec(int64(v.PID))
	p.str("}")
}

// capData prints one or two structs, by the header's version.
func (p *printer) capData(a uint64) {
	h, ok := load[linux.CapUserHeader](p, p.arg(0))
	lo, ok2 := load[linux.CapUserData](p, a)
	if !ok || !ok2 {
		p.ptr(a)
		return
	}
	var hi linux.CapUserData
	if h.Version != linux.LINUX_CAPABILITY_VERSION_1 {
		if hi, ok = load[linux.CapUserData](p, a+uint64(lo.SizeBytes())); !ok {
			p.ptr(a)
			return
		}
	}
	p.str("{effective=")
	p.caps(lo.Effective, hi.Effective)
	p.str(", permitted=")
	p.caps(lo.Permitted, hi.Permitted)
	p.str(", inheritable=")
	p.caps(lo.Inheritable, hi.Inheritable)
	p.str("}")
}

func (p *printer) caps(lo, hi uint32) {
	v := uint64(lo) | uint64(hi)<<32
	if v == 0 {
		p.str("0")
		return
	}
	first := true
	for _, n := range capabilities.names {
		if v>>n.v&1 == 0 {
			continue
		}
		if !first {
			p.str("|")
		}
		first = false
		p.str("1<<", n.s)
		v &^= 1 << n.v
	}
	if v != 0 {
		if !first {
			p.str("|")
		}
		p.hex(v)
	}
}

var (
	inCapHeader = structArg((*printer).capHeader)
	inCapData   = param{show: func(p *printer, i int) { p.capData(p.arg(i)) }}
	outCapData  = out(func(p *printer, i int) { p.capData(p.arg(i)) })
	keySpecArg  = enumArg(&keySpecs)

	seccompArg = param{show: func(p *printer, i int) {
		if uint32(p.arg(0)) == linux.SECCOMP_SET_MODE_FILTER {
			p.filter(p.arg(i))
		} else {
			p.ptr(p.arg(i))
		}
	}}
)

// filter prints struct sock_fprog.
func (p *printer) filter(a uint64) {
	object(p, a, func(v *linux.SockFprog) {
		p.str("{len=")
		p.udec(uint64(v.Len))
		p.str(", filter=")
		p.ptr(v.Filter)
		p.str("}")
	})
}

func (p *printer) personality(v uint32) {
	if v == 0xffffffff {
		p.str("0xffffffff")
		return
	}
	p.enum(uint64(v&linux.PER_MASK), &personalities)
	if v &^= linux.PER_MASK; v != 0 {
		p.str("|")
		p.flags(uint64(v), &personalityFlags)
	}
}

var personalityArg = param{show: func(p *printer, i int) { p.personality(uint32(p.arg(i))) }}

func retPersonality(p *printer) {
	p.hex(p.ret)
	p.str(" (")
	p.personality(uint32(p.ret))
	p.str(")")
}

// archParams chooses arch_prctl(2)'s second argument by its first.
func archParams(a *[6]uint64) []param {
	op := enumArg(&archOps)
	switch a[0] {
	case linux.ARCH_GET_FS, linux.ARCH_GET_GS:
		return []param{op, outHex}
	case linux.ARCH_GET_CPUID:
		return []param{op}
	}
	return []param{op, hexArg}
}

// prctlParams chooses prctl(2)'s arguments by its operation.
func prctlParams(a *[6]uint64) []param {
	op := enumArg(&prctlOps)
	ps := []param{op}
	switch uint32(a[0]) {
	case linux.PR_GET_DUMPABLE, linux.PR_GET_KEEPCAPS, linux.PR_GET_TIMERSLACK, linux.PR_GET_TIMING,
		linux.PR_TASK_PERF_EVENTS_DISABLE, linux.PR_TASK_PERF_EVENTS_ENABLE, linux.PR_GET_SECCOMP, linux.PR_GET_SECUREBITS:
		return ps
	case linux.PR_SET_NAME:
		return append(ps, textArg)
	case linux.PR_GET_NAME:
		return append(ps, out(func(p *printer, i int) { p.text(p.arg(i), linux.TaskCommLen) }))
	case linux.PR_SET_PDEATHSIG:
		return append(ps, sigArg)
	case linux.PR_GET_PDEATHSIG, linux.PR_GET_CHILD_SUBREAPER, linux.PR_GET_TSC, linux.PR_GET_ENDIAN, linux.PR_GET_UNALIGN:
		return append(ps, outInt)
	case linux.PR_GET_TID_ADDRESS:
		return append(ps, outHex)
	case linux.PR_CAPBSET_READ, linux.PR_CAPBSET_DROP:
		return append(ps, enumArg(&capabilities))
	case linux.PR_SET_SECCOMP:
		if a[1] == linux.SECCOMP_MODE_FILTER {
			return append(ps, enumArg(&seccompModes), param{show: func(p *printer, i int) { p.filter(p.arg(i)) }})
		}
		return append(ps, enumArg(&seccompModes))
	case linux.PR_SET_DUMPABLE:
		return append(ps, enumArg(&dumpables))
	case linux.PR_SET_SECUREBITS:
		return append(ps, longFlagsArg(&secBits))
	case linux.PR_SET_KEEPCAPS, linux.PR_SET_TIMERSLACK, linux.PR_SET_CHILD_SUBREAPER:
		return append(ps, ulongArg)
	case linux.PR_SET_NO_NEW_PRIVS, linux.PR_GET_NO_NEW_PRIVS, linux.PR_SET_THP_DISABLE, linux.PR_GET_THP_DISABLE:
		return append(ps, ulongArg, ulongArg, ulongArg, ulongArg)
	case linux.PR_CAP_AMBIENT:
		return append(ps, enumArg(&prCapAmbient), enumArg(&capabilities), ulongArg, ulongArg)
	case linux.PR_SET_VMA:
		return append(ps, enumArg(&prVMA), hexArg, ulongArg, textArg)
	case linux.PR_SET_MM:
		return append(ps, enumArg(&prSetMM), hexArg, hexArg, hexArg)
	case linux.PR_SET_PTRACER:
		return append(ps, param{show: func(p *printer, i int) {
			if int64(p.arg(i)) == linux.PR_SET_PTRACER_ANY {
				p.str("PR_SET_PTRACER_ANY")
			} else {
				p.udec(p.arg(i))
			}
		}})
	}
	return append(ps, hexArg, hexArg, hexArg, hexArg)
}

// prctlNote names what a query returned.
func prctlNote(p *printer) {
	switch uint32(p.arg(0)) {
	case linux.PR_GET_DUMPABLE:
		p.enum(p.ret, &dumpables)
	case linux.PR_GET_SECUREBITS:
		p.flags(p.ret, &secBits)
	case linux.PR_GET_SECCOMP:
		p.enum(p.ret, &seccompModes)
	}
}

// membarrierResult and membarrierNote name the commands that a query returns.
func membarrierResult(p *printer) {
	if p.arg(0) == linux.MEMBARRIER_CMD_QUERY {
		p.hex(p.ret)
	} else {
		p.dec(int64(p.ret))
	}
}

func membarrierNote(p *printer) {
	if p.arg(0) == linux.MEMBARRIER_CMD_QUERY {
		p.flags(p.ret, &membarrierCmds)
	}
}

// ptraceParams chooses ptrace(2)'s arguments by its request.
func ptraceParams(a *[6]uint64) []param {
	ps := []param{enumArg(&ptraceRequests)}
	switch uint32(a[0]) {
	case linux.PTRACE_TRACEME:
		return ps
	case linux.PTRACE_PEEKTEXT, linux.PTRACE_PEEKDATA, linux.PTRACE_PEEKUSER:
		return append(ps, pidArg, hexArg, outHex)
	case linux.PTRACE_POKETEXT, linux.PTRACE_POKEDATA, linux.PTRACE_POKEUSER:
		return append(ps, pidArg, hexArg, hexArg)
	case linux.PTRACE_CONT, linux.PTRACE_DETACH, linux.PTRACE_SYSCALL, linux.PTRACE_SINGLESTEP,
		linux.PTRACE_SYSEMU, linux.PTRACE_LISTEN:
		return append(ps, pidArg, ptrArg, param{show: func(p *printer, i int) {
			p.signal(p.arg(i))
		}})
	case linux.PTRACE_SETOPTIONS, linux.PTRACE_SEIZE:
		return append(ps, pidArg, ptrArg, longFlagsArg(&ptraceOptions))
	case linux.PTRACE_GETEVENTMSG:
		return append(ps, pidArg, ptrArg, outULong)
	case linux.PTRACE_GETSIGINFO:
		return append(ps, pidArg, ptrArg, outInfo)
	case linux.PTRACE_SETSIGINFO:
		return append(ps, pidArg, ptrArg, inInfo)
	case linux.PTRACE_GETREGSET, linux.PTRACE_SETREGSET:
		return append(ps, pidArg, enumArg(&regsets), structArg(func(p *printer, v *linux.Iovec) {
			p.str("{iov_base=")
			p.ptr(v.Base)
			p.str(", iov_len=")
			p.udec(v.Len)
			p.str("}")
		}))
	case linux.PTRACE_ATTACH, linux.PTRACE_INTERRUPT, linux.PTRACE_KILL:
		return append(ps, pidArg)
	}
	return append(ps, pidArg, ptrArg, ptrArg)
}
