package vfs

import (
	"strings"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/usermem"
)

// MountContext is a file system that is being set up or changed by fsconfig(2) (Linux's struct fs_context), and
// the FileOps of the descriptor that fsopen(2) and fspick(2) return. Reading it gives the
// messages about what went wrong, one a read.
//
// Its phases:
//
//	params -Create-> made -Mount-> used
//	used, and what fspick(2) returns: params -Reconfigure-> used
//
// Any call that fails in Create or Reconfigure ends in failed, where nothing goes on.
type MountContext struct {
	BaseFile

	// Immutable.
	v        *VFS
	typeName string
	fsType   FSType // nil if only to be reconfigured

	mu        sync.Mutex
	phase     contextPhase
	source    string
	sourced   bool
	options   []option // in order, a key once
	flags     uint64   // MS_* of the file system
	flagsMask uint64   // those that were named
	sb        *Superblock
	root      *Dentry  // with sb: held once there is one
	log       []string // the last maxMessages
}

type contextPhase uint8

const (
	contextParams   contextPhase = iota // takes parameters of a file system to be made
	contextMade                         // waits for Mount
	contextReparams                     // takes parameters of a file system to be changed
	contextFailed
)

const maxMessages = 8

// option is one that the file system knows.
type option struct{ key, text string }

// superFlags are the parameters that every file system knows, whatever their value is.
var superFlags = map[string]struct{ set, clear uint64 }{
	"ro": {set: linux.MS_RDONLY}, "rw": {clear: linux.MS_RDONLY},
	"sync": {set: linux.MS_SYNCHRONOUS}, "async": {clear: linux.MS_SYNCHRONOUS},
	"lazytime": {set: linux.MS_LAZYTIME}, "nolazytime": {clear: linux.MS_LAZYTIME},
	"mand": {set: linux.MS_MANDLOCK}, "nomand": {clear: linux.MS_MANDLOCK},
	"dirsync": {set: linux.MS_DIRSYNC},
}

// NewContext returns what fsopen(2) opens for a type of file system; ENODEV if there is none.
func (v *VFS) NewContext(fstype string) (*MountContext, error) {
	t, err := v.Type(fstype)
	if err != nil {
		return nil, err
	}
	return &MountContext{v: v, typeName: fstype, fsType: t}, nil
}

// PickContext is NewContext for fspick(2): for the file system mounted at p, which must be a mount's root.
func (v *VFS) PickContext(p Path) (*MountContext, error) {
	if p.Dentry != p.Mount.Root {
		return nil, errno.EINVAL
	}
	sb := p.Mount.SB
	t, _ := v.Type(sb.Type)
	sb.Hold()
	p.Dentry.IncRef()
	return &MountContext{v: v, typeName: sb.Type, fsType: t, phase: contextReparams, sb: sb, root: p.Dentry}, nil
}

// ParamKind is what stands with a parameter's key.
type ParamKind uint8

const (
	ParamFlag   ParamKind = iota // nothing
	ParamString                  // a string
	ParamObject                  // a file or bytes, which no file system takes
)

// Set sets one parameter. EBUSY if it is not the time.
func (mc *MountContext) Set(key string, kind ParamKind, value string) error {
	mc.mu.Lock()
	defer mc.mu.Unlock()
	if mc.phase != contextParams && mc.phase != contextReparams {
		return errno.EBUSY
	}
	if f, ok := superFlags[key]; ok {
		mc.flags = mc.flags&^f.clear | f.set
		mc.flagsMask |= f.set | f.clear
		return nil
	}
	known, good := false, false
	if oc, ok := mc.fsType.(OptionChecker); ok {
		known, good = oc.CheckOption(key, value, kind == ParamString)
	}
	switch {
	case known && (!good || kind == ParamObject || strings.Contains(value, ",")):
		return mc.refuse(mc.typeName + ": Bad value for '" + key + "'")
	case known:
		mc.replace(key, kind, value)
		return nil
	case key != "source":
		return mc.refuse(mc.typeName + ": Unknown parameter '" + key + "'")
	case kind != ParamString:
		return mc.refuse("Non-string source")
	case mc.sourced:
		return mc.refuse("Multiple sources")
	}
	mc.source, mc.sourced = value, true
	return nil
}

