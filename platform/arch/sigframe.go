package arch

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
)

// Stack is the guest memory that signal frames are written to and read from.
// Both methods fail with EFAULT unless they transfer everything.
type Stack interface {
	CopyOut(a addr.Addr, b []byte) (int, error)
	CopyIn(a addr.Addr, b []byte) (int, error)
}

// SignalInfoSize is the length of a siginfo_t.
const SignalInfoSize = 128

// AltStack is an alternate signal stack (struct stack of sigaltstack(2)), as a
// frame keeps it.
type AltStack struct {
	SP    addr.Addr
	Flags uint32 // SS_DISABLE, SS_AUTODISARM
	Size  uint64
}

// Flags of AltStack (uapi/linux/signal.h).
const (
	ssDisable    = 2
	ssAutodisarm = 1 << 31
)

// Contains reports whether a stack pointer lies on s (Linux: __on_sig_stack).
func (s *AltStack) Contains(sp addr.Addr) bool {
	return sp > s.SP && uint64(sp-s.SP) <= s.Size
}

// On reports whether a thread whose stack pointer is sp runs on s for the purposes of
// signal delivery and sigaltstack(2): never with SS_AUTODISARM (Linux: on_sig_stack).
func (s *AltStack) On(sp addr.Addr) bool {
	return s.Flags&ssAutodisarm == 0 && s.Contains(sp)
}

// SignalFrame says what PushSignalFrame is to deliver.
type SignalFrame struct {
	Signo    int32
	Info     [SignalInfoSize]byte
	HasInfo  bool      // SA_SIGINFO: else the frame's siginfo stays as the stack was
	Handler  addr.Addr // sa_handler
	Restorer addr.Addr // sa_restorer, the handler's return address
	Mask     uint64    // signals blocked when the handler returns

	AltStack    AltStack // the thread's, whether in use or not
	UseAltStack bool     // SA_ONSTACK

	FPU FPUState

	// The last exception of the thread (sigcontext): zero if there was none.
	Trapno, ErrorCode, CR2 uint64
}

// Layout of struct rt_sigframe (arch/x86/include/asm/sigframe.h): the return
// address, struct ucontext, siginfo. The FPU state lies above it.
const (
	frameUC      = 8
	frameContext = frameUC + 40 // uc_mcontext
	frameMask    = frameUC + 296
	frameInfo    = frameUC + 304
	frameSize    = frameInfo + SignalInfoSize

	// Words of struct sigcontext_64.
	scR8, scR9, scR10, scR11, scR12, scR13, scR14, scR15   = 0, 8, 16, 24, 32, 40, 48, 56
	scRdi, scRsi, scRbp, scRbx, scRdx, scRax, scRcx, scRsp = 64, 72, 80, 88, 96, 104, 112, 120
	scRip, scFlags, scCs, scSs                             = 128, 136, 144, 150
	scErr, scTrapno, scOldmask, scCR2, scFPState           = 152, 160, 168, 176, 184
	scReserved                                             = 192

	// uc_flags (uapi/asm/ucontext.h).
	ucFPXState        = 1
	ucSigcontextSS    = 2
	ucStrictRestoreSS = 4

	fpXStateMagic1 = 0x46505853
	fpXStateMagic2 = 0x46505845

	redZone = 128

	// Bits of eflags that a handler starts without, and those that a frame may set.
	eflagsTF, eflagsDF, eflagsRF = 0x100, 0x400, 0x10000
	eflagsFromFrame              = 0x40dd5 | eflagsRF // AC OF DF TF SF ZF AF PF CF RF

	// userTop is where Linux's user addresses end with four-level page tables.
	userTop = 1<<47 - addr.PageSize
)

