package main

import (
	"fmt"
	"strconv"
	"strings"

	"ringfence/abi/linux"
)

// lines is one system call a line: its name and the kinds of its arguments.
//
// A kind is a name in makers, or one of
//
//	rLO-HI     a number of that range
//	mMASK      some of these bits
//	l:A,B,...  one of these numbers
//
// and each is now and then replaced by a wild value. A call that ends the thread or
// the process, or blinds it, has a "!" before its name and is rare.
const lines = `
read fd out sz
write fd in sz
open path ofl mode
close fdx
stat path out
fstat fd out
lstat path out
poll pfd r0-20 ms
lseek fd off r0-5
mmap addr msz prot mfl fd off
mprotect addr msz prot
munmap addr msz
brk addr
!rt_sigaction sig act out l:8,8,8,0,16
rt_sigprocmask r0-3 set out l:8,8,8,0,16
!rt_sigreturn
ioctl fd l:0x5401,0x5402,0x5403,0x5404,0x5405,0x5406,0x5407,0x5408,0x5409,0x540a,0x540b,0x540c,0x540d,0x540e,0x540f,0x5410,0x5411,0x5412,0x5413,0x5414,0x5415,0x5418,0x541a,0x541b,0x541d,0x5420,0x5421,0x5422,0x5423,0x5424,0x5425,0x5426,0x5428,0x5429,0x542a,0x542b,0x5430,0x5431,0x5432,0x80045430,0x40045431,0x80045438,0x80045439,0x5441,0x5450,0x5451,0x5452,0x5460,0x8901,0x8902,0x8903,0x8904,0x8905,0x8906,0x8910,0x8912,0x8913,0x8915,0x8927,0x8933,0x80086601,0x40086602,0x40049409,0x4020940d,0xc0189436,0xc020660b,0x80045201,0xb701,0xb702,0xb703,0xb704,0x1,0x2,0x1272 arg
pread64 fd out sz off
pwrite64 fd in sz off
readv fd iov cnt
writev fd iov cnt
access path r0-7
pipe out
select r0-70 fdset fdset fdset ts
sched_yield
mremap addr msz msz m7 addr
msync addr msz m7
mincore addr msz out
madvise addr msz l:0,1,2,3,4,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,100,101
shmget r0-4 sz m0xffff
shmat ipc addr m0xf000
shmctl ipc r0-16 in
dup fd
dup2 fd fdx
!pause
nanosleep ts out
getitimer r0-3 out
alarm r0-2
setitimer r0-3 its out
getpid
sendfile fd fd offp sz
socket l:1,1,1,2,2,10,16,17,0,40 l:1,2,3,5,0x801,0x802,0x803,0x80801,0x805 r0-17
connect fd sa salen
accept fd out lenp
sendto fd in sz msgfl sa salen
recvfrom fd out sz msgfl out lenp
sendmsg fd msg msgfl
recvmsg fd msg msgfl
shutdown fd r0-3
bind fd sa salen
listen fd r-1-200
getsockname fd out lenp
getpeername fd out lenp
socketpair l:1,1,1,2,16 l:1,2,5,0x801,0x80801,0x802,0x805 r0-1 out
setsockopt fd l:1,1,1,0,6,17,41,270 r0-80 in l:4,4,8,16,0,1,2,1000,-1
getsockopt fd l:1,1,1,0,6,17,41,270 r0-80 out lenp
!clone clonefl stack lenp lenp addr
!fork
!execve path argv argv
!exit r0-3
wait4 pid out m0xe000000f out
kill pid sig
uname out
semget r0-4 r0-300 m0xffff
semop ipc in r0-600
semctl ipc r0-10 r0-20 in
shmdt addr
msgget r0-4 m0xffff
msgsnd ipc in sz m0x7800
msgrcv ipc out sz r-3-3 m0x7800
msgctl ipc r0-14 in
fcntl fd l:0,1,2,3,4,5,6,7,8,9,10,11,15,16,36,37,38,1024,1025,1026,1027,1028,1029,1030,1031,1032,1033,1034,1035,1036,1037,1038,1030 arg
flock fd m15
fsync fd
fdatasync fd
truncate path off
ftruncate fd off
getdents fd out sz
getcwd out sz
chdir path
fchdir dir
rename path path
mkdir path mode
rmdir path
creat path mode
link path path
unlink path
symlink path path
readlink path out sz
chmod path mode
fchmod fd mode
chown path id id
fchown fd id id
lchown path id id
umask mode
gettimeofday out out
getrlimit r0-17 out
getrusage r-2-2 out
sysinfo out
times out
ptrace l:0,1,2,3,4,5,6,7,8,9,12,13,14,15,16,17,24,0x4200,0x4201,0x4202,0x4203,0x4204,0x4205,0x4206,0x4207,0x4208,0x4209,0x420a,0x420b,0x420e pid addr arg
getuid
syslog r0-11 out sz
getgid
!setuid id
!setgid id
setpgid pid pid
getppid
getpgrp
setsid
!setreuid id id
setregid id id
getgroups r0-40 out
setgroups r0-40 in
!setresuid id id id
getresuid out out out
setresgid id id id
getresgid out out out
getpgid pidr
setfsuid id
setfsgid id
getsid pidr
capget in out
capset in in
rt_sigpending out r0-16
rt_sigtimedwait set out ts l:8,8,8,0,16
rt_sigqueueinfo pid sig in
rt_sigsuspend set l:8,8,8,0
sigaltstack in out
utime path in
mknod path l:0,0644,0100644,010644,020666,060600,0140644,040755,0120777 l:0,0x103,0x105,0x500,0x502
personality l:0,0x20000,0xffffffff,0x0040000,0x400000,8
ustat n out
statfs path out
fstatfs fd out
sysfs r0-3 arg out
getpriority r0-3 pidr
setpriority r0-3 pid r-30-30
sched_setparam pid in
sched_getparam pidr out
sched_setscheduler pid r0-7 in
sched_getscheduler pidr
sched_get_priority_max r0-7
sched_get_priority_min r0-7
sched_rr_get_interval pidr out
mlock addr msz
munlock addr msz
mlockall m7
munlockall
vhangup
modify_ldt r0-3 in sz
!pivot_root path path
prctl r1-72 arg arg arg arg
!arch_prctl l:0x1001,0x1002,0x1003,0x1004,0x1011,0x1012,0x1021,0x1022,0x1023,0x5001 addr
adjtimex in
setrlimit l:0,1,4,5,6,7,8,10,11,12,13,14,15,16 in
!chroot path
sync
acct path
settimeofday in in
mount path path fstype mntfl str
umount2 path m15
swapon path n
swapoff path
sethostname in r0-70
setdomainname in r0-70
iopl r0-3
ioperm n n r0-1
init_module in sz str
delete_module str n
quotactl n path n out
gettid
readahead fd off sz
setxattr path xname in sz r0-3
lsetxattr path xname in sz r0-3
fsetxattr fd xname in sz r0-3
getxattr path xname out sz
lgetxattr path xname out sz
fgetxattr fd xname out sz
listxattr path out sz
llistxattr path out sz
flistxattr fd out sz
removexattr path xname
lremovexattr path xname
fremovexattr fd xname
tkill pid sig
time out
futex fut futop r0-3 ts fut r0-3
sched_setaffinity pid sz set
sched_getaffinity pidr sz out
io_setup n out
io_destroy n
io_getevents n n n out ts
io_submit n n in
io_cancel n in out
epoll_create r-1-5
remap_file_pages addr msz r0-1 n m0x10000
getdents64 fd out sz
set_tid_address addr
restart_syscall
semtimedop ipc in r0-600 ts
fadvise64 fd off off r0-7
timer_create clk sigev out
timer_settime r0-4 m1 its out
timer_gettime r0-4 out
timer_getoverrun r0-4
timer_delete r0-4
clock_settime clk ts
clock_gettime clk out
clock_getres clk out
clock_nanosleep clk r0-1 ts out
!exit_group r0-3
epoll_wait fd out r-1-40 ms
epoll_ctl fd r0-4 fd in
tgkill pid pid sig
utimes path in
mbind addr msz r0-6 in n m7
set_mempolicy r0-6 in n
get_mempolicy out out n addr m7
mq_open str ofl mode in
mq_unlink str
mq_timedsend fd in sz n ts
mq_timedreceive fd out sz out ts
mq_notify fd sigev
mq_getsetattr fd in out
waitid r0-4 pid out m0xe000000f out
add_key str str in sz n
request_key str str str n
keyctl r0-32 n arg arg arg
ioprio_set r0-3 pid n
ioprio_get r0-3 pidr
inotify_init
inotify_add_watch fd path m0xf7000fff
inotify_rm_watch fd r-1-5
migrate_pages pid n in in
openat dir path ofl mode
mkdirat dir path mode
mknodat dir path l:0,0644,0100644,010644,020666,060600,0140644,040755 l:0,0x103,0x105,0x500,0x502
fchownat dir path id id atfl
futimesat dir path in
newfstatat dir path out atfl
unlinkat dir path m0x1200
renameat dir path dir path
linkat dir path dir path atfl
symlinkat path dir path
readlinkat dir path out sz
fchmodat dir path mode
faccessat dir path r0-7
pselect6 r0-70 fdset fdset fdset ts in
ppoll pfd r0-20 ts set l:8,8,0
unshare m0x7e020700
set_robust_list robust l:24,24,24,0
get_robust_list pidr out out
splice fd offp fd offp sz m31
tee fd fd sz m31
sync_file_range fd off off m15
vmsplice fd iov cnt m31
move_pages pid r0-20 in in out m7
utimensat dir path in atfl
epoll_pwait fd out r-1-40 ms set l:8,8,0
signalfd fd set l:8,8,0
timerfd_create clk m0x80800
eventfd r0-9
fallocate fd m0x7f off off
timerfd_settime fd r0-3 its out
timerfd_gettime fd out
accept4 fd out lenp m0x80800
signalfd4 fd set l:8,8,0 m0x80800
eventfd2 wild m0x80801
epoll_create1 m0x80000
dup3 fd fdx m0x80000
pipe2 out m0x84880
inotify_init1 m0x80800
preadv fd iov cnt off off
pwritev fd iov cnt off off
rt_tgsigqueueinfo pid pid sig in
perf_event_open in pid n fd n
recvmmsg fd mmsg r0-5 msgfl ts
fanotify_init n n
fanotify_mark fd n n dir path
prlimit64 pid l:0,1,4,5,6,7,8,10,11,12,13,14,15,16 in out
name_to_handle_at dir path handle out atfl
open_by_handle_at dir handle ofl
clock_adjtime clk in
syncfs fd
sendmmsg fd mmsg r0-5 msgfl
setns fd m0x7e020000
getcpu out out out
process_vm_readv pidr iov cnt iov cnt r0-0
process_vm_writev pid iov cnt iov cnt r0-0
kcmp pidr pidr r0-8 fd fd
finit_module fd str n
sched_setattr pid in r0-1
sched_getattr pidr out r0-100 r0-1
renameat2 dir path dir path m7
!seccomp r0-4 m31 in
getrandom out sz m7
memfd_create str m0x1f
bpf n in n
!execveat dir path argv argv atfl
userfaultfd m0x80801
membarrier m0x3ff m1 n
mlock2 addr msz m1
copy_file_range fd offp fd offp sz r0-1
preadv2 fd iov cnt off off m0x3f
pwritev2 fd iov cnt off off m0x3f
pkey_mprotect addr msz prot r-1-3
pkey_alloc r0-1 r0-3
pkey_free r0-3
statx dir path atfl m0xfff out
rseq in l:32,32,64,0 m1 n
pidfd_send_signal fd sig in r0-1
io_uring_setup r1-64 in
io_uring_enter fd r0-8 r0-2 m0x3f in sz
io_uring_register fd r0-31 in r0-4
open_tree dir path m0x89900
move_mount dir path dir path m0x377
fsopen fstype m1
fsconfig fd r0-9 str str n
fsmount fd m1 m0xff
fspick dir path m15
pidfd_open pid m0x880
!clone3 clone3 l:88,88,88,64,80,0,200
!close_range fdx fdx m6
openat2 dir path how l:24,24,24,0,32,4096
pidfd_getfd fd fd r0-1
faccessat2 dir path r0-7 atfl
process_madvise fd iov cnt l:3,4,8,20,21 r0-1
epoll_pwait2 fd out r-1-40 ts set l:8,8,0
mount_setattr dir path atfl in l:32,32,0,40
quotactl_fd fd n n out
landlock_create_ruleset in sz r0-1
landlock_add_rule fd n in r0-1
landlock_restrict_self fd r0-1
memfd_secret m0x80000
process_mrelease fd r0-1
futex_waitv in r0-130 r0-1 ts clk
set_mempolicy_home_node addr msz n n
cachestat fd in out r0-1
fchmodat2 dir path mode atfl
map_shadow_stack addr msz n
futex_wake fut n r0-3 m0x83
futex_wait fut n n m0x83 ts clk
futex_requeue in r0-1 r0-3 r0-3
statmount in out sz r0-1
listmount in out sz r0-1
lsm_get_self_attr n out out n
lsm_set_self_attr n in n n
lsm_list_modules out out n
mseal addr msz r0-1
`

