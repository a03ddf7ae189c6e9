package socket

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/bpf"
	"ringfence/sentry/ktime"
	"ringfence/sentry/net/link"
	"ringfence/sentry/vfs"
)

// Sizes of buffers (/proc/sys/net/core). What setsockopt is given counts double.
const (
	DefaultBuf = 212992
	MaxBuf     = 212992
	minSndBuf  = 4608 // SOCK_MIN_SNDBUF
	minRcvBuf  = 2304 // SOCK_MIN_RCVBUF
)

// Base is what every socket has.
type Base struct {
	Queue wait.Queue
	// TellsSent says that the socket tells when it sent what (SO_TIMESTAMPING). Set before the socket is used.
	TellsSent bool

	net *Net // that the socket was made in and stays in; immutable

	filter   atomic.Pointer[bpf.Program] // changed under mu
	stamping atomic.Uint32               // SOF_TIMESTAMPING_* of SO_TIMESTAMPING; changed under mu

	mu           sync.Mutex
	opts         Options
	err          errno.Errno // pending (sk_err)
	filterLocked bool        // SO_LOCK_FILTER

	file  *vfs.File // not a reference; nil before there is one
	inode uint64
}

// Options are the values of SOL_SOCKET options.
type Options struct {
	SndBuf, RcvBuf         int32
	RcvLowat               int32
	RcvTimeout, SndTimeout int64 // nanoseconds, 0: forever
	Linger                 linux.Linger
	Priority, Mark         int32
	PassCred, PassPidfd    bool
	PassSec                bool
	ReuseAddr, ReusePort   bool
	KeepAlive, Broadcast   bool
	DontRoute, OOBInline   bool
	NoCheck, Debug         bool
	Timestamp, TimestampNS bool
	RxqOvfl, ZeroCopy      bool
	SelectErr              bool
	StampingNew            bool  // SO_TIMESTAMPING was set as SO_TIMESTAMPING_NEW
	BufLock                int32 // SO_BUF_LOCK: which sizes of buffers were set
	PeekOff                int32 // -1: off
	BusyPoll               int32
	Device                 string // SO_BINDTODEVICE
}

// Init puts the socket into a network and gives the options their defaults. Call it before anything else.
func (b *Base) Init(n *Net) {
	b.net = n
	b.opts = Options{SndBuf: DefaultBuf, RcvBuf: DefaultBuf, RcvLowat: 1, PeekOff: -1}
}

// Common returns b, for Sockets that embed it.
func (b *Base) Common() *Base { return b }

// Stamping returns the flags of SO_TIMESTAMPING.
func (b *Base) Stamping() uint32 { return b.stamping.Load() }

// Net returns the network that the socket is in.
func (b *Base) Net() *Net { return b.net }

func (b *Base) setFile(f *vfs.File) {
	b.net.used.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file, b.inode = f, f.Inode().Ino()
}

// File returns the open file of the socket without a reference, nil if it has none yet, and its
// inode number.
func (b *Base) File() (*vfs.File, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.file, b.inode
}

// Options returns the options.
func (b *Base) Options() Options {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opts
}

// Update changes the options.
func (b *Base) Update(fn func(*Options)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn(&b.opts)
}

// SetError makes e the pending error.
func (b *Base) SetError(e errno.Errno) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = e
}

// HasError reports whether an error is pending.
func (b *Base) HasError() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != 0
}

// TakeError returns the pending error, if any, and clears it (SO_ERROR).
func (b *Base) TakeError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == 0 {
		return nil
	}
	e := b.err
	b.err = 0
	return e
}

// RecvTimeout and SendTimeout return how long a blocking call waits, 0: forever.
func (b *Base) RecvTimeout() int64 { return b.Options().RcvTimeout }
func (b *Base) SendTimeout() int64 { return b.Options().SndTimeout }

