package kernel

// What uname(2) and /proc/version say.
const (
	Release   = "6.12.0"
	Release26 = "2.6.72" // with the personality UNAME26: 60 and the second number
	Version   = "#1 SMP PREEMPT_DYNAMIC Ringfence 6.12.0"
)
