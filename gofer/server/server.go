// Package server is the gofer's side of gofer/wire: it opens host files for a sentry
// that it does not trust.
//
//   - A file is reached by one path component from a directory descriptor that the
//     gofer holds, never through a symbolic link and never upwards. So a name can't
//     lead out of a mount, whoever changes the tree meanwhile.
//   - A read-only mount is read-only here: what would change it is EROFS, and
//     descriptors that go out can only be read.
//   - Only regular files are opened. Devices, FIFOs and sockets are looked at through
//     O_PATH descriptors and no more.
//   - A malformed message, or one out of phase, ends its connection. When the last
//     connection is gone, Run returns.
//
// /proc must be mounted: an O_PATH descriptor is opened, changed and asked for
// extended attributes through /proc/self/fd.
//
// Neighbours: gofer/wire is the protocol, gofer/client the other side.
//
// Lock order: Server.mu is a leaf.
package server

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
)

// Mount is a tree (or a single file) that the gofer serves.
type Mount struct {
	// Root is an O_PATH descriptor, which the server owns.
	Root     hostcall.FD
	ReadOnly bool
}

// Server serves the mounts to one sentry over any number of connections.
type Server struct {
	mounts     []Mount // immutable after New
	maxHandles int     // immutable after New

	conns sync.WaitGroup

	mu       sync.RWMutex
	files    []*file       // by handle; guarded by mu
	free     []wire.Handle // unused entries of files; guarded by mu
	numConns int           // guarded by mu
	err      error         // why the first connection ended that did not hang up; guarded by mu
}

// file is what a handle stands for.
type file struct {
	fd    hostcall.FD
	mount *Mount
	refs  atomic.Int32 // one of them is the table's
}

func (f *file) drop() {
	if f.refs.Add(-1) == 0 {
		hostcall.Close(f.fd)
	}
}

// path names f to calls that take no O_PATH descriptor.
func (f *file) path() string { return "/proc/self/fd/" + strconv.Itoa(int(f.fd)) }

// New returns a server that holds at most maxHandles files for the sentry.
func New(mounts []Mount, maxHandles int) *Server {
	return &Server{mounts: mounts, maxHandles: maxHandles, files: make([]*file, 1)}
}

// Run serves the first connection, which it owns, and those that it leads to. It returns
// when all have ended; the error says whether the sentry broke the protocol.
func (s *Server) Run(conn hostcall.FD) error {
	s.numConns = 1
	s.conns.Go(func() { s.serve(conn, wire.Setup) })
	s.conns.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f != nil {
			f.drop()
		}
	}
	s.files = nil
	for _, m := range s.mounts {
		hostcall.Close(m.Root)
	}
	return s.err
}

// connect makes another connection and returns the sentry's end.
func (s *Server) connect() (hostcall.FD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numConns >= wire.MaxConnections {
		return hostcall.NoFD, errno.EMFILE
	}
	ours, theirs, err := hostcall.Socketpair(hostcall.SOCK_SEQPACKET | hostcall.SOCK_CLOEXEC)
	if err != nil {
		return hostcall.NoFD, err
	}
	s.numConns++
	s.conns.Go(func() { s.serve(ours, wire.Serve) })
	return theirs, nil
}

// serve answers one connection until it ends.
func (s *Server) serve(fd hostcall.FD, phase wire.Phase) {
	c := connection{server: s, fd: fd, phase: phase, cpu: wire.AnyCPU, in: make([]byte, wire.MaxPacket), out: make([]byte, 0, wire.MaxPacket)}
	err := c.run()
	hostcall.Close(fd)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numConns--
	if s.err == nil {
		s.err = err
	}
}

// connection is one connection and its buffers; its goroutine owns it.
type connection struct {
	server  *Server
	fd      hostcall.FD
	phase   wire.Phase
	greeted bool
	cpu     uint16 // that the thread is confined to, or AnyCPU
	in, out []byte
}

// follow goes where the sender of a request is. It waits for the answer, so its CPU is
// free, and to wake another CPU takes longer than most answers.
func (c *connection) follow(cpu uint16) {
	if cpu == c.cpu || cpu == wire.AnyCPU {
		return
	}
	// What the host refuses makes us slower, nothing else.
	if hostcall.SchedSetaffinity(0, []int{int(cpu)}) == nil {
		c.cpu = cpu
	}
}

