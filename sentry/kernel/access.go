package kernel

import (
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
)

// MayTrace applies the access check of ptrace(2): whether t may look into x, or with
// attach control it. It compares real ids with all of x's (PTRACE_MODE_REALCREDS).
func (t *Task) MayTrace(x *Task, attach bool) bool { return t.mayTrace(x, t.Creds(), true) }

// MayTraceFS is MayTrace with the file system ids, for files in /proc (PTRACE_MODE_FSCREDS).
func (t *Task) MayTraceFS(x *Task) bool { return t.mayTrace(x, t.Creds(), false) }

func (t *Task) mayTrace(x *Task, c *creds.Credentials, real bool) bool {
	if t.tg == x.tg {
		return true
	}
	if !c.Landlock.Within(x.Creds().Landlock) {
		return false
	}
	uid, gid, caps := c.FSUID, c.FSGID, c.Effective
	if real {
		uid, gid, caps = c.RUID, c.RGID, c.Permitted
	}
	o := x.Creds()
	capable := c.HasIn(linux.CAP_SYS_PTRACE, o.UserNS)
	same := uid == o.EUID && uid == o.SUID && uid == o.RUID && gid == o.EGID && gid == o.SGID && gid == o.RGID
	if !same && !capable {
		return false
	}
	if m := x.AcquireMM(); m != nil {
		meta := m.Meta()
		m.DecUsers()
		if meta.Dumpable != linux.SUID_DUMP_USER && !c.HasIn(linux.CAP_SYS_PTRACE, meta.UserNS) {
			return false
		}
	}
	// The Yama-less rule of commoncap: not more capabilities than the tracer has.
	return o.Permitted&^caps == 0 && o.UserNS == c.UserNS || capable
}
