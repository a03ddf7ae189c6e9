package linux

// Commands of quotactl(2): QCMD(cmd, type) is cmd<<SUBCMDSHIFT | type.
const (
	SUBCMDMASK  = 0xff
	SUBCMDSHIFT = 8
	MAXQUOTAS   = 3
	Q_SYNC      = 0x800001
)
