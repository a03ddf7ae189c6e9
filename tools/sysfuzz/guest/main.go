// Command guest makes random system calls. It is the half of sysfuzz that runs inside the
// sandbox, as its first process, and refuses to run anywhere else: it would spoil the host.
//
//	guest --seed N --calls M
//
// The first process starts batches: a process each, with several threads, that sets up
// a fleet of descriptors and a few helpers and then calls at random until its share is done,
// it is killed, or its time is up. After each batch everything but the first process is
// killed, which must succeed. One line is printed for each:
//
//	batch NUMBER seed SEED calls COUNT
//
// and "stuck ..." if processes survive SIGKILL. With --batch only one batch is made.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	threads    = 3
	batchCalls = 1500 // of all threads
	batchTime  = time.Second
	patience   = 5 * time.Second
	home       = "/tmp/sysfuzz"

	// setupFailed is the exit code of a batch that made no call; no call of the table exits so.
	setupFailed = 77
)

func main() {
	seed := flag.Uint64("seed", 1, "where the random numbers start")
	calls := flag.Int("calls", 100000, "how many calls")
	first := flag.Int("batch", 0, "number of the first batch")
	only := flag.String("only", "", "a comma-separated list of the calls to make (default: all)")
	child := flag.Bool("child", false, "be a batch")
	flag.Parse()
	if *child {
		batch(*seed, *only)
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "sysfuzz guest: must be the first process of a sandbox")
		os.Exit(2)
	}
	failures := 0
	for done, n := 0, *first; done < *calls; n++ {
		s := *seed + uint64(n)
		made, err := runBatch(s, *only)
		if err != nil {
			fmt.Printf("batch %d seed %d: %v\n", n, s, err)
			// An earlier batch unmounted or removed what the next one needs.
			if failures++; failures > 3 {
				break
			}
			continue
		}
		failures = 0
		done += max(made, 1)
		fmt.Printf("batch %d seed %d calls %d\n", n, s, made)
	}
	fmt.Println("quiet")
	time.Sleep(time.Second) // the driver looks at the sentry now
}

// runBatch runs one batch in a process and makes sure that nothing of it remains.
func runBatch(seed uint64, only string) (made int, err error) {
	os.MkdirAll(home, 0o1777)
	os.Chmod(home, 0o1777)
	// The batch counts its calls in a word that it shares with us.
	count := os.NewFile(uintptr(memfd("count", 8)), "count")
	defer count.Close()
	attr := &os.ProcAttr{Files: []*os.File{nil, nil, nil, count}, Dir: "/", Env: []string{"GOTRACEBACK=none"}}
	if trace {
		attr.Files[2], attr.Env = os.Stderr, os.Environ()
	}
	p, err := os.StartProcess("/proc/self/exe", []string{"guest", "--child", "--seed", fmt.Sprint(seed), "--only", only}, attr)
	if err != nil {
		return 0, err
	}
	var status unix.WaitStatus
	if !waitFor(batchTime, func() bool {
		pid, err := unix.Wait4(p.Pid, &status, unix.WNOHANG|unix.WUNTRACED, nil)
		return err == nil && pid == p.Pid // it ended, or it stopped and would not go on
	}) {
		status = 0
	}
	unix.Kill(-1, unix.SIGKILL)
	if !waitFor(patience, func() bool {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err == unix.ECHILD {
				return true
			}
			if pid <= 0 {
				unix.Kill(-1, unix.SIGKILL)
				return false
			}
		}
	}) {
		fmt.Printf("stuck after seed %d: processes survive SIGKILL\n", seed)
		time.Sleep(patience)
		os.Exit(4)
	}
	var b [8]byte
	count.ReadAt(b[:], 0)
	made = int(binary.LittleEndian.Uint64(b[:]))
	if made == 0 {
		return 0, fmt.Errorf("it made no call (wait status %#x)", status)
	}
	return made, nil
}

// waitFor polls until done or the time is up, and reports whether done.
func waitFor(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// batch is one process that calls at random.
func batch(seed uint64, only string) {
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(threads + 4)
	count := sharedWord(3)
	table := parseTable()
	table = selectCalls(table, only)
	r := rand.New(rand.NewPCG(seed, 0))
	restrain(r)
	page := memfd("shared", 4096)
	var mems [threads]*arena
	for i := range mems {
		mems[i] = newArena(page)
	}
	pids := &pidList{}
	for range 2 {
		pids.helpers = append(pids.helpers, mems[0].helper())
	}
	mems[0].catch()
	launch(r, pids)
	var total atomic.Int64
	var progress [threads]atomic.Int64
	var tids [threads]atomic.Int64
	ended := make(chan bool, threads)
	for i := range threads {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(i+1))), mem: mems[i], pids: pids}
		go func() {
			runtime.LockOSThread()
			tid := unix.Gettid()
			tids[i].Store(int64(tid))
			pids.tids[i] = tid
			for range batchCalls / threads {
				g.call(table)
				progress[i].Add(1)
				binary.LittleEndian.PutUint64(count, uint64(total.Add(1)))
			}
			tids[i].Store(0)
			ended <- true
		}()
	}
	// What blocks for long is interrupted.
	var seen [threads]int64
	for left := threads; left > 0; {
		select {
		case <-ended:
			left--
		case <-time.After(20 * time.Millisecond):
			for i := range threads {
				now, tid := progress[i].Load(), tids[i].Load()
				if now == seen[i] && tid != 0 {
					unix.Tgkill(os.Getpid(), int(tid), unix.SIGUSR2)
				}
				seen[i] = now
			}
		}
	}
	os.Exit(0)
}

// call makes one random call.
func (g *generator) call(table []call) {
	c := &table[g.n(len(table))]
	if c.rare && !g.one(40) {
		return
	}
	var args [6]uint64
	for i, make := range c.args {
		args[i] = make(g)
		if g.one(60) {
			args[i] = g.wild()
		}
	}
	if trace {
		fmt.Fprintf(os.Stderr, "%d %s %#x\n", unix.Gettid(), c.name, args[:len(c.args)])
	}
	r, e := raw(c.nr, args[:]...)
	if c.nr == unix.SYS_FORK && e == 0 && r == 0 {
		for range 20 {
			g.call(table)
		}
		raw(unix.SYS_EXIT_GROUP, 0)
	}
}

// trace prints each call before it is made.
var trace = os.Getenv("SYSFUZZ_TRACE") != ""

func self() int { return os.Getpid() }
