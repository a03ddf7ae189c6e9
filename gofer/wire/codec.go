package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is what a decoder says of bytes that are no message.
var ErrMalformed = errors.New("malformed message")

// Encoder appends numbers and strings to a buffer. What does not fit the protocol's
// limits is the caller's mistake and marks the encoder bad.
type Encoder struct {
	buf []byte
	bad bool
}

// NewEncoder returns an encoder that appends to buf[:0].
func NewEncoder(buf []byte) Encoder { return Encoder{buf: buf[:0]} }

// Bytes returns what was encoded; ok is false if something did not fit.
func (e *Encoder) Bytes() (b []byte, ok bool) { return e.buf, !e.bad && len(e.buf) <= MaxPacket }

// Len returns how many bytes were encoded.
func (e *Encoder) Len() int { return len(e.buf) }

func (e *Encoder) U8(v uint8)   { e.buf = append(e.buf, v) }
func (e *Encoder) U16(v uint16) { e.buf = binary.LittleEndian.AppendUint16(e.buf, v) }
func (e *Encoder) U32(v uint32) { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }
func (e *Encoder) U64(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }
func (e *Encoder) I64(v int64)  { e.U64(uint64(v)) }

// Str appends a string with a length of 16 bits.
func (e *Encoder) Str(s string) {
	if len(s) > 0xffff {
		e.bad = true
		return
	}
	e.U16(uint16(len(s)))
	e.buf = append(e.buf, s...)
}

// Blob appends bytes with a length of 32 bits.
func (e *Encoder) Blob(b []byte) {
	if len(b) > MaxXattr {
		e.bad = true
		return
	}
	e.U32(uint32(len(b)))
	e.buf = append(e.buf, b...)
}

// Decoder takes numbers and strings off foreign bytes. After the first thing that is
// missing or too long it returns zeros, and Done says ErrMalformed.
type Decoder struct {
	buf []byte
	bad bool
}

// NewDecoder returns a decoder of b.
func NewDecoder(b []byte) Decoder { return Decoder{buf: b} }

// Done reports ErrMalformed unless everything was there and nothing is left.
func (d *Decoder) Done() error {
	if d.bad || len(d.buf) != 0 {
		return ErrMalformed
	}
	return nil
}

// Fail marks the input malformed.
func (d *Decoder) Fail() { d.bad = true; d.buf = nil }

// Bad reports whether something was malformed so far.
func (d *Decoder) Bad() bool { return d.bad }

func (d *Decoder) take(n int) []byte {
	if n > len(d.buf) {
		d.Fail()
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
	return b
}

func (d *Decoder) U8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *Decoder) U16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *Decoder) U32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *Decoder) U64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *Decoder) I64() int64 { return int64(d.U64()) }

// Str takes a string of at most max bytes.
func (d *Decoder) Str(max int) string {
	n := int(d.U16())
	if n > max {
		d.Fail()
		return ""
	}
	return string(d.take(n))
}

// Blob takes at most max bytes.
func (d *Decoder) Blob(max int) []byte {
	n := d.U32()
	if n > uint32(max) {
		d.Fail()
		return nil
	}
	return append([]byte(nil), d.take(int(n))...)
}

// Count takes the length of a list of at most max items.
func (d *Decoder) Count(max int) int {
	n := int(d.U16())
	if n > max {
		d.Fail()
		return 0
	}
	return n
}

// Name takes a file name: one path component.
func (d *Decoder) Name() string {
	s := d.Str(MaxName)
	if !d.bad && !ValidName(s) {
		d.Fail()
		return ""
	}
	return s
}

// ValidName reports whether s can name an entry of a directory.
func ValidName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > MaxName {
		return false
	}
	return plain(s, '/')
}

// Plain takes a string of at most max bytes without a NUL.
func (d *Decoder) Plain(max int) string {
	s := d.Str(max)
	if !plain(s, 0) {
		d.Fail()
		return ""
	}
	return s
}

// plain reports whether s holds neither NUL nor c.
func plain(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == 0 || s[i] == c {
			return false
		}
	}
	return true
}

// Bool appends one byte, 0 or 1.
func (e *Encoder) Bool(v bool) {
	if v {
		e.U8(1)
	} else {
		e.U8(0)
	}
}

// Bool takes one byte, which must be 0 or 1.
func (d *Decoder) Bool() bool {
	v := d.U8()
	if v > 1 {
		d.Fail()
	}
	return v == 1
}
