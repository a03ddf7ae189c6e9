package userfaultfd

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// What UFFDIO_API says is there: all of Linux 6.12 but what concerns huge pages.
const (
	features = linux.UFFD_FEATURE_PAGEFAULT_FLAG_WP | linux.UFFD_FEATURE_EVENT_FORK | linux.UFFD_FEATURE_EVENT_REMAP |
		linux.UFFD_FEATURE_EVENT_REMOVE | linux.UFFD_FEATURE_MISSING_SHMEM | linux.UFFD_FEATURE_EVENT_UNMAP |
		linux.UFFD_FEATURE_SIGBUS | linux.UFFD_FEATURE_THREAD_ID | linux.UFFD_FEATURE_MINOR_SHMEM |
		linux.UFFD_FEATURE_EXACT_ADDRESS | linux.UFFD_FEATURE_WP_HUGETLBFS_SHMEM | linux.UFFD_FEATURE_WP_UNPOPULATED |
		linux.UFFD_FEATURE_POISON | linux.UFFD_FEATURE_WP_ASYNC | linux.UFFD_FEATURE_MOVE

	apiRequests   = 1<<linux.UFFDIO_REGISTER_NR | 1<<linux.UFFDIO_UNREGISTER_NR | 1<<linux.UFFDIO_API_NR
	rangeRequests = 1<<linux.UFFDIO_WAKE_NR | 1<<linux.UFFDIO_COPY_NR | 1<<linux.UFFDIO_ZEROPAGE_NR |
		1<<linux.UFFDIO_MOVE_NR | 1<<linux.UFFDIO_WRITEPROTECT_NR | 1<<linux.UFFDIO_CONTINUE_NR | 1<<linux.UFFDIO_POISON_NR
)

// request is one ioctl: a row of 64-bit words at arg, the last of which may be an answer.
type request struct {
	t   *kernel.Task
	u   *mm.Userfault
	m   usermem.IO
	arg addr.Addr
	w   [4]uint64
}

// requests says how many words are read, and what is done with them.
var requests = map[uint32]struct {
	words int
	do    func(*request) error
}{
	linux.UFFDIO_API:          {3, (*request).api},
	linux.UFFDIO_REGISTER:     {3, (*request).register},
	linux.UFFDIO_UNREGISTER:   {2, (*request).unregister},
	linux.UFFDIO_WAKE:         {2, (*request).wake},
	linux.UFFDIO_COPY:         {4, (*request).copy},
	linux.UFFDIO_ZEROPAGE:     {3, (*request).zeropage},
	linux.UFFDIO_MOVE:         {4, (*request).move},
	linux.UFFDIO_WRITEPROTECT: {3, (*request).writeprotect},
	linux.UFFDIO_CONTINUE:     {3, (*request).found},
	linux.UFFDIO_POISON:       {3, (*request).poison},
}