func (c *connection) run() error {
	runtime.LockOSThread() // for good: the thread is not what it was
	for {
		n, fds, flags, err := hostcall.Recvmsg(c.fd, c.in, 0, 0)
		for _, fd := range fds {
			hostcall.Close(fd)
		}
		switch {
		case err == errno.ECONNRESET || err == nil && n == 0:
			return nil // The sentry hung up.
		case err != nil:
			return fmt.Errorf("receive from sentry: %w", err)
		case flags&(hostcall.MSG_TRUNC|hostcall.MSG_CTRUNC) != 0:
			return fmt.Errorf("request from sentry: %w: too long", wire.ErrMalformed)
		}
		h, req, err := wire.DecodeRequest(c.in[:n])
		if err != nil {
			return fmt.Errorf("request %v from sentry: %w", h.Kind, err)
		}
		if wire.Messages[h.Kind].Phase != c.phase || c.phase == wire.Setup && (h.Kind == wire.KindHello) == c.greeted {
			return fmt.Errorf("request %v from sentry: out of phase", h.Kind)
		}
		c.follow(h.CPU)
		if err := c.reply(h, req); err != nil {
			return err
		}
	}
}

// reply answers one request. The error means that the connection can't go on.
func (c *connection) reply(h wire.Header, req wire.Body) error {
	body, fd, err := c.handle(h.Kind, req)
	h.Errno = 0
	if err != nil {
		h.Errno = uint16(err.(errno.Errno))
	}
	e := wire.NewEncoder(c.out)
	h.Encode(&e)
	if err == nil {
		body.Encode(&e)
	}
	packet, ok := e.Bytes()
	if !ok || len(packet) > wire.Messages[h.Kind].MaxReply {
		panic("gofer: reply " + h.Kind.String() + " is too long")
	}
	c.out = packet
	var fds []hostcall.FD
	if fd != hostcall.NoFD {
		defer hostcall.Close(fd)
		fds = []hostcall.FD{fd}
	}
	if _, err := hostcall.Sendmsg(c.fd, packet, fds, 0); err != nil && err != errno.EPIPE && err != errno.ECONNRESET {
		return fmt.Errorf("reply to sentry: %w", err)
	}
	return nil
}

// handle does what a request asks for. The error is an errno.Errno; the descriptor is
// NoFD or goes out with the reply.
func (c *connection) handle(kind wire.Kind, req wire.Body) (wire.Body, hostcall.FD, error) {
	s := c.server
	var body wire.Body = &wire.Empty{}
	fd := hostcall.NoFD
	var err error
	switch r := req.(type) {
	case *wire.HelloRequest:
		c.greeted = true
		if r.Version != wire.Version {
			err = errno.EPROTO
		}
		body = &wire.HelloReply{Version: wire.Version, Mounts: uint32(len(s.mounts))}
	case *wire.AttachRequest:
		body, err = s.attach(r)
	case *wire.Empty:
		if kind == wire.KindServe {
			c.phase = wire.Serve
		} else {
			fd, err = s.connect()
		}
	case *wire.WalkRequest:
		body, err = s.walk(r)
	case *wire.SetAttrRequest:
		body, err = s.setAttr(r)
	case *wire.OpenRequest:
		body, fd, err = s.open(r)
	case *wire.ReadDirRequest:
		body, err = s.readDir(r)
	case *wire.CreateRequest:
		body, fd, err = s.create(r, kind == wire.KindTmpfile)
	case *wire.MakeRequest:
		body, err = s.make(r)
	case *wire.LinkRequest:
		body, err = s.link(r)
	case *wire.UnlinkRequest:
		body, err = s.unlink(r)
	case *wire.RenameRequest:
		body, err = s.rename(r)
	case *wire.XattrRequest:
		body, err = s.xattr(kind, r)
	case *wire.CloseRequest:
		err = s.closeHandles(r)
	case *wire.Ref:
		body, err = s.onRef(kind, r)
	}
	return body, fd, err
}

// insert gives f, with one reference that it takes over, a handle.
func (s *Server) insert(f *file) (wire.Handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		h := s.free[n-1]
		s.free = s.free[:n-1]
		s.files[h] = f
		return h, nil
	}
	if len(s.files) > s.maxHandles {
		f.drop()
		return 0, errno.ENFILE
	}
	s.files = append(s.files, f)
	return wire.Handle(len(s.files) - 1), nil
}

