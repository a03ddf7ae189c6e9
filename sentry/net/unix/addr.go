package unix

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/vfs"
)

// pathOffset is where sun_path begins in struct sockaddr_un.
const pathOffset = 2

// address is the name of a bound socket. Immutable.
type address struct {
	raw  []byte   // struct sockaddr_un as getsockname(2) returns it
	path vfs.Path // of a socket file, with a reference; zero for an abstract name
}

// abstract returns the abstract name with its leading NUL, "" for a path.
func (a *address) abstract() string {
	if a.path.Ok() {
		return ""
	}
	return string(a.raw[pathOffset:])
}

// unnamed is the address of a socket without a name.
var unnamed = []byte{linux.AF_UNIX, 0}

// name returns the raw address of a socket that may have none.
func (a *address) name() []byte {
	if a == nil {
		return bytes.Clone(unnamed)
	}
	return bytes.Clone(a.raw)
}

// String returns the name as /proc/net/unix shows it.
func (a *address) String() string {
	if a.path.Ok() {
		return string(a.raw[pathOffset : len(a.raw)-1])
	}
	return strings.ReplaceAll(string(a.raw[pathOffset:]), "\x00", "@")
}

// checkAddr checks what bind and connect are given: EINVAL if it is no address of a name.
func checkAddr(addr []byte) error {
	if len(addr) <= pathOffset || len(addr) > pathOffset+linux.UnixPathMax ||
		binary.LittleEndian.Uint16(addr) != linux.AF_UNIX {
		return errno.EINVAL
	}
	return nil
}

// splitAddr returns the path that addr names, or its abstract name with its NUL.
// Preconditions: checkAddr.
func splitAddr(addr []byte) (path, abstract string) {
	name := addr[pathOffset:]
	if name[0] == 0 {
		return "", string(name)
	}
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	return string(name), ""
}

// Namespace holds what of a network namespace concerns unix sockets.
type Namespace struct {
	net *socket.Net // immutable

	mu       sync.Mutex
	abstract map[string]*Socket // by name with its NUL
	nextAuto uint32
}

// NewNamespace returns what there is of n without sockets.
func NewNamespace(n *socket.Net) *Namespace {
	return &Namespace{
		net:      n,
		abstract: make(map[string]*Socket),
	}
}

// bindAbstract gives s an abstract name; EADDRINUSE if it is taken. Preconditions: s.mu.
func (ns *Namespace) bindAbstract(s *Socket, name string) error {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.abstract[name] != nil {
		return errno.EADDRINUSE
	}
	ns.abstract[name] = s
	s.addr.Store(&address{raw: append([]byte{linux.AF_UNIX, 0}, name...)})
	return nil
}

// autobindLocked gives s an abstract name of five digits. Preconditions: s.mu.
func (ns *Namespace) autobindLocked(s *Socket) error {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for range 1 << 20 {
		ns.nextAuto = (ns.nextAuto + 1) & 0xfffff
		name := fmt.Sprintf("\x00%05x", ns.nextAuto)
		if ns.abstract[name] == nil {
			ns.abstract[name] = s
			s.addr.Store(&address{raw: append([]byte{linux.AF_UNIX, 0}, name...)})
			return nil
		}
	}
	return errno.ENOSPC
}

// Bind implements socket.Socket.
func (s *Socket) Bind(c socket.Caller, addr []byte) error {
	if len(addr) == pathOffset && binary.LittleEndian.Uint16(addr) == linux.AF_UNIX {
		return s.autobind()
	}
	if err := checkAddr(addr); err != nil {
		return err
	}
	path, abstract := splitAddr(addr)
	if abstract != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.addr.Load() != nil {
			return errno.EINVAL
		}
		return s.ns.bindAbstract(s, abstract)
	}
	// Like Linux, make the file first: EADDRINUSE comes before EINVAL.
	p, err := s.fs.v.BindAt(c, vfs.Path{}, path, 0o777)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.addr.Load() != nil {
		s.mu.Unlock()
		s.fs.v.UnlinkAt(c, vfs.Path{}, path)
		p.DecRef()
		return errno.EINVAL
	}
	raw := append([]byte{linux.AF_UNIX, 0}, path...)
	s.addr.Store(&address{raw: append(raw, 0), path: p})
	s.fs.mu.Lock()
	s.fs.bound[p.Inode()] = s
	s.fs.mu.Unlock()
	s.mu.Unlock()
	return nil
}

// autobind gives the socket a name if it has none.
func (s *Socket) autobind() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr.Load() != nil {
		return nil
	}
	return s.ns.autobindLocked(s)
}

// unbindLocked takes the name out of use and returns the path to drop. The socket's
// own copy stays: messages show it. Preconditions: s.mu.
func (s *Socket) unbindLocked() vfs.Path {
	a := s.addr.Load()
	if a == nil || s.inherited {
		return vfs.Path{}
	}
	if a.path.Ok() {
		s.fs.mu.Lock()
		delete(s.fs.bound, a.path.Inode())
		s.fs.mu.Unlock()
		return a.path
	}
	s.ns.mu.Lock()
	delete(s.ns.abstract, a.abstract())
	s.ns.mu.Unlock()
	return vfs.Path{}
}

// find returns the socket that addr names and that has the caller's type. Preconditions: checkAddr.
func (s *Socket) find(c vfs.Caller, addr []byte) (*Socket, error) {
	path, abstract := splitAddr(addr)
	var other *Socket
	if abstract != "" {
		s.ns.mu.Lock()
		other = s.ns.abstract[abstract]
		s.ns.mu.Unlock()
	} else {
		p, err := s.fs.v.Resolve(c, vfs.Path{}, path, vfs.LookupFollow)
		if err != nil {
			return nil, err
		}
		defer p.DecRef()
		if err := s.fs.v.Permission(c, p, vfs.MayWrite); err != nil {
			return nil, err
		}
		if p.Inode().Type() == linux.S_IFSOCK {
			s.fs.mu.Lock()
			other = s.fs.bound[p.Inode()]
			s.fs.mu.Unlock()
		}
	}
	if other == nil {
		return nil, errno.ECONNREFUSED
	}
	if other.typ != s.typ {
		return nil, errno.EPROTOTYPE
	}
	if d := c.Creds().Landlock; abstract != "" && !d.Reaches(other.domain, linux.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.typ != linux.SOCK_DGRAM || s.peer != other {
			return nil, errno.EPERM
		}
	}
	return other, nil
}
