package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/vfs"
)

// MakeOwner finds who shall get a file's signals: a task, process or process group by its number in t's
// PID namespace; 0 is nobody. ESRCH if there is none.
func (t *Task) MakeOwner(typ, id int32) (vfs.Owner, error) {
	c := t.Creds()
	o := vfs.Owner{Type: typ, UID: c.RUID, EUID: c.EUID}
	if id == 0 {
		return o, nil
	}
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	ns := t.PIDNamespace()
	if typ == linux.F_OWNER_PGRP {
		pg := ns.groups[id]
		if pg == nil {
			return vfs.Owner{}, errno.ESRCH
		}
		o.ID, o.Landlock = pg.pid.nums[0], c.Landlock
		return o, nil
	}
	x := ns.tasks[id]
	if x == nil {
		return vfs.Owner{}, errno.ESRCH
	}
	o.ID = x.RootTID()
	if x.tg != t.tg {
		o.Landlock = c.Landlock
	}
	return o, nil
}

// OwnerID returns the type and number of o as t sees them; 0 if it does not see it, or it is gone.
func (t *Task) OwnerID(o vfs.Owner) (typ, id int32) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	ns, root := t.PIDNamespace(), t.k.PIDNS
	if o.Type == linux.F_OWNER_PGRP {
		if pg := root.groups[o.ID]; pg != nil {
			return o.Type, pg.pid.In(ns)
		}
		return o.Type, 0
	}
	if x := root.tasks[o.ID]; x != nil {
		return o.Type, x.TIDIn(ns)
	}
	return o.Type, 0
}

// ActorID implements vfs.Actor.
func (t *Task) ActorID(thread bool) int32 {
	if thread {
		return t.RootTID()
	}
	return t.tg.pid.nums[0]
}

// NumberOf implements vfs.Listener.
func (t *Task) NumberOf(root int32) int32 {
	ns := t.PIDNamespace()
	if ns == t.k.PIDNS {
		return root // also of a task that is gone
	}
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	if x := t.k.PIDNS.tasks[root]; x != nil {
		return x.TIDIn(ns)
	}
	return 0
}

// ProcessFD implements vfs.Listener.
func (t *Task) ProcessFD(number int32) int32 {
	fd, err := t.OpenPIDFD(number, false, 0)
	switch err {
	case nil:
		return fd
	case errno.ESRCH, errno.ENOENT:
		return linux.FAN_NOPIDFD
	}
	return linux.FAN_EPIDFD
}

// ioCodes are the si_code and the si_band of each condition (fcntl(2), F_SETSIG), strongest last.
var ioCodes = []struct {
	when wait.Mask
	code int32
	band int64
}{
	{wait.In, linux.POLL_IN, 0x041},
	{wait.Out, linux.POLL_OUT, 0x304},
	{wait.Pri, linux.POLL_PRI, 0x082},
	{wait.Err, linux.POLL_ERR, 0x008},
	{wait.Hup, linux.POLL_HUP, 0x018},
	{wait.Msg, linux.POLL_MSG, 0x441},
}

// SendIO implements vfs.Signals. As files call it with their locks held, the signal is sent a little later.
func (k *Kernel) SendIO(o vfs.Owner, sig int32, f *vfs.File, fd int32, ready wait.Mask) {
	info := linux.SignalInfo{Signo: int32(linux.SIGIO), Code: linux.SI_KERNEL}
	for _, c := range ioCodes {
		if ready&c.when != 0 && sig != 0 {
			info = linux.SignalInfo{Signo: sig, Code: c.code}
			info.SetBand(c.band)
			info.SetFD(fd)
		}
	}
	go k.sendIO(o, info)
}

func (k *Kernel) sendIO(o vfs.Owner, info linux.SignalInfo) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	may := func(x *Task) bool {
		c := x.Creds()
		if !o.Landlock.Reaches(c.Landlock, linux.LANDLOCK_SCOPE_SIGNAL) {
			return false
		}
		return o.EUID == 0 || o.EUID == c.SUID || o.EUID == c.RUID || o.UID == c.SUID || o.UID == c.RUID
	}
	if o.Type == linux.F_OWNER_PGRP {
		if pg := k.PIDNS.groups[o.ID]; pg != nil {
			for _, m := range pg.members {
				if may(m.leader) {
					m.signalLocked(&info)
				}
			}
		}
		return
	}
	x := k.PIDNS.tasks[o.ID]
	switch {
	case x == nil || !may(x):
	case o.Type == linux.F_OWNER_TID:
		x.Signal(&info)
	default:
		x.tg.signalLocked(&info)
	}
}
