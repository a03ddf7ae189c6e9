package wire

// Handle names a file that the gofer holds for the sentry. 0 is none.
type Handle uint32

// Ref names a file: the handle itself if Name is empty, else the entry Name of the
// directory Handle. With Name, Ino and Dev say which file is meant: another one there
// gives ESTALE.
type Ref struct {
	Handle   Handle
	Name     string
	Dev, Ino uint64
}

func (r *Ref) Encode(e *Encoder) {
	e.U32(uint32(r.Handle))
	e.Str(r.Name)
	e.U64(r.Dev)
	e.U64(r.Ino)
}

func (r *Ref) Decode(d *Decoder) {
	r.Handle = Handle(d.U32())
	r.Name = d.Str(MaxName)
	if r.Name != "" && !ValidName(r.Name) {
		d.Fail()
	}
	r.Dev = d.U64()
	r.Ino = d.U64()
}

// Attr are a file's attributes on the host. Times are nanoseconds since 1970, Dev and
// Rdev as linux.MakeDev makes them, Blocks in units of 512 bytes.
type Attr struct {
	Dev, Ino                   uint64
	Mode, Nlink, UID, GID      uint32
	Rdev                       uint64
	Size, Blocks               int64
	BlkSize                    uint32
	Atime, Mtime, Ctime, Btime int64
	Flags                      uint64 // STATX_ATTR_*
}

func (a *Attr) Encode(e *Encoder) {
	e.U64(a.Dev)
	e.U64(a.Ino)
	e.U32(a.Mode)
	e.U32(a.Nlink)
	e.U32(a.UID)
	e.U32(a.GID)
	e.U64(a.Rdev)
	e.I64(a.Size)
	e.I64(a.Blocks)
	e.U32(a.BlkSize)
	e.I64(a.Atime)
	e.I64(a.Mtime)
	e.I64(a.Ctime)
	e.I64(a.Btime)
	e.U64(a.Flags)
}

func (a *Attr) Decode(d *Decoder) {
	a.Dev = d.U64()
	a.Ino = d.U64()
	a.Mode = d.U32()
	a.Nlink = d.U32()
	a.UID = d.U32()
	a.GID = d.U32()
	a.Rdev = d.U64()
	a.Size = d.I64()
	a.Blocks = d.I64()
	a.BlkSize = d.U32()
	a.Atime = d.I64()
	a.Mtime = d.I64()
	a.Ctime = d.I64()
	a.Btime = d.I64()
	a.Flags = d.U64()
}

// Node is a file that was found or made. Handle is 0 unless one was asked for or the
// file is a directory. Target is set for symbolic links.
type Node struct {
	Handle Handle
	Attr   Attr
	Target string
}

func (n *Node) Encode(e *Encoder) {
	e.U32(uint32(n.Handle))
	n.Attr.Encode(e)
	e.Str(n.Target)
}

func (n *Node) Decode(d *Decoder) {
	n.Handle = Handle(d.U32())
	n.Attr.Decode(d)
	n.Target = d.Str(MaxTarget)
}

// HelloRequest must be the first message.
type HelloRequest struct{ Version uint32 }

func (m *HelloRequest) Encode(e *Encoder) { e.U32(m.Version) }
func (m *HelloRequest) Decode(d *Decoder) { m.Version = d.U32() }

// HelloReply says how many mounts there are to attach.
type HelloReply struct{ Version, Mounts uint32 }

func (m *HelloReply) Encode(e *Encoder) { e.U32(m.Version); e.U32(m.Mounts) }
func (m *HelloReply) Decode(d *Decoder) { m.Version = d.U32(); m.Mounts = d.U32() }

// AttachRequest asks for the root of a mount, by its place in the gofer's list.
type AttachRequest struct{ Mount uint32 }

func (m *AttachRequest) Encode(e *Encoder) { e.U32(m.Mount) }
func (m *AttachRequest) Decode(d *Decoder) { m.Mount = d.U32() }

// AttachReply is a mount's root, which may be any type of file.
type AttachReply struct {
	Node     Node
	ReadOnly bool
}

func (m *AttachReply) Encode(e *Encoder) { m.Node.Encode(e); e.Bool(m.ReadOnly) }
func (m *AttachReply) Decode(d *Decoder) { m.Node.Decode(d); m.ReadOnly = d.Bool() }

// WalkRequest looks up names one after the other, from the directory Dir. Handles asks
// for handles of files that are no directories too.
type WalkRequest struct {
	Dir     Handle
	Handles bool
	Names   []string
}

