package loader

import (
	"bytes"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// maxDepth is how many interpreters of scripts may stand behind each other.
const maxDepth = 5

// parseScript reads the first line of a script from head, the first
// BINPRM_BUF_SIZE bytes of the file, zero-padded. It returns the interpreter and
// its one optional argument. ENOEXEC if it is no script, or the line is too long
// to be sure of the interpreter's name (Linux's load_script).
func parseScript(head *[linux.BINPRM_BUF_SIZE]byte) (interp, arg string, hasArg bool, err error) {
	if head[0] != '#' || head[1] != '!' {
		return "", "", false, errno.ENOEXEC
	}
	line := head[2:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	} else {
		name := bytes.TrimLeft(line, " \t")
		if len(name) == 0 || bytes.IndexAny(name, " \t\x00") < 0 {
			return "", "", false, errno.ENOEXEC
		}
		line = line[:len(line)-1] // what comes last may only end the name
	}
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	line = bytes.Trim(line, " \t")
	if len(line) == 0 {
		return "", "", false, errno.ENOEXEC
	}
	i := bytes.IndexAny(line, " \t")
	if i < 0 {
		return string(line), "", false, nil
	}
	return string(line[:i]), string(bytes.TrimLeft(line[i:], " \t")), true, nil
}
