package boot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"ringfence/abi/linux"
	"ringfence/gofer/client"
	"ringfence/platform/hostcall"
	"ringfence/sentry/control"
	"ringfence/sentry/fs/goferfs"
	"ringfence/sentry/fs/hostfd"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

// sandbox is the one sandbox of this process.
type sandbox struct {
	// Immutable after Run began.
	cfg *Config
	log io.Writer

	// Immutable once ready is closed.
	ready  chan struct{}
	failed error // why the sandbox could not be set up
	gofer  *client.Client
	holder holder
	kernel *kernel.Kernel
	mounts *vfs.Namespace
	hostfd *hostfd.Set
	tty    *relay // nil without a terminal

	// ended is closed when the first process has ended and status is set.
	ended  chan struct{}
	status linux.WaitStatus
	// started is closed when the first process runs, or can't be run: then stillborn is set.
	started   chan struct{}
	stillborn bool
	// told is closed when somebody who waited was told, or nobody is there to be.
	told     chan struct{}
	tellOnce sync.Once

	mu       sync.Mutex
	starting bool                // guarded by mu: OpStart came
	init     *kernel.ThreadGroup // guarded by mu
}

// Run runs a sandbox until its first process has ended and who started it knows.
func Run(cfg *Config) error {
	b := &sandbox{
		cfg: cfg, log: io.Discard,
		ready: make(chan struct{}), ended: make(chan struct{}), told: make(chan struct{}), started: make(chan struct{}),
	}
	if cfg.FDs.Log != NoFD {
		b.log = os.NewFile(uintptr(cfg.FDs.Log), "log")
	}
	// Dentries and inodes are many small objects: collect them half as often.
	debug.SetGCPercent(200)
	if _, err := hostcall.RlimitNofile(); err != nil {
		return fmt.Errorf("raise descriptor limit: %w", err)
	}
	for _, fd := range cfg.FDs.Control {
		go b.serve(control.FromInt(fd), !cfg.Detached)
	}
	if cfg.FDs.Listener != NoFD {
		go b.listen(hostcall.FD(cfg.FDs.Listener))
	}
	b.failed = b.setUp()
	close(b.ready)
	if b.failed != nil {
		<-b.told
		return nil // Who asked was told what failed.
	}
	go b.watchGofer()
	<-b.started
	if b.stillborn {
		<-b.told
		return nil
	}
	b.status = b.kernel.Wait()
	if b.tty != nil {
		b.tty.drain()
	}
	close(b.ended)
	if !cfg.Detached {
		<-b.told
	}
	b.kernel.Platform.Close()
	return nil
}

// tell notes that whoever waits for the sandbox has been told, or is gone.
func (b *sandbox) tell() { b.tellOnce.Do(func() { close(b.told) }) }

// watchGofer ends this process when the gofer is gone, as nothing could be read any more.
func (b *sandbox) watchGofer() {
	why := b.goferError()
	select {
	case <-b.ended:
		return
	default:
	}
	fmt.Fprintf(b.log, "gofer ended: %v\n", why)
	os.Exit(1)
}

// GoferGone implements client.Gone: a gofer that can't be spoken to any more is no better.
func (b *sandbox) GoferGone(err error) {
	select {
	case <-b.ended:
		return
	default:
	}
	fmt.Fprintf(b.log, "gofer: %v\n", err)
	os.Exit(1)
}

// goferError waits for the gofer's end and returns what it said last.
func (b *sandbox) goferError() error {
	text, _ := io.ReadAll(os.NewFile(uintptr(b.cfg.FDs.Lifeline), "lifeline"))
	if len(text) == 0 {
		return errors.New("it said nothing")
	}
	return errors.New(strings.TrimSpace(string(text)))
}

func (b *sandbox) debugf(format string, args ...any) {
	if b.cfg.Debug {
		fmt.Fprintf(b.log, format+"\n", args...)
	}
}

// holder gives up what is kept of the gofer's files only to be quicker. It implements
// client.Holder.
type holder struct {
	gofers []*vfs.Superblock // of goferfs; immutable once the gofer serves
	caches []*vfs.Superblock // these, and overlays over them; immutable once all is mounted
}

// ReleaseHandles implements client.Holder.
func (h *holder) ReleaseHandles() {
	const few, usual = 200, 100_000
	// Overlays first: their entries hold those below.
	for _, sb := range slices.Backward(h.caches) {
		sb.SetDentryLimit(few)
		sb.SetDentryLimit(usual)
	}
	for _, sb := range h.gofers {
		goferfs.ReleaseIdle(sb)
	}
}
