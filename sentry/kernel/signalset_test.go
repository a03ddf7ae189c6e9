package kernel

import (
	"testing"

	"ringfence/abi/linux"
)

func TestNextSignal(t *testing.T) {
	for _, c := range []struct {
		set  linux.SignalSet
		want linux.Signal
	}{
		{0, 0},
		{linux.MakeSignalSet(linux.SIGTERM, linux.SIGHUP), linux.SIGHUP},
		{linux.MakeSignalSet(linux.SIGHUP, linux.SIGSEGV), linux.SIGSEGV},
		{linux.MakeSignalSet(linux.SIGSEGV, linux.SIGILL), linux.SIGILL},
		{linux.MakeSignalSet(linux.SIGRTMAX, linux.SIGRTMIN), linux.SIGRTMIN},
		{linux.MakeSignalSet(linux.SIGRTMAX), linux.SIGRTMAX},
	} {
		if got := nextSignal(c.set); got != c.want {
			t.Errorf("nextSignal(%#x) = %v, want %v", uint64(c.set), got, c.want)
		}
	}
}

func TestPendingSignalsKeepOrder(t *testing.T) {
	k := &Kernel{}
	var p pendingSignals
	add := func(sig linux.Signal, value uint64) {
		q := &queuedSignal{info: linux.SignalInfo{Signo: int32(sig)}}
		q.info.SetValue(value)
		p.list = append(p.list, q)
		p.set.Add(sig)
	}
	add(40, 1)
	add(41, 2)
	add(40, 3)
	p.set.Add(linux.SIGUSR1) // without an instance
	for _, want := range []struct {
		sig   linux.Signal
		value uint64
		left  bool
	}{{40, 1, true}, {40, 3, false}, {linux.SIGUSR1, 0, false}, {41, 2, false}} {
		info, _ := p.take(k, want.sig)
		if info.Signal() != want.sig || info.Value() != want.value || p.set.Has(want.sig) != want.left {
			t.Errorf("took %v with %d, still pending: %v; want %+v", info.Signal(), info.Value(), p.set.Has(want.sig), want)
		}
	}
	add(40, 1)
	add(41, 1)
	p.remove(k, linux.MakeSignalSet(40))
	if p.set != linux.MakeSignalSet(41) || len(p.list) != 1 {
		t.Errorf("after remove: %#x, %d instances", uint64(p.set), len(p.list))
	}
}

func TestCloneArgsCheck(t *testing.T) {
	ns := &PIDNamespace{}
	tg := &ThreadGroup{pid: &PID{ns: ns, nums: []int32{1}}}
	task := &Task{tg: tg, ns: &Namespaces{ChildPID: ns}}
	for _, c := range []struct {
		flags uint64
		ok    bool
	}{
		{0, true},
		{linux.CLONE_VM | linux.CLONE_VFORK, true},
		{linux.CLONE_VM | linux.CLONE_SIGHAND | linux.CLONE_THREAD, true},
		{linux.CLONE_THREAD, false},
		{linux.CLONE_SIGHAND, false},
		{linux.CLONE_NEWNS | linux.CLONE_FS, false},
		{linux.CLONE_NEWIPC | linux.CLONE_SYSVSEM, false},
		{linux.CLONE_VM | linux.CLONE_SIGHAND | linux.CLONE_CLEAR_SIGHAND, false},
		{linux.CLONE_VM | linux.CLONE_SIGHAND | linux.CLONE_THREAD | linux.CLONE_NEWPID, false},
	} {
		a := CloneArgs{Flags: c.flags, ExitSignal: linux.SIGCHLD}
		if err := a.check(task); (err == nil) != c.ok {
			t.Errorf("flags %#x: %v", c.flags, err)
		}
	}
	tg.noKill = true
	if (&CloneArgs{Flags: linux.CLONE_PARENT}).check(task) == nil {
		t.Error("init can make siblings")
	}
}

func TestPIDNamespacesNumberAllLevels(t *testing.T) {
	outer := newPIDNamespace(nil, identity{})
	inner := newPIDNamespace(outer, identity{})
	outer.last = 41
	p, err := inner.allocatePIDLocked(nil)
	if err != nil || p.In(outer) != 42 || p.In(inner) != 1 || p.Own() != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	task := &Task{}
	p.attachLocked(task)
	if outer.tasks[42] != task || inner.tasks[1] != task {
		t.Error("not found by its numbers")
	}
	if _, err := inner.allocatePIDLocked([]int32{1}); err == nil {
		t.Error("a taken number was given out")
	}
	other := newPIDNamespace(outer, identity{})
	if p.In(other) != 0 {
		t.Error("has a number in a namespace beside its own")
	}
	outer.last = PIDMax - 1
	q, err := outer.allocatePIDLocked(nil)
	if err != nil || q.Own() != reservedPIDs {
		t.Errorf("after the wrap: %+v, %v", q, err)
	}
	p.detachLocked()
	if len(outer.tasks)+len(inner.tasks) != 0 {
		t.Error("numbers left")
	}
}