func (m *WalkRequest) Encode(e *Encoder) {
	e.U32(uint32(m.Dir))
	e.Bool(m.Handles)
	e.U16(uint16(len(m.Names)))
	for _, s := range m.Names {
		e.Str(s)
	}
}

func (m *WalkRequest) Decode(d *Decoder) {
	m.Dir = Handle(d.U32())
	m.Handles = d.Bool()
	m.Names = make([]string, d.Count(MaxNames))
	for i := range m.Names {
		m.Names[i] = d.Name()
	}
}

// WalkReply holds what was found, in order. It is shorter than the request behind
// the first file that is no directory, or before a name that could not be looked up, for
// which Errno says why.
type WalkReply struct {
	Errno uint16
	Nodes []Node
}

func (m *WalkReply) Encode(e *Encoder) {
	e.U16(m.Errno)
	e.U16(uint16(len(m.Nodes)))
	for i := range m.Nodes {
		m.Nodes[i].Encode(e)
	}
}

func (m *WalkReply) Decode(d *Decoder) {
	m.Errno = d.U16()
	m.Nodes = make([]Node, d.Count(MaxNames))
	for i := range m.Nodes {
		m.Nodes[i].Decode(d)
	}
}

// Bits of SetAttrRequest.Mask.
const (
	SetMode = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
)

// SetAttrRequest changes the attributes in Mask and is answered with an Attr.
type SetAttrRequest struct {
	Ref                Ref
	Mask               uint32
	Mode, UID, GID     uint32
	Size, Atime, Mtime int64
}

func (m *SetAttrRequest) Encode(e *Encoder) {
	m.Ref.Encode(e)
	e.U32(m.Mask)
	e.U32(m.Mode)
	e.U32(m.UID)
	e.U32(m.GID)
	e.I64(m.Size)
	e.I64(m.Atime)
	e.I64(m.Mtime)
}

func (m *SetAttrRequest) Decode(d *Decoder) {
	m.Ref.Decode(d)
	m.Mask = d.U32()
	m.Mode = d.U32()
	m.UID = d.U32()
	m.GID = d.U32()
	m.Size = d.I64()
	m.Atime = d.I64()
	m.Mtime = d.I64()
}

// OpenRequest asks for a descriptor of a regular file, for reading or (Write) for both.
// It is answered with an Attr.
type OpenRequest struct {
	Ref   Ref
	Write bool
}

func (m *OpenRequest) Encode(e *Encoder) { m.Ref.Encode(e); e.Bool(m.Write) }
func (m *OpenRequest) Decode(d *Decoder) { m.Ref.Decode(d); m.Write = d.Bool() }

// ReadDirRequest asks for entries of a directory from a position on (0: the start).
// Attrs asks for their attributes too. "." and ".." are left out. Ahead asks for the directories
// below as well, as far as the reply has room for them.
type ReadDirRequest struct {
	Dir   Ref
	Pos   int64
	Attrs bool
	Ahead bool
}

func (m *ReadDirRequest) Encode(e *Encoder) {
	m.Dir.Encode(e)
	e.I64(m.Pos)
	e.Bool(m.Attrs)
	e.Bool(m.Ahead)
}

func (m *ReadDirRequest) Decode(d *Decoder) {
	m.Dir.Decode(d)
	m.Pos = d.I64()
	m.Attrs = d.Bool()
	m.Ahead = d.Bool()
}

// Entry is one name in a directory. Next is the position behind it. Node is set only if
// HasNode: the file may be gone since, or attributes were not asked for; its Handle is 0.
type Entry struct {
	Name    string
	Ino     uint64
	Type    uint8 // DT_*
	Next    int64
	HasNode bool
	Node    Node
}

func (m *Entry) Encode(e *Encoder) {
	e.Str(m.Name)
	e.U64(m.Ino)
	e.U8(m.Type)
	e.I64(m.Next)
	e.Bool(m.HasNode)
	if m.HasNode {
		m.Node.Encode(e)
	}
}

func (m *Entry) Decode(d *Decoder) {
	m.Name = d.Name()
	m.Ino = d.U64()
	m.Type = d.U8()
	m.Next = d.I64()
	m.HasNode = d.Bool()
	if m.HasNode {
		m.Node.Decode(d)
	}
}

