package strace

import (
	"strconv"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// param is one argument of a call. An out parameter is shown when the call returns.
type param struct {
	show func(p *printer, i int)
	out  bool
}

// signature says how a call is printed.
type signature struct {
	params []param
	// pick chooses the parameters by the arguments, where they depend on them.
	pick func(a *[6]uint64) []param
	// enter runs before the parameters are shown, to save what the call overwrites.
	enter func(p *printer)
	// result prints the value of a successful call; nil is decimal.
	result func(p *printer)
	// note prints what stands in parentheses behind the result.
	note func(p *printer)
}

func lookup(nr uint64) *signature {
	if nr < uint64(len(table)) && linux.SyscallName(nr) != "" {
		return &table[nr]
	}
	return nil
}

func (c *Call) params() []param {
	s := lookup(c.Nr)
	switch {
	case s == nil:
		return raw
	case s.pick != nil:
		return s.pick(&c.Args)
	}
	return s.params
}

// raw prints the arguments of a call that Linux does not have.
var raw = []param{hexArg, hexArg, hexArg, hexArg, hexArg, hexArg}

// Name returns the call's name, such as "openat" or "syscall_0x3e7".
func (c *Call) Name() string {
	if n := linux.SyscallName(c.Nr); n != "" {
		return n
	}
	return "syscall_0x" + strconv.FormatUint(c.Nr, 16)
}

// Enter starts a call of which only the registers are known, and returns the text
// up to the first argument that the call itself fills in, such as `read(3, `.
func Enter(nr uint64, args [6]uint64, mem Memory) (Call, string) {
	c := Call{Nr: nr, Args: args}
	p := &printer{c: &c, mem: mem}
	if s := lookup(nr); s != nil && s.enter != nil {
		s.enter(p)
	}
	p.str(c.Name(), "(")
	params := c.params()
	for c.shown < len(params) && !params[c.shown].out {
		c.next(p, params)
	}
	return c, string(p.b)
}

// next shows the next argument, and the comma if another follows.
func (c *Call) next(p *printer, params []param) {
	if show := params[c.shown].show; show != nil {
		show(p, c.shown)
		if c.shown+1 < len(params) {
			p.str(", ")
		}
	}
	c.shown++
}

// resultColumn is where strace aligns results.
const resultColumn = 40

// Exit returns the rest of the line without its newline: the arguments that the
// call filled in, and " = " with the result. column is the length of the line so far.
// err is nil or what the call returned, including the restart codes.
func (c *Call) Exit(mem Memory, ret uint64, err error, column int) string {
	p := &printer{c: c, mem: mem, exiting: true, ret: ret, err: err}
	params := c.params()
	for c.shown < len(params) {
		c.next(p, params)
	}
	p.str(")")
	if pad := resultColumn - column - len(p.b); pad > 0 {
		p.str(strings.Repeat(" ", pad))
	} else {
		p.str(" ")
	}
	p.str("= ")
	p.result()
	return string(p.b)
}

// restartNotes are strace's explanations of the restart codes.
var restartNotes = map[errno.Errno]string{
	errno.ERESTARTSYS:           "To be restarted if SA_RESTART is set",
	errno.ERESTARTNOINTR:        "To be restarted",
	errno.ERESTARTNOHAND:        "To be restarted if no handler",
	errno.ERESTART_RESTARTBLOCK: "Interrupted by signal",
}

func (p *printer) result() {
	s := lookup(p.c.Nr)
	if e, ok := p.err.(errno.Errno); ok {
		if note, ok := restartNotes[e]; ok {
			p.str("? ", e.Error(), " (", note, ")")
			return
		}
		p.str("-1 ", e.Error(), " (", e.Message(), ")")
		return
	} else if p.err != nil {
		p.str("? (", p.err.Error(), ")")
		return
	}
	if s != nil && s.result != nil {
		s.result(p)
	} else {
		p.dec(int64(p.ret))
	}
	if s == nil || s.note == nil {
		return
	}
	at := len(p.b)
	p.str(" (")
	s.note(p)
	if len(p.b) == at+2 {
		p.b = p.b[:at]
		return
	}
	p.str(")")
}

// Results other than decimal numbers.
func retHex(p *printer) { p.hex(p.ret) }
func retPtr(p *printer) { p.ptr(p.ret) }
func retOct(p *printer) { p.oct(p.ret) }
func retNone(p *printer) {
	p.str("?")
}
