// Package state keeps what the CLI must remember of containers between its runs:
// one directory a container below the root directory (--root), with a state file, a
// lock and the control socket.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Container is what is known of a container.
type Container struct {
	ID          string            `json:"id"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	PID         int               `json:"pid"`
	StartTime   uint64            `json:"startTime"` // of PID, in clock ticks since boot: tells a reused pid
	Created     time.Time         `json:"created"`
	Owner       int               `json:"owner"` // user id
	Annotations map[string]string `json:"annotations,omitempty"`

	dir string
}

// ErrNotExist is that a container does not exist.
var ErrNotExist = errors.New("does not exist")

// ErrExists is that a container exists already.
var ErrExists = errors.New("already exists")

var validID = regexp.MustCompile(`^[A-Za-z0-9_+.-]+$`)

// CheckID reports why id can't name a container.
func CheckID(id string) error {
	if !validID.MatchString(id) || id == "." || id == ".." || len(id) > 255 {
		return fmt.Errorf("container id %q: must consist of letters, digits and any of _+.-", id)
	}
	return nil
}

// Store is a root directory.
type Store struct{ dir string }

// Open returns the store in dir, which need not exist.
func Open(dir string) *Store { return &Store{dir} }

// Create makes the directory of a new container. Save makes it known to others.
func (s *Store) Create(c Container) (*Container, error) {
	if err := CheckID(c.ID); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return nil, fmt.Errorf("state directory %q: %w", s.dir, err)
	}
	c.dir = filepath.Join(s.dir, c.ID)
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("container %q %w", c.ID, ErrExists)
		}
		return nil, fmt.Errorf("state of container %q: %w", c.ID, err)
	}
	return &c, nil
}

// Load returns a container that was saved.
func (s *Store) Load(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := &Container{dir: filepath.Join(s.dir, id)}
	b, err := os.ReadFile(c.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("container %q %w", id, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("state of container %q: %w", id, err)
	}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("state of container %q: %w", id, err)
	}
	return c, nil
}

// List returns all containers, by id. What can't be read is left out.
func (s *Store) List() ([]*Container, error) {
	dirs, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("state directory %q: %w", s.dir, err)
	}
	var list []*Container
	for _, d := range dirs {
		if c, err := s.Load(d.Name()); err == nil {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *Container) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (c *Container) file() string { return filepath.Join(c.dir, "state.json") }

// ControlSocket is the path of the container's control socket.
func (c *Container) ControlSocket() string { return filepath.Join(c.dir, "control.sock") }

// Save writes the container's state, whole or not at all.
func (c *Container) Save() error {
	b, err := json.Marshal(c)
	if err == nil {
		tmp := c.file() + ".new"
		if err = os.WriteFile(tmp, b, 0o600); err == nil {
			err = os.Rename(tmp, c.file())
		}
	}
	if err != nil {
		return fmt.Errorf("state of container %q: %w", c.ID, err)
	}
	return nil
}

// Remove forgets the container.
func (c *Container) Remove() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("state of container %q: %w", c.ID, err)
	}
	return nil
}

// Lock waits until no other CLI changes the container. Close of the file ends it.
func (c *Container) Lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("container %q %w", c.ID, ErrNotExist)
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("lock container %q: %w", c.ID, err)
	}
	return f, nil
}

// SetProcess notes the sentry's process.
func (c *Container) SetProcess(pid int) {
	c.PID = pid
	c.StartTime, _ = startTime(pid)
}

// Alive reports whether the sentry's process is still there.
func (c *Container) Alive() bool {
	if c.PID <= 0 {
		return false
	}
	start, zombie := startTime(c.PID)
	return start != 0 && start == c.StartTime && !zombie
}

// startTime returns field 22 of /proc/PID/stat (proc(5)), 0 if there is no such process.
func startTime(pid int) (ticks uint64, zombie bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may hold anything.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 {
		return 0, false
	}
	ticks, _ = strconv.ParseUint(f[19], 10, 64)
	return ticks, f[0] == "Z" || f[0] == "X"
}
