package netlink

import (
	"encoding/binary"
	"iter"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Sizes of headers.
const (
	headerSize = 16 // struct nlmsghdr
	attrSize   = 4  // struct rtattr
)

// align rounds up to where the next message or attribute begins.
func align(n int) int { return (n + 3) &^ 3 }

// request is one message of a guest's.
type request struct {
	linux.NlMsghdr
	raw  []byte // all of it
	body []byte // what follows the header
}

// next splits the first message off b. ok is false if there is none that is whole.
func next(b []byte) (r request, rest []byte, ok bool) {
	if len(b) < headerSize {
		return r, nil, false
	}
	r.UnmarshalBytes(b)
	if r.Len < headerSize || uint64(r.Len) > uint64(len(b)) {
		return r, nil, false
	}
	n := int(r.Len)
	r.raw, r.body = b[:n], b[headerSize:n]
	return r, b[min(align(n), len(b)):], true
}

// attributes are the types and values of attributes, as far as they are well formed.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrSize {
			n := int(binary.LittleEndian.Uint16(b))
			if n < attrSize || n > len(b) {
				return
			}
			kind := binary.LittleEndian.Uint16(b[2:]) &^ (linux.NLA_F_NESTED | linux.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[attrSize:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// attribute returns the value of the first attribute of a type, nil if there is none.
func attribute(b []byte, want uint16) []byte {
	for kind, v := range attributes(b) {
		if kind == want {
			return v
		}
	}
	return nil
}

// reply builds one or more messages in answer to a request.
type reply struct {
	to    linux.NlMsghdr // of the request; PID is the asker's port
	b     []byte
	start int // of the message under way
}

// newReply returns an empty reply to a request of the socket at a port.
func newReply(q *request, to uint32) reply {
	r := reply{to: q.NlMsghdr}
	r.to.PID = to
	return r
}

// begin starts a message whose fixed part is body.
func (r *reply) begin(kind, flags uint16, body []byte) {
	r.start = len(r.b)
	h := linux.NlMsghdr{Type: kind, Flags: flags, Seq: r.to.Seq, PID: r.to.PID}
	r.b = append(r.b, make([]byte, headerSize)...)
	h.MarshalBytes(r.b[r.start:])
	r.b = append(r.b, body...)
	r.pad()
}

// end stores the length of the message that begin started.
func (r *reply) end() {
	binary.LittleEndian.PutUint32(r.b[r.start:], uint32(len(r.b)-r.start))
}

func (r *reply) pad() {
	for len(r.b)%4 != 0 {
		r.b = append(r.b, 0)
	}
}

func (r *reply) attr(kind uint16, value []byte) {
	r.b = binary.LittleEndian.AppendUint16(r.b, uint16(attrSize+len(value)))
	r.b = binary.LittleEndian.AppendUint16(r.b, kind)
	r.b = append(r.b, value...)
	r.pad()
}

func (r *reply) attr8(kind uint16, v uint8) { r.attr(kind, []byte{v}) }

func (r *reply) attr32(kind uint16, v uint32) {
	r.attr(kind, binary.LittleEndian.AppendUint32(nil, v))
}

func (r *reply) attrString(kind uint16, s string) { r.attr(kind, append([]byte(s), 0)) }

// Attributes of NLMSG_ERROR, and the flag that says there are some (netlink.h).
const (
	nlmsgerrAttrMsg = 1
	nlmFAckTLVs     = 0x200
)

// ack answers q with an error, or 0. Unless capped an error brings the request back. text is said, too, if
// there is one.
func ack(q *request, to uint32, err errno.Errno, capped bool, text string) []byte {
	r := newReply(q, to)
	var flags uint16
	echo := q.raw
	if err == 0 || capped {
		flags, echo = linux.NLM_F_CAPPED, q.raw[:headerSize]
	}
	if text != "" {
		flags |= nlmFAckTLVs
	}
	r.begin(linux.NLMSG_ERROR, flags, append(binary.LittleEndian.AppendUint32(nil, uint32(-int32(err))), echo...))
	if text != "" {
		r.attrString(nlmsgerrAttrMsg, text)
	}
	r.end()
	return r.b
}

// maxPiece is how many bytes of a dump come at once, if no message is longer (NLMSG_GOODSIZE).
const maxPiece = 7 << 10

// dumped makes datagrams of the messages of a dump, and of its end.
func dumped(b []byte, q *request, to uint32) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		n := 0
		for rest := b; len(rest) > 0; n = len(b) - len(rest) {
			m, after, _ := next(rest)
			if n > 0 && n+len(m.raw) > maxPiece {
				break
			}
			rest = after
		}
		pieces = append(pieces, b[:n:n])
		b = b[n:]
	}
	return append(pieces, done(q, to, 0))
}

// endsDump reports whether datagrams are those of a dump.
func endsDump(all [][]byte) bool {
	if len(all) == 0 {
		return false
	}
	m, _, ok := next(all[len(all)-1])
	return ok && m.Type == linux.NLMSG_DONE
}

// done ends a dump, with what went wrong.
func done(q *request, to uint32, err errno.Errno) []byte {
	r := newReply(q, to)
	r.begin(linux.NLMSG_DONE, linux.NLM_F_MULTI, binary.LittleEndian.AppendUint32(nil, uint32(-int32(err))))
	r.end()
	return r.b
}
