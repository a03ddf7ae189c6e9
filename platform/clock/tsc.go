package clock

import (
	"strconv"

	"ringfence/platform/hostcall"
)

// rdtsc returns the time stamp counter, read after everything before it.
func rdtsc() uint64

// ticks returns the time stamp counter without waiting for what stands before it.
func ticks() uint64

// cpuid returns two registers of CPUID's leaf (subleaf 0).
func cpuid(leaf uint32) (eax, edx uint32)

// TSC returns the time stamp counter.
func TSC() uint64 { return rdtsc() }

// invariantTSC reports whether the counter's rate does not depend on power states
// (CPUID 0x80000007, EDX bit 8).
func invariantTSC() bool {
	if top, _ := cpuid(0x80000000); top < 0x80000007 {
		return false
	}
	_, edx := cpuid(0x80000007)
	return edx&(1<<8) != 0
}

// machine is the host that we run on.
type machine struct{}

func (machine) tsc() uint64 { return rdtsc() }

func (machine) now(clock int32) int64 {
	ns, err := hostcall.ClockGettime(clock)
	if err != nil {
		panic("clock: the host has no clock " + strconv.Itoa(int(clock)) + ": " + err.Error())
	}
	return int64(ns)
}
