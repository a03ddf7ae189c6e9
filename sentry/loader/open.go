package loader

import (
	"path"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/mappable"
	"ringfence/sentry/mm"
)

// File is an open executable, as the loader reads and maps it. The kernel makes it from
// an open file of the vfs.
type File interface {
	// PRead reads len(b) bytes at off, fewer at the end of the file.
	PRead(b []byte, off int64) (int, error)
	// Mappable is what mmap(2) maps.
	Mappable() (mappable.Mappable, error)
	// Ref is the file as mappings hold it. The loader's own use counts one reference, which it
	// drops through Ref.
	Ref() mm.FileRef
}

// Opener opens the interpreters of scripts and of dynamic programs.
type Opener interface {
	// OpenExec opens a file for execution, with the checks that execve(2) makes: it is regular,
	// its mode and its mount allow execution. The result carries a reference.
	OpenExec(path string) (File, error)
}

// Request is a program to be opened.
type Request struct {
	Opener Opener
	// File is the program, already open; Open takes the reference over. Path is its name as execve's caller
	// gave it, "/dev/fd/N" for a descriptor (AT_EXECFN).
	File File
	Path string
	// Hidden says that Path will lead nowhere after the exec (a descriptor with FD_CLOEXEC): a
	// script can't be run then.
	Hidden bool

	Args Args
	// StackLimit is RLIMIT_STACK in bytes: a quarter of it is for the strings.
	StackLimit uint64
}

// Image is a program that has been recognised and can be loaded.
type Image struct {
	// File is the ELF program itself: what /proc/PID/exe shows and whose set-user-ID bits
	// and capabilities count. For a script that is its interpreter.
	File File
	// Path is AT_EXECFN: the name that was executed, of the script if it is one.
	Path string
	// Args are the arguments with what script interpreters add.
	Args Args

	elf       *elfFile
	interp    File // or nil
	interpELF *elfFile
}

// Comm returns the name that the task gets (PR_SET_NAME), at most 15 bytes.
func (i *Image) Comm() string {
	name := path.Base(i.Path)
	return name[:min(len(name), 15)]
}

// Interpreter returns the path of the program's ELF interpreter, or "".
func (i *Image) Interpreter() string { return i.elf.interp }

// Release drops the files. The image can't be loaded afterwards.
func (i *Image) Release() {
	if i.File != nil {
		i.File.Ref().DecRef()
		i.File = nil
	}
	if i.interp != nil {
		i.interp.Ref().DecRef()
		i.interp = nil
	}
}

// Open recognises the program in r. It changes nothing that a failed execve(2) must not
// change. Errors are those of execve(2).
func Open(r Request) (*Image, error) {
	i := &Image{File: r.File, Path: r.Path, Args: r.Args}
	if err := i.open(&r); err != nil {
		i.Release()
		return nil, err
	}
	return i, nil
}

func (i *Image) open(r *Request) error {
	if len(i.Args.Argv) == 0 {
		// Programs count on argv[0]; Linux has given them an empty one since 5.18.
		i.Args.Argv = []string{""}
	}
	name := r.Path
	for depth := 0; ; depth++ {
		if depth > maxDepth {
			return errno.ELOOP
		}
		var head [linux.BINPRM_BUF_SIZE]byte
		n, err := readHead(i.File, head[:])
		if err != nil {
			return err
		}
		if err := i.Args.check(r.StackLimit); err != nil {
			return err
		}
		if head[0] != '#' || head[1] != '!' {
			if i.elf, err = parseELF(i.File, head[:n], true); err != nil {
				return err
			}
			return i.openInterp(r.Opener)
		}
		interp, arg, hasArg, err := parseScript(&head)
		if err != nil {
			return err
		}
		if r.Hidden {
			return errno.ENOENT
		}
		// INTERPRETER [ARG] SCRIPT, and the arguments behind argv[0].
		argv := []string{interp}
		if hasArg {
			argv = append(argv, arg)
		}
		argv = append(argv, name)
		i.Args.Argv = append(argv, i.Args.Argv[1:]...)
		f, err := r.Opener.OpenExec(interp)
		if err != nil {
			return err
		}
		i.File.Ref().DecRef()
		i.File, name = f, interp
	}
}

// openInterp opens the program's ELF interpreter, if it asks for one.
func (i *Image) openInterp(o Opener) error {
	if _, err := i.elf.span(); err != nil {
		return err
	}
	if i.elf.interp == "" {
		return nil
	}
	f, err := o.OpenExec(i.elf.interp)
	if err != nil {
		return err
	}
	i.interp = f
	var head [linux.BINPRM_BUF_SIZE]byte
	n, err := readHead(f, head[:])
	if err != nil {
		return err
	}
	if n < linux.Elf64EhdrSize {
		return errno.EIO
	}
	if i.interpELF, err = parseELF(f, head[:n], false); err != nil {
		return errno.ELIBBAD
	}
	if _, err := i.interpELF.span(); err != nil {
		return err
	}
	return nil
}

// readHead fills b from the start of the file; what the file lacks stays zero.
func readHead(src source, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := src.PRead(b[done:], int64(done))
		if err != nil {
			return done, err
		}
		if n <= 0 {
			break
		}
		done += n
	}
	return done, nil
}
