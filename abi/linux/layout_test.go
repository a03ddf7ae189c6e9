package linux

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// marshaler is what abigen writes for each struct.
type marshaler interface {
	SizeBytes() int
	MarshalBytes([]byte)
	UnmarshalBytes([]byte)
}

// structTest ties a Go struct to the C struct that it copies. The C name of a
// field is prefix plus the Go name in lower case, unless names says otherwise
// ("Go=c", separated by spaces; "Go=-" leaves a field out).
type structTest struct {
	v       marshaler
	headers string
	ctype   string
	prefix  string
	names   string
}

// headSize is the declared size of structs that copy only the head of a C struct.
var headSize = map[string]int{"Dirent64": Dirent64HeadSize, "Dirent": DirentHeadSize}

const (
	direntDef = "struct dirent64h { __u64 d_ino; __s64 d_off; unsigned short d_reclen; unsigned char d_type; char d_name[]; };" +
		"struct direnth { unsigned long d_ino, d_off; unsigned short d_reclen; char d_name[]; };"
	sigactionDef = "struct ksigaction { void *handler; unsigned long flags; void *restorer; unsigned long mask; };"
	ucredDef     = "struct ucred { __u32 pid, uid, gid; };"
	lingerDef    = "struct linger { int l_onoff, l_linger; };"
	msghdrDef    = "struct user_msghdr { void *msg_name; int msg_namelen; struct iovec *msg_iov; unsigned long msg_iovlen; void *msg_control; unsigned long msg_controllen; unsigned msg_flags; };" +
		"struct mmsghdr { struct user_msghdr msg_hdr; unsigned msg_len; };" +
		"struct cmsghdr { unsigned long cmsg_len; int cmsg_level, cmsg_type; };"
	mntIDReqDef  = "struct mnt_id_req { __u32 size, spare; __u64 mnt_id, param, mnt_ns_id; };"
	statmountDef = "struct statmount { __u32 size, mnt_opts; __u64 mask; __u32 sb_dev_major, sb_dev_minor; __u64 sb_magic; __u32 sb_flags, fs_type; __u64 mnt_id, mnt_parent_id; __u32 mnt_id_old, mnt_parent_id_old; __u64 mnt_attr, mnt_propagation, mnt_peer_group, mnt_master, propagate_from; __u32 mnt_root, mnt_point; __u64 mnt_ns_id, spare2[49]; };"
	uringDef     = "struct uring_sqe { __u8 opcode, flags; __u16 ioprio; __s32 fd; __u64 off, addr; __u32 len, op_flags; __u64 user_data; __u16 buf_index, personality; __s32 splice_fd; __u64 addr3, pad2; };" +
		"struct uring_buf_reg { __u64 ring_addr; __u32 ring_entries; __u16 bgid, flags; __u64 resv[3]; };" +
		"struct uring_buf_status { __u32 buf_group, head, resv[8]; };" +
		"struct uring_sync_cancel_reg { __u64 addr; __s32 fd; __u32 flags; struct { __s64 tv_sec, tv_nsec; } timeout; __u8 opcode, pad[7]; __u64 pad2[3]; };" +
		"struct uring_clone_buffers { __u32 src_fd, flags, src_off, dst_off, nr, pad[3]; };"
	sigargDef = "struct sigset_arg { unsigned long addr, size; };"
)

