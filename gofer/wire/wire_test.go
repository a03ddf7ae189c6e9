package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// samples are requests and replies with every field set.
func samples() map[Kind][]Body {
	ref := Ref{Handle: 7, Name: "n", Dev: 1, Ino: 2}
	attr := Attr{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	node := Node{Handle: 9, Attr: attr, Target: "../x"}
	return map[Kind][]Body{
		KindHello:       {&HelloRequest{1}, &HelloReply{1, 2}},
		KindAttach:      {&AttachRequest{3}, &AttachReply{node, true}},
		KindServe:       {&Empty{}, &Empty{}},
		KindConnect:     {&Empty{}, &Empty{}},
		KindWalk:        {&WalkRequest{1, true, []string{"a", "bc"}}, &WalkReply{2, []Node{node, node}}},
		KindGetAttr:     {&ref, &attr},
		KindSetAttr:     {&SetAttrRequest{ref, 1, 2, 3, 4, 5, 6, 7}, &attr},
		KindOpen:        {&OpenRequest{ref, true}, &attr},
		KindReadDir:     {&ReadDirRequest{ref, 2, true, true}, &ReadDirReply{4, true, []Entry{{"a", 1, 2, 3, true, node}, {Name: "b"}}, []Listing{{5, 6, 7, []Entry{{Name: "c"}}}}}},
		KindCreate:      {&CreateRequest{1, "a", 2, 3, 4}, &node},
		KindMake:        {&MakeRequest{1, "a", 2, 3, 4, 5, "t"}, &node},
		KindLink:        {&LinkRequest{ref, 1, "a"}, &attr},
		KindUnlink:      {&UnlinkRequest{1, "a", true, true}, &HandleReply{1}},
		KindRename:      {&RenameRequest{1, "a", 2, "b", 3, true}, &HandleReply{1}},
		KindReadlink:    {&ref, &TextReply{"t"}},
		KindStatfs:      {&ref, &StatfsReply{1, 2, 3, 4, 5, 6, 7, 8}},
		KindGetXattr:    {&XattrRequest{ref, "user.a", []byte{}, 0}, &BlobReply{[]byte("v")}},
		KindSetXattr:    {&XattrRequest{ref, "user.a", []byte("v"), 1}, &Empty{}},
		KindListXattr:   {&ref, &BlobReply{[]byte("a\x00")}},
		KindRemoveXattr: {&XattrRequest{ref, "user.a", []byte{}, 0}, &Empty{}},
		KindSync:        {&ref, &Empty{}},
		KindTmpfile:     {&CreateRequest{1, "", 2, 3, 4}, &node},
		KindClose:       {&CloseRequest{[]Handle{1, 2}}, &Empty{}},
	}
}

func packet(k Kind, b Body) []byte {
	e := NewEncoder(nil)
	h := Header{Kind: k, Tag: 5}
	h.Encode(&e)
	b.Encode(&e)
	p, _ := e.Bytes()
	return p
}

func TestEveryMessageRoundTrips(t *testing.T) {
	all := samples()
	for k := KindHello; k < numKinds; k++ {
		m, ok := Lookup(k)
		if !ok || m.Name == "" || m.Phase == 0 || m.From != Sentry || m.MaxRequest > MaxPacket || m.MaxReply > MaxPacket {
			t.Errorf("message %d: bad line in the table: %+v", k, m)
		}
		s := all[k]
		if s == nil {
			t.Fatalf("%v: no sample", k)
		}
		h, got, err := DecodeRequest(packet(k, s[0]))
		if err != nil || h != (Header{Kind: k, Tag: 5}) || !normalEqual(got, s[0]) {
			t.Errorf("%v request: %+v, %+v, %v, want %+v", k, h, got, err, s[0])
		}
		r := NewReply(k)
		if err := DecodeReply(packet(k, s[1]), r); err != nil || !normalEqual(r, s[1]) {
			t.Errorf("%v reply: %+v, %v, want %+v", k, r, err, s[1])
		}
	}
}

func TestEntrySize(t *testing.T) {
	for _, m := range []Entry{{Name: "name"}, {Name: "n", HasNode: true, Node: Node{Target: "target"}}} {
		e := NewEncoder(nil)
		if m.Encode(&e); e.Len() != m.Size() {
			t.Errorf("%+v: %d bytes, Size says %d", m, e.Len(), m.Size())
		}
	}
}

// normalEqual compares what two bodies encode to.
func normalEqual(a, b Body) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && bytes.Equal(packet(1, a), packet(1, b))
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	good := packet(KindWalk, &WalkRequest{Dir: 1, Names: []string{"a"}})
	long := make([]string, MaxNames+1)
	for i := range long {
		long[i] = "a"
	}
	for name, p := range map[string][]byte{
		"empty":            {},
		"half a header":    good[:5],
		"cut":              good[:len(good)-1],
		"with a tail":      append(bytes.Clone(good), 0),
		"unknown":          packet(numKinds, &Empty{}),
		"kind zero":        packet(0, &Empty{}),
		"errno in request": append([]byte{5, 0, 1, 0}, good[4:]...),
		"too many names":   packet(KindWalk, &WalkRequest{Names: long}),
		"slash":            packet(KindWalk, &WalkRequest{Names: []string{"a/b"}}),
		"dot dot":          packet(KindWalk, &WalkRequest{Names: []string{".."}}),
		"dot":              packet(KindWalk, &WalkRequest{Names: []string{"."}}),
		"no name":          packet(KindWalk, &WalkRequest{Names: []string{""}}),
		"NUL":              packet(KindWalk, &WalkRequest{Names: []string{"a\x00"}}),
		"long name":        packet(KindWalk, &WalkRequest{Names: []string{strings.Repeat("a", 256)}}),
		"ref dot dot":      packet(KindGetAttr, &Ref{Handle: 1, Name: ".."}),
		"unlink slash":     packet(KindUnlink, &UnlinkRequest{1, "a/", false, false}),
		"rename dot":       packet(KindRename, &RenameRequest{1, "a", 1, ".", 0, false}),
		"target with NUL":  packet(KindMake, &MakeRequest{Dir: 1, Name: "a", Target: "a\x00"}),
		"bool of 2":        append(packet(KindOpen, &Ref{Handle: 1}), 2),
		"too long":         append(packet(KindHello, &HelloRequest{1}), make([]byte, 100)...),
	} {
		if _, _, err := DecodeRequest(p); err != ErrMalformed {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

// FuzzDecode feeds foreign bytes to both decoders: they may refuse them, and what they
// accept must encode to the same bytes.
func FuzzDecode(f *testing.F) {
	for k, s := range samples() {
		f.Add(packet(k, s[0]))
		f.Add(packet(k, s[1]))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if h, b, err := DecodeRequest(p); err == nil {
			e := NewEncoder(nil)
			h.Encode(&e)
			b.Encode(&e)
			if again, ok := e.Bytes(); !ok || !bytes.Equal(again, p) {
				t.Errorf("request %v: % x became % x", h.Kind, p, again)
			}
		}
		d := NewDecoder(p)
		var h Header
		h.Decode(&d)
		if b := NewReply(h.Kind); b != nil && DecodeReply(p, b) == nil {
			e := NewEncoder(nil)
			h.Encode(&e)
			b.Encode(&e)
			if again, ok := e.Bytes(); !ok || !bytes.Equal(again, p) {
				t.Errorf("reply %v: % x became % x", h.Kind, p, again)
			}
		}
	})
}
