package sys

import "testing"

func TestMasks(t *testing.T) {
	tests := []struct {
		first, last int
		mask, list  string
	}{
		{0, 0, "1", "0"},
		{0, 3, "f", "0-3"},
		{2, 2, "4", "2"},
		{0, 31, "ffffffff", "0-31"},
		{0, 32, "1,ffffffff", "0-32"},
		{33, 33, "2,00000000", "33"},
	}
	for _, tc := range tests {
		if m, l := mask(tc.first, tc.last), list(tc.first, tc.last); m != tc.mask || l != tc.list {
			t.Errorf("%d to %d: %q %q, want %q %q", tc.first, tc.last, m, l, tc.mask, tc.list)
		}
	}
}
