package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/net/netlink"
	"ringfence/sentry/vfs"
)

var ipcCalls = []line{
	{linux.SYS_SEMGET, "semget", sysSemget, kernel.Full, "", ""},
	{linux.SYS_SEMOP, "semop", sysSemop, kernel.Full, "IPC_NOWAIT SEM_UNDO", ""},
	{linux.SYS_SEMTIMEDOP, "semtimedop", sysSemtimedop, kernel.Full, "IPC_NOWAIT SEM_UNDO", ""},
	{linux.SYS_SEMCTL, "semctl", sysSemctl, kernel.Full, "all", ""},
	{linux.SYS_MSGGET, "msgget", sysMsgget, kernel.Full, "", ""},
	{linux.SYS_MSGSND, "msgsnd", sysMsgsnd, kernel.Full, "IPC_NOWAIT", ""},
	{linux.SYS_MSGRCV, "msgrcv", sysMsgrcv, kernel.Full, "IPC_NOWAIT MSG_NOERROR MSG_EXCEPT MSG_COPY", ""},
	{linux.SYS_MSGCTL, "msgctl", sysMsgctl, kernel.Full, "all", ""},
	{linux.SYS_SHMGET, "shmget", sysShmget, kernel.Partial, "SHM_NORESERVE", "no huge pages"},
	{linux.SYS_SHMAT, "shmat", sysShmat, kernel.Full, "SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC", ""},
	{linux.SYS_SHMDT, "shmdt", sysShmdt, kernel.Full, "", ""},
	{linux.SYS_SHMCTL, "shmctl", sysShmctl, kernel.Full, "all", "SHM_LOCK is remembered only"},
	{linux.SYS_MQ_OPEN, "mq_open", sysMqOpen, kernel.Full, "", ""},
	{linux.SYS_MQ_UNLINK, "mq_unlink", sysMqUnlink, kernel.Full, "", ""},
	{linux.SYS_MQ_TIMEDSEND, "mq_timedsend", sysMqTimedsend, kernel.Full, "", ""},
	{linux.SYS_MQ_TIMEDRECEIVE, "mq_timedreceive", sysMqTimedreceive, kernel.Full, "", ""},
	{linux.SYS_MQ_NOTIFY, "mq_notify", sysMqNotify, kernel.Full, "SIGEV_NONE SIGEV_SIGNAL SIGEV_THREAD", ""},
	{linux.SYS_MQ_GETSETATTR, "mq_getsetattr", sysMqGetsetattr, kernel.Full, "", ""},
}

func sysSemget(t *kernel.Task, a *arch.Args) (uint64, error) {
	return result(t.Semget(a[0].Int(), a[1].Int(), a[2].Uint()))
}

func sysSemop(t *kernel.Task, a *arch.Args) (uint64, error) {
	return semop(t, a, kernel.Forever)
}

func sysSemtimedop(t *kernel.Task, a *arch.Args) (uint64, error) {
	deadline := kernel.Forever
	if p := a[3].Addr(); p != 0 {
		var ts linux.Timespec
		if err := t.CopyInTimespec(p, &ts); err != nil {
			return 0, err
		}
		if !ts.Valid() {
			return 0, errno.EINVAL
		}
		deadline = t.Kernel().DeadlineAfter(ts.Nanoseconds())
	}
	return semop(t, a, deadline)
}

func semop(t *kernel.Task, a *arch.Args, deadline int64) (uint64, error) {
	n := a[2].Uint()
	if n > linux.SEMOPM {
		return 0, errno.E2BIG
	}
	if n < 1 {
		return 0, errno.EINVAL
	}
	b := make([]byte, 6*n)
	if err := t.CopyIn(a[1].Addr(), b); err != nil {
		return 0, err
	}
	ops := make([]linux.Sembuf, n)
	for i := range ops {
		ops[i].UnmarshalBytes(b[6*i:])
	}
	return 0, t.Semop(a[0].Int(), ops, deadline)
}

func sysSemctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	id, num, cmd, arg := a[0].Int(), a[1].Int(), a[2].Int()&^linux.IPC_64, a[3]
	if id < 0 {
		return 0, errno.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO, linux.SEM_INFO:
		info, top := t.SemInfo(cmd == linux.SEM_INFO)
		return result(top, t.CopyOutStruct(arg.Addr(), &info))
	case linux.IPC_STAT, linux.SEM_STAT, linux.SEM_STAT_ANY:
		d, found, err := t.SemStat(id, cmd != linux.IPC_STAT, cmd == linux.SEM_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			found = 0
		}
		return result(found, t.CopyOutStruct(arg.Addr(), &d))
	case linux.IPC_RMID:
		return 0, t.SemRemove(id)
	case linux.IPC_SET:
		var d linux.SemidDs
		if err := t.CopyInStruct(arg.Addr(), &d); err != nil {
			return 0, err
		}
		return 0, t.SemChange(id, &d.Perm)
	case linux.GETALL:
		v, err := t.SemValues(id)
		if err != nil {
			return 0, err
		}
		b := make([]byte, 0, 2*len(v))
		for _, x := range v {
			b = binary.LittleEndian.AppendUint16(b, x)
		}
		return 0, t.CopyOut(arg.Addr(), b)
	case linux.SETALL:
		n, err := t.SemCount(id)
		if err != nil {
			return 0, err
		}
		b := make([]byte, 2*n)
		if err := t.CopyIn(arg.Addr(), b); err != nil {
			return 0, err
		}
		v := make([]uint16, n)
		for i := range v {
			v[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		return 0, t.SemSet(id, 0, v)
	case linux.SETVAL:
		if v := arg.Int(); v < 0 || v > linux.SEMVMX {
			return 0, errno.ERANGE
		}
		return 0, t.SemSet(id, num, []uint16{uint16(arg.Int())})
	case linux.GETVAL, linux.GETPID, linux.GETNCNT, linux.GETZCNT:
		return result(t.SemGet(id, num, cmd))
	}
	return 0, errno.EINVAL
}

func sysMsgget(t *kernel.Task, a *arch.Args) (uint64, error) {
	return result(t.Msgget(a[0].Int(), a[1].Uint()))
}

func sysMsgsnd(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, n := a[1].Addr(), a[2].Size()
	typ, err := t.CopyInUint64(p)
	if err != nil {
		return 0, err
	}
	if n > linux.MSGMAX || a[0].Int() < 0 {
		return 0, errno.EINVAL
	}
	text := make([]byte, n)
	if err := t.CopyIn(p+8, text); err != nil {
		return 0, err
	}
	return 0, t.Msgsnd(a[0].Int(), int64(typ), text, a[3].Uint())
}

func sysMsgrcv(t *kernel.Task, a *arch.Args) (uint64, error) {
	p, n := a[1].Addr(), a[2].Int64()
	if n < 0 || a[0].Int() < 0 {
		return 0, errno.EINVAL
	}
	typ, text, err := t.Msgrcv(a[0].Int(), uint64(n), a[3].Int64(), a[4].Uint())
	if err != nil {
		return 0, err
	}
	if err := t.CopyOutUint64(p, uint64(typ)); err != nil {
		return 0, err
	}
	return uint64(len(text)), t.CopyOut(p+8, text)
}

func sysMsgctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	id, cmd, p := a[0].Int(), a[1].Int()&^linux.IPC_64, a[2].Addr()
	if id < 0 {
		return 0, errno.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO, linux.MSG_INFO:
		info, top := t.MsgInfo(cmd == linux.MSG_INFO)
		return result(top, t.CopyOutStruct(p, &info))
	case linux.IPC_STAT, linux.MSG_STAT, linux.MSG_STAT_ANY:
		d, found, err := t.MsgStat(id, cmd != linux.IPC_STAT, cmd == linux.MSG_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			found = 0
		}
		return result(found, t.CopyOutStruct(p, &d))
	case linux.IPC_RMID:
		return 0, t.MsgRemove(id)
	case linux.IPC_SET:
		var d linux.MsqidDs
		if err := t.CopyInStruct(p, &d); err != nil {
			return 0, err
		}
		return 0, t.MsgChange(id, &d)
	}
	return 0, errno.EINVAL
}

func sysShmget(t *kernel.Task, a *arch.Args) (uint64, error) {
	return result(t.Shmget(a[0].Int(), a[1].Size(), a[2].Uint()))
}

func sysShmat(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0].Int() < 0 {
		return 0, errno.EINVAL
	}
	at, err := t.Shmat(a[0].Int(), a[1].Addr(), a[2].Uint())
	return uint64(at), err
}

func sysShmdt(t *kernel.Task, a *arch.Args) (uint64, error) { return 0, t.Shmdt(a[0].Addr()) }

func sysShmctl(t *kernel.Task, a *arch.Args) (uint64, error) {
	id, cmd, p := a[0].Int(), a[1].Int()&^linux.IPC_64, a[2].Addr()
	if id < 0 {
		return 0, errno.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO:
		info, top := t.ShmParams()
		return result(top, t.CopyOutStruct(p, &info))
	case linux.SHM_INFO:
		info, top := t.ShmUsage()
		return result(top, t.CopyOutStruct(p, &info))
	case linux.IPC_STAT, linux.SHM_STAT, linux.SHM_STAT_ANY:
		d, found, err := t.ShmStat(id, cmd != linux.IPC_STAT, cmd == linux.SHM_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			found = 0
		}
		return result(found, t.CopyOutStruct(p, &d))
	case linux.IPC_RMID:
		return 0, t.ShmRemove(id)
	case linux.IPC_SET:
		var d linux.ShmidDs
		if err := t.CopyInStruct(p, &d); err != nil {
			return 0, err
		}
		return 0, t.ShmChange(id, &d.Perm)
	case linux.SHM_LOCK, linux.SHM_UNLOCK:
		return 0, t.ShmLock(id, cmd == linux.SHM_LOCK)
	}
	return 0, errno.EINVAL
}