// flagOption returns the boolean option of a name.
func (o *Options) flagOption(name int32) *bool {
	switch name {
	case linux.SO_DEBUG:
		return &o.Debug
	case linux.SO_REUSEADDR:
		return &o.ReuseAddr
	case linux.SO_REUSEPORT:
		return &o.ReusePort
	case linux.SO_DONTROUTE:
		return &o.DontRoute
	case linux.SO_BROADCAST:
		return &o.Broadcast
	case linux.SO_KEEPALIVE:
		return &o.KeepAlive
	case linux.SO_OOBINLINE:
		return &o.OOBInline
	case linux.SO_NO_CHECK:
		return &o.NoCheck
	case linux.SO_PASSCRED:
		return &o.PassCred
	case linux.SO_PASSPIDFD:
		return &o.PassPidfd
	case linux.SO_PASSSEC:
		return &o.PassSec
	case linux.SO_TIMESTAMP:
		return &o.Timestamp
	case linux.SO_TIMESTAMPNS:
		return &o.TimestampNS
	case linux.SO_RXQ_OVFL:
		return &o.RxqOvfl
	case linux.SO_SELECT_ERR_QUEUE:
		return &o.SelectErr
	}
	return nil
}

// SetOption sets an option of SOL_SOCKET as Linux does for every family; ENOPROTOOPT for names it
// does not know.
func (b *Base) SetOption(c Caller, name int32, value []byte) error {
	switch name {
	case linux.SO_RCVTIMEO_OLD, linux.SO_SNDTIMEO_OLD, linux.SO_RCVTIMEO_NEW, linux.SO_SNDTIMEO_NEW:
		return b.setTimeout(name == linux.SO_RCVTIMEO_OLD || name == linux.SO_RCVTIMEO_NEW, value)
	}
	if len(value) < 4 {
		return errno.EINVAL
	}
	if ok, err := b.setFilter(name, value); ok {
		return err
	}
	v := int32(binary.LittleEndian.Uint32(value))
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &b.opts
	if name == linux.SO_DEBUG && v != 0 && !b.net.Admin(c) {
		return errno.EACCES
	}
	if f := o.flagOption(name); f != nil {
		*f = v != 0
		return nil
	}
	switch name {
	case linux.SO_SNDBUF:
		o.SndBuf = max(min(max(v, 0), MaxBuf)*2, minSndBuf)
		o.BufLock |= sndBufLock
	case linux.SO_RCVBUF:
		o.RcvBuf = max(min(max(v, 0), MaxBuf)*2, minRcvBuf)
		o.BufLock |= rcvBufLock
	case linux.SO_SNDBUFFORCE:
		if !b.net.Admin(c) {
			return errno.EPERM
		}
		o.SndBuf = max(min(max(v, 0), maxForcedBuf)*2, minSndBuf)
		o.BufLock |= sndBufLock
	case linux.SO_RCVBUFFORCE:
		if !b.net.Admin(c) {
			return errno.EPERM
		}
		o.RcvBuf = max(min(max(v, 0), maxForcedBuf)*2, minRcvBuf)
		o.BufLock |= rcvBufLock
	case linux.SO_TIMESTAMPING_OLD, linux.SO_TIMESTAMPING_NEW:
		if err := b.mayStamp(uint32(v)); err != nil {
			return err
		}
		b.stamping.Store(uint32(v))
		o.StampingNew = name == linux.SO_TIMESTAMPING_NEW
	case linux.SO_BUF_LOCK:
		if v&^(sndBufLock|rcvBufLock) != 0 {
			return errno.EINVAL
		}
		o.BufLock = v
	case linux.SO_BINDTOIFINDEX:
		switch v {
		case 0:
			o.Device = ""
		case LoopbackIndex:
			o.Device = link.Name
		default:
			return errno.ENODEV
		}
	case linux.SO_RCVLOWAT:
		if v < 0 {
			v = math.MaxInt32
		}
		o.RcvLowat = max(v, 1)
	case linux.SO_PRIORITY:
		if (v < 0 || v > 6) && !b.net.Admin(c) && !b.net.Has(c, linux.CAP_NET_RAW) {
			return errno.EPERM
		}
		o.Priority = v
	case linux.SO_MARK:
		if !b.net.Admin(c) && !b.net.Has(c, linux.CAP_NET_RAW) {
			return errno.EPERM
		}
		o.Mark = v
	case linux.SO_LINGER:
		if len(value) < 8 {
			return errno.EINVAL
		}
		o.Linger.UnmarshalBytes(value)
		o.Linger.Onoff = b2i(o.Linger.Onoff != 0)
	case linux.SO_BUSY_POLL:
		if v < 0 {
			return errno.EINVAL
		}
		o.BusyPoll = v
	case linux.SO_TYPE, linux.SO_PROTOCOL, linux.SO_DOMAIN, linux.SO_ERROR, linux.SO_SNDLOWAT:
		return errno.ENOPROTOOPT
	default:
		return errno.ENOPROTOOPT
	}
	return nil
}

