package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// options are the command line.
type options struct {
	runsc    string // "" to build it
	platform string // "" for runsc's default
	rounds   int
	only     []string // yardsticks and rows; none is all
	list     bool
	check    bool
	json     string // file, or ""
}

// parseOptions reads the command line. On --help it prints the usage and returns flag.ErrHelp.
func parseOptions(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, and main's to print
	f.StringVar(&o.runsc, "runsc", "", "the `binary` to measure (default: build it)")
	f.StringVar(&o.platform, "platform", "", "`name` of how guest code runs (default: runsc's own)")
	f.IntVar(&o.rounds, "rounds", 5, "how often each figure is taken on both sides")
	only := f.String("only", "", "measure only these yardsticks or rows, separated by commas: `calls,work/build`")
	f.BoolVar(&o.list, "list", false, "print what can be measured, and the bars")
	f.BoolVar(&o.check, "check", false, "exit with 1 if a bar is missed")
	f.StringVar(&o.json, "json", "", "write all figures to this `file` too")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Println("usage: bench [flags]")
			f.SetOutput(os.Stdout)
			f.PrintDefaults()
		}
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 1 {
		return nil, fmt.Errorf("--rounds %d: must be at least 1", o.rounds)
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !known(name) {
			return nil, fmt.Errorf("--only %q: no such yardstick or row, see --list", name)
		}
	}
	return o, nil
}

// known reports whether name is a yardstick, or a row as YARDSTICK/ROW.
func known(name string) bool {
	for _, y := range yardsticks {
		if name == y.name {
			return true
		}
		for _, r := range y.rows {
			if name == r.full() {
				return true
			}
		}
	}
	return false
}

// selected are the rows of a yardstick that are to be measured, in the table's order.
func (o *options) selected(of string) []row {
	i := slices.IndexFunc(yardsticks, func(y yardstick) bool { return y.name == of })
	rows := slices.Clone(yardsticks[i].rows)
	if len(o.only) == 0 || slices.Contains(o.only, of) {
		return rows
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !slices.Contains(o.only, r.full()) })
}
