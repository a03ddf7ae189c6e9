package linux

import (
	"math"
	"testing"
	"time"
)

func TestSignalSet(t *testing.T) {
	s := MakeSignalSet(SIGHUP, SIGKILL, SIGRTMAX, 0, 65, -1)
	if s != 1|1<<8|1<<63 {
		t.Fatalf("set is %#x", uint64(s))
	}
	s.Remove(SIGKILL)
	s.Remove(0)
	for sig := Signal(-1); sig < 70; sig++ {
		if got, want := s.Has(sig), sig == SIGHUP || sig == SIGRTMAX; got != want {
			t.Errorf("Has(%d) = %v", sig, got)
		}
	}
}

func TestSignalNames(t *testing.T) {
	for sig, want := range map[Signal]string{SIGHUP: "SIGHUP", SIGSYS: "SIGSYS", 32: "SIGRTMIN", 34: "SIGRT_2", 64: "SIGRT_32", 0: "0", 65: "65", -1: "-1"} {
		if got := sig.String(); got != want {
			t.Errorf("Signal(%d) is %q, want %q", int32(sig), got, want)
		}
	}
}

func TestWaitStatus(t *testing.T) {
	for _, c := range []struct {
		s                                    WaitStatus
		raw                                  uint32
		exited, signaled, stopped, continued bool
	}{
		{ExitStatus(3), 0x300, true, false, false, false},
		{ExitStatus(0x1ff), 0xff00, true, false, false, false},
		{SignaledStatus(SIGKILL, false), 9, false, true, false, false},
		{SignaledStatus(SIGSEGV, true), 0x8b, false, true, false, false},
		{StoppedStatus(SIGTSTP), 0x147f, false, false, true, false},
		{StoppedStatus(SIGTRAP).WithEvent(PTRACE_EVENT_EXEC), 0x4057f, false, false, true, false},
		{ContinuedStatus, 0xffff, false, false, false, true},
	} {
		if uint32(c.s) != c.raw {
			t.Errorf("status %#x, want %#x", uint32(c.s), c.raw)
		}
		if c.s.Exited() != c.exited || c.s.Signaled() != c.signaled || c.s.Stopped() != c.stopped || c.s.Continued() != c.continued {
			t.Errorf("status %#x is classified wrongly", c.raw)
		}
	}
	if s := StoppedStatus(SIGTRAP).WithEvent(4); s.Event() != 4 || s.StopSignal() != SIGTRAP {
		t.Error("event or signal of a ptrace stop is lost")
	}
	if s := SignaledStatus(SIGSEGV, true); s.TermSignal() != SIGSEGV || !s.CoreDumped() {
		t.Error("signal or core flag is lost")
	}
}

func TestTimeConversionSaturates(t *testing.T) {
	for _, c := range []struct {
		ts   Timespec
		want time.Duration
	}{
		{Timespec{}, 0},
		{Timespec{1, 5}, time.Second + 5},
		{Timespec{-1, 999999999}, -1},
		{Timespec{math.MaxInt64, 999999999}, math.MaxInt64},
		{Timespec{math.MaxInt64, math.MaxInt64}, math.MaxInt64},
		{Timespec{math.MinInt64, math.MinInt64}, math.MinInt64},
		{Timespec{math.MinInt64, 0}, math.MinInt64},
		{Timespec{math.MaxInt64 / 1000000000, 0}, math.MaxInt64},
		{Timespec{math.MaxInt64/1000000000 - 1, 999999999}, (math.MaxInt64/1000000000)*1000000000 - 1},
		{Timespec{1, math.MaxInt64}, math.MaxInt64},
	} {
		if got := c.ts.Duration(); got != c.want {
			t.Errorf("%v: %d, want %d", c.ts, got, c.want)
		}
	}
	for _, ns := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1e9, -1e9, 1e9 - 1} {
		ts := NsecToTimespec(ns)
		if ts.Nsec < 0 || ts.Nsec >= 1e9 || ts.Time().UnixNano() != ns {
			t.Errorf("NsecToTimespec(%d) = %v", ns, ts)
		}
	}
	if tv := NsecToTimeval(-1); tv != (Timeval{-1, 999999}) {
		t.Errorf("NsecToTimeval(-1) = %v", tv)
	}
	for _, bad := range []Timespec{{-1, 0}, {0, -1}, {0, 1e9}} {
		if bad.Valid() {
			t.Errorf("%v is Valid", bad)
		}
	}
}

func TestDeviceNumbers(t *testing.T) {
	for _, c := range []struct{ major, minor uint32 }{{0, 0}, {1, 3}, {136, 0}, {136, 255}, {136, 256}, {4095, 0xfffff}, {8, 1048575}} {
		d := MakeDev(c.major, c.minor)
		if Major(d) != c.major || Minor(d) != c.minor {
			t.Errorf("%d:%d becomes %d:%d", c.major, c.minor, Major(d), Minor(d))
		}
		if MakeDev64(c.major, c.minor) != uint64(d) {
			t.Errorf("%d:%d: the encodings differ", c.major, c.minor)
		}
	}
	if MakeDev(136, 1) != 0x8801 {
		t.Error("MakeDev(136, 1) is not 0x8801")
	}
}

func TestSyscallNames(t *testing.T) {
	for nr, want := range map[uint64]string{0: "read", 59: "execve", 334: "rseq", 335: "uretprobe", 336: "", 423: "", 424: "pidfd_send_signal", 435: "clone3", 462: "mseal", 466: "removexattrat", 467: "", 1 << 63: ""} {
		if got := SyscallName(nr); got != want {
			t.Errorf("call %d is %q, want %q", nr, got, want)
		}
	}
}

func TestSignalInfoFields(t *testing.T) {
	var i SignalInfo
	i.Signo = int32(SIGCHLD)
	i.SetPID(-5)
	i.SetUID(7)
	i.SetStatus(9)
	i.SetUtime(11)
	i.SetStime(13)
	b := make([]byte, i.SizeBytes())
	i.MarshalBytes(b)
	for off, want := range map[int]byte{0: 17, 16: 0xfb, 20: 7, 24: 9, 32: 11, 40: 13} {
		if b[off] != want {
			t.Errorf("byte %d is %d, want %d", off, b[off], want)
		}
	}
	if i.PID() != -5 || i.UID() != 7 || i.Status() != 9 || i.Utime() != 11 || i.Stime() != 13 || i.Signal() != SIGCHLD {
		t.Error("a field reads back wrongly")
	}
}
