package boot

import (
	"errors"
	"fmt"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/hostcall"
	"ringfence/sentry/control"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/limits"
	"ringfence/sentry/vfs"
)

// Exit codes of a command that could not be run, as shells give them.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitFailure       = 125
)

// exec starts the first process. Without one, the reply says why.
func (b *sandbox) exec() (*kernel.ThreadGroup, control.Reply) {
	p := &b.cfg.Process
	fail := func(code int, err error) (*kernel.ThreadGroup, control.Reply) {
		return nil, control.Reply{Error: err.Error(), ExitCode: code}
	}
	a := kernel.ProcessArgs{Argv: p.Args, Envv: p.Env, Cred: p.credentials(b.kernel.UserNS), Limits: b.limits(), Mortal: p.Mortal}
	root := b.mounts.Root()
	defer root.DecRef()
	c := &builder{b: b, v: b.kernel.VFS, k: b.kernel, cred: a.Cred, fs: vfs.NewFSContext(root, root, p.Umask)}
	cwd, err := c.v.Resolve(c, vfs.Path{}, p.Cwd, vfs.LookupFollow|vfs.LookupDirectory)
	if err == nil {
		err = c.v.Permission(c, cwd, vfs.MayExec)
	}
	if err != nil {
		c.fs.Release()
		return fail(0, fmt.Errorf("working directory %q: %w", p.Cwd, message(err)))
	}
	c.fs.SetCwd(cwd)
	cwd.DecRef()
	if a.Path, err = c.find(p.Args[0], p.Env); err == nil {
		a.Files, err = b.stdio(&a, c)
	}
	if err != nil {
		c.fs.Release()
		return fail(exitCode(err), message(err))
	}
	b.mounts.IncRef()
	a.Mounts, a.FS = b.mounts, c.fs
	tg, err := b.kernel.Start(a)
	if err != nil {
		return fail(exitCode(err), message(err))
	}
	if p.OOMScoreAdj != 0 {
		tg.SetOOMScoreAdj(int32(p.OOMScoreAdj))
	}
	return tg, control.Reply{}
}

// errNotFound is that a command is in none of PATH's directories.
var errNotFound = errors.New("command not found")

// exitCode returns what a shell's exit code is when a command can't be run.
func exitCode(err error) int {
	if err == errNotFound || err == errno.ENOENT || err == errno.ENOTDIR {
		return exitNotFound
	}
	if _, ok := err.(errno.Errno); ok {
		return exitNotExecutable
	}
	return exitFailure
}

// defaultPath is searched if the environment has no PATH (execvp(3)).
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// find returns the path of a command, which it searches as a shell does.
func (s *builder) find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, s.executable(name)
	}
	dirs := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	result := error(errNotFound)
	for _, dir := range strings.Split(dirs, ":") {
		if dir == "" {
			dir = "."
		}
		p := strings.TrimRight(dir, "/") + "/" + name
		switch err := s.executable(p); err {
		case nil:
			return p, nil
		case errno.EACCES:
			result = err
		}
	}
	return "", result
}

// executable reports why the file at path can't be executed.
func (s *builder) executable(path string) error {
	p, err := s.v.Resolve(s, vfs.Path{}, path, vfs.LookupFollow)
	if err != nil {
		return err
	}
	defer p.DecRef()
	if p.Inode().Type() != linux.S_IFREG {
		return errno.EACCES
	}
	return s.v.Permission(s, p, vfs.MayExec)
}

// credentials returns who the process is.
func (p *Process) credentials(ns *creds.UserNamespace) *creds.Credentials {
	groups := make([]creds.GID, len(p.Groups))
	for i, g := range p.Groups {
		groups[i] = creds.GID(g)
	}
	c := creds.New(creds.UID(p.UID), creds.GID(p.GID), groups, ns)
	c.Permitted, c.Effective = creds.CapSet(p.Permitted), creds.CapSet(p.Effective)
	c.Inheritable, c.Bounding, c.Ambient = creds.CapSet(p.Inheritable), creds.CapSet(p.Bounding), creds.CapSet(p.Ambient)
	c.NoNewPrivs = p.NoNewPrivs
	return c
}

// limits returns the process's resource limits.
func (b *sandbox) limits() *limits.Set {
	l := limits.Default(b.kernel.Memory)
	for n, r := range b.cfg.Process.Rlimits {
		if n == linux.RLIMIT_NOFILE {
			r.Cur, r.Max = min(r.Cur, limits.MaxFiles), min(r.Max, limits.MaxFiles)
		}
		// As the kernel itself: nobody's rights are asked for.
		l.Put(n, linux.Rlimit{Cur: r.Cur, Max: r.Max})
	}
	return l
}

// stdio returns a descriptor table with the standard files, and sets a's terminal.
func (b *sandbox) stdio(a *kernel.ProcessArgs, c *builder) (*kernel.FDTable, error) {
	ft := kernel.NewFDTable()
	open := map[int]*vfs.File{} // by host descriptor
	defer func() {
		for _, f := range open {
			f.DecRef()
		}
	}()
	install := func(fd int32, f *vfs.File) error {
		_, err := ft.Replace(fd, f, limits.MaxFiles, false)
		return err
	}
	fail := func(err error) (*kernel.FDTable, error) {
		b.kernel.ReleaseFiles(ft)
		return nil, fmt.Errorf("standard files: %w", err)
	}
	if b.tty != nil {
		f, err := b.tty.openSlave(c)
		if err != nil {
			return fail(err)
		}
		defer f.DecRef()
		a.TTY = b.tty.console.PTY()
		for fd := range int32(3) {
			if fd == 2 && !b.cfg.Process.StderrOnTerminal {
				break
			}
			if err := install(fd, f); err != nil {
				return fail(err)
			}
		}
	}
	for fd, host := range b.cfg.FDs.Stdio {
		if host == NoFD || ft.Exists(int32(fd)) {
			continue
		}
		f := open[host]
		if f == nil {
			var err error
			if f, err = b.hostfd.Open(hostcall.FD(host), a.Cred); err != nil {
				return fail(err)
			}
			open[host] = f
		}
		if err := install(int32(fd), f); err != nil {
			return fail(err)
		}
	}
	return ft, nil
}
