package sys

import (
	"fmt"
	"strconv"
	"strings"
)

// list formats the numbers from first to last as a cpulist file does.
func list(first, last int) string {
	switch {
	case last < first:
		return "\n"
	case first == last:
		return strconv.Itoa(first) + "\n"
	}
	return fmt.Sprintf("%d-%d\n", first, last)
}

// mask formats the numbers from first to last as a cpumap file does on a machine with n
// processors: words of 32 bits, the highest first, the highest only as long as it must be.
func mask(first, last, n int) string {
	words := make([]uint32, (n+31)/32)
	for i := first; i <= last; i++ {
		words[i/32] |= 1 << (i % 32)
	}
	var b strings.Builder
	digits := ((n-1)%32)/4 + 1
	for i := len(words) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "%0*x", digits, words[i])
		digits = 8
		if i > 0 {
			b.WriteByte(',')
		}
	}
	b.WriteByte('\n')
	return b.String()
}
