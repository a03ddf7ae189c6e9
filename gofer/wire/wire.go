// Package wire is the protocol between the sentry and the gofer: one table of
// messages, and their encoding.
//
// The sentry sends requests, the gofer answers each with one reply. A connection
// is a SOCK_SEQPACKET unix socket that carries one request at a time; whoever
// wants several under way uses several connections (KindConnect). Every packet
// starts with a Header; numbers are little-endian; a string or list is preceded by
// its length. Descriptors travel beside the packet, as many as the table allows.
//
// What the sentry says is hostile to the gofer: a message that is malformed, too
// long, unknown or out of phase ends the connection. File names are single
// components; a name that is empty, "." or "..", longer than 255 bytes or that
// holds a slash or NUL is malformed.
//
// Neighbours: gofer/client speaks it, gofer/server answers.
package wire

// Version of the protocol. Both sides come from one binary, so there is only one.
const Version = 1

// Limits of the protocol.
const (
	// MaxPacket is the longest packet with its header.
	MaxPacket = 68 << 10
	// MaxNames is the number of names in one Walk, MaxClose that of handles in one Close.
	MaxNames = 64
	MaxClose = 4096
	// MaxName and MaxTarget are NAME_MAX and PATH_MAX without the NUL.
	MaxName   = 255
	MaxTarget = 4095
	// MaxXattr is XATTR_SIZE_MAX and XATTR_LIST_MAX.
	MaxXattr = 64 << 10
	// MaxConnections is how many connections one gofer serves.
	MaxConnections = 64
)

// Kind numbers a message.
type Kind uint16

// The messages; Messages describes them.
const (
	KindHello Kind = iota + 1
	KindAttach
	KindServe
	KindConnect
	KindWalk
	KindGetAttr
	KindSetAttr
	KindOpen
	KindReadDir
	KindCreate
	KindMake
	KindLink
	KindUnlink
	KindRename
	KindReadlink
	KindStatfs
	KindGetXattr
	KindSetXattr
	KindListXattr
	KindRemoveXattr
	KindSync
	KindTmpfile
	KindClose
	numKinds
)

// Phase is when a message may be sent. The first connection starts in Setup and goes
// on to Serve for good with KindServe; others start in Serve.
type Phase uint8

const (
	Setup Phase = iota + 1
	Serve
)

// Side is who may send a message.
type Side uint8

// Sentry is the only side that starts a conversation.
const Sentry Side = 1

// Message is one line of the table.
type Message struct {
	Name  string
	Phase Phase
	From  Side
	// MaxRequest and MaxReply limit the packets, with headers.
	MaxRequest, MaxReply int
	// ReplyFDs is how many descriptors a successful reply carries. Requests carry none.
	ReplyFDs int
	// Changes says that the message is refused on a read-only mount.
	Changes bool
}

const (
	small    = 64
	nodeSize = 160 // a Node without its target
	oneName  = 64 + MaxName
	twoNames = oneName + MaxName
)

// Messages is the table, by Kind.
var Messages = [numKinds]Message{
	KindHello:       {Name: "Hello", Phase: Setup, From: Sentry, MaxRequest: small, MaxReply: small},
	KindAttach:      {Name: "Attach", Phase: Setup, From: Sentry, MaxRequest: small, MaxReply: nodeSize + small},
	KindServe:       {Name: "Serve", Phase: Setup, From: Sentry, MaxRequest: small, MaxReply: small},
	KindConnect:     {Name: "Connect", Phase: Serve, From: Sentry, MaxRequest: small, MaxReply: small, ReplyFDs: 1},
	KindWalk:        {Name: "Walk", Phase: Serve, From: Sentry, MaxRequest: small + MaxNames*(MaxName+2), MaxReply: small + MaxNames*nodeSize + MaxTarget},
	KindGetAttr:     {Name: "GetAttr", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: nodeSize},
	KindSetAttr:     {Name: "SetAttr", Phase: Serve, From: Sentry, MaxRequest: oneName + 64, MaxReply: nodeSize, Changes: true},
	KindOpen:        {Name: "Open", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: nodeSize, ReplyFDs: 1},
	KindReadDir:     {Name: "ReadDir", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: MaxPacket},
	KindCreate:      {Name: "Create", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: nodeSize, ReplyFDs: 1, Changes: true},
	KindMake:        {Name: "Make", Phase: Serve, From: Sentry, MaxRequest: oneName + MaxTarget, MaxReply: nodeSize + MaxTarget, Changes: true},
	KindLink:        {Name: "Link", Phase: Serve, From: Sentry, MaxRequest: twoNames, MaxReply: nodeSize, Changes: true},
	KindUnlink:      {Name: "Unlink", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: small, Changes: true},
	KindRename:      {Name: "Rename", Phase: Serve, From: Sentry, MaxRequest: twoNames, MaxReply: small, Changes: true},
	KindReadlink:    {Name: "Readlink", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: small + MaxTarget},
	KindStatfs:      {Name: "Statfs", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: 128},
	KindGetXattr:    {Name: "GetXattr", Phase: Serve, From: Sentry, MaxRequest: twoNames, MaxReply: small + MaxXattr},
	KindSetXattr:    {Name: "SetXattr", Phase: Serve, From: Sentry, MaxRequest: twoNames + MaxXattr, MaxReply: small, Changes: true},
	KindListXattr:   {Name: "ListXattr", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: small + MaxXattr},
	KindRemoveXattr: {Name: "RemoveXattr", Phase: Serve, From: Sentry, MaxRequest: twoNames, MaxReply: small, Changes: true},
	KindSync:        {Name: "Sync", Phase: Serve, From: Sentry, MaxRequest: oneName, MaxReply: small},
	KindTmpfile:     {Name: "Tmpfile", Phase: Serve, From: Sentry, MaxRequest: small, MaxReply: nodeSize, ReplyFDs: 1, Changes: true},
	KindClose:       {Name: "Close", Phase: Serve, From: Sentry, MaxRequest: small + 4*MaxClose, MaxReply: small},
}

// Lookup returns the table's line for k.
func Lookup(k Kind) (Message, bool) {
	if k == 0 || k >= numKinds {
		return Message{}, false
	}
	return Messages[k], true
}

func (k Kind) String() string {
	if m, ok := Lookup(k); ok {
		return m.Name
	}
	return "unknown"
}

// HeaderSize is the size of an encoded Header.
const HeaderSize = 8

// Header starts every packet. A reply repeats Kind and Tag; Errno is 0 in requests
// and in replies that succeed. The body of a failed reply is empty.
//
// CPU says in requests where the sender runs, or is AnyCPU: to answer from there is
// quickest, as the sender waits.
type Header struct {
	Kind  Kind
	Errno uint16
	Tag   uint16
	CPU   uint16
}

// AnyCPU is no CPU.
const AnyCPU = 0xffff

func (h *Header) Encode(e *Encoder) {
	e.U16(uint16(h.Kind))
	e.U16(h.Errno)
	e.U16(h.Tag)
	e.U16(h.CPU)
}

func (h *Header) Decode(d *Decoder) {
	h.Kind = Kind(d.U16())
	h.Errno = d.U16()
	h.Tag = d.U16()
	h.CPU = d.U16()
}

// Body is what follows the header. Decode of foreign bytes reports trouble through
// the Decoder and never keeps a reference to its input.
type Body interface {
	Encode(e *Encoder)
	Decode(d *Decoder)
}

// Empty is the body of messages that say nothing else.
type Empty struct{}

func (*Empty) Encode(*Encoder) {}
func (*Empty) Decode(*Decoder) {}
