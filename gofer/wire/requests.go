package wire

// NewRequest and NewReply return empty bodies of a kind's request and reply, or nil
// if there is no such kind.
func NewRequest(k Kind) Body {
	switch k {
	case KindHello:
		return new(HelloRequest)
	case KindAttach:
		return new(AttachRequest)
	case KindServe, KindConnect:
		return new(Empty)
	case KindWalk:
		return new(WalkRequest)
	case KindGetAttr, KindReadlink, KindStatfs, KindListXattr, KindSync:
		return new(Ref)
	case KindSetAttr:
		return new(SetAttrRequest)
	case KindOpen:
		return new(OpenRequest)
	case KindReadDir:
		return new(ReadDirRequest)
	case KindCreate, KindTmpfile:
		return new(CreateRequest)
	case KindMake:
		return new(MakeRequest)
	case KindLink:
		return new(LinkRequest)
	case KindUnlink:
		return new(UnlinkRequest)
	case KindRename:
		return new(RenameRequest)
	case KindGetXattr, KindSetXattr, KindRemoveXattr:
		return new(XattrRequest)
	case KindClose:
		return new(CloseRequest)
	}
	return nil
}

func NewReply(k Kind) Body {
	switch k {
	case KindHello:
		return new(HelloReply)
	case KindAttach:
		return new(AttachReply)
	case KindServe, KindConnect, KindSetXattr, KindRemoveXattr, KindSync, KindClose:
		return new(Empty)
	case KindWalk:
		return new(WalkReply)
	case KindGetAttr, KindSetAttr, KindOpen, KindLink:
		return new(Attr)
	case KindReadDir:
		return new(ReadDirReply)
	case KindCreate, KindTmpfile, KindMake:
		return new(Node)
	case KindUnlink, KindRename:
		return new(HandleReply)
	case KindReadlink:
		return new(TextReply)
	case KindStatfs:
		return new(StatfsReply)
	case KindGetXattr, KindListXattr:
		return new(BlobReply)
	}
	return nil
}

// DecodeRequest decodes a request packet, as the gofer gets it.
func DecodeRequest(packet []byte) (Header, Body, error) {
	d := NewDecoder(packet)
	var h Header
	h.Decode(&d)
	m, ok := Lookup(h.Kind)
	if d.Bad() || !ok || h.Errno != 0 || len(packet) > m.MaxRequest {
		return h, nil, ErrMalformed
	}
	b := NewRequest(h.Kind)
	b.Decode(&d)
	return h, b, d.Done()
}

// DecodeReply decodes a successful reply of kind k into b.
func DecodeReply(packet []byte, b Body) error {
	d := NewDecoder(packet)
	var h Header
	h.Decode(&d)
	m, ok := Lookup(h.Kind)
	if d.Bad() || !ok || len(packet) > m.MaxReply {
		return ErrMalformed
	}
	b.Decode(&d)
	return d.Done()
}
