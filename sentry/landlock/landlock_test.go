package landlock

import (
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

const (
	read  = linux.LANDLOCK_ACCESS_FS_READ_FILE
	write = linux.LANDLOCK_ACCESS_FS_WRITE_FILE
	refer = linux.LANDLOCK_ACCESS_FS_REFER
)

var dir, file = Object{Dev: 1, Ino: 2}, Object{Dev: 1, Ino: 3}

// on puts a ruleset that handles fs and allows some of it beneath dir on d.
func on(t *testing.T, d *Domain, fs, allowed uint64) *Domain {
	t.Helper()
	r := NewRuleset(Handled{FS: fs})
	r.AllowFile(dir, allowed)
	n, err := d.Restrict(r)
	if err != nil {
		t.Fatal(err)
	}
	r.AllowFile(file, fs) // which comes too late
	return n
}

func missing(d *Domain, rights uint64, path ...Object) uint64 {
	var g Grants
	for _, o := range path {
		d.Add(&g, o)
	}
	return d.Missing(&g, rights)
}

func TestDomain(t *testing.T) {
	var none *Domain
	one := on(t, nil, read|write, read)
	two := on(t, one, write, write)
	for _, c := range []struct {
		name   string
		d      *Domain
		rights uint64
		path   []Object
		want   uint64
	}{
		{"without_a_domain_nothing_is_missing", none, read | write, nil, 0},
		{"beneath_the_directory", one, read | write, []Object{file, dir}, write},
		{"elsewhere", one, read | write, []Object{file}, read | write},
		{"not_handled", one, linux.LANDLOCK_ACCESS_FS_MAKE_REG, nil, 0},
		{"refer_is_handled_unasked", one, refer, []Object{dir}, refer},
		{"each_layer_counts", two, read | write, []Object{file, dir}, write},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := missing(c.d, c.rights, c.path...); got != c.want {
				t.Errorf("missing %#x, want %#x", got, c.want)
			}
		})
	}
}

func TestDomain_layers_end(t *testing.T) {
	var d *Domain
	for range MaxLayers {
		d = on(t, d, read, read)
	}
	if _, err := d.Restrict(NewRuleset(Handled{FS: read})); err != errno.E2BIG {
		t.Errorf("one layer too many: %v", err)
	}
}

func TestWithin(t *testing.T) {
	one := on(t, nil, read, read)
	a, b := on(t, one, read, read), on(t, one, read, read)
	for _, c := range []struct {
		name string
		d, o *Domain
		want bool
	}{
		{"free", nil, a, true},
		{"outside", one, nil, false},
		{"same", a, a, true},
		{"below", one, a, true},
		{"above", a, one, false},
		{"aside", a, b, false},
	} {
		if got := c.d.Within(c.o); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