// Ioctl implements vfs.FileOps.
func (f *file) Ioctl(c vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	t, isTask := c.(*kernel.Task)
	k, ok := requests[cmd]
	if !isTask || !ok || cmd != linux.UFFDIO_API && f.u.Features() == 0 {
		return 0, errno.EINVAL
	}
	r := request{t: t, u: f.u, m: m, arg: arg.Addr()}
	var b [8 * len(r.w)]byte
	if _, err := m.CopyIn(r.arg, b[:8*k.words]); err != nil {
		return 0, err
	}
	for i := range r.w {
		r.w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return 0, k.do(&r)
}

// answer stores words from number i on.
func (r *request) answer(i int, words ...uint64) error {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	_, err := r.m.CopyOut(r.arg+addr.Addr(8*i), b)
	return err
}

// check checks a range of whole pages, and the mode (validate_range of fs/userfaultfd.c).
func check(start, n, mode, modes uint64) error {
	const end = 1<<47 - addr.PageSize
	if (start|n)&addr.PageMask != 0 || n == 0 || start < linux.DefaultMmapMinAddr || start >= end || n > end-start || mode&^modes != 0 {
		return errno.EINVAL
	}
	return nil
}

// filled answers with how much of n bytes was done, or why nothing was, in word i, and wakes those who wait for it.
func (r *request) filled(i int, start, n, done uint64, err error, wake bool) error {
	e, _ := err.(errno.Errno)
	if done > 0 {
		err = nil
	}
	says := done
	if err != nil {
		says = -uint64(e)
	}
	if err := r.answer(i, says); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if wake {
		r.u.Wake(addr.Addr(start), done)
	}
	if done < n {
		return errno.EAGAIN
	}
	return nil
}

func (r *request) api() error {
	want, err := r.w[1], error(nil)
	switch {
	case r.w[0] != linux.UFFD_API:
		err = errno.EINVAL
	case want&linux.UFFD_FEATURE_EVENT_FORK != 0 && !privileged(r.t):
		err = errno.EPERM
	case want&^features != 0:
		err = errno.EINVAL
	}
	if err != nil {
		if err := r.answer(0, 0, 0, 0); err != nil {
			return err
		}
		return err
	}
	if want&linux.UFFD_FEATURE_WP_ASYNC != 0 {
		want |= linux.UFFD_FEATURE_WP_UNPOPULATED
	}
	if err := r.answer(0, linux.UFFD_API, features, apiRequests); err != nil {
		return err
	}
	if !r.u.SetFeatures(want) {
		r.answer(0, 0, 0, 0)
		return errno.EINVAL
	}
	return nil
}

func (r *request) register() error {
	const all = linux.UFFDIO_REGISTER_MODE_MISSING | linux.UFFDIO_REGISTER_MODE_WP | linux.UFFDIO_REGISTER_MODE_MINOR
	start, n, mode := r.w[0], r.w[1], r.w[2]
	if err := check(start, n, mode, all); err != nil || mode == 0 {
		return errno.EINVAL
	}
	if err := r.u.Register(addr.Addr(start), n, mode); err != nil {
		return err
	}
	can := uint64(rangeRequests)
	if mode&linux.UFFDIO_REGISTER_MODE_WP == 0 {
		can &^= 1 << linux.UFFDIO_WRITEPROTECT_NR
	}
	if mode&linux.UFFDIO_REGISTER_MODE_MINOR == 0 {
		can &^= 1 << linux.UFFDIO_CONTINUE_NR
	}
	return r.answer(3, can)
}

func (r *request) unregister() error {
	if err := check(r.w[0], r.w[1], 0, 0); err != nil {
		return err
	}
	return r.u.Unregister(addr.Addr(r.w[0]), r.w[1])
}

func (r *request) wake() error {
	if err := check(r.w[0], r.w[1], 0, 0); err != nil {
		return err
	}
	r.u.Wake(addr.Addr(r.w[0]), r.w[1])
	return nil
}

// copyStep is how much is copied at a time.
const copyStep = 16 << addr.PageShift

func (r *request) copy() error {
	dst, src, n, mode := r.w[0], r.w[1], r.w[2], r.w[3]
	if err := check(dst, n, mode, linux.UFFDIO_COPY_MODE_DONTWAKE|linux.UFFDIO_COPY_MODE_WP); err != nil || src+n < src {
		return errno.EINVAL
	}
	filling := mm.Filling{Protected: mode&linux.UFFDIO_COPY_MODE_WP != 0}
	err := r.u.MayFill(addr.Addr(dst), n, filling) // reading the source may take long
	done := uint64(0)
	buf := make([]byte, min(n, copyStep))
	for err == nil && done < n {
		b := buf[:min(n-done, copyStep)]
		got, inErr := r.m.CopyIn(addr.Addr(src+done), b)
		b = b[:addr.PageRoundDown(uint64(got))]
		k := uint64(0)
		if len(b) > 0 {
			filling.Data = b
			k, err = r.u.Fill(addr.Addr(dst+done), uint64(len(b)), filling)
		}
		done += k
		if err == nil {
			err = inErr
		}
	}
	return r.filled(4, dst, n, done, err, mode&linux.UFFDIO_COPY_MODE_DONTWAKE == 0)
}

// fill does the requests that need no bytes.
func (r *request) fill(f mm.Filling, modes uint64) error {
	start, n, mode := r.w[0], r.w[1], r.w[2]
	if err := check(start, n, mode, modes); err != nil {
		return err
	}
	f.Protected = mode&linux.UFFDIO_CONTINUE_MODE_WP != 0
	done, err := r.u.Fill(addr.Addr(start), n, f)
	return r.filled(3, start, n, done, err, mode&linux.UFFDIO_ZEROPAGE_MODE_DONTWAKE == 0)
}

func (r *request) zeropage() error { return r.fill(mm.Filling{}, linux.UFFDIO_ZEROPAGE_MODE_DONTWAKE) }

func (r *request) poison() error {
	return r.fill(mm.Filling{Poison: true}, linux.UFFDIO_POISON_MODE_DONTWAKE)
}

func (r *request) found() error {
	return r.fill(mm.Filling{Found: true}, linux.UFFDIO_CONTINUE_MODE_DONTWAKE|linux.UFFDIO_CONTINUE_MODE_WP)
}

func (r *request) move() error {
	dst, src, n, mode := r.w[0], r.w[1], r.w[2], r.w[3]
	const all = linux.UFFDIO_MOVE_MODE_DONTWAKE | linux.UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES
	if r.u.MM() != r.t.MM() || check(dst, n, mode, all) != nil || check(src, n, mode, all) != nil {
		return errno.EINVAL
	}
	done, err := r.u.Move(addr.Addr(dst), addr.Addr(src), n, mode&linux.UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES != 0)
	return r.filled(4, dst, n, done, err, mode&linux.UFFDIO_MOVE_MODE_DONTWAKE == 0)
}

func (r *request) writeprotect() error {
	start, n, mode := r.w[0], r.w[1], r.w[2]
	const all = linux.UFFDIO_WRITEPROTECT_MODE_WP | linux.UFFDIO_WRITEPROTECT_MODE_DONTWAKE
	if err := check(start, n, mode, all); err != nil || mode == all {
		return errno.EINVAL
	}
	wp := mode&linux.UFFDIO_WRITEPROTECT_MODE_WP != 0
	if err := r.u.Protect(addr.Addr(start), n, wp); err != nil {
		return err
	}
	if !wp && mode&linux.UFFDIO_WRITEPROTECT_MODE_DONTWAKE == 0 {
		r.u.Wake(addr.Addr(start), n)
	}
	return nil
}
