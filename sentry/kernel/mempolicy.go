package kernel

import "ringfence/sentry/mm"

// MemPolicy returns what set_mempolicy(2) set. Task goroutine only.
func (t *Task) MemPolicy() mm.MemPolicy { return t.memPolicy }

// SetMemPolicy is set_mempolicy(2). Task goroutine only.
func (t *Task) SetMemPolicy(p mm.MemPolicy) { t.memPolicy = p }
