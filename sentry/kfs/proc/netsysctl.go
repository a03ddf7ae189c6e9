package proc

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"ringfence/abi/errno"
	"ringfence/sentry/creds"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/net/inet"
	"ringfence/sentry/vfs"
)

// networkOf returns the network that /proc/sys/net is about for a caller: its own.
func networkOf(k *kernel.Kernel, c vfs.Caller) *kernel.NetNamespace {
	if t := self(c); t != nil {
		return t.Net()
	}
	return k.NetNS
}

// netSysctl is a value of each network, by its path below /proc/sys/net. Sockets look at some of them.
type netSysctl struct {
	k       *kernel.Kernel
	path    string
	initial string
	form    form
}

// Text implements tree.Text.
func (s *netSysctl) Text(c vfs.Caller) ([]byte, error) {
	v := networkOf(s.k, c).Net.Setting(s.path)
	if v == "" {
		v = s.initial
	}
	return []byte(v + "\n"), nil
}

// Granted implements tree.Granter: who may change the network may change its settings.
func (s *netSysctl) Granted(c vfs.Caller) bool { return networkOf(s.k, c).Net.Admin(c) }

// Set implements tree.Setter.
func (s *netSysctl) Set(c vfs.Caller, b []byte) error {
	n := networkOf(s.k, c).Net
	if !n.Admin(c) {
		return errno.EPERM
	}
	v, err := s.form.parse(b)
	if err != nil {
		return err
	}
	n.Set(s.path, v)
	return nil
}

// pingGroups is net/ipv4/ping_group_range: the groups whose members may have ping sockets (icmp(7)).
type pingGroups struct{ k *kernel.Kernel }

// Text implements tree.Text.
func (p pingGroups) Text(c vfs.Caller) ([]byte, error) {
	g := networkOf(p.k, c).Inet.PingGroups()
	return fmt.Appendf(nil, "%d\t%d\n", g.Low, g.High), nil
}

// Granted implements tree.Granter.
func (p pingGroups) Granted(c vfs.Caller) bool { return networkOf(p.k, c).Net.Admin(c) }

// Set implements tree.Setter. As on Linux, a range that ends before it begins is the empty one.
func (p pingGroups) Set(c vfs.Caller, b []byte) error {
	n := networkOf(p.k, c)
	if !n.Net.Admin(c) {
		return errno.EPERM
	}
	g := n.Inet.PingGroups()
	fields := strings.Fields(strings.TrimRight(string(b), "\x00"))
	if len(fields) == 0 {
		return errno.EINVAL
	}
	const most = 1<<32 - 2 // the last number that is a group's
	for i, at := range []*creds.GID{&g.Low, &g.High} {
		if i >= len(fields) {
			break
		}
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil || n > most {
			return errno.EINVAL
		}
		*at = creds.GID(n)
	}
	if g.High < g.Low {
		g = inet.PingGroups{Low: 1, High: 0}
	}
	n.Inet.SetPingGroups(g)
	return nil
}

// netSysctls is /proc/sys/net.
func (in *instance) netSysctls() []tree.Entry {
	// Those that each network has for itself.
	knob := func(name string, v, min, max int64) tree.Entry {
		return entryOf(path.Base(name), &netSysctl{k: in.k, path: name, initial: strconv.FormatInt(v, 10), form: form{numbers: 1, min: min, max: max}})
	}
	knobs := func(name, v string, min, max int64) tree.Entry {
		return entryOf(path.Base(name), &netSysctl{k: in.k, path: name, initial: v, form: form{numbers: len(strings.Fields(v)), min: min, max: max}})
	}
	word := func(name, v string) tree.Entry {
		return entryOf(path.Base(name), &netSysctl{k: in.k, path: name, initial: v})
	}
	return []tree.Entry{
		dir("sys/net/core", "core",
			fixed("default_qdisc", "pfifo_fast"),
			knob("core/optmem_max", 131072, 0, maxInt),
			knob("core/netdev_max_backlog", 1000, 0, maxInt),
			knob("core/rmem_default", 212992, 256, maxInt),
			knob("core/rmem_max", 212992, 256, maxInt),
			knob("core/somaxconn", 4096, 0, maxInt),
			knob("core/wmem_default", 212992, 256, maxInt),
			knob("core/wmem_max", 212992, 256, maxInt),
		),
		dir("sys/net/ipv4", "ipv4",
			knob("ipv4/ip_default_ttl", 64, 1, 255),
			knob("ipv4/ip_forward", 0, 0, 1),
			entryOf("ip_local_port_range", &netSysctl{
				k: in.k, path: "ipv4/ip_local_port_range", initial: "32768\t60999",
				form: form{numbers: 2, min: 1, max: 65535, rising: true},
			}),
			knob("ipv4/ip_nonlocal_bind", 0, 0, 1),
			knob("ipv4/ip_unprivileged_port_start", 1024, 0, 65535),
			entryOf("ping_group_range", pingGroups{in.k}),
			fixed("tcp_allowed_congestion_control", "reno cubic"),
			fixed("tcp_available_congestion_control", "reno cubic"),
			word("ipv4/tcp_congestion_control", "cubic"),
			knob("ipv4/tcp_fastopen", 1, 0, maxInt),
			knob("ipv4/tcp_fin_timeout", 60, 0, maxInt),
			knob("ipv4/tcp_keepalive_intvl", 75, 1, 32767),
			knob("ipv4/tcp_keepalive_probes", 9, 1, 127),
			knob("ipv4/tcp_keepalive_time", 7200, 1, 32767),
			knob("ipv4/tcp_max_syn_backlog", 1024, 0, maxInt),
			knob("ipv4/tcp_retries2", 15, 0, 255),
			knobs("ipv4/tcp_rmem", "4096\t131072\t6291456", 0, maxInt),
			knob("ipv4/tcp_sack", 1, 0, 1),
			knob("ipv4/tcp_syncookies", 1, 0, 2),
			knob("ipv4/tcp_timestamps", 1, 0, 2),
			knob("ipv4/tcp_tw_reuse", 2, 0, 2),
			knob("ipv4/tcp_window_scaling", 1, 0, 1),
			knobs("ipv4/tcp_wmem", "4096\t16384\t4194304", 0, maxInt),
		),
		dir("sys/net/ipv6", "ipv6",
			dir("sys/net/ipv6/conf", "conf",
				dir("sys/net/ipv6/conf/all", "all", knob("ipv6/conf/all/disable_ipv6", 0, 0, 1)),
				dir("sys/net/ipv6/conf/default", "default", knob("ipv6/conf/default/disable_ipv6", 0, 0, 1)),
				dir("sys/net/ipv6/conf/lo", "lo", knob("ipv6/conf/lo/disable_ipv6", 0, 0, 1)),
			),
			knob("ipv6/bindv6only", 0, 0, 1),
			knob("ipv6/ip_nonlocal_bind", 0, 0, 1),
		),
		dir("sys/net/unix", "unix", knob("unix/max_dgram_qlen", 10, 0, maxInt)),
	}
}
