package linux

// Terminal requests (ioctl_tty(2)).
const (
	TCGETS          = 0x5401
	TCSETS          = 0x5402
	TCSETSW         = 0x5403
	TCSETSF         = 0x5404
	TCGETA          = 0x5405
	TCSETA          = 0x5406
	TCSETAW         = 0x5407
	TCSETAF         = 0x5408
	TCSBRK          = 0x5409
	TCXONC          = 0x540a
	TCFLSH          = 0x540b
	TIOCEXCL        = 0x540c
	TIOCNXCL        = 0x540d
	TIOCSCTTY       = 0x540e
	TIOCGPGRP       = 0x540f
	TIOCSPGRP       = 0x5410
	TIOCOUTQ        = 0x5411
	TIOCSTI         = 0x5412
	TIOCGWINSZ      = 0x5413
	TIOCSWINSZ      = 0x5414
	TIOCMGET        = 0x5415
	TIOCMBIS        = 0x5416
	TIOCMBIC        = 0x5417
	TIOCMSET        = 0x5418
	TIOCGSOFTCAR    = 0x5419
	TIOCSSOFTCAR    = 0x541a
	TIOCINQ         = 0x541b
	TIOCLINUX       = 0x541c
	TIOCCONS        = 0x541d
	TIOCGSERIAL     = 0x541e
	TIOCSSERIAL     = 0x541f
	TIOCPKT         = 0x5420
	TIOCNOTTY       = 0x5422
	TIOCSETD        = 0x5423
	TIOCGETD        = 0x5424
	TCSBRKP         = 0x5425
	TIOCSBRK        = 0x5427
	TIOCCBRK        = 0x5428
	TIOCGSID        = 0x5429
	TIOCGRS485      = 0x542e
	TIOCSRS485      = 0x542f
	TIOCGPTN        = 0x80045430
	TIOCSPTLCK      = 0x40045431
	TIOCGDEV        = 0x80045432
	TCGETX          = 0x5432
	TCSETX          = 0x5433
	TCSETXF         = 0x5434
	TCSETXW         = 0x5435
	TIOCSIG         = 0x40045436
	TIOCVHANGUP     = 0x5437
	TIOCGPKT        = 0x80045438
	TIOCGPTLCK      = 0x80045439
	TIOCGEXCL       = 0x80045440
	TIOCGPTPEER     = 0x5441
	TIOCSERCONFIG   = 0x5453
	TIOCSERGWILD    = 0x5454
	TIOCSERSWILD    = 0x5455
	TIOCGLCKTRMIOS  = 0x5456
	TIOCSLCKTRMIOS  = 0x5457
	TIOCSERGSTRUCT  = 0x5458
	TIOCSERGETLSR   = 0x5459
	TIOCSERGETMULTI = 0x545a
	TIOCSERSETMULTI = 0x545b
	TIOCMIWAIT      = 0x545c
	TIOCGICOUNT     = 0x545d
)

// Requests for Termios2.
const (
	TCGETS2  = 0x802c542a
	TCSETS2  = 0x402c542b
	TCSETSW2 = 0x402c542c
	TCSETSF2 = 0x402c542d
)

// Queue selectors of TCFLSH and actions of TCXONC.
const (
	TCIFLUSH  = 0
	TCOFLUSH  = 1
	TCIOFLUSH = 2
	TCOOFF    = 0
	TCOON     = 1
	TCIOFF    = 2
	TCION     = 3
)

// NCCS is the number of control characters in the kernel's struct termios.
const NCCS = 19

// Termios is the kernel's struct termios (TCGETS), smaller than libc's.
type Termios struct {
	Iflag uint32
	Oflag uint32
	Cflag uint32
	Lflag uint32
	Line  uint8
	CC    [NCCS]uint8
}

// Termios2 is struct termios2 (TCGETS2).
type Termios2 struct {
	Iflag  uint32
	Oflag  uint32
	Cflag  uint32
	Lflag  uint32
	Line   uint8
	CC     [NCCS]uint8
	Ispeed uint32
	Ospeed uint32
}

// Termio is the older struct termio (TCGETA).
type Termio struct {
	Iflag uint16
	Oflag uint16
	Cflag uint16
	Lflag uint16
	Line  uint8
	CC    [8]uint8
	_     [1]byte
}

// Winsize is struct winsize (TIOCGWINSZ).
type Winsize struct {
	Row    uint16
	Col    uint16
	Xpixel uint16
	Ypixel uint16
}

// Indices of control characters in Termios.CC.
const (
	VINTR    = 0
	VQUIT    = 1
	VERASE   = 2
	VKILL    = 3
	VEOF     = 4
	VTIME    = 5
	VMIN     = 6
	VSWTC    = 7
	VSTART   = 8
	VSTOP    = 9
	VSUSP    = 10
	VEOL     = 11
	VREPRINT = 12
	VDISCARD = 13
	VWERASE  = 14
	VLNEXT   = 15
	VEOL2    = 16
)

// Bits of Termios.Iflag.
const (
	IGNBRK  = 0o1
	BRKINT  = 0o2
	IGNPAR  = 0o4
	PARMRK  = 0o10
	INPCK   = 0o20
	ISTRIP  = 0o40
	INLCR   = 0o100
	IGNCR   = 0o200
	ICRNL   = 0o400
	IXANY   = 0o4000
	IUCLC   = 0o1000
	IXON    = 0o2000
	IXOFF   = 0o10000
	IMAXBEL = 0o20000
	IUTF8   = 0o40000
)

