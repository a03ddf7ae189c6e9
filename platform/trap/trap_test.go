package trap

import (
	"testing"

	"ringfence/platform"
	"ringfence/platform/platformtest"
)

func TestPlatform(t *testing.T) {
	platformtest.Run(t, func() (platform.Platform, error) { return New() })
}