var structTests = []structTest{
	{&Stat{}, "asm/stat.h", "struct stat", "st_", "Atim=st_atime Mtim=st_mtime Ctim=st_ctime"},
	{&StatxTimestamp{}, "linux/stat.h", "struct statx_timestamp", "tv_", ""},
	{&Statx{}, "linux/stat.h", "struct statx", "stx_", "AttributesMask=stx_attributes_mask RdevMajor=stx_rdev_major RdevMinor=stx_rdev_minor DevMajor=stx_dev_major DevMinor=stx_dev_minor MntID=stx_mnt_id DioMemAlign=stx_dio_mem_align DioOffsetAlign=stx_dio_offset_align Subvol=- AtomicWriteUnitMin=- AtomicWriteUnitMax=- AtomicWriteSegmentsMax=-"},
	{&Statfs{}, "asm/statfs.h", "struct statfs", "f_", ""},
	{&Flock{}, "linux/fcntl.h", "struct flock", "l_", ""},
	{&FOwnerEx{}, "linux/fcntl.h", "struct f_owner_ex", "", ""},
	{&OpenHow{}, "linux/openat2.h", "struct open_how", "", ""},
	{&FileHandle{}, "#define _GNU_SOURCE\nfcntl.h", "struct file_handle", "handle_", ""},
	{&Dirent64{}, direntDef, "struct dirent64h", "d_", ""},
	{&Dirent{}, direntDef, "struct direnth", "d_", ""},
	{&FileCloneRange{}, "linux/fs.h", "struct file_clone_range", "", "SrcFD=src_fd SrcOffset=src_offset SrcLength=src_length DestOffset=dest_offset"},
	{&FSXattr{}, "linux/fs.h", "struct fsxattr", "fsx_", ""},
	{&MountAttr{}, "linux/mount.h", "struct mount_attr", "", "Set=attr_set Clr=attr_clr UsernsFD=userns_fd"},
	{&MntIDReq{}, mntIDReqDef, "struct mnt_id_req", "", "MntID=mnt_id MntNSID=mnt_ns_id"},
	{&Statmount{}, statmountDef, "struct statmount", "", "MntOpts=mnt_opts SBDevMajor=sb_dev_major SBDevMinor=sb_dev_minor SBMagic=sb_magic SBFlags=sb_flags FSType=fs_type MntID=mnt_id MntParentID=mnt_parent_id MntIDOld=mnt_id_old MntParentIDOld=mnt_parent_id_old MntAttr=mnt_attr MntPropagation=mnt_propagation MntPeerGroup=mnt_peer_group MntMaster=mnt_master PropagateFrom=propagate_from MntRoot=mnt_root MntPoint=mnt_point MntNSID=mnt_ns_id"},

	{&SigAction{}, sigactionDef, "struct ksigaction", "", ""},
	{&SignalStack{}, "asm/signal.h", "stack_t", "ss_", "Addr=ss_sp"},
	{&SignalInfo{}, "asm/siginfo.h", "siginfo_t", "si_", "Fields=_sifields"},
	{&Sigevent{}, "asm/siginfo.h", "struct sigevent", "sigev_", "Tid=_sigev_un._tid"},
	{&SignalfdSiginfo{}, "linux/signalfd.h", "struct signalfd_siginfo", "ssi_", "AddrLSB=ssi_addr_lsb CallAddr=ssi_call_addr"},

	{&Timespec{}, "linux/time.h", "struct timespec", "tv_", ""},
	{&Timeval{}, "linux/time.h", "struct timeval", "tv_", ""},
	{&Itimerspec{}, "linux/time.h", "struct itimerspec", "it_", ""},
	{&Itimerval{}, "linux/time.h", "struct itimerval", "it_", ""},
	{&Timezone{}, "linux/time.h", "struct timezone", "tz_", ""},
	{&Utimbuf{}, "utime.h", "struct utimbuf", "", ""},
	{&Tms{}, "linux/times.h", "struct tms", "tms_", ""},
	{&Timex{}, "sys/timex.h", "struct timex", "", ""},

	{&CloneArgs{}, "linux/sched.h", "struct clone_args", "", "ChildTID=child_tid ParentTID=parent_tid ExitSignal=exit_signal StackSize=stack_size SetTID=set_tid SetTIDSize=set_tid_size"},
	{&SchedParam{}, "linux/types.h linux/sched/types.h", "struct sched_param", "sched_", ""},
	{&SchedAttr{}, "linux/types.h linux/sched/types.h", "struct sched_attr", "sched_", "UtilMin=sched_util_min UtilMax=sched_util_max Size=size"},
	{&Rseq{}, "linux/rseq.h", "struct rseq", "", "CPUIDStart=cpu_id_start CPUID=cpu_id RseqCS=rseq_cs NodeID=- MMCID=-"},
	{&RseqCS{}, "linux/rseq.h", "struct rseq_cs", "", "StartIP=start_ip PostCommitOffset=post_commit_offset AbortIP=abort_ip"},
	{&KcmpEpollSlot{}, "linux/kcmp.h", "struct kcmp_epoll_slot", "", ""},

	{&FutexWaitv{}, "linux/futex.h", "struct futex_waitv", "", "Reserved=__reserved"},
	{&RobustListHead{}, "linux/futex.h", "struct robust_list_head", "", "FutexOffset=futex_offset ListOpPending=list_op_pending"},

	{&PollFD{}, "asm/poll.h", "struct pollfd", "", ""},
	{&EpollEvent{}, "linux/eventpoll.h", "struct epoll_event", "", ""},
	{&SigsetArg{}, sigargDef, "struct sigset_arg", "", ""},

	{&SockaddrUnix{}, "linux/socket.h linux/un.h", "struct sockaddr_un", "sun_", ""},
	{&SockaddrInet{}, "linux/in.h", "struct sockaddr_in", "sin_", ""},
	{&SockaddrInet6{}, "linux/in6.h", "struct sockaddr_in6", "sin6_", "ScopeID=sin6_scope_id"},
	{&SockaddrNetlink{}, "linux/netlink.h", "struct sockaddr_nl", "nl_", "PortID=nl_pid"},
	{&Iovec{}, "linux/uio.h", "struct iovec", "iov_", ""},
	{&Msghdr{}, "linux/uio.h " + msghdrDef, "struct user_msghdr", "msg_", ""},
	{&Mmsghdr{}, "linux/uio.h " + msghdrDef, "struct mmsghdr", "msg_", ""},
	{&Cmsghdr{}, "linux/uio.h " + msghdrDef, "struct cmsghdr", "cmsg_", ""},
	{&Ucred{}, ucredDef, "struct ucred", "", ""},
	{&Linger{}, lingerDef, "struct linger", "l_", ""},
	{&Ifreq{}, "sys/socket.h linux/if.h", "struct ifreq", "ifr_", "Data=ifr_ifru"},
	{&Ifconf{}, "sys/socket.h linux/if.h", "struct ifconf", "ifc_", ""},

	{&NlMsghdr{}, "linux/netlink.h", "struct nlmsghdr", "nlmsg_", ""},
	{&NlMsgerr{}, "linux/netlink.h", "struct nlmsgerr", "", ""},
	{&RtGenMsg{}, "linux/rtnetlink.h", "struct rtgenmsg", "rtgen_", ""},
	{&IfInfoMsg{}, "linux/rtnetlink.h", "struct ifinfomsg", "ifi_", ""},
	{&IfAddrMsg{}, "linux/rtnetlink.h", "struct ifaddrmsg", "ifa_", ""},
	{&RtMsg{}, "linux/rtnetlink.h", "struct rtmsg", "rtm_", "DstLen=rtm_dst_len SrcLen=rtm_src_len"},
	{&RtAttr{}, "linux/rtnetlink.h", "struct rtattr", "rta_", ""},

	{&Termios{}, "asm/termbits.h", "struct termios", "c_", ""},
	{&Termios2{}, "asm/termbits.h", "struct termios2", "c_", ""},
	{&Termio{}, "asm/termios.h", "struct termio", "c_", ""},
	{&Winsize{}, "asm/termios.h", "struct winsize", "ws_", ""},

	{&CapUserHeader{}, "linux/capability.h", "struct __user_cap_header_struct", "", ""},
	{&CapUserData{}, "linux/capability.h", "struct __user_cap_data_struct", "", ""},
	{&VfsNsCapData{}, "linux/capability.h", "struct vfs_ns_cap_data", "", "MagicEtc=magic_etc"},
	{&PrctlMmMap{}, "linux/types.h linux/prctl.h", "struct prctl_mm_map", "", "StartCode=start_code EndCode=end_code StartData=start_data EndData=end_data StartBrk=start_brk StartStack=start_stack ArgStart=arg_start ArgEnd=arg_end EnvStart=env_start EnvEnd=env_end AuxvSize=auxv_size ExeFD=exe_fd"},

	{&Rlimit{}, "linux/resource.h", "struct rlimit64", "rlim_", ""},
	{&Rusage{}, "linux/resource.h", "struct rusage", "ru_", ""},

	{&UserRegs{}, "sys/user.h", "struct user_regs_struct", "", "OrigRax=orig_rax FsBase=fs_base GsBase=gs_base"},
	{&UserFPRegs{}, "sys/user.h", "struct user_fpregs_struct", "", "MxcrMask=mxcr_mask StSpace=st_space XmmSpace=xmm_space"},
	{&PtraceSyscallInfo{}, "linux/ptrace.h", "struct ptrace_syscall_info", "", "InstructionPointer=instruction_pointer StackPointer=stack_pointer Data=entry"},
	{&PtracePeekSigInfoArgs{}, "linux/ptrace.h", "struct ptrace_peeksiginfo_args", "", ""},
	// Newer than the headers of Debian 12.
	{&PtraceSudConfig{}, "struct ptrace_sud_config { __u64 mode, selector, offset, len; };", "struct ptrace_sud_config", "", "Mode=mode Selector=selector Offset=offset Len=len"},
	{&PtraceRseqConfiguration{}, "linux/ptrace.h", "struct ptrace_rseq_configuration", "", "RseqABIPointer=rseq_abi_pointer RseqABISize=rseq_abi_size"},

	{&Elf64Ehdr{}, "linux/elf.h", "Elf64_Ehdr", "e_", ""},
	{&Elf64Phdr{}, "linux/elf.h", "Elf64_Phdr", "p_", "Off=p_offset"},
	{&Elf64Shdr{}, "linux/elf.h", "Elf64_Shdr", "sh_", "Off=sh_offset"},
	{&Elf64Dyn{}, "linux/elf.h", "Elf64_Dyn", "d_", "Val=d_un"},
	{&Elf64Sym{}, "linux/elf.h", "Elf64_Sym", "st_", ""},
	{&Elf64Nhdr{}, "linux/elf.h", "Elf64_Nhdr", "n_", ""},

	{&InotifyEvent{}, "linux/inotify.h", "struct inotify_event", "", ""},
	{&Utsname{}, "linux/utsname.h", "struct new_utsname", "", ""},
	{&Sysinfo{}, "linux/sysinfo.h", "struct sysinfo", "", "Unit=mem_unit"},

	{&IPCPerm{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct ipc64_perm", "", ""},
	{&ShmidDs{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct shmid64_ds", "shm_", ""},
	{&ShmParams{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct shminfo64", "", ""},
	{&ShmInfo{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct shm_info", "", "UsedIDs=used_ids ShmTot=shm_tot ShmRss=shm_rss ShmSwp=shm_swp SwapAttempts=swap_attempts SwapSuccesses=swap_successes"},
	{&SemidDs{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct semid64_ds", "sem_", ""},
	{&Sembuf{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct sembuf", "sem_", ""},
	{&Seminfo{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct seminfo", "", ""},
	{&MsqidDs{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct msqid64_ds", "msg_", "Cbytes=msg_cbytes Lspid=msg_lspid Lrpid=msg_lrpid"},
	{&Msginfo{}, "linux/ipc.h linux/msg.h linux/sem.h linux/shm.h", "struct msginfo", "", ""},
	{&MqAttr{}, "linux/types.h linux/mqueue.h", "struct mq_attr", "mq_", ""},

	{&SeccompData{}, "linux/seccomp.h", "struct seccomp_data", "", "InstructionPointer=instruction_pointer"},
	{&SeccompNotifSizes{}, "linux/seccomp.h", "struct seccomp_notif_sizes", "seccomp_", "NotifResp=seccomp_notif_resp"},
	{&SeccompNotif{}, "linux/seccomp.h", "struct seccomp_notif", "", ""},
	{&SeccompNotifResp{}, "linux/seccomp.h", "struct seccomp_notif_resp", "", ""},
	{&SeccompNotifAddfd{}, "linux/seccomp.h", "struct seccomp_notif_addfd", "", "NewfdFlags=newfd_flags"},
	{&SockFprog{}, "linux/filter.h", "struct sock_fprog", "", ""},
	{&SockFilter{}, "linux/filter.h", "struct sock_filter", "", ""},
	{&IOEvent{}, "linux/aio_abi.h", "struct io_event", "", "Result=res"},
	{&AcctV3{}, "linux/acct.h", "struct acct_v3", "ac_", ""},
	{&IOUringSQE{}, uringDef, "struct uring_sqe", "", "OpFlags=op_flags UserData=user_data BufIndex=buf_index SpliceFD=splice_fd"},
	{&IOUringCQE{}, "linux/io_uring.h", "struct io_uring_cqe", "", "UserData=user_data"},
	{&IOUringSQOffsets{}, "linux/io_uring.h", "struct io_sqring_offsets", "", "RingMask=ring_mask RingEntries=ring_entries UserAddr=resv2"},
	{&IOUringCQOffsets{}, "linux/io_uring.h", "struct io_cqring_offsets", "", "RingMask=ring_mask RingEntries=ring_entries UserAddr=resv2"},
	{&IOUringParams{}, "linux/io_uring.h", "struct io_uring_params", "", "SQEntries=sq_entries CQEntries=cq_entries SQThreadCPU=sq_thread_cpu SQThreadIdle=sq_thread_idle WQFD=wq_fd SQOff=sq_off CQOff=cq_off"},
	{&IOUringGeteventsArg{}, "linux/io_uring.h", "struct io_uring_getevents_arg", "", "SigmaskSz=sigmask_sz MinWaitUsec=pad"},
	{&IOUringFilesUpdate{}, "linux/io_uring.h", "struct io_uring_files_update", "", ""},
	{&IOUringRsrcRegister{}, "linux/io_uring.h", "struct io_uring_rsrc_register", "", ""},
	{&IOUringRsrcUpdate2{}, "linux/io_uring.h", "struct io_uring_rsrc_update2", "", ""},
	{&IOUringBufReg{}, uringDef, "struct uring_buf_reg", "", "RingAddr=ring_addr RingEntries=ring_entries"},
	{&IOUringBufStatus{}, uringDef, "struct uring_buf_status", "", "BufGroup=buf_group"},
	{&IOUringSyncCancelReg{}, uringDef, "struct uring_sync_cancel_reg", "", ""},
	{&IOUringRecvmsgOut{}, "linux/io_uring.h", "struct io_uring_recvmsg_out", "", ""},
	{&IOUringCloneBuffers{}, uringDef, "struct uring_clone_buffers", "", "SrcFD=src_fd SrcOff=src_off DstOff=dst_off"},
	{&IOCB{}, "linux/aio_abi.h", "struct iocb", "aio_", "RWFlags=aio_rw_flags Opcode=aio_lio_opcode FD=aio_fildes Resfd=aio_resfd"},
}

// unseen are the structs that the host's headers do not have.
var unseen = map[string]int{
	"CachestatRange":      16,
	"Cachestat":           40,
	"XattrArgs":           16,
	"VfsCapPair":          8,
	"LSMCtx":              32,
	"LandlockRulesetAttr": 24,
	"LandlockNetPortAttr": 16,
}

// compile builds and runs a C program and returns what it prints.
func compile(t *testing.T, headers, body string) string {
	t.Helper()
	var src strings.Builder
	src.WriteString("#include <stddef.h>\n#include <stdio.h>\n")
	if !strings.Contains(headers, ".h") || strings.Contains(headers, "struct ") {
		src.WriteString("#include <linux/types.h>\n")
	}
	rest := headers
	if i := strings.Index(rest, "\n"); i >= 0 { // a #define for the first line
		src.Reset()
		src.WriteString(rest[:i] + "\n#include <stddef.h>\n#include <stdio.h>\n")
		rest = rest[i+1:]
	}
	for rest != "" {
		word, more, _ := strings.Cut(rest, " ")
		if !strings.HasSuffix(word, ".h") {
			src.WriteString(rest + "\n")
			break
		}
		src.WriteString("#include <" + word + ">\n")
		rest = more
	}
	src.WriteString("int main(void) {\n" + body + "return 0;\n}\n")

	dir := t.TempDir()
	file, bin := filepath.Join(dir, "t.c"), filepath.Join(dir, "t")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-w", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// offsets returns the offset of each named field of a struct as it is marshalled.
func offsets(v marshaler, packed bool) map[string]int {
	typ := reflect.TypeOf(v).Elem()
	m, off := map[string]int{}, 0
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !packed {
			off = int(f.Offset)
		}
		if f.Name != "_" {
			m[f.Name] = off
		}
		off += int(f.Type.Size())
	}
	return m
}

func TestStructsHaveTheLayoutOfC(t *testing.T) {
	groups := map[string][]structTest{}
	for _, s := range structTests {
		groups[s.headers] = append(groups[s.headers], s)
	}
	for headers, group := range groups {
		t.Run(strings.NewReplacer("/", "_", "\n", " ").Replace(headers), func(t *testing.T) {
			t.Parallel()
			var body, want strings.Builder
			for _, s := range group {
				name := reflect.TypeOf(s.v).Elem().Name()
				_, head := headSize[name]
				if !head {
					fmt.Fprintf(&body, "printf(\"%s %%zu\\n\", sizeof(%s));\n", name, s.ctype)
					fmt.Fprintf(&want, "%s %d\n", name, s.v.SizeBytes())
				}
				cname := map[string]string{}
				for _, f := range strings.Fields(s.names) {
					g, c, _ := strings.Cut(f, "=")
					cname[g] = c
				}
				offs := offsets(s.v, head || name == "EpollEvent")
				var fields []string
				for f := range offs {
					fields = append(fields, f)
				}
				sort.Strings(fields)
				for _, f := range fields {
					c, ok := cname[f]
					if !ok {
						c = s.prefix + strings.ToLower(f)
					}
					if c == "-" {
						continue
					}
					fmt.Fprintf(&body, "printf(\"%s.%s %%zu\\n\", offsetof(%s, %s));\n", name, f, s.ctype, c)
					fmt.Fprintf(&want, "%s.%s %d\n", name, f, offs[f])
				}
			}
			if got := compile(t, headers, body.String()); got != want.String() {
				t.Errorf("C has\n%s\nwe have\n%s", got, want.String())
			}
		})
	}
}

func TestHeadStructsEndWhereTheNameStarts(t *testing.T) {
	for name, size := range headSize {
		for _, s := range structTests {
			if reflect.TypeOf(s.v).Elem().Name() == name && s.v.SizeBytes() != size {
				t.Errorf("%s: %d bytes, want %d", name, s.v.SizeBytes(), size)
			}
		}
	}
}

// fill puts random values into all exported fields.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "_" {
				fill(v.Field(i), r)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
	default:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	all := []marshaler{&CachestatRange{}, &Cachestat{}, &XattrArgs{}, &VfsCapPair{}, &LSMCtx{}, &LandlockRulesetAttr{}, &LandlockNetPortAttr{}}
	for _, v := range all {
		name := reflect.TypeOf(v).Elem().Name()
		if v.SizeBytes() != unseen[name] {
			t.Errorf("%s: %d bytes, want %d", name, v.SizeBytes(), unseen[name])
		}
	}
	for _, s := range structTests {
		all = append(all, s.v)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, zero := range all {
		typ := reflect.TypeOf(zero).Elem()
		a, b := reflect.New(typ), reflect.New(typ)
		fill(a.Elem(), r)
		in, out := a.Interface().(marshaler), b.Interface().(marshaler)
		buf := bytes.Repeat([]byte{0xaa}, in.SizeBytes()+8)
		in.MarshalBytes(buf)
		if !bytes.Equal(buf[in.SizeBytes():], bytes.Repeat([]byte{0xaa}, 8)) {
			t.Errorf("%s: MarshalBytes wrote past its end", typ.Name())
		}
		out.UnmarshalBytes(buf)
		if !reflect.DeepEqual(in, out) {
			t.Errorf("%s: got %+v, want %+v", typ.Name(), out, in)
		}
		again := bytes.Repeat([]byte{0x55}, in.SizeBytes())
		out.MarshalBytes(again)
		if !bytes.Equal(again, buf[:in.SizeBytes()]) {
			t.Errorf("%s: padding is not cleared", typ.Name())
		}
	}
}

// TestEveryStructIsTested holds structTests to the package.
func TestEveryStructIsTested(t *testing.T) {
	tested := map[string]bool{}
	for _, s := range structTests {
		tested[reflect.TypeOf(s.v).Elem().Name()] = true
	}
	for name := range unseen {
		tested[name] = true
	}
	for _, f := range parse(t) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				ts, ok := s.(*ast.TypeSpec)
				if !ok {
					continue
				}
				if _, ok := ts.Type.(*ast.StructType); ok && !tested[ts.Name.Name] {
					t.Errorf("type %s is not in structTests", ts.Name.Name)
				}
			}
		}
	}
}

func parse(t *testing.T) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") || strings.HasSuffix(p, "_marshal.go") {
			continue
		}
		f, err := parser.ParseFile(fset, p, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

var fset = token.NewFileSet()

// constHeaders are sets of headers that can be included together.
var constHeaders = []string{
	"asm/unistd.h",
	"linux/fcntl.h linux/stat.h linux/fs.h linux/falloc.h linux/openat2.h linux/close_range.h linux/xattr.h linux/magic.h linux/mount.h linux/limits.h linux/fiemap.h",
	"asm/signal.h asm/siginfo.h asm/mman.h linux/mman.h linux/memfd.h linux/mempolicy.h linux/sched.h linux/wait.h linux/futex.h linux/rseq.h",
	"linux/time.h linux/timex.h asm/poll.h linux/eventpoll.h linux/timerfd.h linux/signalfd.h linux/inotify.h linux/random.h linux/reboot.h linux/utsname.h",
	"asm/termbits.h asm/ioctls.h asm/socket.h linux/sockios.h linux/in.h linux/in6.h linux/tcp.h linux/netlink.h linux/rtnetlink.h linux/if_arp.h linux/if_addr.h linux/if_link.h linux/seccomp.h linux/filter.h linux/audit.h",
	"linux/types.h asm/termbits.h asm/ioctls.h linux/tty.h linux/random.h linux/nsfs.h",
	"linux/types.h linux/capability.h linux/prctl.h asm/prctl.h linux/securebits.h linux/resource.h linux/ptrace.h asm/ptrace.h linux/elf.h linux/auxvec.h linux/keyctl.h linux/major.h",
	"linux/types.h linux/ipc.h linux/shm.h linux/sem.h linux/msg.h linux/mqueue.h limits.h",
	"sys/socket.h sys/wait.h sys/epoll.h dirent.h sys/un.h",
}

// differs are names whose value in the headers is rightly another.
var differs = map[string]string{
	"NSIG":          "the headers say 32, libc's count; the kernel's own is 64",
	"SIGRTMIN":      "libc keeps two for itself",
	"SIGRTMAX":      "the headers say _NSIG, which they do not define",
	"O_LARGEFILE":   "libc hides it",
	"SYS_SECCOMP":   "a si_code in siginfo.h, a system call number here",
	"RWF_SUPPORTED": "grows from version to version",
	"AF_MAX":        "grows from version to version",
}

func TestConstantsHaveTheValuesOfC(t *testing.T) {
	conf := types.Config{Error: func(error) {}} // imports are not resolved: constants need none
	pkg, _ := conf.Check("linux", fset, parse(t), nil)
	want := map[string]constant.Value{}
	var names []string
	for _, n := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(n).(*types.Const)
		if !ok || c.Val().Kind() != constant.Int || n != strings.ToUpper(n) {
			continue
		}
		want[n] = c.Val()
		names = append(names, n)
	}
	seen := map[string]bool{}
	for _, headers := range constHeaders {
		var body strings.Builder
		for _, n := range names {
			if differs[n] != "" {
				continue
			}
			c := n
			if strings.HasPrefix(n, "SYS_") {
				c = "__NR_" + strings.ToLower(n[4:])
			}
			if n == "SYS__SYSCTL" {
				c = "__NR__sysctl"
			}
			fmt.Fprintf(&body, "#ifdef %s\nprintf(\"%s %%lld %%d\\n\", (long long)(%s), (int)sizeof(%s));\n#endif\n", c, n, c, c)
		}
		for _, line := range strings.Split(strings.TrimSpace(compile(t, headers, body.String())), "\n") {
			f := strings.Fields(line)
			if len(f) != 3 {
				t.Fatalf("%s: unexpected line %q", headers, line)
			}
			seen[f[0]] = true
			got, _ := strconv.ParseInt(f[1], 10, 64)
			mask := ^uint64(0)
			if f[2] != "8" {
				mask = 1<<32 - 1
			}
			w, exact := constant.Int64Val(want[f[0]])
			if !exact {
				u, _ := constant.Uint64Val(want[f[0]])
				w = int64(u)
			}
			if uint64(got)&mask != uint64(w)&mask {
				t.Errorf("%s = %v, but %s says %#x", f[0], want[f[0]], headers, got)
			}
		}
	}
	if len(seen) < 1500 {
		t.Errorf("only %d of %d constants were found in the headers", len(seen), len(names))
	}
	if os.Getenv("ABI_UNSEEN") != "" { // to look over what no header confirms
		for _, n := range names {
			if !seen[n] {
				t.Logf("not in headers: %s = %v", n, want[n])
			}
		}
	}
}
