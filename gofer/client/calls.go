package client

import (
	"strings"

	"ringfence/abi/errno"
	"ringfence/gofer/wire"
	"ringfence/platform/hostcall"
)

// Attach returns the root of a mount and whether it is read-only. It must precede Serve.
func (c *Client) Attach(mount int) (wire.Node, bool, error) {
	var r wire.AttachReply
	err := c.call(wire.KindAttach, &wire.AttachRequest{Mount: uint32(mount)}, &r)
	return r.Node, r.ReadOnly, err
}

// Serve ends the setup: from now on files can be used and nothing can be attached. It
// makes the other connections.
func (c *Client) Serve() error {
	if err := c.call(wire.KindServe, &wire.Empty{}, &wire.Empty{}); err != nil {
		return err
	}
	for range numConns - 1 {
		fd, err := c.callFD(wire.KindConnect, &wire.Empty{}, &wire.Empty{})
		if err != nil {
			return err
		}
		c.put(newConn(fd))
	}
	return nil
}

// Walk looks up names from dir. It returns what it found, and why it stopped before
// the end: nil behind a file that is no directory. handles asks for handles of all.
func (c *Client) Walk(dir wire.Handle, names []string, handles bool) ([]wire.Node, error) {
	if len(names) > wire.MaxNames {
		names = names[:wire.MaxNames]
	}
	for _, n := range names {
		if !wire.ValidName(n) {
			return nil, errno.EINVAL
		}
	}
	var r wire.WalkReply
	for try := 0; ; try++ {
		if err := c.call(wire.KindWalk, &wire.WalkRequest{Dir: dir, Handles: handles, Names: names}, &r); err != nil {
			return nil, err
		}
		e := errno.Errno(r.Errno)
		if len(r.Nodes) > 0 || e != errno.ENFILE && e != errno.EMFILE || try > 0 || !c.release() {
			break
		}
	}
	if len(r.Nodes) > len(names) {
		return nil, errno.EIO
	}
	if r.Errno != 0 {
		return r.Nodes, errno.Errno(r.Errno)
	}
	return r.Nodes, nil
}

// GetAttr returns the attributes of a file.
func (c *Client) GetAttr(f wire.Ref) (wire.Attr, error) {
	var a wire.Attr
	err := c.call(wire.KindGetAttr, &f, &a)
	return a, err
}

// SetAttr changes attributes and returns all of them.
func (c *Client) SetAttr(r *wire.SetAttrRequest) (wire.Attr, error) {
	var a wire.Attr
	err := c.call(wire.KindSetAttr, r, &a)
	return a, err
}

// Open returns a descriptor of a regular file, which the caller owns.
func (c *Client) Open(f wire.Ref, write bool) (hostcall.FD, wire.Attr, error) {
	var a wire.Attr
	fd, err := c.callFD(wire.KindOpen, &wire.OpenRequest{Ref: f, Write: write}, &a)
	return fd, a, err
}

// ReadDir returns entries of a directory from pos on, and whether they are the last; with
// a handle of the directory, if dir names it otherwise. With ahead it also returns what
// directories below hold, as many as fit, with handles that the caller gets.
func (c *Client) ReadDir(dir wire.Ref, pos int64, attrs, ahead bool) (wire.ReadDirReply, error) {
	var r wire.ReadDirReply
	err := c.call(wire.KindReadDir, &wire.ReadDirRequest{Dir: dir, Pos: pos, Attrs: attrs, Ahead: ahead}, &r)
	return r, err
}

// Create makes a regular file and opens it; the caller owns the descriptor.
func (c *Client) Create(dir wire.Handle, name string, mode, uid, gid uint32) (wire.Node, hostcall.FD, error) {
	var n wire.Node
	fd, err := c.callFD(wire.KindCreate, &wire.CreateRequest{Dir: dir, Name: name, Mode: mode, UID: uid, GID: gid}, &n)
	return n, fd, err
}

// Tmpfile makes a file without a name and opens it.
func (c *Client) Tmpfile(dir wire.Handle, mode, uid, gid uint32) (wire.Node, hostcall.FD, error) {
	var n wire.Node
	fd, err := c.callFD(wire.KindTmpfile, &wire.CreateRequest{Dir: dir, Mode: mode, UID: uid, GID: gid}, &n)
	return n, fd, err
}

