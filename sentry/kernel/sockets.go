package kernel

import "ringfence/sentry/net/socket"

// Process implements socket.Caller.
func (t *Task) Process() socket.Process { return t.tg.pid }

// NumberFor implements socket.Process.
func (p *PID) NumberFor(c socket.Caller) int32 {
	t, ok := c.(*Task)
	if !ok {
		return p.nums[0]
	}
	return p.In(t.PIDNamespace())
}
