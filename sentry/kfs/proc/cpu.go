package proc

import (
	"bytes"
	"fmt"
	"strings"

	"ringfence/sentry/vfs"
)

// unknownCPU stands for a processor that nobody described.
const unknownCPU = "processor\t: 0\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: unknown\nflags\t\t: fpu"

// cpuinfo describes every processor as FS.CPU does the first.
func cpuinfo(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	n := in.k.CPUs
	cpu := strings.TrimRight(in.fs.CPU, "\n")
	if cpu == "" {
		cpu = unknownCPU
	}
	lines := strings.Split(cpu, "\n")
	for i := range n {
		for _, line := range lines {
			key, _, _ := strings.Cut(line, ":")
			v := ""
			switch strings.TrimSpace(key) {
			case "processor", "core id", "apicid", "initial apicid":
				v = fmt.Sprintf(" %d", i)
			case "physical id":
				v = " 0"
			case "siblings", "cpu cores":
				v = fmt.Sprintf(" %d", n)
			}
			if v != "" {
				line = key + ":" + v
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("\n")
	}
	return nil
}
