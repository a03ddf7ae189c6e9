// Package socket is what the families of sockets share (socket(7)).
//
//	Socket    what a family implements
//	FS        sockfs: makes the open file of a Socket
//	Base      what every socket has: a wait queue, the options of SOL_SOCKET, a pending error
//	Message   what sendmsg(2) and recvmsg(2) move beside the bytes
//
// Like FileOps, a Socket never waits: what would block returns EAGAIN, and the caller waits
// on the queue. A Socket is told of MSG_DONTWAIT, and of O_NONBLOCK as MSG_DONTWAIT, only because
// some results depend on it.
//
// Lock order: locks of a family come before Base's, which are leaves.
package socket

import (
	"fmt"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/creds"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// Caller is who makes a call on a socket.
type Caller interface {
	vfs.Caller
	// Process is the calling process, for credentials.
	Process() Process
}

// Process identifies a process, past its end too.
type Process interface {
	// NumberFor returns the process's number as c sees it, 0 if c cannot see it.
	NumberFor(c Caller) int32
}

// Creds are credentials that travel (SCM_CREDENTIALS) or stay with a connection (SO_PEERCRED).
type Creds struct {
	Process Process // nil: unknown, pid 0
	UID     creds.UID
	GID     creds.GID
	Groups  []creds.GID
}

// CallerCreds returns the credentials of a sender: real ids (include/net/scm.h).
func CallerCreds(c vfs.Caller) Creds {
	cr := c.Creds()
	return Creds{Process: processOf(c), UID: cr.RUID, GID: cr.RGID}
}

// PeerCreds returns the credentials that a connection keeps: effective ids (SO_PEERCRED).
func PeerCreds(c vfs.Caller) Creds {
	cr := c.Creds()
	return Creds{Process: processOf(c), UID: cr.EUID, GID: cr.EGID, Groups: cr.Groups}
}

func processOf(c vfs.Caller) Process {
	if sc, ok := c.(Caller); ok {
		return sc.Process()
	}
	return nil
}

// Message is what a send or receive moves beside the bytes.
type Message struct {
	// Flags are MSG_* flags of the call.
	Flags uint32
	// Name is the address to send to, or nil; a receive sets it to where the message is from.
	Name []byte
	// Files are the open files of SCM_RIGHTS. A successful send takes over the references;
	// a receive gives them to the caller.
	Files []*vfs.File
	// Creds are what the sender claims, if HasCreds; a receive sets them for SO_PASSCRED.
	Creds    Creds
	HasCreds bool
	// Control are the control messages that are not of SOL_SOCKET.
	Control []ControlMessage
	// Stamp is when a received message was sent, in nanoseconds since 1970; 0 if unknown.
	Stamp int64
	// Out are flags for msg_flags: MSG_TRUNC, MSG_EOR, ...
	Out uint32
}

// Socket is a socket of some family. Safe for concurrent use. Addresses are struct sockaddr
// as the guest has or gets them.
type Socket interface {
	// Kind returns what socket(2) was given: family, type, protocol.
	Kind() (family, typ, protocol int32)

	Bind(c Caller, addr []byte) error
	Connect(c Caller, addr []byte, flags uint32) error
	Listen(c Caller, backlog int32) error
	// Accept returns the socket of a waiting connection. nonblock says that the caller will not
	// wait, as some errors depend on it.
	Accept(c Caller, nonblock bool) (Socket, error)
	LocalName() ([]byte, error)
	PeerName() ([]byte, error)
	Shutdown(how int32) error

	// Send and Recv move bytes as FileOps' Write and Read do. With MSG_TRUNC a Recv may return more
	// than it stored.
	Send(c vfs.Caller, src *usermem.Sequence, m *Message) (int, error)
	Recv(c vfs.Caller, dst *usermem.Sequence, m *Message) (int, error)

	// SetOption and Option are setsockopt(2) and getsockopt(2). Option returns the whole value,
	// of which the guest gets as much as it has room for.
	SetOption(c Caller, level, name int32, value []byte) error
	Option(c Caller, level, name int32, room int) ([]byte, error)

	Ioctl(c vfs.Caller, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error)
	Readiness() wait.Mask
	// Common returns the socket's Base.
	Common() *Base
	// Close is called once, when the file goes, or when the socket never got one.
	Close()
}

// FS is sockfs.
type FS struct {
	v  *vfs.VFS
	sb *vfs.Superblock
}

// NewFS returns the sockfs of v.
func NewFS(v *vfs.VFS) *FS {
	sb := vfs.NewSuperblock("sockfs", linux.SOCKFS_MAGIC, 0, vfs.BaseSuper{})
	sb.Dev = v.NewDev()
	return &FS{v: v, sb: sb}
}

// inodeOps is the InodeOps of a socket: it can't be opened through /proc/PID/fd.
type inodeOps struct {
	vfs.BaseInode
	s Socket
}

func (inodeOps) Open(vfs.Caller, *vfs.Inode, uint32) (vfs.FileOps, error) {
	return nil, errno.ENXIO
}

// SetAttr implements vfs.InodeOps for fchmod and fchown.
func (inodeOps) SetAttr(_ vfs.Caller, n *vfs.Inode, s vfs.SetAttr) error {
	n.Update(func(a *vfs.Attr) {
		if s.Mask&vfs.SetMode != 0 {
			a.Mode = a.Mode&linux.S_IFMT | s.Mode&^linux.S_IFMT
		}
		if s.Mask&vfs.SetUID != 0 {
			a.UID = s.UID
		}
		if s.Mask&vfs.SetGID != 0 {
			a.GID = s.GID
		}
	})
	return nil
}

// NewFile returns an open file of s with one reference. Of flags O_NONBLOCK counts.
func (fs *FS) NewFile(c vfs.Caller, s Socket, flags uint32) *vfs.File {
	now, cred := c.Now(), c.Creds()
	n := vfs.NewInode(fs.sb, inodeOps{s: s}, vfs.Attr{
		Mode: linux.S_IFSOCK | 0o777, Nlink: 1, UID: cred.FSUID, GID: cred.FSGID, BlkSize: 4096,
		Atime: now, Mtime: now, Ctime: now, Btime: now,
	})
	f := fs.v.NewInodeFile(n, "", &File{S: s}, linux.O_RDWR|flags&linux.O_NONBLOCK,
		vfs.FModeRead|vfs.FModeWrite|vfs.FModeStream, cred)
	s.Common().setFile(f)
	return f
}

// File is the FileOps of a socket.
type File struct {
	vfs.BaseFile
	S Socket
}

// Of returns the socket that f is, or nil.
func Of(f *vfs.File) Socket {
	if o, ok := f.Ops.(*File); ok {
		return o.S
	}
	return nil
}

// Release implements vfs.FileOps.
func (o *File) Release(*vfs.File) {
	o.S.Common().net.used.Add(-1)
	o.S.Close()
}

// Read implements vfs.FileOps.
func (o *File) Read(c vfs.Caller, f *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if dst.Len() == 0 { // sock_read_iter: nothing to do, nothing to find wrong
		return 0, nil
	}
	m := newMessage(f)
	defer m.free()
	n, err := o.S.Recv(c, dst, m)
	for _, f := range m.Files {
		f.DecRef() // read(2) drops what only recvmsg(2) can take
	}
	return n, err
}

// Write implements vfs.FileOps.
func (o *File) Write(c vfs.Caller, f *vfs.File, src *usermem.Sequence, _ int64, _ uint32) (int, error) {
	m := newMessage(f)
	defer m.free()
	return o.S.Send(c, src, m)
}

// messages are those of read(2) and write(2), which nobody keeps.
var messages = sync.Pool{New: func() any { return new(Message) }}

func newMessage(f *vfs.File) *Message {
	m := messages.Get().(*Message)
	m.Flags = dontWait(f)
	return m
}

func (m *Message) free() {
	*m = Message{}
	messages.Put(m)
}

func dontWait(f *vfs.File) uint32 {
	if f.Nonblocking() {
		return linux.MSG_DONTWAIT
	}
	return 0
}

// Readiness implements vfs.FileOps.
func (o *File) Readiness(*vfs.File) wait.Mask { return o.S.Readiness() }

// Queue implements vfs.FileOps.
func (o *File) Queue(*vfs.File) *wait.Queue { return &o.S.Common().Queue }

// Ioctl implements vfs.FileOps.
func (o *File) Ioctl(c vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	n, err := o.S.Ioctl(c, m, cmd, arg)
	if err != errno.ENOTTY {
		return n, err
	}
	net := o.S.Common().Net()
	if cmd != linux.SIOCGSKNS {
		return 0, net.interfaceIoctl(c, m, cmd, arg)
	}
	if !net.Admin(c) {
		return 0, errno.EPERM
	}
	fd, err := net.Namespace.OpenFor(c)
	return uint64(fd), err
}

// IOTimeout implements vfs.IOTimer: SO_RCVTIMEO and SO_SNDTIMEO.
func (o *File) IOTimeout(_ *vfs.File, write bool) int64 {
	if write {
		return o.S.Common().SendTimeout()
	}
	return o.S.Common().RecvTimeout()
}

// IdentityName implements vfs.FileIdentity.
func (o *File) IdentityName(f *vfs.File) string {
	return fmt.Sprintf("socket:[%d]", f.Inode().Ino())
}