func sysMqOpen(t *kernel.Task, a *arch.Args) (uint64, error) {
	var attr *linux.MqAttr
	if p := a[3].Addr(); p != 0 { // read even without O_CREAT
		attr = new(linux.MqAttr)
		if err := t.CopyInStruct(p, attr); err != nil {
			return 0, err
		}
	}
	name, err := t.CopyInPath(a[0].Addr()) // without the slash that the library took off
	if err != nil {
		return 0, err
	}
	return result(t.MqOpen(name, a[1].Uint(), a[2].Uint(), attr))
}

func sysMqUnlink(t *kernel.Task, a *arch.Args) (uint64, error) {
	name, err := t.CopyInPath(a[0].Addr()) // without the slash that the library took off
	if err != nil {
		return 0, err
	}
	return 0, t.MqUnlink(name)
}

// mqDeadline turns an absolute time of CLOCK_REALTIME into a deadline.
func mqDeadline(t *kernel.Task, p addr.Addr) (int64, error) {
	if p == 0 {
		return kernel.Forever, nil
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(p, &ts); err != nil {
		return 0, err
	}
	if !ts.Valid() {
		return 0, errno.EINVAL
	}
	return t.Kernel().DeadlineAfter(ts.Nanoseconds() - t.Now()), nil
}

func sysMqTimedsend(t *kernel.Task, a *arch.Args) (uint64, error) {
	deadline, err := mqDeadline(t, a[4].Addr())
	if err != nil {
		return 0, err
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if a[2].Size() > 16<<20 {
		return 0, errno.EMSGSIZE
	}
	text := make([]byte, a[2].Size())
	if err := t.CopyIn(a[1].Addr(), text); err != nil {
		return 0, err
	}
	return 0, t.MqSend(f, text, a[3].Uint(), deadline)
}

func sysMqTimedreceive(t *kernel.Task, a *arch.Args) (uint64, error) {
	deadline, err := mqDeadline(t, a[4].Addr())
	if err != nil {
		return 0, err
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	text, prio, err := t.MqReceive(f, a[2].Size(), deadline)
	if err != nil {
		return 0, err
	}
	if p := a[3].Addr(); p != 0 {
		if err := t.CopyOutUint32(p, prio); err != nil {
			return 0, err
		}
	}
	return uint64(len(text)), t.CopyOut(a[1].Addr(), text)
}

func sysMqNotify(t *kernel.Task, a *arch.Args) (uint64, error) {
	var ev *linux.Sigevent
	if p := a[1].Addr(); p != 0 {
		ev = new(linux.Sigevent)
		if err := t.CopyInStruct(p, ev); err != nil {
			return 0, err
		}
	}
	th, err := mqThread(t, ev)
	if err != nil {
		return 0, err
	}
	err = atFile(t, a[0].Int(), func(f *vfs.File) error { return t.MqNotify(f, ev, th) })
	if err != nil && th.Socket != nil {
		th.Socket.DecRef()
	}
	return 0, err
}

// mqThread checks how a process wants to learn of messages, and returns what SIGEV_THREAD needs: a netlink socket, whose
// descriptor stands for the signal, and a cookie.
func mqThread(t *kernel.Task, ev *linux.Sigevent) (th kernel.MqThread, err error) {
	switch {
	case ev == nil || ev.Notify == linux.SIGEV_NONE:
		return th, nil
	case ev.Notify == linux.SIGEV_SIGNAL:
		if !linux.Signal(ev.Signo).Valid() {
			return th, errno.EINVAL
		}
		return th, nil
	case ev.Notify != linux.SIGEV_THREAD:
		return th, errno.EINVAL
	}
	if err := t.CopyIn(addr.Addr(ev.Value), th.Cookie[:]); err != nil {
		return th, err
	}
	f, s, err := socketOf(t, ev.Signo)
	if err != nil {
		return th, err
	}
	if _, ok := s.(*netlink.Socket); !ok {
		f.DecRef()
		return th, errno.EINVAL
	}
	th.Socket = f
	return th, nil
}

func sysMqGetsetattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	var set *linux.MqAttr
	if p := a[1].Addr(); p != 0 {
		set = new(linux.MqAttr)
		if err := t.CopyInStruct(p, set); err != nil {
			return 0, err
		}
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	old, err := t.MqGetSetAttr(f, set)
	if err != nil || a[2].Addr() == 0 {
		return 0, err
	}
	return 0, t.CopyOutStruct(a[2].Addr(), &old)
}
