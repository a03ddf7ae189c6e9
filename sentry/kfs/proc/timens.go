package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// timeOffsets is an open /proc/PID/timens_offsets, and its own tree.Text: it is about the time namespace that
// children of the process will be in (time_namespaces(7)).
type timeOffsets struct {
	*tree.TextFileOps
	p *task
}

func openTimeOffsets(p *task, _ vfs.Caller, _ uint32) (vfs.FileOps, error) {
	f := &timeOffsets{p: p}
	f.TextFileOps = tree.NewFile(f)
	return f, nil
}

func (f *timeOffsets) ns() (*kernel.TimeNamespace, error) {
	if f.p.gone() {
		return nil, errno.ESRCH
	}
	n := f.p.who().AcquireNamespaces()
	if n == nil {
		return nil, errno.ESRCH
	}
	return n.ChildTime, nil
}

// Text implements tree.Text.
func (f *timeOffsets) Text(vfs.Caller) ([]byte, error) {
	ns, err := f.ns()
	if err != nil {
		return nil, err
	}
	mono, boot := ns.Offsets()
	var b bytes.Buffer
	for _, o := range []struct {
		name string
		v    int64
	}{{"monotonic", mono}, {"boottime", boot}} {
		t := linux.NsecToTimespec(o.v)
		fmt.Fprintf(&b, "%-10s %10d %9d\n", o.name, t.Sec, t.Nsec)
	}
	return b.Bytes(), nil
}

// Write implements vfs.FileOps.
func (f *timeOffsets) Write(_ vfs.Caller, file *vfs.File, src *usermem.Sequence, off int64, _ uint32) (int, error) {
	text, err := writtenText(src, off, 4096)
	if err != nil {
		return 0, err
	}
	list, n, err := parseOffsets(text)
	if err != nil {
		return 0, err
	}
	ns, err := f.ns()
	if err != nil {
		return 0, err
	}
	if !file.Cred.HasIn(linux.CAP_SYS_TIME, ns.Owner) {
		return 0, errno.EPERM
	}
	if err := ns.SetOffsets(f.p.in.k, list); err != nil {
		return 0, err
	}
	return n, nil
}

// parseOffsets reads one or two lines of a clock, seconds and nanoseconds, and returns how much of text they are.
func parseOffsets(text string) (list []kernel.TimeOffset, n int, err error) {
	for line := range strings.SplitAfterSeq(text, "\n") {
		if len(list) == 2 || line == "" && n > 0 {
			break
		}
		n += len(line)
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, 0, errno.EINVAL
		}
		o := kernel.TimeOffset{}
		switch f[0] {
		case "monotonic", strconv.Itoa(linux.CLOCK_MONOTONIC):
			o.Clock = linux.CLOCK_MONOTONIC
		case "boottime", strconv.Itoa(linux.CLOCK_BOOTTIME):
			o.Clock = linux.CLOCK_BOOTTIME
		default:
			return nil, 0, errno.EINVAL
		}
		if o.Sec, err = strconv.ParseInt(f[1], 10, 64); err != nil {
			return nil, 0, errno.EINVAL
		}
		if o.Nsec, err = strconv.ParseInt(f[2], 10, 64); err != nil || o.Nsec < 0 || o.Nsec >= 1e9 {
			return nil, 0, errno.EINVAL
		}
		list = append(list, o)
	}
	return list, n, nil
}
