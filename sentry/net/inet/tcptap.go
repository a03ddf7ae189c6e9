package inet

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// Flags of a TCP header.
const (
	tcpFIN = 1
	tcpSYN = 2
	tcpRST = 4
	tcpPSH = 8
	tcpACK = 16
)

// maxSegment is how many bytes of data a segment that raw sockets see holds, and tcpMSS the size that
// Linux announces on its loopback.
const (
	maxSegment = 32768
	tcpMSS     = 65495
)

var isnSeed = maphash.MakeSeed()

// isn is the first sequence number of a direction of a connection. Nothing but raw sockets ever sees it.
func isn(from, to netip.AddrPort) uint32 {
	return uint32(maphash.Comparable(isnSeed, [2]netip.AddrPort{from, to}))
}

// showSegment shows raw sockets a segment such as Linux would have sent. sent and got count the bytes that
// went before in both directions, each with what SYN and FIN add.
func (st *Stack) showSegment(from, to netip.AddrPort, flags uint8, sent, got uint32, data []byte, now int64) {
	size := tcpHeader
	if flags&tcpSYN != 0 {
		size += 4
	}
	b := make([]byte, size, size+len(data))
	binary.BigEndian.PutUint16(b[0:], from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], isn(from, to)+sent)
	if flags&tcpACK != 0 {
		binary.BigEndian.PutUint32(b[8:], isn(to, from)+got)
	}
	b[12], b[13] = byte(size/4)<<4, flags
	binary.BigEndian.PutUint16(b[14:], 65535)
	if flags&tcpSYN != 0 {
		b[tcpHeader], b[tcpHeader+1] = 2, 4 // the option of the segment size
		binary.BigEndian.PutUint16(b[tcpHeader+2:], tcpMSS)
	}
	p := &packet{
		src: from.Addr(), dst: to.Addr(), proto: linux.IPPROTO_TCP, head: header{ttl: defaultTTL}, df: true,
		body: append(b, data...), stamp: now,
	}
	binary.BigEndian.PutUint16(p.body[16:], p.pseudo())
	st.tap(p)
}

// showHandshake shows what follows a SYN that a listener takes.
func (t *TCP) showHandshake(now int64) {
	if !t.st.tapped() {
		return
	}
	t.mu.Lock()
	local, remote := t.local, t.remote
	t.mu.Unlock()
	t.st.showSegment(remote, local, tcpSYN|tcpACK, 0, 1, nil, now)
	t.st.showSegment(local, remote, tcpACK, 1, 1, nil, now)
}

// showEnd shows a FIN or a RST of a connection with these streams.
func (t *TCP) showEnd(local, remote netip.AddrPort, in, out *stream, flags uint8) {
	if !t.st.tapped() || in == nil || out == nil {
		return
	}
	got, _ := in.count()
	sent, fin := out.count()
	if fin && flags&tcpFIN != 0 {
		sent-- // finish was called before
	}
	t.st.showSegment(local, remote, flags|tcpACK, 1+sent, 1+got, nil, 0)
}

// writeShown is out.write where raw sockets listen, or where src may sleep: what is written is copied for them first,
// and while nothing is locked that the peer needs.
func (t *TCP) writeShown(in, out *stream, src *usermem.Sequence, h how, now int64) (int, error) {
	t.mu.Lock()
	local, remote := t.local, t.remote
	t.mu.Unlock()
	buf := make([]byte, min(src.Len(), maxSegment))
	done := 0
	for src.Len() > 0 {
		before := *src
		k := int(min(src.Len(), maxSegment))
		n, fault := src.CopyIn(buf[:k])
		if n < k && fault == nil {
			fault = errno.EFAULT
		}
		piece := usermem.FromBytes(buf[:n])
		last := how{}
		if src.Len() == 0 {
			last = h
		}
		wrote, err := out.write(&piece, last)
		if wrote < n {
			*src = before
			src.Skip(uint64(wrote))
		}
		if wrote > 0 && t.st.tapped() {
			got, _ := in.count()
			sent, _ := out.count()
			t.st.showSegment(local, remote, tcpPSH|tcpACK, 1+sent-uint32(wrote), 1+got, buf[:wrote], now)
		}
		done += wrote
		if err == nil {
			err = fault
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
