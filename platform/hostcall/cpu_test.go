package hostcall

import (
	"runtime"
	"testing"
)

func TestCurrentCPU(t *testing.T) {
	if n := CurrentCPU(); n < 0 || n > 1<<16 {
		t.Errorf("runs on processor %d of %d", n, runtime.NumCPU())
	}
}
