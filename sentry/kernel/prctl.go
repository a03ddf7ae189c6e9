package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/linux"
	"ringfence/sentry/mm"
)

// SetDumpable changes who may trace the process or dump its core (PR_SET_DUMPABLE).
func (t *Task) SetDumpable(v int32) { t.setDumpable(v) }

func (t *Task) setDumpable(v int32) {
	t.mm.UpdateMeta(func(m *mm.Meta) { m.Dumpable = v })
}

// ParentDeath is the signal that the task gets when its parent ends (PR_SET_PDEATHSIG), or 0.
func (t *Task) ParentDeath() linux.Signal { return linux.Signal(t.parentDeath.Load()) }

// SetParentDeath changes it.
func (t *Task) SetParentDeath(sig linux.Signal) { t.parentDeath.Store(int32(sig)) }

// Subreaper reports whether orphaned descendants become children of the process (PR_SET_CHILD_SUBREAPER).
func (t *Task) Subreaper() bool {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.tg.subreaper
}

// SetSubreaper changes that. Descendants that exist already know it too.
func (t *Task) SetSubreaper(on bool) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.tg.subreaper = on
	if on {
		todo := t.tg.children
		for len(todo) > 0 {
			c := todo[0]
			todo = append(todo[1:len(todo):len(todo)], c.children...)
			c.hasSubreaper = true
		}
	}
}

// ClearTID returns what set_tid_address(2) set. Task goroutine only.
func (t *Task) ClearTID() addr.Addr { return t.clearTID }
