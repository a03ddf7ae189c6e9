package trap

import (
	"testing"

	"ringfence/platform"
	"ringfence/platform/platformtest"
)

func BenchmarkPlatform(b *testing.B) {
	platformtest.Benchmark(b, func() (platform.Platform, error) { return New() })
}
