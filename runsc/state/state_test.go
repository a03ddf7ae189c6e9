package state

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

func TestContainersAreKept(t *testing.T) {
	s := Open(t.TempDir() + "/deep/root")
	if l, err := s.List(); len(l) != 0 || err != nil {
		t.Errorf("empty: %v, %v", l, err)
	}
	c, err := s.Create(Container{ID: "b", Bundle: "/x", Annotations: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("b"); !errors.Is(err, ErrNotExist) {
		t.Errorf("load before save: %v", err)
	}
	if _, err := s.Create(Container{ID: "b"}); !errors.Is(err, ErrExists) {
		t.Errorf("create again: %v", err)
	}
	c.SetProcess(os.Getpid())
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	a, _ := s.Create(Container{ID: "a"})
	a.Save()
	l, err := s.List()
	if err != nil || len(l) != 2 || l[0].ID != "a" || l[1].ID != "b" || l[1].Annotations["k"] != "v" {
		t.Errorf("list: %+v, %v", l, err)
	}
	if !l[1].Alive() || l[0].Alive() {
		t.Error("wrong idea of who is alive")
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("b"); !errors.Is(err, ErrNotExist) {
		t.Errorf("load after remove: %v", err)
	}
}

func TestDeadProcessIsNotAlive(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var c Container
	c.SetProcess(cmd.Process.Pid)
	if !c.Alive() {
		t.Error("running process is called dead")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if c.Alive() {
		t.Error("ended process is called alive")
	}
	c = Container{PID: os.Getpid(), StartTime: 1}
	if c.Alive() {
		t.Error("another process with the same number is called alive")
	}
}

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{
		"a": true, "A_b-c.d+1": true, "": false, ".": false, "..": false, "a/b": false, "../x": false, "a b": false, "a\x00": false, "ü": false,
	} {
		if err := CheckID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}
