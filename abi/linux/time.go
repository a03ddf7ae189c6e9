package linux

import (
	"math"
	"time"
)

// Timespec is struct timespec.
type Timespec struct {
	Sec  int64
	Nsec int64
}

// Timeval is struct timeval.
type Timeval struct {
	Sec  int64
	Usec int64
}

// Itimerspec is struct itimerspec.
type Itimerspec struct {
	Interval Timespec
	Value    Timespec
}

// Itimerval is struct itimerval.
type Itimerval struct {
	Interval Timeval
	Value    Timeval
}

// Timezone is struct timezone of gettimeofday(2).
type Timezone struct {
	Minuteswest int32
	Dsttime     int32
}

// Utimbuf is struct utimbuf of utime(2).
type Utimbuf struct {
	Actime  int64
	Modtime int64
}

// Tms is struct tms of times(2), in clock ticks.
type Tms struct {
	Utime  int64
	Stime  int64
	Cutime int64
	Cstime int64
}

// UserHZ is the unit of clock ticks that guests see: sysconf(_SC_CLK_TCK).
const UserHZ = 100

// Timex is struct timex of adjtimex(2).
type Timex struct {
	Modes     uint32
	_         [4]byte
	Offset    int64
	Freq      int64
	Maxerror  int64
	Esterror  int64
	Status    int32
	_         [4]byte
	Constant  int64
	Precision int64
	Tolerance int64
	Time      Timeval
	Tick      int64
	PPSFreq   int64
	Jitter    int64
	Shift     int32
	_         [4]byte
	Stabil    int64
	Jitcnt    int64
	Calcnt    int64
	Errcnt    int64
	Stbcnt    int64
	Tai       int32
	_         [44]byte
}

// Bits of Timex.Modes and Timex.Status, and the results of adjtimex(2).
const (
	ADJ_OFFSET            = 0x1
	ADJ_FREQUENCY         = 0x2
	ADJ_MAXERROR          = 0x4
	ADJ_ESTERROR          = 0x8
	ADJ_STATUS            = 0x10
	ADJ_TIMECONST         = 0x20
	ADJ_TAI               = 0x80
	ADJ_SETOFFSET         = 0x100
	ADJ_MICRO             = 0x1000
	ADJ_NANO              = 0x2000
	ADJ_TICK              = 0x4000
	ADJ_OFFSET_SINGLESHOT = 0x8001
	ADJ_OFFSET_SS_READ    = 0xa001
	STA_PLL               = 0x1
	STA_PPSFREQ           = 0x2
	STA_PPSTIME           = 0x4
	STA_FLL               = 0x8
	STA_INS               = 0x10
	STA_DEL               = 0x20
	STA_UNSYNC            = 0x40
	STA_FREQHOLD          = 0x80
	STA_PPSSIGNAL         = 0x100
	STA_PPSJITTER         = 0x200
	STA_PPSWANDER         = 0x400
	STA_PPSERROR          = 0x800
	STA_CLOCKERR          = 0x1000
	STA_NANO              = 0x2000
	STA_MODE              = 0x4000
	STA_CLK               = 0x8000
	STA_RONLY             = 65280
	TIME_OK               = 0
	TIME_INS              = 1
	TIME_DEL              = 2
	TIME_OOP              = 3
	TIME_WAIT             = 4
	TIME_ERROR            = 5
)

// Clocks (clock_gettime(2)).
const (
	CLOCK_REALTIME           = 0
	CLOCK_MONOTONIC          = 1
	CLOCK_PROCESS_CPUTIME_ID = 2
	CLOCK_THREAD_CPUTIME_ID  = 3
	CLOCK_MONOTONIC_RAW      = 4
	CLOCK_REALTIME_COARSE    = 5
	CLOCK_MONOTONIC_COARSE   = 6
	CLOCK_BOOTTIME           = 7
	CLOCK_REALTIME_ALARM     = 8
	CLOCK_BOOTTIME_ALARM     = 9
	CLOCK_TAI                = 11
	MAX_CLOCKS               = 16
	CLOCK_SGI_CYCLE          = 10
	CLOCKFD                  = 3
	CPUCLOCK_PROF            = 0
	CPUCLOCK_VIRT            = 1
	CPUCLOCK_SCHED           = 2
	CPUCLOCK_PERTHREAD_MASK  = 4
)

