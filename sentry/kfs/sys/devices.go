package sys

import (
	"fmt"

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
			dir(virtual+"/net", in.loopback(virtual+"/net/lo")),
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