// Size returns how many bytes m is encoded to.
func (m *Entry) Size() int {
	const fixed, node = 2 + 8 + 1 + 8 + 1, 4 + 100 + 2
	n := fixed + len(m.Name)
	if m.HasNode {
		n += node + len(m.Node.Target)
	}
	return n
}

// maxEntries fit one packet at the least size.
const maxEntries = MaxPacket / 20

// ReadDirReply is a batch of entries; End says that there are no more. Handle is the
// directory's if the request named it otherwise. Ahead holds directories below it.
type ReadDirReply struct {
	Handle  Handle
	End     bool
	Entries []Entry
	Ahead   []Listing
}

func (m *ReadDirReply) Encode(e *Encoder) {
	e.U32(uint32(m.Handle))
	e.Bool(m.End)
	encodeEntries(e, m.Entries)
	e.U16(uint16(len(m.Ahead)))
	for i := range m.Ahead {
		m.Ahead[i].Encode(e)
	}
}

func (m *ReadDirReply) Decode(d *Decoder) {
	m.Handle = Handle(d.U32())
	m.End = d.Bool()
	m.Entries = decodeEntries(d)
	m.Ahead = make([]Listing, d.Count(maxEntries))
	for i := range m.Ahead {
		if d.Bad() {
			return
		}
		m.Ahead[i].Decode(d)
	}
}

// Listing is a whole directory, with a handle of it.
type Listing struct {
	Handle   Handle
	Dev, Ino uint64
	Entries  []Entry
}

// ListingSize is how many bytes a Listing is encoded to, without its entries.
const ListingSize = 4 + 8 + 8 + 2

func (m *Listing) Encode(e *Encoder) {
	e.U32(uint32(m.Handle))
	e.U64(m.Dev)
	e.U64(m.Ino)
	encodeEntries(e, m.Entries)
}

func (m *Listing) Decode(d *Decoder) {
	m.Handle = Handle(d.U32())
	m.Dev = d.U64()
	m.Ino = d.U64()
	m.Entries = decodeEntries(d)
}

func encodeEntries(e *Encoder, entries []Entry) {
	e.U16(uint16(len(entries)))
	for i := range entries {
		entries[i].Encode(e)
	}
}

func decodeEntries(d *Decoder) []Entry {
	entries := make([]Entry, d.Count(maxEntries))
	for i := range entries {
		if d.Bad() {
			break
		}
		entries[i].Decode(d)
	}
	return entries
}

// CreateRequest makes a regular file that did not exist and opens it for reading and
// writing. It is answered with a Node. Tmpfile takes it too, with an empty name.
type CreateRequest struct {
	Dir            Handle
	Name           string
	Mode, UID, GID uint32
}

func (m *CreateRequest) Encode(e *Encoder) {
	e.U32(uint32(m.Dir))
	e.Str(m.Name)
	e.U32(m.Mode)
	e.U32(m.UID)
	e.U32(m.GID)
}

func (m *CreateRequest) Decode(d *Decoder) {
	m.Dir = Handle(d.U32())
	m.Name = d.Str(MaxName)
	if m.Name != "" && !ValidName(m.Name) {
		d.Fail()
	}
	m.Mode = d.U32()
	m.UID = d.U32()
	m.GID = d.U32()
}

// MakeRequest makes a directory, symbolic link, FIFO, socket, empty regular file or
// device, by the type in Mode. It is answered with a Node.
type MakeRequest struct {
	Dir            Handle
	Name           string
	Mode, UID, GID uint32
	Rdev           uint64
	Target         string
}

func (m *MakeRequest) Encode(e *Encoder) {
	e.U32(uint32(m.Dir))
	e.Str(m.Name)
	e.U32(m.Mode)
	e.U32(m.UID)
	e.U32(m.GID)
	e.U64(m.Rdev)
	e.Str(m.Target)
}

func (m *MakeRequest) Decode(d *Decoder) {
	m.Dir = Handle(d.U32())
	m.Name = d.Name()
	m.Mode = d.U32()
	m.UID = d.U32()
	m.GID = d.U32()
	m.Rdev = d.U64()
	m.Target = d.Plain(MaxTarget)
}

// LinkRequest makes Name in Dir another name of a file. It is answered with an Attr.
type LinkRequest struct {
	Ref  Ref
	Dir  Handle
	Name string
}

func (m *LinkRequest) Encode(e *Encoder) { m.Ref.Encode(e); e.U32(uint32(m.Dir)); e.Str(m.Name) }
func (m *LinkRequest) Decode(d *Decoder) {
	m.Ref.Decode(d)
	m.Dir = Handle(d.U32())
	m.Name = d.Name()
}

