package kernel

import (
	"time"

	"ringfence/abi/errno"
	"ringfence/sentry/keys"
)

// KeyCaller returns the task as the table of keys knows it. Task goroutine only.
func (t *Task) KeyCaller() *keys.Caller {
	return &keys.Caller{Cred: t.Creds(), Holder: &t.keys, Now: t.Now() / int64(time.Second)}
}

// GiveSessionKeyring makes the task's session keyring that of its parent (KEYCTL_SESSION_TO_PARENT): EPERM unless the parent is
// a process of one thread, other than init, of the same user.
func (t *Task) GiveSessionKeyring() error {
	k := t.k
	c := t.KeyCaller()
	if _, err := k.Keys.RingID(c, keys.Session, false); err != nil {
		return err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	p := t.tg.parent
	if p == nil || p.tg == p.tg.pid.ns.init || p.exitState != alive || !p.tg.onlyLeaderLocked() {
		return errno.EPERM
	}
	return k.Keys.GiveSession(c, &p.keys, p.Creds())
}