// get returns the file of h with a reference; EBADF if there is none.
func (s *Server) get(h wire.Handle) (*file, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if int64(h) >= int64(len(s.files)) || s.files[h] == nil {
		return nil, errno.EBADF
	}
	f := s.files[h]
	f.refs.Add(1)
	return f, nil
}

func (s *Server) closeHandles(r *wire.CloseRequest) error {
	var err error
	s.mu.Lock()
	gone := make([]*file, 0, len(r.Handles))
	for _, h := range r.Handles {
		if int64(h) >= int64(len(s.files)) || s.files[h] == nil {
			err = errno.EBADF
			continue
		}
		gone = append(gone, s.files[h])
		s.files[h] = nil
		s.free = append(s.free, h)
	}
	s.mu.Unlock()
	for _, f := range gone {
		f.drop()
	}
	return err
}

// beneath keeps a look-up below its directory and off links.
const beneath = hostcall.RESOLVE_BENEATH | hostcall.RESOLVE_NO_MAGICLINKS | hostcall.RESOLVE_NO_SYMLINKS

// lookup opens one name of a directory, whatever is there, as O_PATH.
func lookup(dir *file, name string) (*file, error) {
	fd, err := hostcall.Openat2(dir.fd, name, linux.O_PATH|linux.O_NOFOLLOW|linux.O_CLOEXEC, 0, beneath)
	if err != nil {
		return nil, err
	}
	f := &file{fd: fd, mount: dir.mount}
	f.refs.Store(1)
	return f, nil
}

// resolve returns the file that r means, with a reference.
func (s *Server) resolve(r *wire.Ref) (*file, error) {
	f, err := s.get(r.Handle)
	if err != nil || r.Name == "" {
		return f, err
	}
	f.drop()
	f, _, err = s.resolveAttr(r)
	return f, err
}

// resolveAttr is resolve with the attributes of the file.
func (s *Server) resolveAttr(r *wire.Ref) (*file, wire.Attr, error) {
	f, err := s.get(r.Handle)
	if err != nil {
		return nil, wire.Attr{}, err
	}
	if r.Name != "" {
		dir := f
		f, err = lookup(dir, r.Name)
		dir.drop()
		if err == errno.ENOENT {
			err = errno.ESTALE
		}
		if err != nil {
			return nil, wire.Attr{}, err
		}
	}
	a, err := attr(f.fd, "")
	if err == nil && r.Name != "" && (a.Ino != r.Ino || a.Dev != r.Dev) {
		err = errno.ESTALE
	}
	if err != nil {
		f.drop()
		return nil, wire.Attr{}, err
	}
	return f, a, nil
}

// changeable is resolve for a request that changes the file.
func (s *Server) changeable(r *wire.Ref) (*file, error) {
	f, err := s.resolve(r)
	return writable(f, err)
}

// changeableDir is get for a request that changes the directory.
func (s *Server) changeableDir(h wire.Handle) (*file, error) {
	f, err := s.get(h)
	return writable(f, err)
}

func writable(f *file, err error) (*file, error) {
	if err == nil && f.mount.ReadOnly {
		f.drop()
		return nil, errno.EROFS
	}
	return f, err
}

// attr asks for the attributes of name in dir, or of dir itself.
func attr(dir hostcall.FD, name string) (wire.Attr, error) {
	st, err := hostcall.StatxBasic(dir, name)
	if err != nil {
		return wire.Attr{}, err
	}
	return wire.Attr{
		Dev: linux.MakeDev64(st.Dev_major, st.Dev_minor), Ino: st.Ino,
		Mode: uint32(st.Mode), Nlink: st.Nlink, UID: st.Uid, GID: st.Gid,
		Rdev: linux.MakeDev64(st.Rdev_major, st.Rdev_minor),
		Size: int64(st.Size), Blocks: int64(st.Blocks), BlkSize: st.Blksize,
		Atime: st.Atime.Sec*1e9 + int64(st.Atime.Nsec), Mtime: st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		Ctime: st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec), Btime: st.Btime.Sec*1e9 + int64(st.Btime.Nsec),
		Flags: st.Attributes,
	}, nil
}