// Make makes anything that need not be opened, by the type in r.Mode.
func (c *Client) Make(r *wire.MakeRequest) (wire.Node, error) {
	var n wire.Node
	err := c.call(wire.KindMake, r, &n)
	return n, err
}

// Link gives f another name and returns its attributes.
func (c *Client) Link(f wire.Ref, dir wire.Handle, name string) (wire.Attr, error) {
	var a wire.Attr
	err := c.call(wire.KindLink, &wire.LinkRequest{Ref: f, Dir: dir, Name: name}, &a)
	return a, err
}

// Unlink removes a name. With keep the handle is that of the file it named.
func (c *Client) Unlink(dir wire.Handle, name string, rmdir, keep bool) (wire.Handle, error) {
	var r wire.HandleReply
	err := c.call(wire.KindUnlink, &wire.UnlinkRequest{Dir: dir, Name: name, Rmdir: rmdir, Keep: keep}, &r)
	return r.Handle, err
}

// Rename is renameat2(2). With keep the handle is that of what newName named before.
func (c *Client) Rename(dir wire.Handle, name string, newDir wire.Handle, newName string, flags uint32, keep bool) (wire.Handle, error) {
	var r wire.HandleReply
	err := c.call(wire.KindRename, &wire.RenameRequest{Dir: dir, Name: name, NewDir: newDir, NewName: newName, Flags: flags, Keep: keep}, &r)
	return r.Handle, err
}

// Readlink returns the target of a symbolic link.
func (c *Client) Readlink(f wire.Ref) (string, error) {
	var r wire.TextReply
	err := c.call(wire.KindReadlink, &f, &r)
	return r.Text, err
}

// Statfs describes the file system of f.
func (c *Client) Statfs(f wire.Ref) (wire.StatfsReply, error) {
	var r wire.StatfsReply
	err := c.call(wire.KindStatfs, &f, &r)
	return r, err
}

// GetXattr returns the value of an extended attribute.
func (c *Client) GetXattr(f wire.Ref, name string) ([]byte, error) {
	var r wire.BlobReply
	err := c.call(wire.KindGetXattr, &wire.XattrRequest{Ref: f, Name: name}, &r)
	return r.Data, err
}

// SetXattr sets an extended attribute; flags are XATTR_CREATE and XATTR_REPLACE.
func (c *Client) SetXattr(f wire.Ref, name string, value []byte, flags uint32) error {
	return c.call(wire.KindSetXattr, &wire.XattrRequest{Ref: f, Name: name, Value: value, Flags: flags}, &wire.Empty{})
}

// ListXattr returns the names of the extended attributes.
func (c *Client) ListXattr(f wire.Ref) ([]string, error) {
	var r wire.BlobReply
	if err := c.call(wire.KindListXattr, &f, &r); err != nil || len(r.Data) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(r.Data), "\x00"), "\x00"), nil
}

// RemoveXattr removes an extended attribute.
func (c *Client) RemoveXattr(f wire.Ref, name string) error {
	return c.call(wire.KindRemoveXattr, &wire.XattrRequest{Ref: f, Name: name}, &wire.Empty{})
}

// Sync writes out the file system of f.
func (c *Client) Sync(f wire.Ref) error { return c.call(wire.KindSync, &f, &wire.Empty{}) }

// CloseHandle gives a handle back, soon: handles are collected. 0 is ignored.
func (c *Client) CloseHandle(h wire.Handle) {
	if h == 0 {
		return
	}
	c.mu.Lock()
	c.closing = append(c.closing, h)
	full := len(c.closing) >= closeBatch
	c.mu.Unlock()
	if full {
		c.Flush()
	}
}

// Flush gives back the handles that CloseHandle collected.
func (c *Client) Flush() {
	c.mu.Lock()
	h := c.closing
	c.closing = nil
	c.mu.Unlock()
	for len(h) > 0 {
		n := min(len(h), wire.MaxClose)
		// A gofer that is gone holds no handles; one that is confused tells on the next call.
		c.call(wire.KindClose, &wire.CloseRequest{Handles: h[:n]}, &wire.Empty{})
		h = h[n:]
	}
}
