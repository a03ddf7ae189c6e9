package syscalls

import (
	"fmt"
	"strings"

	"ringfence/abi/errno"
	"ringfence/sentry/kernel"
)

// Matrix returns the table of system calls as Markdown, for people who want to know what to
// expect.
func Matrix() string {
	table := Table()
	count := map[kernel.Support]int{}
	var rows strings.Builder
	for nr := range table {
		e := &table[nr]
		if e.Name == "" {
			continue
		}
		count[e.Support]++
		var notes []string
		if e.Support == kernel.Refused {
			failure := e.Refusal
			if failure == 0 {
				failure = errno.ENOSYS
			}
			notes = append(notes, failure.Error())
		}
		if e.Flags != "" {
			notes = append(notes, "with "+e.Flags)
		}
		if e.Note != "" {
			notes = append(notes, e.Note)
		}
		fmt.Fprintf(&rows, "| %d | %s | %v | %s |\n", nr, e.Name, e.Support, strings.ReplaceAll(strings.Join(notes, ": "), "|", `\|`))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# System calls

Every system call of x86-64 up to Linux 6.12, as the sandbox answers it. Made from the tables in
sentry/syscalls by their test; do not edit.

**supported** (%d): as Linux answers it. **partial** (%d): as Linux answers it but for what the note
says. **refused** (%d): always this error, and why.

| number | call | answer | notes |
|---|---|---|---|
`, count[kernel.Full], count[kernel.Partial], count[kernel.Refused])
	b.WriteString(rows.String())
	return b.String()
}