// replace appends an option; the last of a key counts.
func (mc *MountContext) replace(key string, kind ParamKind, value string) {
	o := option{key, key}
	if kind == ParamString {
		o.text += "=" + value
	}
	kept := mc.options[:0]
	for _, old := range mc.options {
		if old.key != key {
			kept = append(kept, old)
		}
	}
	mc.options = append(kept, o)
}

// refuse logs an error and returns EINVAL.
func (mc *MountContext) refuse(text string) error {
	if len(mc.log) == maxMessages {
		mc.log = append(mc.log[:0], mc.log[1:]...)
	}
	mc.log = append(mc.log, "e "+text+"\n")
	return errno.EINVAL
}

// data is the options as mount(2) has them.
func (mc *MountContext) data() string {
	texts := make([]string, len(mc.options))
	for i, o := range mc.options {
		texts[i] = o.text
	}
	return strings.Join(texts, ",")
}

// Create makes the file system (FSCONFIG_CMD_CREATE).
func (mc *MountContext) Create(c Caller) error {
	mc.mu.Lock()
	defer mc.mu.Unlock()
	if mc.phase != contextParams {
		return errno.EBUSY
	}
	owner, err := mayMake(c, mc.fsType)
	if err != nil {
		return err
	}
	sb, root, err := mc.fsType.Mount(c, mc.source, mc.flags, mc.data())
	if err != nil {
		mc.phase = contextFailed
		return err
	}
	sb.own(mc.fsType, owner)
	mc.phase, mc.sb, mc.root = contextMade, sb, mc.v.adoptSuper(sb, root, mc.flags)
	sb.Hold()
	return nil
}

// Reconfigure changes the file system (FSCONFIG_CMD_RECONFIGURE).
func (mc *MountContext) Reconfigure(c Caller) error {
	mc.mu.Lock()
	defer mc.mu.Unlock()
	if mc.phase != contextReparams {
		return errno.EBUSY
	}
	err := mc.reconfigure(c)
	if mc.clean(); err != nil {
		mc.phase = contextFailed
	}
	return err
}

func (mc *MountContext) reconfigure(c Caller) error {
	if err := mayChangeMounts(c, mc.sb.UserNS); err != nil {
		return err
	}
	if mc.flagsMask&^linux.MS_RMT_MASK != 0 {
		return errno.EINVAL
	}
	ro := mc.sb.ReadOnly()
	if mc.flagsMask&linux.MS_RDONLY != 0 {
		ro = mc.flags&linux.MS_RDONLY != 0
	}
	return mc.v.reconfigure(c, mc.sb, mc.data(), ro)
}

// clean forgets the parameters, for the next that are to change the file system.
func (mc *MountContext) clean() {
	mc.phase = contextReparams
	mc.source, mc.sourced = "", false
	mc.options, mc.flags, mc.flagsMask = nil, 0, 0
}

// Mount is fsmount(2): it mounts what Create made, detached, with MS_* flags of the mount, and
// returns the file that holds the mount. EBUSY if that was done already.
func (mc *MountContext) Mount(c Caller, flags uint32) (*File, error) {
	mc.mu.Lock()
	defer mc.mu.Unlock()
	switch {
	case mc.root == nil:
		return nil, errno.EINVAL
	case mc.phase != contextMade:
		return nil, errno.EBUSY
	case mc.v.liveMounts.Load() >= maxMounts:
		return nil, errno.ENOSPC
	}
	source := mc.source
	if !mc.sourced {
		source = "none"
	}
	mc.root.IncRef()
	m := mc.v.newMount(mc.sb, mc.root, source, flags&mountFlags)
	mc.clean()
	return mc.v.hold(c, m), nil
}

// Read implements FileOps: it takes the oldest message. ENODATA if there is none, EMSGSIZE, and it stays,
// if it does not fit.
func (mc *MountContext) Read(_ Caller, _ *File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	mc.mu.Lock()
	if len(mc.log) == 0 {
		mc.mu.Unlock()
		return 0, errno.ENODATA
	}
	text := mc.log[0]
	if uint64(len(text)) > dst.Len() {
		mc.mu.Unlock()
		return 0, errno.EMSGSIZE
	}
	mc.log = append(mc.log[:0], mc.log[1:]...)
	mc.mu.Unlock()
	if n, err := dst.CopyOut([]byte(text)); err != nil {
		return n, err
	}
	return len(text), nil
}

// Release implements FileOps.
func (mc *MountContext) Release(*File) {
	if mc.root != nil {
		mc.root.DecRef()
		mc.sb.Drop()
	}
}
