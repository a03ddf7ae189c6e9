package server

import (
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
)

// reopen opens an O_PATH file that is regular or a directory for real. Its type can't
// change under us, so this never opens anything with side effects.
func reopen(f *file, flags int) (hostcall.FD, error) {
	return hostcall.Openat(hostcall.AtCwd, f.path(), flags|linux.O_CLOEXEC|linux.O_NOCTTY|linux.O_NONBLOCK, 0)
}

func (s *Server) open(r *wire.OpenRequest) (wire.Body, hostcall.FD, error) {
	f, a, err := s.resolveAttr(&r.Ref)
	if err != nil {
		return nil, hostcall.NoFD, err
	}
	defer f.drop()
	flags := linux.O_RDONLY
	switch {
	case a.Mode&linux.S_IFMT == linux.S_IFDIR:
		return nil, hostcall.NoFD, errno.EISDIR
	case a.Mode&linux.S_IFMT != linux.S_IFREG:
		return nil, hostcall.NoFD, errno.ENXIO
	case r.Write && f.mount.ReadOnly:
		return nil, hostcall.NoFD, errno.EROFS
	case r.Write:
		flags = linux.O_RDWR
	}
	fd, err := reopen(f, flags)
	return &a, fd, err
}

// openDir opens a directory for listing. If r is a name, the descriptor is dir's own.
func (s *Server) openDir(r *wire.Ref) (dir *file, fd hostcall.FD, err error) {
	at, err := s.get(r.Handle)
	if err != nil {
		return nil, hostcall.NoFD, err
	}
	if r.Name == "" {
		fd, err = openList(at, ".")
		if err != nil {
			at.drop()
		}
		return at, fd, err
	}
	defer at.drop()
	dir, a, err := openBelow(at, r.Name)
	if err == nil && (a.Ino != r.Ino || a.Dev != r.Dev) {
		dir.drop()
		err = errno.ESTALE
	}
	if err == errno.ENOENT || err == errno.ELOOP {
		err = errno.ESTALE
	}
	if err != nil {
		return nil, hostcall.NoFD, err
	}
	return dir, dir.fd, nil
}

// openList opens a directory such that it can be listed. O_DIRECTORY opens nothing with side
// effects.
func openList(at *file, name string) (hostcall.FD, error) {
	return hostcall.Openat2(at.fd, name, linux.O_RDONLY|linux.O_DIRECTORY|linux.O_NOFOLLOW|linux.O_CLOEXEC, 0, beneath)
}

// openBelow opens the directory name in at, such that it can be listed.
func openBelow(at *file, name string) (*file, wire.Attr, error) {
	fd, err := openList(at, name)
	if err != nil {
		return nil, wire.Attr{}, err
	}
	a, err := attr(fd, "")
	if err != nil {
		hostcall.Close(fd)
		return nil, wire.Attr{}, err
	}
	dir := &file{fd: fd, mount: at.mount}
	dir.refs.Store(1)
	return dir, a, nil
}

