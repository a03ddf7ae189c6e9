package vfs

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestChildren_agree_with_a_map(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var c children
	model := map[string]*Dentry{}
	for range 50000 {
		name := fmt.Sprintf("name%d", r.IntN(300))
		d := model[name]
		if got := c.get(name); got != d {
			t.Fatalf("get(%q) = %p, want %p", name, got, d)
		}
		switch {
		case d == nil:
			d = newDentry(nil, nil)
			d.name.Store(&name)
			c.put(d)
			model[name] = d
		case r.IntN(3) > 0:
			c.remove(d)
			delete(model, name)
		}
		if c.n != len(model) {
			t.Fatalf("%d names, want %d", c.n, len(model))
		}
	}
	for d := range c.all() {
		if model[d.Name()] != d {
			t.Errorf("%q is left", d.Name())
		}
		delete(model, d.Name())
	}
	if len(model) > 0 {
		t.Errorf("%d names are missing", len(model))
	}
	if n := len(*c.slots.Load()); n > 1024 {
		t.Errorf("%d slots for at most 300 names", n)
	}
}
