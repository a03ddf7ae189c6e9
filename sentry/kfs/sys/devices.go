package sys

import (
	"fmt"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kfs/tree"
)

// charDevice is a character device without hardware.
type charDevice struct {
	class, name  string
	major, minor uint32
	mode         string // DEVMODE of its uevent, if it is not 0600
}

var charDevices = []charDevice{
	{"mem", "null", linux.MEM_MAJOR, linux.NULL_MINOR, "0666"},
	{"mem", "zero", linux.MEM_MAJOR, linux.ZERO_MINOR, "0666"},
	{"mem", "full", linux.MEM_MAJOR, linux.FULL_MINOR, "0666"},
	{"mem", "random", linux.MEM_MAJOR, linux.RANDOM_MINOR, "0666"},
	{"mem", "urandom", linux.MEM_MAJOR, linux.URANDOM_MINOR, "0666"},
	{"tty", "tty", linux.TTYAUX_MAJOR, linux.TTY_MINOR, "0666"},
	{"tty", "console", linux.TTYAUX_MAJOR, linux.CONSOLE_MINOR, ""},
	{"tty", "ptmx", linux.TTYAUX_MAJOR, linux.PTMX_MINOR, "0666"},
}

func (d *charDevice) number() string { return fmt.Sprintf("%d:%d", d.major, d.minor) }

func (d *charDevice) entry() tree.Entry {
	at := "sys/devices/virtual/" + d.class + "/" + d.name
	event := fmt.Sprintf("MAJOR=%d\nMINOR=%d\nDEVNAME=%s\n", d.major, d.minor, d.name)
	if d.mode != "" {
		event += "DEVMODE=" + d.mode + "\n"
	}
	return dir(at, file("dev", d.number()+"\n"), power(at), link("subsystem", "../../../../class/"+d.class), file("uevent", event))
}

// ofClass returns an entry for each device of a class.
func ofClass(class string, entry func(d *charDevice) tree.Entry) []tree.Entry {
	var all []tree.Entry
	for i := range charDevices {
		if d := &charDevices[i]; d.class == class {
			all = append(all, entry(d))
		}
	}
	return all
}

func (in *instance) devices() tree.Entry {
	const at, system, virtual = "sys/devices", "sys/devices/system", "sys/devices/virtual"
	const clock = system + "/clocksource"
	return dir(at,
		dir(system,
			dir(clock, dir(clock+"/clocksource0",
				file("available_clocksource", "tsc \n"), file("current_clocksource", "tsc\n"),
				link("subsystem", "../../../../bus/clocksource"), file("uevent", ""))),
			in.cpus(),
			in.nodes()),
		dir(virtual,
			dir(virtual+"/mem", ofClass("mem", (*charDevice).entry)...),
			dir(virtual+"/net", loopback(virtual+"/net/lo")),
			dir(virtual+"/tty", ofClass("tty", (*charDevice).entry)...)),
	)
}

// classes is /sys/class: links to the devices, and empty directories for programs that
// would complain if they were missing.
func classes() tree.Entry {
	const at = "sys/class"
	here := func(d *charDevice) tree.Entry {
		return link(d.name, "../../devices/virtual/"+d.class+"/"+d.name)
	}
	return dir(at,
		dir(at+"/block"),
		dir(at+"/hwmon"),
		dir(at+"/input"),
		dir(at+"/mem", ofClass("mem", here)...),
		dir(at+"/misc"),
		dir(at+"/net", link("lo", "../../devices/virtual/net/lo")),
		dir(at+"/power_supply"),
		dir(at+"/thermal"),
		dir(at+"/tty", ofClass("tty", here)...),
	)
}

// charNumbers is /sys/dev/char.
func charNumbers() tree.Entry {
	var links []tree.Entry
	for i := range charDevices {
		d := &charDevices[i]
		links = append(links, link(d.number(), "../../devices/virtual/"+d.class+"/"+d.name))
	}
	return dir("sys/dev/char", links...)
}

func (in *instance) buses() tree.Entry {
	const at = "sys/bus"
	var cpus []tree.Entry
	for i := range in.k.CPUs {
		cpus = append(cpus, link(cpuName(i), "../../../devices/system/cpu/"+cpuName(i)))
	}
	bus := func(name string, devices ...tree.Entry) tree.Entry {
		return dir(at+"/"+name, dir(at+"/"+name+"/devices", devices...), dir(at+"/"+name+"/drivers"))
	}
	return dir(at,
		bus("clocksource", link("clocksource0", "../../../devices/system/clocksource/clocksource0")),
		bus("cpu", cpus...),
		bus("node", link("node0", "../../../devices/system/node/node0")),
		bus("platform"),
	)
}

// loopback is the directory of the loopback interface.
func loopback(at string) tree.Entry {
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
		file("carrier", "1\n"), file("carrier_changes", "0\n"), file("carrier_down_count", "0\n"), file("carrier_up_count", "0\n"),
		file("dev_id", "0x0\n"), file("dev_port", "0\n"), file("dormant", "0\n"), broken("duplex", errno.EINVAL),
		file("flags", "0x9\n"), file("gro_flush_timeout", "0\n"), file("ifalias", ""), file("ifindex", "1\n"),
		file("iflink", "1\n"), file("link_mode", "0\n"), file("mtu", "65536\n"), file("name_assign_type", "2\n"),
		file("napi_defer_hard_irqs", "0\n"), file("netdev_group", "0\n"), file("operstate", "unknown\n"),
		power(at), file("proto_down", "0\n"),
		dir(queues,
			dir(queues+"/rx-0", file("rps_cpus", "0\n"), file("rps_flow_cnt", "0\n")),
			dir(queues+"/tx-0", file("tx_maxrate", "0\n"), file("tx_timeout", "0\n"), file("xps_rxqs", "0\n"))),
		broken("speed", errno.EINVAL),
		dir(at+"/statistics", counters...),
		link("subsystem", "../../../../class/net"), file("testing", "0\n"), file("threaded", "0\n"),
		file("tx_queue_len", "1000\n"), file("type", "772\n"), file("uevent", "INTERFACE=lo\nIFINDEX=1\n"),
	)
}