// PushSignalFrame lays out f on the guest's stack as Linux does (rt_sigframe) and
// changes r to start the handler. On EFAULT r is as it was; Linux then forces
// SIGSEGV. The caller afterwards resets the FPU state, and the alternate stack if
// it has SS_AUTODISARM.
func (r *Registers) PushSignalFrame(st Stack, f *SignalFrame) error {
	sp := r.SP()
	onAlt := f.AltStack.On(sp)
	sp -= redZone
	if f.UseAltStack && f.AltStack.Size != 0 && !f.AltStack.On(sp) {
		sp = f.AltStack.SP + addr.Addr(f.AltStack.Size)
		onAlt = true
	}
	fpu := (sp - addr.Addr(len(f.FPU)+4)) &^ 63
	base := ((fpu - frameSize) &^ 15) - 8
	if onAlt && !f.AltStack.Contains(base) {
		return errno.EFAULT
	}
	if base >= userTop || fpu < base || fpu+addr.Addr(len(f.FPU)+4) > userTop {
		return errno.EFAULT
	}
	head := make([]byte, frameSize)
	f.marshal(r, head, fpu)
	n := frameSize
	if !f.HasInfo {
		n = frameInfo
	}
	// Linux leaves padding, the reserved words of sigcontext and the siginfo that
	// nobody asked for as they were on the stack.
	for _, part := range [][2]int{{0, frameUC + 28}, {frameUC + 32, frameContext + scReserved}, {frameMask, n}} {
		if _, err := st.CopyOut(base+addr.Addr(part[0]), head[part[0]:part[1]]); err != nil {
			return errno.EFAULT
		}
	}
	if _, err := st.CopyOut(fpu, f.FPU.marshalForFrame()); err != nil {
		return errno.EFAULT
	}
	r.Rdi = uint64(f.Signo)
	r.Rsi = uint64(base + frameInfo)
	r.Rdx = uint64(base + frameUC)
	r.Rax = 0
	r.Rip = uint64(f.Handler)
	r.Rsp = uint64(base)
	r.Cs, r.Ss = UserCS, UserDS
	r.Eflags &^= eflagsTF | eflagsDF | eflagsRF
	r.OrigRax = ^uint64(0)
	return nil
}

// marshal writes struct rt_sigframe into b.
func (f *SignalFrame) marshal(r *Registers, b []byte, fpu addr.Addr) {
	le := binary.LittleEndian
	le.PutUint64(b, uint64(f.Restorer))
	uc := b[frameUC:]
	le.PutUint64(uc[0:], ucFPXState|ucSigcontextSS|ucStrictRestoreSS)
	le.PutUint64(uc[16:], uint64(f.AltStack.SP))
	le.PutUint32(uc[24:], f.AltStack.Flags)
	le.PutUint64(uc[32:], f.AltStack.Size)
	sc := b[frameContext:]
	for _, w := range r.sigcontext() {
		le.PutUint64(sc[w.off:], *w.reg)
	}
	le.PutUint64(sc[scFlags:], r.Eflags)
	le.PutUint16(sc[scCs:], UserCS)
	le.PutUint16(sc[scSs:], UserDS)
	le.PutUint64(sc[scErr:], f.ErrorCode)
	le.PutUint64(sc[scTrapno:], f.Trapno)
	le.PutUint64(sc[scOldmask:], f.Mask)
	le.PutUint64(sc[scCR2:], f.CR2)
	le.PutUint64(sc[scFPState:], uint64(fpu))
	le.PutUint64(b[frameMask:], f.Mask)
	copy(b[frameInfo:], f.Info[:])
}

// sigcontextWord ties a register to its place in struct sigcontext.
type sigcontextWord struct {
	off int
	reg *uint64
}

func (r *Registers) sigcontext() [17]sigcontextWord {
	return [...]sigcontextWord{
		{scR8, &r.R8}, {scR9, &r.R9}, {scR10, &r.R10}, {scR11, &r.R11},
		{scR12, &r.R12}, {scR13, &r.R13}, {scR14, &r.R14}, {scR15, &r.R15},
		{scRdi, &r.Rdi}, {scRsi, &r.Rsi}, {scRbp, &r.Rbp}, {scRbx, &r.Rbx},
		{scRdx, &r.Rdx}, {scRax, &r.Rax}, {scRcx, &r.Rcx}, {scRsp, &r.Rsp},
		{scRip, &r.Rip},
	}
}

