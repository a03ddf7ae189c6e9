package trap

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

//go:embed stub_amd64.s
var stubSource string

// defines returns the constants of stub_amd64.s. Macros with arguments or bodies are left out.
func defines(t *testing.T) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	for _, m := range regexp.MustCompile(`(?m)^#define ([A-Za-z0-9_]+)[ \t]+(\S+)(?:[ \t]+//.*)?$`).FindAllStringSubmatch(stubSource, -1) {
		text, not := strings.CutPrefix(strings.TrimPrefix(m[2], "$"), "~")
		v, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			continue
		}
		if not {
			v = ^v
		}
		all[m[1]] = v
	}
	return all
}

// TestAssemblyConstants compares every constant of stub_amd64.s with what Go says.
func TestAssemblyConstants(t *testing.T) {
	var (
		a area
		c clockPage
	)
	regs := func(offset uintptr) uint64 { return uint64(unsafe.Offsetof(a.regs) + offset) }
	want := map[string]uint64{
		"AREA_MASK": ^uint64(areaSize - 1),

		"SELF":          uint64(unsafe.Offsetof(a.self)),
		"MAGIC":         uint64(unsafe.Offsetof(a.magic)),
		"TURN":          uint64(unsafe.Offsetof(a.turn)),
		"STUB_ASLEEP":   uint64(unsafe.Offsetof(a.stubAsleep)),
		"SENTRY_ASLEEP": uint64(unsafe.Offsetof(a.sentryAsleep)),
		"SPIN":          uint64(unsafe.Offsetof(a.spin)),
		"EVENT":         uint64(unsafe.Offsetof(a.event)),
		"COMMAND":       uint64(unsafe.Offsetof(a.command)),
		"SIGNO":         uint64(unsafe.Offsetof(a.signo)),
		"HOW":           uint64(unsafe.Offsetof(a.how)),
		"FRAME":         uint64(unsafe.Offsetof(a.frame)),
		"INFO":          uint64(unsafe.Offsetof(a.info)),
		"FPU":           uint64(unsafe.Offsetof(a.fpu)),
		"FEATURES":      uint64(unsafe.Offsetof(a.features)),
		"GUEST_GS":      uint64(unsafe.Offsetof(a.guestGS)),
		"SET_GS":        uint64(unsafe.Offsetof(a.setGS)),
		"CODE":          uint64(unsafe.Offsetof(a.code)),
		"CODE_SIZE":     uint64(unsafe.Offsetof(a.codeSize)),
		"HANDLER_END":   uint64(unsafe.Offsetof(a.handlerEnd)),
		"ENTER":         uint64(unsafe.Offsetof(a.enter)),
		"POSTED":        uint64(unsafe.Offsetof(a.posted)),
		"POSTED_END":    uint64(unsafe.Offsetof(a.postedStop)),
		"VALUES":        uint64(unsafe.Offsetof(a.values)),
		"ALT_STACK":     uint64(unsafe.Offsetof(a.altStack)),
		"OWN_CALLS":     codeAddr + callsOffset,
		"RESULT":        uint64(unsafe.Offsetof(a.result)),
		"CALL_FLAGS":    uint64(unsafe.Offsetof(a.flags)),
		"FLAGS_IN":      uint64(unsafe.Offsetof(a.flagsIn)),
		"CPU":           uint64(unsafe.Offsetof(a.cpu)),
		"NO_SIGNALS":    codeAddr + maskOffset,
		"KINDS":         uint64(unsafe.Offsetof(a.kinds)),
		"CALLS":         uint64(len(a.kinds)),
		"FPU_AREA":      fpuOffset,

		"REG_R15":     regs(unsafe.Offsetof(a.regs.R15)),
		"REG_R14":     regs(unsafe.Offsetof(a.regs.R14)),
		"REG_R13":     regs(unsafe.Offsetof(a.regs.R13)),
		"REG_R12":     regs(unsafe.Offsetof(a.regs.R12)),
		"REG_BP":      regs(unsafe.Offsetof(a.regs.Rbp)),
		"REG_BX":      regs(unsafe.Offsetof(a.regs.Rbx)),
		"REG_R11":     regs(unsafe.Offsetof(a.regs.R11)),
		"REG_R10":     regs(unsafe.Offsetof(a.regs.R10)),
		"REG_R9":      regs(unsafe.Offsetof(a.regs.R9)),
		"REG_R8":      regs(unsafe.Offsetof(a.regs.R8)),
		"REG_AX":      regs(unsafe.Offsetof(a.regs.Rax)),
		"REG_CX":      regs(unsafe.Offsetof(a.regs.Rcx)),
		"REG_DX":      regs(unsafe.Offsetof(a.regs.Rdx)),
		"REG_SI":      regs(unsafe.Offsetof(a.regs.Rsi)),
		"REG_DI":      regs(unsafe.Offsetof(a.regs.Rdi)),
		"REG_ORIG_AX": regs(unsafe.Offsetof(a.regs.OrigRax)),
		"REG_IP":      regs(unsafe.Offsetof(a.regs.Rip)),
		"REG_FLAGS":   regs(unsafe.Offsetof(a.regs.Eflags)),
		"REG_SP":      regs(unsafe.Offsetof(a.regs.Rsp)),
		"REG_FS_BASE": regs(unsafe.Offsetof(a.regs.FsBase)),

		"UC_R8":      ucR8,
		"UC_DI":      ucRdi,
		"UC_SI":      ucRsi,
		"UC_DX":      ucRdx,
		"UC_SP":      ucRsp,
		"UC_IP":      ucRip,
		"UC_FPSTATE": ucCR2 + 8, // cr2 and fpstate follow each other

		"CLOCK_PAGE":     clockAddr,
		"CLOCK_SEQ":      uint64(unsafe.Offsetof(c.seq)),
		"CLOCK_USABLE":   uint64(unsafe.Offsetof(c.usable)),
		"CLOCK_BASE_TSC": uint64(unsafe.Offsetof(c.baseTSC)),
		"CLOCK_BASE_NS":  uint64(unsafe.Offsetof(c.baseNS)),
		"CLOCK_MULT":     uint64(unsafe.Offsetof(c.mult)),
		"CLOCK_REAL_NS":  uint64(unsafe.Offsetof(c.realNS)),
		"CLOCK_BOOT_NS":  uint64(unsafe.Offsetof(c.bootNS)),

		"TURN_SENTRY":        turnSentry,
		"TURN_GUEST":         turnGuest,
		"EVENT_SIGNAL":       eventSignal,
		"EVENT_CALL":         eventCall,
		"EVENT_INTERRUPTED":  eventInterrupted,
		"EVENT_SAVED":        eventSaved,
		"HOW_FAST":           howFast,
		"COMMAND_SAVE":       commandSave,
		"KICK":               kickSignal,
		"MAGIC_VALUE":        magicValue,
		"KIND_SPECIAL":       uint64(len(a.values)),
		"KIND_YIELD":         kindYield,
		"KIND_CLOCK":         kindClock,
		"KIND_FUTEX":         kindFutex,
		"WAITS":              siteTable + waitCounters,
		"WAITS_MASK":         numWaits - 1,
		"USER_END":           userEnd,
		"FUTEX_WAKE_PRIVATE": 129,
		"KIND_CPU":           kindCPU,
		"VALUE_CPUS":         kindCPUs,

		"SYS_rt_sigprocmask": sysRtSigprocmask,
		"SYS_sched_yield":    sysSchedYield,
		"SYS_sigaltstack":    sysSigaltstack,
		"SYS_futex":          sysFutex,
		"SYS_getcpu":         309,
		"SYS_prctl":          157,
		"SYS_exit_group":     231,
	}
	got := defines(t)
	for name, v := range got {
		w, ok := want[name]
		switch {
		case name == "GS_TAKEN": // TestMarks looks there
		case name == "SCRATCH_END":
			// Room for a word that nothing else uses.
			if v-8 < uint64(unsafe.Offsetof(a.altStack)+unsafe.Sizeof(a.altStack)) || v > uint64(unsafe.Offsetof(a.kinds)) {
				t.Errorf("SCRATCH_END is %#x", v)
			}
		case !ok:
			t.Errorf("%s is %#x, and this test does not know it", name, v)
		case v != w:
			t.Errorf("%s is %#x, Go says %#x", name, v, w)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not in the assembly", name)
		}
	}
}