// readDir is stateless: positions are the host directory's own.
func (s *Server) readDir(r *wire.ReadDirRequest) (*wire.ReadDirReply, error) {
	dir, fd, err := s.openDir(&r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.drop()
	if dir.fd != fd {
		defer hostcall.Close(fd)
	}
	if r.Pos != 0 {
		if _, err := hostcall.Lseek(fd, r.Pos, hostcall.SEEK_SET); err != nil {
			return nil, err
		}
	}
	reply := &wire.ReadDirReply{}
	room := wire.MaxPacket - wire.HeaderSize - 16
	reply.Entries, reply.End, err = list(dir, fd, r.Attrs, &room)
	if err != nil {
		return nil, err
	}
	if r.Dir.Name != "" {
		dir.refs.Add(1)
		if reply.Handle, err = s.insert(dir); err != nil {
			return nil, err
		}
	}
	if r.Ahead && reply.End {
		reply.Ahead = s.readAhead(dir, reply.Entries, room)
	}
	return reply, nil
}

// worthAhead is for how many bytes of entries another directory is looked at.
const worthAhead = 4 << 10

// readAhead lists directories below dir, which holds entries, level by level until the next
// does not fit room bytes. What fails is left out: whoever asks for it will be told why.
func (s *Server) readAhead(dir *file, entries []wire.Entry, room int) (ahead []wire.Listing) {
	type level struct {
		dir     *file
		entries []wire.Entry
	}
	dir.refs.Add(1)
	levels := []level{{dir, entries}}
	defer func() {
		for _, l := range levels {
			l.dir.drop()
		}
	}()
	for next := 0; next < len(levels); next++ {
		at := levels[next]
		for i := range at.entries {
			if e := &at.entries[i]; !e.HasNode || e.Node.Attr.Mode&linux.S_IFMT != linux.S_IFDIR {
				continue
			}
			if room -= wire.ListingSize; room < worthAhead {
				return ahead
			}
			below, a, err := openBelow(at.dir, at.entries[i].Name)
			if err != nil {
				continue
			}
			l := wire.Listing{Dev: a.Dev, Ino: a.Ino}
			end := false
			if l.Entries, end, err = list(below, below.fd, true, &room); err != nil || !end {
				below.drop()
				return ahead
			}
			levels = append(levels, level{below, l.Entries})
			below.refs.Add(1)
			if l.Handle, err = s.insert(below); err != nil {
				return ahead
			}
			ahead = append(ahead, l)
		}
	}
	return ahead
}

// dirents holds buffers for getdents.
var dirents = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// list reads as many entries of dir, from where fd stands, as fit room bytes, which it
// takes from there. end says that these are all.
func list(dir *file, fd hostcall.FD, attrs bool, room *int) (entries []wire.Entry, end bool, err error) {
	pooled := dirents.Get().(*[16 << 10]byte)
	defer dirents.Put(pooled)
	buf := pooled[:]
	for {
		n, err := hostcall.Getdents(fd, buf)
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			return entries, true, nil
		}
		for b := buf[:n]; len(b) > 0; {
			var e wire.Entry
			e, b = parseDirent(b)
			if !wire.ValidName(e.Name) {
				continue // "." and ".."
			}
			if attrs {
				n, err := peek(dir, e.Name)
				e.Node, e.HasNode = n, err == nil
			}
			if *room -= e.Size(); *room < 0 {
				return entries, false, nil // The next request starts behind the entry before.
			}
			entries = append(entries, e)
		}
	}
}

// parseDirent takes one struct linux_dirent64 off what the host returned.
func parseDirent(b []byte) (wire.Entry, []byte) {
	d := wire.NewDecoder(b)
	e := wire.Entry{Ino: d.U64(), Next: d.I64()}
	n := int(d.U16())
	e.Type = d.U8()
	if d.Bad() || n < 19 || n > len(b) {
		return wire.Entry{}, nil
	}
	name := b[19:n]
	for i, c := range name {
		if c == 0 {
			name = name[:i]
			break
		}
	}
	e.Name = string(name)
	return e, b[n:]
}

// own gives a file that was just made the owner and mode it was asked to have, which
// the host's umask, set-group-ID directories and default ACLs may have changed.
func own(f *file, mode, uid, gid uint32) error {
	a, err := attr(f.fd, "")
	if err != nil {
		return err
	}
	if a.UID != uid || a.GID != gid {
		if err := hostcall.Chownat(f.fd, "", uid, gid); err != nil {
			return err
		}
		// chown(2) clears set-ID bits, and the mode may have them.
		if a, err = attr(f.fd, ""); err != nil {
			return err
		}
	}
	if a.Mode&linux.S_IFMT != linux.S_IFLNK && (a.Mode^mode)&0o7777 != 0 {
		return hostcall.Chmodat(hostcall.AtCwd, f.path(), mode&0o7777)
	}
	return nil
}

func (s *Server) create(r *wire.CreateRequest, tmpfile bool) (wire.Body, hostcall.FD, error) {
	if (r.Name == "") != tmpfile {
		return nil, hostcall.NoFD, errno.EINVAL
	}
	dir, err := s.changeableDir(r.Dir)
	if err != nil {
		return nil, hostcall.NoFD, err
	}
	defer dir.drop()
	name, flags := r.Name, uint64(linux.O_CREAT|linux.O_EXCL|linux.O_NOFOLLOW)
	if tmpfile {
		name, flags = ".", linux.O_TMPFILE
	}
	fd, err := hostcall.Openat2(dir.fd, name, flags|linux.O_RDWR|linux.O_CLOEXEC|linux.O_NOCTTY|linux.O_NONBLOCK,
		r.Mode&0o7777, beneath)
	if err != nil {
		return nil, hostcall.NoFD, err
	}
	f := &file{fd: fd, mount: dir.mount}
	f.refs.Store(1)
	node, err := s.made(f, r.Mode, r.UID, r.GID, tmpfile)
	if err != nil {
		if !tmpfile {
			hostcall.Unlinkat(dir.fd, r.Name, 0)
		}
		hostcall.Close(fd)
		return nil, hostcall.NoFD, err
	}
	return node, fd, nil
}