// Flags of clock_nanosleep(2), timer_settime(2) and timerfd_settime(2).
const (
	TIMER_ABSTIME           = 1
	TFD_TIMER_ABSTIME       = 1
	TFD_TIMER_CANCEL_ON_SET = 2
	TFD_CLOEXEC             = O_CLOEXEC
	TFD_NONBLOCK            = O_NONBLOCK
	TFD_IOC_SET_TICKS       = 0x40085400
)

// Which of setitimer(2).
const (
	ITIMER_REAL    = 0
	ITIMER_VIRTUAL = 1
	ITIMER_PROF    = 2
)

// Special values of Timespec.Nsec in utimensat(2).
const (
	UTIME_NOW  = 0x3fffffff
	UTIME_OMIT = 0x3ffffffe
)

// Valid reports whether t may be a time-out or a point in time: neither part is
// negative and Nsec is below a second.
func (t Timespec) Valid() bool { return t.Sec >= 0 && t.Nsec >= 0 && t.Nsec < 1e9 }

// Duration returns t as a duration, cut at the ends of time.Duration's range
// (about 292 years). t need not be Valid.
func (t Timespec) Duration() time.Duration { return saturate(t.Sec, t.Nsec, 1) }

// Nanoseconds returns t as a count of nanoseconds, cut like Duration.
func (t Timespec) Nanoseconds() int64 { return int64(t.Duration()) }

// IsZero reports whether both parts are 0.
func (t Timespec) IsZero() bool { return t == Timespec{} }

// NsecToTimespec splits a count of nanoseconds; Nsec of the result is never negative.
func NsecToTimespec(ns int64) Timespec {
	sec, rem := ns/1e9, ns%1e9
	if rem < 0 {
		sec, rem = sec-1, rem+1e9
	}
	return Timespec{sec, rem}
}

// DurationToTimespec splits d.
func DurationToTimespec(d time.Duration) Timespec { return NsecToTimespec(int64(d)) }

// TimeToTimespec returns t as time since the epoch.
func TimeToTimespec(t time.Time) Timespec { return Timespec{t.Unix(), int64(t.Nanosecond())} }

// Time returns t, a time since the epoch.
func (t Timespec) Time() time.Time { return time.Unix(t.Sec, t.Nsec) }

// Valid reports whether t may be a time-out.
func (t Timeval) Valid() bool { return t.Sec >= 0 && t.Usec >= 0 && t.Usec < 1e6 }

// Duration returns t as a duration, cut at the ends of time.Duration's range.
func (t Timeval) Duration() time.Duration { return saturate(t.Sec, t.Usec, 1000) }

// Nanoseconds returns t as a count of nanoseconds, cut like Duration.
func (t Timeval) Nanoseconds() int64 { return int64(t.Duration()) }

// IsZero reports whether both parts are 0.
func (t Timeval) IsZero() bool { return t == Timeval{} }

// NsecToTimeval splits a count of nanoseconds, rounding down; Usec of the result is
// never negative.
func NsecToTimeval(ns int64) Timeval {
	ts := NsecToTimespec(ns)
	return Timeval{ts.Sec, ts.Nsec / 1000}
}

// DurationToTimeval splits d, rounding down.
func DurationToTimeval(d time.Duration) Timeval { return NsecToTimeval(int64(d)) }

// Valid reports whether both parts are.
func (t Itimerspec) Valid() bool { return t.Interval.Valid() && t.Value.Valid() }

// Valid reports whether both parts are.
func (t Itimerval) Valid() bool { return t.Interval.Valid() && t.Value.Valid() }

// saturate returns sec seconds plus frac units of unit nanoseconds, cut to int64.
func saturate(sec, frac, unit int64) time.Duration {
	sec = min(max(sec, -1<<40), 1<<40) // far outside already; keeps the sum from overflowing
	sec += frac / (1e9 / unit)
	frac %= 1e9 / unit
	const maxSec = math.MaxInt64 / 1_000_000_000
	switch {
	case sec >= maxSec:
		return math.MaxInt64
	case sec <= -maxSec:
		return math.MinInt64
	}
	return time.Duration(sec*1e9 + frac*unit)
}

// DurationToTicks returns d in clock ticks of UserHZ.
func DurationToTicks(d time.Duration) int64 { return int64(d / (time.Second / UserHZ)) }