// Bits of Termios.Oflag.
const (
	OPOST  = 0o1
	OCRNL  = 0o10
	ONOCR  = 0o20
	ONLRET = 0o40
	OFILL  = 0o100
	OFDEL  = 0o200
	OLCUC  = 0o2
	ONLCR  = 0o4
	NLDLY  = 0o400
	NL0    = 0o0
	NL1    = 0o400
	CRDLY  = 0o3000
	CR0    = 0o0
	CR1    = 0o1000
	CR2    = 0o2000
	CR3    = 0o3000
	TABDLY = 0o14000
	TAB0   = 0o0
	TAB1   = 0o4000
	TAB2   = 0o10000
	TAB3   = 0o14000
	XTABS  = 0o14000
	BSDLY  = 0o20000
	BS0    = 0o0
	BS1    = 0o20000
	VTDLY  = 0o40000
	VT0    = 0o0
	VT1    = 0o40000
	FFDLY  = 0o100000
	FF0    = 0o0
	FF1    = 0o100000
)

// Bits of Termios.Cflag.
const (
	B0       = 0o0
	B50      = 0o1
	B75      = 0o2
	B110     = 0o3
	B134     = 0o4
	B150     = 0o5
	B200     = 0o6
	B300     = 0o7
	B600     = 0o10
	B1200    = 0o11
	B1800    = 0o12
	B2400    = 0o13
	B4800    = 0o14
	B9600    = 0o15
	B19200   = 0o16
	B38400   = 0o17
	ADDRB    = 0o4000000000
	CMSPAR   = 0o10000000000
	CRTSCTS  = 0o20000000000
	IBSHIFT  = 0o20
	CBAUD    = 0o10017
	CSIZE    = 0o60
	CS5      = 0o0
	CS6      = 0o20
	CS7      = 0o40
	CS8      = 0o60
	CSTOPB   = 0o100
	CREAD    = 0o200
	PARENB   = 0o400
	PARODD   = 0o1000
	HUPCL    = 0o2000
	CLOCAL   = 0o4000
	CBAUDEX  = 0o10000
	BOTHER   = 0o10000
	B57600   = 0o10001
	B115200  = 0o10002
	B230400  = 0o10003
	B460800  = 0o10004
	B500000  = 0o10005
	B576000  = 0o10006
	B921600  = 0o10007
	B1000000 = 0o10010
	B1152000 = 0o10011
	B1500000 = 0o10012
	B2000000 = 0o10013
	B2500000 = 0o10014
	B3000000 = 0o10015
	B3500000 = 0o10016
	B4000000 = 0o10017
	CIBAUD   = 0o2003600000
)

// Bits of Termios.Lflag.
const (
	ISIG    = 0o1
	ICANON  = 0o2
	XCASE   = 0o4
	ECHO    = 0o10
	ECHOE   = 0o20
	ECHOK   = 0o40
	ECHONL  = 0o100
	NOFLSH  = 0o200
	TOSTOP  = 0o400
	ECHOCTL = 0o1000
	ECHOPRT = 0o2000
	ECHOKE  = 0o4000
	FLUSHO  = 0o10000
	PENDIN  = 0o40000
	IEXTEN  = 0o100000
	EXTPROC = 0o200000
)

// Line disciplines.
const (
	N_TTY = 0
)

// Modem lines (TIOCMGET) and packet mode (TIOCPKT).
const (
	TIOCPKT_DATA       = 0x0
	TIOCPKT_FLUSHREAD  = 0x1
	TIOCPKT_FLUSHWRITE = 0x2
	TIOCPKT_STOP       = 0x4
	TIOCPKT_START      = 0x8
	TIOCPKT_NOSTOP     = 0x10
	TIOCPKT_DOSTOP     = 0x20
	TIOCPKT_IOCTL      = 0x40
	TIOCSER_TEMT       = 0x1
	TIOCM_LE           = 0x1
	TIOCM_DTR          = 0x2
	TIOCM_RTS          = 0x4
	TIOCM_ST           = 0x8
	TIOCM_SR           = 0x10
	TIOCM_CTS          = 0x20
	TIOCM_CAR          = 0x40
	TIOCM_RNG          = 0x80
	TIOCM_DSR          = 0x100
	TIOCM_CD           = 0x40
	TIOCM_RI           = 0x80
	TIOCM_LOOP         = 0x8000
)

// DefaultTermios is what a new terminal starts with: cooked mode, 38400 baud
// (drivers/tty/tty_io.c, tty_std_termios).
var DefaultTermios = Termios{
	Iflag: ICRNL | IXON,
	Oflag: OPOST | ONLCR,
	Cflag: B38400 | CS8 | CREAD | HUPCL,
	Lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	CC: [NCCS]uint8{
		VINTR:    'C' - '@',
		VQUIT:    '\\' - '@',
		VERASE:   0x7f,
		VKILL:    'U' - '@',
		VEOF:     'D' - '@',
		VMIN:     1,
		VSTART:   'Q' - '@',
		VSTOP:    'S' - '@',
		VSUSP:    'Z' - '@',
		VREPRINT: 'R' - '@',
		VDISCARD: 'O' - '@',
		VWERASE:  'W' - '@',
		VLNEXT:   'V' - '@',
	},
}
