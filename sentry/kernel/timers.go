package kernel

import "ringfence/abi/linux"

type posixTimer struct{ queued bool }

func (p *posixTimer) deliveredLocked(info *linux.SignalInfo) {}

type itimers struct{}

func (t *Task) stopTimers() {}

func (t *Task) deletePosixTimers() {}

func (tg *ThreadGroup) watchCPULimit() {}
