package kernel

// What uname(2) and /proc/version say.
const (
	Release = "6.12.0"
	Version = "#1 SMP PREEMPT_DYNAMIC Ringfence 6.12.0"
)
