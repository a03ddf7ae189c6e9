package socket

import (
	"bytes"
	"testing"

	"ringfence/abi/errno"
)

func FuzzParseControl(f *testing.F) {
	f.Add(AppendControl(nil, ControlMessage{1, 1, []byte{1, 0, 0, 0}}))
	f.Add(AppendControl(AppendControl(nil, ControlMessage{1, 2, make([]byte, 12)}), ControlMessage{41, 50, []byte("x")}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		msgs, err := ParseControl(b)
		if err != nil {
			if err != errno.EINVAL || msgs != nil {
				t.Fatal(msgs, err)
			}
			return
		}
		var again []byte
		for _, m := range msgs {
			again = AppendControl(again, m)
		}
		msgs2, err := ParseControl(again)
		if err != nil || len(msgs2) != len(msgs) {
			t.Fatal(msgs2, err)
		}
		for i := range msgs {
			if msgs[i].Level != msgs2[i].Level || msgs[i].Type != msgs2[i].Type || !bytes.Equal(msgs[i].Data, msgs2[i].Data) {
				t.Fatal(msgs[i], msgs2[i])
			}
		}
	})
}
