package kernel

import "ringfence/platform"

// Some calls have answers that the platform may give by itself, if it can
// (platform.Answerer): it is told them whenever they change. The calls of a task that is traced,
// has seccomp filters or dispatches them to itself, and all of them with --strace, have to be seen, so then it is told none.

// spoilAnswers says that the answers that t's platform gives are no longer right. From
// when it returns, t's calls come to the kernel. Any goroutine.
func (t *Task) spoilAnswers() {
	t.answersStale.Store(true)
	if a, ok := t.ctx.(platform.Answerer); ok {
		a.SetAnswers(platform.Answers{})
	}
}

// mayAnswer reports whether the kernel need not see each of t's calls.
func (t *Task) mayAnswer() bool {
	return t.k.Tracer == nil && !t.sysTraced() && t.seccomp.Load() == nil && !t.ns.Time.own() && !t.dispatch.On
}

// offerAnswers tells the platform what it may answer, if that is not what it knows. Task
// goroutine only, before it goes to the guest.
func (t *Task) offerAnswers() {
	if t.mayAnswer() == t.answering && !t.answersStale.Load() {
		return
	}
	a, ok := t.ctx.(platform.Answerer)
	if !ok {
		t.answering = t.mayAnswer()
		t.answersStale.Store(false)
		return
	}
	for {
		stale := t.answersStale.Swap(false)
		on := t.mayAnswer() // looked at behind stale: another thread's filters spoil the answers
		if !stale && on == t.answering {
			return
		}
		t.answering = on
		if !on {
			a.SetAnswers(platform.Answers{})
			continue
		}
		c := t.Creds()
		ns := c.UserNS
		if !ns.Settled() {
			// Its names for ids may change behind our back.
			t.answering = false
			a.SetAnswers(platform.Answers{})
			return
		}
		a.SetAnswers(platform.Answers{
			On:  true,
			PID: t.TGID(), TID: t.TID(), PPID: t.tg.PPID(t.PIDNamespace()),
			UID: ns.ShowUID(c.RUID), EUID: ns.ShowUID(c.EUID), GID: ns.ShowGID(c.RGID), EGID: ns.ShowGID(c.EGID), CPUs: uint32(t.k.CPUs),
		})
	}
}
