package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"

	"ringfence/sentry/vfs"
)

// hostCPU is the description of the first processor in the host's /proc/cpuinfo: guests run
// on it directly, so what it can do is no secret.
var hostCPU = sync.OnceValue(func() []string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return []string{"processor\t: 0", "vendor_id\t: unknown", "cpu family\t: 6", "model\t\t: 0", "model name\t: unknown", "flags\t\t: fpu"}
	}
	first, _, _ := strings.Cut(string(b), "\n\n")
	return strings.Split(strings.TrimRight(first, "\n"), "\n")
})

// ReadHost reads what the package wants to know of the host. It is to be called while
// the host's /proc can still be opened.
func ReadHost() { hostCPU() }

// cpuinfo describes every processor as the host's first one.
func cpuinfo(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	n := in.k.CPUs
	for i := range n {
		for _, line := range hostCPU() {
			key := strings.TrimSpace(strings.SplitN(line, ":", 2)[0])
			switch key {
			case "processor", "core id", "apicid", "initial apicid":
				line = line[:strings.Index(line, ":")+1] + fmt.Sprintf(" %d", i)
			case "physical id":
				line = line[:strings.Index(line, ":")+1] + " 0"
			case "siblings", "cpu cores":
				line = line[:strings.Index(line, ":")+1] + fmt.Sprintf(" %d", n)
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("\n")
	}
	return nil
}
