package sys

import (
	"fmt"

	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	netlinks "ringfence/sentry/net/link"
	"ringfence/sentry/vfs"
)

// linkText is a file about the loopback interface of a network.
type linkText struct {
	net  *kernel.NetNamespace
	text func(l *netlinks.Link) string
}

// Text implements tree.Text.
func (t linkText) Text(vfs.Caller) ([]byte, error) {
	return []byte(t.text(t.net.Net.Links.State().ByIndex(netlinks.Loopback))), nil
}

// Open implements tree.Opener.
func (linkText) Open(_ vfs.Caller, flags uint32) (vfs.FileOps, error) { return readOnly(flags) }

func operState(l *netlinks.Link) string {
	if l.Up() {
		return "unknown\n"
	}
	return "down\n"
}

// carrier is a file that can be read only while the interface is up.
type carrier struct{ net *kernel.NetNamespace }

// Text implements tree.Text.
func (c carrier) Text(vfs.Caller) ([]byte, error) {
	if !c.net.Net.Links.State().LoopbackUp() {
		return nil, errno.EINVAL
	}
	return []byte("1\n"), nil
}

// Open implements tree.Opener.
func (carrier) Open(_ vfs.Caller, flags uint32) (vfs.FileOps, error) { return readOnly(flags) }

// loopback is the directory of the loopback interface, that of the network in which the file system was mounted.
func (in *instance) loopback(at string) tree.Entry {
	live := func(name string, text func(l *netlinks.Link) string) tree.Entry {
		return tree.Entry{Name: name, Make: attribute{linkText{in.net, text}}}
	}
	number := func(name string, of func(l *netlinks.Link) uint32) tree.Entry {
		return live(name, func(l *netlinks.Link) string { return fmt.Sprintf("%d\n", of(l)) })
	}
	const noAddress = "00:00:00:00:00:00\n"
	var counters []tree.Entry
	for _, name := range []string{
		"collisions", "multicast", "rx_bytes", "rx_compressed", "rx_crc_errors", "rx_dropped", "rx_errors",
		"rx_fifo_errors", "rx_frame_errors", "rx_length_errors", "rx_missed_errors", "rx_nohandler",
		"rx_over_errors", "rx_packets", "tx_aborted_errors", "tx_bytes", "tx_carrier_errors", "tx_compressed",
		"tx_dropped", "tx_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_packets", "tx_window_errors",
	} {
		counters = append(counters, file(name, "0\n"))
	}
	queues := at + "/queues"
	return dir(at,
		file("addr_assign_type", "0\n"), file("addr_len", "6\n"), file("address", noAddress), file("broadcast", noAddress),
		tree.Entry{Name: "carrier", Make: attribute{carrier{in.net}}}, file("carrier_changes", "0\n"), file("carrier_down_count", "0\n"), file("carrier_up_count", "0\n"),
		file("dev_id", "0x0\n"), file("dev_port", "0\n"), file("dormant", "0\n"), broken("duplex", errno.EINVAL),
		live("flags", func(l *netlinks.Link) string { return fmt.Sprintf("%#x\n", l.Flags) }), file("gro_flush_timeout", "0\n"), file("ifalias", ""), file("ifindex", "1\n"),
		file("iflink", "1\n"), file("link_mode", "0\n"), number("mtu", func(l *netlinks.Link) uint32 { return l.MTU }), file("name_assign_type", "2\n"),
		file("napi_defer_hard_irqs", "0\n"), file("netdev_group", "0\n"), live("operstate", operState),
		power(at), file("proto_down", "0\n"),
		dir(queues,
			dir(queues+"/rx-0", file("rps_cpus", "0\n"), file("rps_flow_cnt", "0\n")),
			dir(queues+"/tx-0", file("tx_maxrate", "0\n"), file("tx_timeout", "0\n"), file("xps_rxqs", "0\n"))),
		broken("speed", errno.EINVAL),
		dir(at+"/statistics", counters...),
		link("subsystem", "../../../../class/net"), file("testing", "0\n"), file("threaded", "0\n"),
		number("tx_queue_len", func(l *netlinks.Link) uint32 { return l.Queue }), file("type", "772\n"), file("uevent", "INTERFACE=lo\nIFINDEX=1\n"),
	)
}