func TestAreaLayout(t *testing.T) {
	var a area
	if n := unsafe.Sizeof(a); n > fpuOffset {
		t.Errorf("an area begins with %d bytes, the FPU state lies at %#x", n, fpuOffset)
	}
	if n := unsafe.Sizeof(a.regs); n != 27*8 {
		t.Errorf("registers of %d bytes", n)
	}
	if uintptr(len(a.values)) <= kindEGID {
		t.Errorf("%d values", len(a.values))
	}
	// XSAVE wants 64 bytes' alignment, PUSHFQ and IRETQ eight.
	if fpuOffset%64 != 0 || unsafe.Offsetof(a.regs)%8 != 0 {
		t.Error("misaligned")
	}
	// IRETQ pops rip, cs, rflags, rsp and ss.
	r := &a.regs
	for i, at := range []uintptr{unsafe.Offsetof(r.Rip), unsafe.Offsetof(r.Cs), unsafe.Offsetof(r.Eflags), unsafe.Offsetof(r.Rsp), unsafe.Offsetof(r.Ss)} {
		if at != unsafe.Offsetof(r.Rip)+8*uintptr(i) {
			t.Errorf("word %d of what IRETQ pops lies at %#x", i, at)
		}
	}
	if s := &a.altStack; unsafe.Offsetof(s.flags) != 8 || unsafe.Offsetof(s.size) != 16 {
		t.Error("the host lays out stack_t otherwise (sigaltstack(2))")
	}
	for _, k := range answerKinds {
		if k.nr >= len(a.kinds) || k.kind < kindYield && int(k.kind) >= len(a.values) {
			t.Errorf("call %d has kind %d", k.nr, k.kind)
		}
	}
	if areaSize&(areaSize-1) != 0 || areaAddr%areaSize != 0 {
		t.Errorf("areas of %#x bytes from %#x", areaSize, areaAddr)
	}
}
