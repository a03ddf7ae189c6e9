package proc

import (
	"testing"

	"ringfence/abi/linux"
)

func TestTimeOffsetsAreParsed(t *testing.T) {
	list, n, err := parseOffsets("monotonic 1 2\nboottime -3 4\nwhatever")
	if err != nil || n != len("monotonic 1 2\nboottime -3 4\n") || len(list) != 2 || list[0].Clock != linux.CLOCK_MONOTONIC ||
		list[0].Sec != 1 || list[0].Nsec != 2 || list[1].Clock != linux.CLOCK_BOOTTIME || list[1].Sec != -3 || list[1].Nsec != 4 {
		t.Errorf("%v, %d, %v", list, n, err)
	}
}

func FuzzParseOffsets(f *testing.F) {
	f.Add("monotonic 1 0\nboottime -3 999999999\n")
	f.Add("7 1 0\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, n, err := parseOffsets(text)
		if err == nil && (len(list) == 0 || len(list) > 2 || n == 0 || n > len(text)) {
			t.Errorf("%q: %v, %d", text, list, n)
		}
	})
}
