// Package ktime holds the clocks that guests read and the timers that they set.
//
//	Clocks    what the time is, by CLOCK_* number, in nanoseconds
//	Manager   wakes Listeners when their Timers expire
//	Timer     plain data: clock, expiry, interval
//
// A Timer fires once for each time it is set. A periodic one is not set again by
// the Manager but by whoever takes note of the expiry (a read of a timerfd, the
// delivery of a SIGALRM), with Forward, which counts the periods that were
// missed: so a guest's period of one nanosecond costs the sentry nothing. Linux
// does the same (hrtimer_forward).
//
// Clocks of CPU time are the kernel's, who knows what has run.
//
// Lock order: the locks of users come before Manager.mu, which is a leaf:
// Listeners are called without it. An expiry may therefore race with Set and
// Stop; the listener tells a stale one by its sequence number.
package ktime
