package kernel

import "ringfence/platform"

// Some calls have answers that the platform may give by itself, if it can
// (platform.Answerer): it is told them whenever they change. A traced task's calls, and all
// of them with --strace, have to be seen, so then it is told none.

// spoilAnswers says that the answers that t's platform gives are no longer right. From
// when it returns, t's calls come to the kernel. Any goroutine.
func (t *Task) spoilAnswers() {
	t.answersStale.Store(true)
	if a, ok := t.ctx.(platform.Answerer); ok {
		a.SetAnswers(platform.Answers{})
	}
}

// offerAnswers tells the platform what it may answer, if that is not what it knows. Task
// goroutine only, before it goes to the guest.
func (t *Task) offerAnswers() {
	on := t.k.Tracer == nil && !t.sysTraced()
	if on == t.answering && !t.answersStale.Load() {
		return
	}
	a, ok := t.ctx.(platform.Answerer)
	if !ok {
		t.answering = on
		t.answersStale.Store(false)
		return
	}
	for t.answersStale.Swap(false) || on != t.answering {
		t.answering = on
		if !on {
			a.SetAnswers(platform.Answers{})
			continue
		}
		c := t.Creds()
		a.SetAnswers(platform.Answers{
			On:  true,
			PID: t.TGID(), TID: t.TID(), PPID: t.tg.PPID(t.PIDNamespace()),
			UID: uint32(c.RUID), EUID: uint32(c.EUID), GID: uint32(c.RGID), EGID: uint32(c.EGID), CPUs: uint32(t.k.CPUs),
		})
	}
}