// call is one system call of the table.
type call struct {
	nr   uint64
	name string
	rare bool
	args []maker
}

// maker makes a value of one kind.
type maker func(g *generator) uint64

// parseTable reads lines. Errors are ours, so it panics.
func parseTable() []call {
	numbers := map[string]uint64{}
	for nr := uint64(0); nr <= linux.MaxSyscall; nr++ {
		numbers[linux.SyscallName(nr)] = nr
	}
	var calls []call
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		name, rare := strings.CutPrefix(words[0], "!")
		nr, ok := numbers[name]
		if !ok {
			panic("no system call " + name)
		}
		c := call{nr: nr, name: name, rare: rare}
		for _, w := range words[1:] {
			c.args = append(c.args, kindOf(w))
		}
		calls = append(calls, c)
	}
	return calls
}

// kindOf is the maker that a word of the table names.
func kindOf(w string) maker {
	number := func(s string) uint64 {
		v, err := strconv.ParseInt(s, 0, 64)
		if err != nil {
			panic(fmt.Sprintf("kind %q: %v", w, err))
		}
		return uint64(v)
	}
	if m, ok := makers[w]; ok {
		return m
	}
	if list, ok := strings.CutPrefix(w, "l:"); ok {
		var values []uint64
		for s := range strings.SplitSeq(list, ",") {
			values = append(values, number(s))
		}
		return func(g *generator) uint64 { return values[g.n(len(values))] }
	}
	switch w[0] {
	case 'm':
		mask := number(w[1:])
		return func(g *generator) uint64 { return g.bits(mask) }
	case 'r':
		i := strings.LastIndexByte(w, '-')
		if w[i-1] == '-' {
			i--
		}
		lo, hi := int64(number(w[1:i])), int64(number(w[i+1:]))
		return func(g *generator) uint64 { return uint64(lo + int64(g.n(int(hi-lo+1)))) }
	}
	panic("no kind " + w)
}