// UnlinkRequest removes a name; a directory's if Rmdir. Keep asks for a handle of the
// file that it named.
type UnlinkRequest struct {
	Dir         Handle
	Name        string
	Rmdir, Keep bool
}

func (m *UnlinkRequest) Encode(e *Encoder) {
	e.U32(uint32(m.Dir))
	e.Str(m.Name)
	e.Bool(m.Rmdir)
	e.Bool(m.Keep)
}

func (m *UnlinkRequest) Decode(d *Decoder) {
	m.Dir = Handle(d.U32())
	m.Name = d.Name()
	m.Rmdir = d.Bool()
	m.Keep = d.Bool()
}

// RenameRequest is renameat2(2). Keep asks for a handle of what NewName named before.
type RenameRequest struct {
	Dir     Handle
	Name    string
	NewDir  Handle
	NewName string
	Flags   uint32
	Keep    bool
}

func (m *RenameRequest) Encode(e *Encoder) {
	e.U32(uint32(m.Dir))
	e.Str(m.Name)
	e.U32(uint32(m.NewDir))
	e.Str(m.NewName)
	e.U32(m.Flags)
	e.Bool(m.Keep)
}

func (m *RenameRequest) Decode(d *Decoder) {
	m.Dir = Handle(d.U32())
	m.Name = d.Name()
	m.NewDir = Handle(d.U32())
	m.NewName = d.Name()
	m.Flags = d.U32()
	m.Keep = d.Bool()
}

// HandleReply is a handle, or 0.
type HandleReply struct{ Handle Handle }

func (m *HandleReply) Encode(e *Encoder) { e.U32(uint32(m.Handle)) }
func (m *HandleReply) Decode(d *Decoder) { m.Handle = Handle(d.U32()) }

// TextReply is the target of a link.
type TextReply struct{ Text string }

func (m *TextReply) Encode(e *Encoder) { e.Str(m.Text) }
func (m *TextReply) Decode(d *Decoder) { m.Text = d.Str(MaxTarget) }

// StatfsReply is what statfs(2) says.
type StatfsReply struct {
	BlockSize           int64
	Blocks, Free, Avail uint64
	Files, FilesFree    uint64
	NameLen             int64
	Magic               int64
}

func (m *StatfsReply) Encode(e *Encoder) {
	e.I64(m.BlockSize)
	e.U64(m.Blocks)
	e.U64(m.Free)
	e.U64(m.Avail)
	e.U64(m.Files)
	e.U64(m.FilesFree)
	e.I64(m.NameLen)
	e.I64(m.Magic)
}

func (m *StatfsReply) Decode(d *Decoder) {
	m.BlockSize = d.I64()
	m.Blocks = d.U64()
	m.Free = d.U64()
	m.Avail = d.U64()
	m.Files = d.U64()
	m.FilesFree = d.U64()
	m.NameLen = d.I64()
	m.Magic = d.I64()
}

// XattrRequest names an extended attribute; Value and Flags are for SetXattr.
type XattrRequest struct {
	Ref   Ref
	Name  string
	Value []byte
	Flags uint32
}

func (m *XattrRequest) Encode(e *Encoder) {
	m.Ref.Encode(e)
	e.Str(m.Name)
	e.Blob(m.Value)
	e.U32(m.Flags)
}

func (m *XattrRequest) Decode(d *Decoder) {
	m.Ref.Decode(d)
	m.Name = d.Plain(MaxName)
	m.Value = d.Blob(MaxXattr)
	m.Flags = d.U32()
}

// BlobReply is the value of an extended attribute, or their names, each with a NUL.
type BlobReply struct{ Data []byte }

func (m *BlobReply) Encode(e *Encoder) { e.Blob(m.Data) }
func (m *BlobReply) Decode(d *Decoder) { m.Data = d.Blob(MaxXattr) }

// CloseRequest gives handles back.
type CloseRequest struct{ Handles []Handle }

func (m *CloseRequest) Encode(e *Encoder) {
	e.U16(uint16(len(m.Handles)))
	for _, h := range m.Handles {
		e.U32(uint32(h))
	}
}

func (m *CloseRequest) Decode(d *Decoder) {
	m.Handles = make([]Handle, d.Count(MaxClose))
	for i := range m.Handles {
		m.Handles[i] = Handle(d.U32())
	}
}