// marshalForFrame returns f with the words that Linux adds in a signal frame
// (struct _fpx_sw_bytes, FP_XSTATE_MAGIC2).
func (f FPUState) marshalForFrame() []byte {
	le := binary.LittleEndian
	b := make([]byte, len(f)+4)
	copy(b, f)
	sw := b[fpuSoftware:fpuXStateBV]
	clear(sw)
	le.PutUint32(sw[0:], fpXStateMagic1)
	le.PutUint32(sw[4:], uint32(len(f)+4))
	le.PutUint64(sw[8:], hostFeatures())
	le.PutUint32(sw[16:], uint32(len(f)))
	// Linux always marks x87 and SSE as present for the sake of old handlers.
	le.PutUint64(b[fpuXStateBV:], le.Uint64(b[fpuXStateBV:])|fpSSE)
	le.PutUint32(b[len(f):], fpXStateMagic2)
	return b
}

// RestoredFrame is what a frame holds besides the registers.
type RestoredFrame struct {
	Mask     uint64
	AltStack AltStack // to be set as sigaltstack(2) would, errors but EFAULT ignored
	FPU      FPUState // safe to load
}

// ReadSignalFrame restores r from the frame that rt_sigreturn(2) finds at the stack
// pointer of r. The frame may be the guest's invention: what it must not choose
// (segments, privileged flags, impossible FPU state) it does not get. On error r is
// as it was; Linux forces SIGSEGV.
func ReadSignalFrame(st Stack, r *Registers) (RestoredFrame, error) {
	// The handler's RET has popped the return address.
	base := r.SP() - 8
	var b [frameInfo]byte
	if base >= userTop || base+frameSize > userTop {
		return RestoredFrame{}, errno.EFAULT
	}
	if _, err := st.CopyIn(base, b[:]); err != nil {
		return RestoredFrame{}, errno.EFAULT
	}
	le := binary.LittleEndian
	sc := b[frameContext:]
	fpu, err := readFPU(st, addr.Addr(le.Uint64(sc[scFPState:])))
	if err != nil {
		return RestoredFrame{}, err
	}
	n := *r
	for _, w := range n.sigcontext() {
		*w.reg = le.Uint64(sc[w.off:])
	}
	n.Eflags = n.Eflags&^eflagsFromFrame | le.Uint64(sc[scFlags:])&eflagsFromFrame
	n.Cs, n.Ss = UserCS, UserDS
	n.OrigRax = ^uint64(0)
	*r = n
	uc := b[frameUC:]
	return RestoredFrame{
		Mask:     le.Uint64(b[frameMask:]),
		AltStack: AltStack{SP: addr.Addr(le.Uint64(uc[16:])), Flags: le.Uint32(uc[24:]), Size: le.Uint64(uc[32:])},
		FPU:      fpu,
	}, nil
}

// readFPU reads the FPU state of a frame as Linux's fpu__restore_sig does: none
// means the initial state, and without the words that marshalForFrame writes only
// the FXSAVE area counts.
func readFPU(st Stack, a addr.Addr) (FPUState, error) {
	f := NewFPUState()
	if a == 0 {
		return f, nil
	}
	size := len(f)
	if a&63 != 0 || a >= userTop || a+addr.Addr(size+4) > userTop {
		return nil, errno.EFAULT
	}
	if _, err := st.CopyIn(a, f[:fpuXStateBV]); err != nil {
		return nil, errno.EFAULT
	}
	le := binary.LittleEndian
	sw := f[fpuSoftware:fpuXStateBV]
	extended, features, length := le.Uint32(sw[4:]), le.Uint64(sw[8:]), le.Uint32(sw[16:])
	full := le.Uint32(sw) == fpXStateMagic1 && length >= fpuHeaderEnd && int64(length) <= int64(size) && length <= extended
	if full {
		var magic [4]byte
		if _, err := st.CopyIn(a+addr.Addr(length), magic[:]); err != nil {
			return nil, errno.EFAULT
		}
		full = le.Uint32(magic[:]) == fpXStateMagic2
	}
	if full {
		if _, err := st.CopyIn(a+fpuXStateBV, f[fpuXStateBV:length]); err != nil {
			return nil, errno.EFAULT
		}
	} else {
		features = fpSSE
		le.PutUint64(f[fpuXStateBV:], fpSSE)
	}
	if !f.loadable() {
		return nil, errno.EFAULT
	}
	clear(sw)
	f.keepOnly(features)
	return f, nil
}