// made describes a new file whose descriptor goes out. An unnamed file gets a handle,
// as no name can lead to it; the handle is then a descriptor of its own.
func (s *Server) made(f *file, mode, uid, gid uint32, handle bool) (*wire.Node, error) {
	if err := own(f, mode, uid, gid); err != nil {
		return nil, err
	}
	a, err := attr(f.fd, "")
	if err != nil || !handle {
		return &wire.Node{Attr: a}, err
	}
	fd, err := hostcall.Openat(hostcall.AtCwd, f.path(), linux.O_PATH|linux.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	path := &file{fd: fd, mount: f.mount}
	path.refs.Store(1)
	h, err := s.insert(path)
	return &wire.Node{Handle: h, Attr: a}, err
}

func (s *Server) make(r *wire.MakeRequest) (wire.Body, error) {
	dir, err := s.changeableDir(r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.drop()
	remove := 0
	switch r.Mode & linux.S_IFMT {
	case linux.S_IFDIR:
		err = hostcall.Mkdirat(dir.fd, r.Name, r.Mode&0o7777)
		remove = linux.AT_REMOVEDIR
	case linux.S_IFLNK:
		if r.Target == "" {
			return nil, errno.ENOENT
		}
		err = hostcall.Symlinkat(r.Target, dir.fd, r.Name)
	case linux.S_IFREG, linux.S_IFIFO, linux.S_IFSOCK:
		err = hostcall.Mknodat(dir.fd, r.Name, r.Mode&(linux.S_IFMT|0o7777), 0)
	case linux.S_IFCHR, linux.S_IFBLK:
		// A container gets no new way to a host device. A whiteout is none.
		if r.Mode&linux.S_IFMT != linux.S_IFCHR || r.Rdev != 0 {
			return nil, errno.EPERM
		}
		err = hostcall.Mknodat(dir.fd, r.Name, r.Mode&(linux.S_IFMT|0o7777), 0)
	default:
		return nil, errno.EINVAL
	}
	if err != nil {
		return nil, err
	}
	f, err := lookup(dir, r.Name)
	if err != nil {
		return nil, err
	}
	if err := own(f, r.Mode, r.UID, r.GID); err != nil {
		hostcall.Unlinkat(dir.fd, r.Name, remove)
		f.drop()
		return nil, err
	}
	n, err := s.node(f, false)
	return &n, err
}

func (s *Server) setAttr(r *wire.SetAttrRequest) (wire.Body, error) {
	f, err := s.changeable(&r.Ref)
	if err != nil {
		return nil, err
	}
	defer f.drop()
	if r.Mask&wire.SetSize != 0 {
		if err := truncate(f, r.Size); err != nil {
			return nil, err
		}
	}
	if r.Mask&(wire.SetUID|wire.SetGID) != 0 {
		uid, gid := ^uint32(0), ^uint32(0)
		if r.Mask&wire.SetUID != 0 {
			uid = r.UID
		}
		if r.Mask&wire.SetGID != 0 {
			gid = r.GID
		}
		if err := hostcall.Chownat(f.fd, "", uid, gid); err != nil {
			return nil, err
		}
	}
	if r.Mask&wire.SetMode != 0 {
		if err := hostcall.Chmodat(hostcall.AtCwd, f.path(), r.Mode&0o7777); err != nil {
			return nil, err
		}
	}
	if r.Mask&(wire.SetAtime|wire.SetMtime) != 0 {
		atime, mtime := int64(hostcall.OmitTime), int64(hostcall.OmitTime)
		if r.Mask&wire.SetAtime != 0 {
			atime = r.Atime
		}
		if r.Mask&wire.SetMtime != 0 {
			mtime = r.Mtime
		}
		if err := hostcall.Utimensat(hostcall.AtCwd, f.path(), atime, mtime); err != nil {
			return nil, err
		}
	}
	a, err := attr(f.fd, "")
	return &a, err
}

// truncate changes the length of a regular file and nothing else.
func truncate(f *file, size int64) error {
	a, err := attr(f.fd, "")
	switch {
	case err != nil:
		return err
	case a.Mode&linux.S_IFMT == linux.S_IFDIR:
		return errno.EISDIR
	case a.Mode&linux.S_IFMT != linux.S_IFREG || size < 0:
		return errno.EINVAL
	}
	return hostcall.Truncate(f.path(), size)
}

func (s *Server) link(r *wire.LinkRequest) (wire.Body, error) {
	dir, err := s.changeableDir(r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.drop()
	f, err := s.changeable(&r.Ref)
	if err != nil {
		return nil, err
	}
	defer f.drop()
	if f.mount != dir.mount {
		return nil, errno.EXDEV
	}
	// AT_EMPTY_PATH would do, but wants CAP_DAC_READ_SEARCH (linkat(2)).
	if err := hostcall.Linkat(hostcall.AtCwd, f.path(), dir.fd, r.Name, linux.AT_SYMLINK_FOLLOW); err != nil {
		return nil, err
	}
	a, err := attr(f.fd, "")
	return &a, err
}

// keep opens the file that a name stands for before the name goes, and returns its
// handle; 0 if it can't be had.
func (s *Server) keep(dir *file, name string) wire.Handle {
	f, err := lookup(dir, name)
	if err != nil {
		return 0
	}
	h, err := s.insert(f)
	if err != nil {
		return 0
	}
	return h
}

// drop gives back what keep returned, when the name did not go after all.
func (s *Server) dropKept(h wire.Handle) {
	if h != 0 {
		s.closeHandles(&wire.CloseRequest{Handles: []wire.Handle{h}})
	}
}

func (s *Server) unlink(r *wire.UnlinkRequest) (wire.Body, error) {
	dir, err := s.changeableDir(r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.drop()
	reply := &wire.HandleReply{}
	if r.Keep {
		reply.Handle = s.keep(dir, r.Name)
	}
	flags := 0
	if r.Rmdir {
		flags = linux.AT_REMOVEDIR
	}
	if err := hostcall.Unlinkat(dir.fd, r.Name, flags); err != nil {
		s.dropKept(reply.Handle)
		return nil, err
	}
	return reply, nil
}

func (s *Server) rename(r *wire.RenameRequest) (wire.Body, error) {
	dir, err := s.changeableDir(r.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.drop()
	to, err := s.changeableDir(r.NewDir)
	if err != nil {
		return nil, err
	}
	defer to.drop()
	if dir.mount != to.mount {
		return nil, errno.EXDEV
	}
	if r.Flags&^(linux.RENAME_NOREPLACE|linux.RENAME_EXCHANGE|linux.RENAME_WHITEOUT) != 0 {
		return nil, errno.EINVAL
	}
	reply := &wire.HandleReply{}
	if r.Keep {
		reply.Handle = s.keep(to, r.NewName)
	}
	if err := hostcall.Renameat2(dir.fd, r.Name, to.fd, r.NewName, uint(r.Flags)); err != nil {
		s.dropKept(reply.Handle)
		return nil, err
	}
	return reply, nil
}

func (s *Server) xattr(kind wire.Kind, r *wire.XattrRequest) (wire.Body, error) {
	f, err := s.resolve(&r.Ref)
	if err == nil && kind != wire.KindGetXattr {
		f, err = writable(f, nil)
	}
	if err != nil {
		return nil, err
	}
	defer f.drop()
	switch kind {
	case wire.KindSetXattr:
		return &wire.Empty{}, hostcall.Setxattr(f.path(), r.Name, r.Value, int(r.Flags))
	case wire.KindRemoveXattr:
		return &wire.Empty{}, hostcall.Removexattr(f.path(), r.Name)
	}
	data, err := sized(func(b []byte) (int, error) { return hostcall.Getxattr(f.path(), r.Name, b) })
	return &wire.BlobReply{Data: data}, err
}

func (s *Server) listXattr(f *file) (wire.Body, error) {
	data, err := sized(func(b []byte) (int, error) { return hostcall.Listxattr(f.path(), b) })
	return &wire.BlobReply{Data: data}, err
}

// sized calls get with a buffer that is large enough: most answers are short.
func sized(get func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 256)
	n, err := get(buf)
	if err == errno.ERANGE {
		buf = make([]byte, wire.MaxXattr)
		n, err = get(buf)
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// sync writes out the file system that f is on.
func (s *Server) sync(f *file) error {
	a, err := attr(f.fd, "")
	if err != nil {
		return err
	}
	flags := linux.O_RDONLY
	switch a.Mode & linux.S_IFMT {
	case linux.S_IFDIR:
		flags |= linux.O_DIRECTORY
	case linux.S_IFREG:
	default:
		return errno.EINVAL
	}
	fd, err := reopen(f, flags)
	if err != nil {
		return err
	}
	defer hostcall.Close(fd)
	return hostcall.Syncfs(fd)
}
