package socket

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// ControlMessage is one of the messages beside the bytes of a sendmsg(2) (cmsg(3)). Data is part of
// what ParseControl was given.
type ControlMessage struct {
	Level, Type int32
	Data        []byte
}

// ParseControl takes msg_control apart; EINVAL for a length that does not fit. As Linux does, it
// ignores a rest too short for a header.
func ParseControl(b []byte) ([]ControlMessage, error) {
	var out []ControlMessage
	for len(b) >= linux.CmsgHdrSize {
		var h linux.Cmsghdr
		h.UnmarshalBytes(b)
		if h.Len < linux.CmsgHdrSize || h.Len > uint64(len(b)) {
			return nil, errno.EINVAL
		}
		out = append(out, ControlMessage{h.Level, h.Type, b[linux.CmsgHdrSize:h.Len]})
		b = b[min(linux.CmsgAlign(h.Len), uint64(len(b))):]
	}
	return out, nil
}

// AppendControl appends a message as the guest's recvmsg(2) finds it, padded.
func AppendControl(b []byte, m ControlMessage) []byte {
	h := linux.Cmsghdr{Len: uint64(linux.CmsgHdrSize + len(m.Data)), Level: m.Level, Type: m.Type}
	at := len(b)
	b = append(b, make([]byte, linux.CmsgAlign(h.Len))...)
	h.MarshalBytes(b[at:])
	copy(b[at+linux.CmsgHdrSize:], m.Data)
	return b
}