// node describes f, and gives it a handle if asked to; it takes over the reference.
func (s *Server) node(f *file, handle bool) (wire.Node, error) {
	a, err := attr(f.fd, "")
	if err != nil {
		f.drop()
		return wire.Node{}, err
	}
	n := wire.Node{Attr: a}
	if a.Mode&linux.S_IFMT == linux.S_IFLNK {
		if n.Target, err = readlink(f.fd, ""); err != nil {
			f.drop()
			return wire.Node{}, err
		}
	}
	if !handle && a.Mode&linux.S_IFMT != linux.S_IFDIR {
		f.drop()
		return n, nil
	}
	n.Handle, err = s.insert(f)
	return n, err
}

func readlink(dir hostcall.FD, name string) (string, error) {
	buf := make([]byte, wire.MaxTarget+1)
	n, err := hostcall.Readlinkat(dir, name, buf)
	if err == nil && n > wire.MaxTarget {
		err = errno.ENAMETOOLONG
	}
	return string(buf[:n]), err
}

func (s *Server) attach(r *wire.AttachRequest) (wire.Body, error) {
	if int64(r.Mount) >= int64(len(s.mounts)) {
		return nil, errno.ENODEV
	}
	m := &s.mounts[r.Mount]
	fd, err := hostcall.Dup(m.Root)
	if err != nil {
		return nil, err
	}
	f := &file{fd: fd, mount: m}
	f.refs.Store(1)
	n, err := s.node(f, true)
	return &wire.AttachReply{Node: n, ReadOnly: m.ReadOnly}, err
}

// walk opens directories on the way; the last name, which as a rule is a file, is
// only looked at if that is enough.
func (s *Server) walk(r *wire.WalkRequest) (wire.Body, error) {
	dir, err := s.get(r.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { dir.drop() }()
	reply := &wire.WalkReply{Nodes: make([]wire.Node, 0, len(r.Names))}
	for i, name := range r.Names {
		n, err := s.step(dir, name, r.Handles, i == len(r.Names)-1)
		if err != nil {
			reply.Errno = uint16(err.(errno.Errno))
			break
		}
		reply.Nodes = append(reply.Nodes, n)
		if n.Attr.Mode&linux.S_IFMT != linux.S_IFDIR || i == len(r.Names)-1 {
			break
		}
		next, err := s.get(n.Handle)
		if err != nil {
			return nil, err // Closed by another connection meanwhile: the sentry is confused.
		}
		dir.drop()
		dir = next
	}
	return reply, nil
}

// step looks up one name.
func (s *Server) step(dir *file, name string, handle, last bool) (wire.Node, error) {
	if last && !handle {
		n, err := peek(dir, name)
		if err != nil || n.Attr.Mode&linux.S_IFMT != linux.S_IFDIR {
			return n, err
		}
	}
	f, err := lookup(dir, name)
	if err != nil {
		return wire.Node{}, err
	}
	return s.node(f, handle)
}

// peek describes name in dir without opening it.
func peek(dir *file, name string) (wire.Node, error) {
	a, err := attr(dir.fd, name)
	if err != nil {
		return wire.Node{}, err
	}
	n := wire.Node{Attr: a}
	if a.Mode&linux.S_IFMT == linux.S_IFLNK {
		n.Target, err = readlink(dir.fd, name)
		if err == errno.EINVAL {
			err = errno.ESTALE // It is no link any more.
		}
	}
	return n, err
}

// onRef answers the requests that name nothing but a file.
func (s *Server) onRef(kind wire.Kind, r *wire.Ref) (wire.Body, error) {
	f, err := s.resolve(r)
	if err != nil {
		return nil, err
	}
	defer f.drop()
	switch kind {
	case wire.KindGetAttr:
		a, err := attr(f.fd, "")
		return &a, err
	case wire.KindReadlink:
		t, err := readlink(f.fd, "")
		return &wire.TextReply{Text: t}, err
	case wire.KindStatfs:
		st, err := hostcall.Fstatfs(f.fd)
		return &wire.StatfsReply{
			BlockSize: st.Bsize, Blocks: st.Blocks, Free: st.Bfree, Avail: st.Bavail,
			Files: st.Files, FilesFree: st.Ffree, NameLen: st.Namelen, Magic: st.Type,
		}, err
	case wire.KindListXattr:
		return s.listXattr(f)
	case wire.KindSync:
		return &wire.Empty{}, s.sync(f)
	}
	return nil, errno.EOPNOTSUPP
}
