package linux

// Flags and commands common to System V IPC (svipc(7)).
const (
	IPC_CREAT   = 0o1000
	IPC_EXCL    = 0o2000
	IPC_NOWAIT  = 0o4000
	IPC_RMID    = 0
	IPC_SET     = 1
	IPC_STAT    = 2
	IPC_INFO    = 3
	IPC_PRIVATE = 0
	IPC_64      = 0x100
)

// IPCPerm is struct ipc64_perm.
type IPCPerm struct {
	Key  int32
	UID  uint32
	GID  uint32
	CUID uint32
	CGID uint32
	Mode uint32
	Seq  uint16
	_    [22]byte
}

// Flags and commands of shared memory (shmget(2), shmctl(2)).
const (
	SHM_R         = 0o400
	SHM_W         = 0o200
	SHM_HUGETLB   = 0o4000
	SHM_NORESERVE = 0o10000
	SHM_RDONLY    = 0o10000
	SHM_RND       = 0o20000
	SHM_REMAP     = 0o40000
	SHM_EXEC      = 0o100000
	SHM_LOCK      = 11
	SHM_UNLOCK    = 12
	SHM_STAT      = 13
	SHM_INFO      = 14
	SHM_STAT_ANY  = 15
	SHM_DEST      = 0o1000
	SHM_LOCKED    = 0o2000
	SHMMIN        = 1
	SHMMNI        = 4096
	SHMMAX        = 1<<64 - 1 - 1<<24
	SHMALL        = 1<<64 - 1 - 1<<24
)

// ShmidDs is struct shmid64_ds.
type ShmidDs struct {
	Perm   IPCPerm
	Segsz  uint64
	Atime  int64
	Dtime  int64
	Ctime  int64
	Cpid   int32
	Lpid   int32
	Nattch uint64
	_      [16]byte
}

// ShmParams is struct shminfo64 (IPC_INFO).
type ShmParams struct {
	Shmmax uint64
	Shmmin uint64
	Shmmni uint64
	Shmseg uint64
	Shmall uint64
	_      [32]byte
}

// ShmInfo is struct shm_info (SHM_INFO).
type ShmInfo struct {
	UsedIDs       int32
	_             [4]byte
	ShmTot        uint64
	ShmRss        uint64
	ShmSwp        uint64
	SwapAttempts  uint64
	SwapSuccesses uint64
}

// Flags, commands and limits of semaphores (semop(2), semctl(2)).
const (
	SEM_UNDO     = 0x1000
	GETPID       = 11
	GETVAL       = 12
	GETALL       = 13
	GETNCNT      = 14
	GETZCNT      = 15
	SETVAL       = 16
	SETALL       = 17
	SEM_STAT     = 18
	SEM_INFO     = 19
	SEM_STAT_ANY = 20
	SEMMNI       = 32000
	SEMMSL       = 32000
	SEMMNS       = SEMMNI * SEMMSL
	SEMOPM       = 500
	SEMVMX       = 32767
	SEMAEM       = SEMVMX
	SEMUSZ       = 20
	SEMUME       = SEMOPM
	SEMMNU       = SEMMNS
	SEMMAP       = SEMMNS
)

// SemidDs is struct semid64_ds.
type SemidDs struct {
	Perm  IPCPerm
	Otime int64
	_     [8]byte
	Ctime int64
	_     [8]byte
	Nsems uint64
	_     [16]byte
}

// Sembuf is struct sembuf.
type Sembuf struct {
	Num uint16
	Op  int16
	Flg int16
}

// Seminfo is struct seminfo (IPC_INFO, SEM_INFO).
type Seminfo struct {
	Semmap int32
	Semmni int32
	Semmns int32
	Semmnu int32
	Semmsl int32
	Semopm int32
	Semume int32
	Semusz int32
	Semvmx int32
	Semaem int32
}

// Flags, commands and limits of message queues (msgop(2), msgctl(2)).
const (
	MSG_NOERROR  = 0o10000
	MSG_EXCEPT   = 0o20000
	MSG_COPY     = 0o40000
	MSG_STAT     = 11
	MSG_INFO     = 12
	MSG_STAT_ANY = 13
	MSGMNI       = 32000
	MSGMAX       = 8192
	MSGMNB       = 16384
	MSGPOOL      = MSGMNI * MSGMNB / 1024
	MSGTQL       = MSGMNB
	MSGMAP       = MSGMNB
	MSGSSZ       = 16
	MSGSEG       = 0xffff
)

// MsqidDs is struct msqid64_ds.
type MsqidDs struct {
	Perm   IPCPerm
	Stime  int64
	Rtime  int64
	Ctime  int64
	Cbytes uint64
	Qnum   uint64
	Qbytes uint64
	Lspid  int32
	Lrpid  int32
	_      [16]byte
}

// Msginfo is struct msginfo (IPC_INFO, MSG_INFO).
type Msginfo struct {
	Msgpool int32
	Msgmap  int32
	Msgmax  int32
	Msgmnb  int32
	Msgmni  int32
	Msgssz  int32
	Msgtql  int32
	Msgseg  uint16
	_       [2]byte
}

// What mq_notify(2) with SIGEV_THREAD sends to a netlink socket: a cookie, whose last byte says why.
const (
	NOTIFY_COOKIE_LEN = 32
	NOTIFY_WOKENUP    = 1
	NOTIFY_REMOVED    = 2
)

// MqAttr is struct mq_attr (mq_getattr(3)).
type MqAttr struct {
	Flags   int64
	Maxmsg  int64
	Msgsize int64
	Curmsgs int64
	_       [32]byte
}

// Limits of POSIX message queues (mq_overview(7)).
const (
	MQ_PRIO_MAX       = 32768
	MQ_MSG_DEFAULT    = 10
	MQ_MSG_MAX        = 10
	MQ_MSGSIZE        = 8192
	MQ_QUEUES_DEFAULT = 256
)
