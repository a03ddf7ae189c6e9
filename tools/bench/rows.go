package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// yardstick is a set of rows that are measured together.
type yardstick struct {
	name string
	what string
	rows []row
	// programs of the host that it takes.
	programs []string
	// run measures some of the rows. What fails in one of them is said in its result;
	// an error means that there is nothing to show.
	run func(context.Context, *machine, []row) ([]*result, error)
}

// row is one figure.
type row struct {
	yardstick, name string // init fills in the first
	unit            unit
	// bar is the most that the ratio sandbox/host may be, or the figure itself where
	// there is no host's; 0 is none.
	bar float64
	// absolute rows have no host's figure.
	absolute bool
	// programs of the host that it takes, besides those of the yardstick.
	programs []string
}

// full is the name by which --only and --list know the row.
func (r row) full() string { return r.yardstick + "/" + r.name }

// unit is what a figure counts.
type unit string

const (
	nanoseconds unit = "ns"
	seconds     unit = "s"
	mebibytes   unit = "MiB"
	percent     unit = "%"
	times       unit = "x" // a ratio made from other rows' ratios
)

// yardsticks is everything that can be measured. An init function fills it in: the functions
// that run them look names up in it.
var yardsticks []yardstick

func init() {
	yardsticks = []yardstick{
		{name: "calls", what: "one operation", rows: callRows, programs: []string{"gcc", "true", "env"}, run: runCalls},
		{name: "work", what: "one job, seen from inside", rows: workRows, programs: []string{"bash", "python3"}, run: runWork},
		{name: "start", what: "a container that runs true; host is runc", rows: startRows, programs: []string{"gcc", "runc"}, run: runStart},
		{name: "idle", what: "containers that sleep", rows: idleRows, programs: []string{"sh", "sleep"}, run: runIdle},
	}
	for _, y := range yardsticks {
		for i := range y.rows {
			y.rows[i].yardstick = y.name
		}
	}
}

// callRows are the measures of guest/calls.c, by its names.
var callRows = []row{
	{name: "getpid", unit: nanoseconds, bar: 0.5},
	{name: "gettid", unit: nanoseconds, bar: 0.5},
	{name: "getppid", unit: nanoseconds, bar: 0.5},
	{name: "clock_gettime", unit: nanoseconds, bar: 0.5},
	{name: "clock_gettime-vdso", unit: nanoseconds},
	{name: "sched_yield", unit: nanoseconds},
	{name: "read-1", unit: nanoseconds, bar: 7},
	{name: "read-64k", unit: nanoseconds},
	{name: "pread-4k", unit: nanoseconds},
	{name: "pwrite-4k", unit: nanoseconds},
	{name: "fstat", unit: nanoseconds, bar: 4},
	{name: "lseek", unit: nanoseconds, bar: 7},
	{name: "stat", unit: nanoseconds, bar: 4},
	{name: "stat-missing", unit: nanoseconds, bar: 5},
	{name: "open-close", unit: nanoseconds, bar: 4},
	{name: "create-unlink", unit: nanoseconds},
	{name: "getdents", unit: nanoseconds},
	{name: "futex-wake", unit: nanoseconds},
	{name: "futex-handoff", unit: nanoseconds},
	{name: "epoll_wait", unit: nanoseconds},
	{name: "pipe-write-read", unit: nanoseconds, bar: 6},
	{name: "pipe-pingpong", unit: nanoseconds, bar: 2},
	{name: "socket-pingpong", unit: nanoseconds, bar: 2},
	{name: "mmap-touch-munmap", unit: nanoseconds, bar: 3},
	{name: "first-touch", unit: nanoseconds, bar: 1.2},
	{name: "fork-exit-wait", unit: nanoseconds, bar: 3},
	{name: "fork-exit-wait-64m", unit: nanoseconds},
	{name: "vfork-exec", unit: nanoseconds, bar: 2.5},
	{name: "thread", unit: nanoseconds},
	{name: "signal", unit: nanoseconds},
}

// workRows are the jobs of guest/work.sh, by its names.
var workRows = []row{
	{name: "forkexec", unit: seconds},
	{name: "pystart", unit: seconds},
	{name: "build", unit: seconds, programs: []string{"gcc", "make", "split"}},
	{name: "tree", unit: seconds, programs: []string{"tar", "find"}},
	{name: "gitops", unit: seconds, programs: []string{"git"}},
	{name: "findstat", unit: seconds, programs: []string{"find"}},
	{name: "grepr", unit: seconds, programs: []string{"grep"}},
	{name: "sqlite", unit: seconds, programs: []string{"sqlite3"}},
	{name: "ddw", unit: seconds, programs: []string{"dd"}},
	{name: "xzc", unit: seconds, programs: []string{"xz"}},
	{name: "pipes", unit: seconds},
	{name: "pythr", unit: seconds},
	{name: "redis", unit: seconds, programs: []string{"redis-server", "redis-cli", "redis-benchmark"}},
}

// The bars on all jobs of work together.
var (
	workMean  = row{yardstick: "work", name: "mean", unit: times, bar: 1.8}
	workWorst = row{yardstick: "work", name: "worst", unit: times, bar: 3.5}
)

var startRows = []row{
	{name: "run", unit: seconds, bar: 1.3}, // runsc run against runc run, the same bundle
	{name: "do", unit: seconds},            // runsc do against the same runc run
}

var idleRows = []row{
	{name: "memory", unit: mebibytes, bar: 20, absolute: true},
	{name: "cpu-50", unit: percent, bar: 0.2, absolute: true},
}

// writeList prints all rows and their bars.
func writeList(w io.Writer) error {
	for _, y := range yardsticks {
		if _, err := fmt.Fprintf(w, "%s: %s\n", y.name, y.what); err != nil {
			return err
		}
		rows := y.rows
		if y.name == "work" {
			rows = append(rows[:len(rows):len(rows)], workMean, workWorst)
		}
		for _, r := range rows {
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-30s %s", r.full(), r.barText()), " "))
		}
	}
	return nil
}
