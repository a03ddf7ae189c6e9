package kernel

import "ringfence/sentry/mm"

// setDumpable changes who may trace the process or dump its core (PR_SET_DUMPABLE).
func (t *Task) setDumpable(v int32) {
	t.mm.UpdateMeta(func(m *mm.Meta) { m.Dumpable = v })
}