// mayStamp checks flags of SO_TIMESTAMPING. Sending is stamped only where there is a queue of errors to tell it.
func (b *Base) mayStamp(flags uint32) error {
	const sent = linux.SOF_TIMESTAMPING_TX_SOFTWARE | linux.SOF_TIMESTAMPING_TX_SCHED | linux.SOF_TIMESTAMPING_TX_ACK
	switch {
	case flags&^linux.SOF_TIMESTAMPING_MASK != 0,
		flags&linux.SOF_TIMESTAMPING_OPT_ID_TCP != 0 && flags&linux.SOF_TIMESTAMPING_OPT_ID == 0,
		flags&linux.SOF_TIMESTAMPING_OPT_STATS != 0 && flags&linux.SOF_TIMESTAMPING_OPT_TSONLY == 0:
		return errno.EINVAL
	case flags&sent != 0 && !b.TellsSent:
		return errno.EOPNOTSUPP
	}
	return nil
}

// Bits of SO_BUF_LOCK.
const (
	sndBufLock = 1
	rcvBufLock = 2
)

// maxForcedBuf bounds what even CAP_NET_ADMIN may ask of the sentry's memory.
const maxForcedBuf = 16 << 20

func (b *Base) setTimeout(recv bool, value []byte) error {
	if len(value) < 16 {
		return errno.EINVAL
	}
	var tv linux.Timeval
	tv.UnmarshalBytes(value)
	if tv.Usec < 0 || tv.Usec >= 1e6 {
		return errno.EDOM
	}
	ns := tv.Nanoseconds()
	if tv.Sec < 0 {
		ns = 1 // already over
	}
	if ns > 0 {
		// Linux counts in ticks, rounded up.
		if up := (ns + ktime.CoarseResolution - 1) / ktime.CoarseResolution * ktime.CoarseResolution; up > ns && tv.Sec >= 0 {
			ns = up
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if recv {
		b.opts.RcvTimeout = ns
	} else {
		b.opts.SndTimeout = ns
	}
	return nil
}

// Option returns an option of SOL_SOCKET that all families answer alike; ENOPROTOOPT for the rest.
func (b *Base) Option(s Socket, name int32) ([]byte, error) {
	family, typ, protocol := s.Kind()
	switch name {
	case linux.SO_GET_FILTER:
		return b.program(), nil
	case linux.SO_ERROR:
		if e, ok := b.TakeError().(errno.Errno); ok {
			return Int(int32(e)), nil
		}
		return Int(0), nil
	case linux.SO_TYPE:
		return Int(typ), nil
	case linux.SO_DOMAIN:
		return Int(family), nil
	case linux.SO_PROTOCOL:
		return Int(protocol), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &b.opts
	if f := o.flagOption(name); f != nil {
		return Int(b2i(*f)), nil
	}
	switch name {
	case linux.SO_SNDBUF:
		return Int(o.SndBuf), nil
	case linux.SO_RCVBUF:
		return Int(o.RcvBuf), nil
	case linux.SO_RCVLOWAT:
		return Int(o.RcvLowat), nil
	case linux.SO_SNDLOWAT:
		return Int(1), nil
	case linux.SO_PRIORITY:
		return Int(o.Priority), nil
	case linux.SO_MARK:
		return Int(o.Mark), nil
	case linux.SO_BUSY_POLL:
		return Int(o.BusyPoll), nil
	case linux.SO_LOCK_FILTER:
		return Int(b2i(b.filterLocked)), nil
	case linux.SO_NETNS_COOKIE:
		return binary.LittleEndian.AppendUint64(nil, b.net.Cookie), nil
	case linux.SO_BPF_EXTENSIONS:
		return Int(bpf.Extensions), nil
	case linux.SO_ZEROCOPY:
		return Int(b2i(o.ZeroCopy)), nil
	case linux.SO_LINGER:
		v := make([]byte, 8)
		o.Linger.MarshalBytes(v)
		return v, nil
	case linux.SO_RCVTIMEO_OLD, linux.SO_RCVTIMEO_NEW:
		return timevalBytes(o.RcvTimeout), nil
	case linux.SO_SNDTIMEO_OLD, linux.SO_SNDTIMEO_NEW:
		return timevalBytes(o.SndTimeout), nil
	case linux.SO_PEEK_OFF:
		return Int(o.PeekOff), nil
	case linux.SO_MAX_PACING_RATE: // none
		return binary.LittleEndian.AppendUint64(nil, math.MaxUint64), nil
	case linux.SO_MEMINFO:
		return o.MemInfo(), nil
	case linux.SO_BUF_LOCK:
		return Int(o.BufLock), nil
	case linux.SO_BINDTOIFINDEX:
		if o.Device != "" {
			return Int(LoopbackIndex), nil
		}
		return Int(0), nil
	case linux.SO_TIMESTAMPING_OLD, linux.SO_TIMESTAMPING_NEW: // struct so_timestamping
		return binary.LittleEndian.AppendUint64(nil, uint64(b.stamping.Load())), nil
	case linux.SO_TXTIME:
		return make([]byte, 8), nil
	case linux.SO_WIFI_STATUS, linux.SO_NOFCS, linux.SO_PREFER_BUSY_POLL, linux.SO_RESERVE_MEM, linux.SO_RCVMARK:
		return Int(0), nil
	case linux.SO_PEERGROUPS:
		return nil, errno.ENODATA
	case linux.SO_PEERCRED:
		v := make([]byte, 12)
		u := linux.Ucred{PID: 0, UID: ^uint32(0), GID: ^uint32(0)}
		u.MarshalBytes(v)
		return v, nil
	case linux.SO_BINDTODEVICE:
		if o.Device != "" {
			return []byte(o.Device + "\x00"), nil
		}
		return nil, nil
	case linux.SO_COOKIE:
		v := make([]byte, 8)
		binary.LittleEndian.PutUint64(v, b.inode)
		return v, nil
	case linux.SO_BSDCOMPAT:
		return Int(0), nil
	case linux.SO_INCOMING_CPU:
		return Int(-1), nil
	case linux.SO_INCOMING_NAPI_ID:
		return Int(0), nil
	}
	return nil, errno.ENOPROTOOPT
}

// MemInfo is what SO_MEMINFO tells: of the counters of memory (SK_MEMINFO_*) only the limits are known.
func (o *Options) MemInfo() []byte {
	v := make([]byte, 9*4)
	binary.LittleEndian.PutUint32(v[1*4:], uint32(o.RcvBuf))
	binary.LittleEndian.PutUint32(v[3*4:], uint32(o.SndBuf))
	return v
}

func timevalBytes(ns int64) []byte {
	v := make([]byte, 16)
	tv := linux.NsecToTimeval(ns)
	tv.MarshalBytes(v)
	return v
}

// Int encodes a C int.
func Int(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

func b2i(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
