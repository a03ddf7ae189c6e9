package linux

// Marks in an ELF file's first bytes (elf(5)).
const (
	ELFMAG        = "\x7fELF"
	EI_CLASS      = 4
	EI_DATA       = 5
	EI_VERSION    = 6
	EI_OSABI      = 7
	EI_NIDENT     = 16
	ELFCLASS32    = 1
	ELFCLASS64    = 2
	ELFDATA2LSB   = 1
	EV_CURRENT    = 1
	ELFOSABI_NONE = 0
	EM_386        = 3
	EM_X86_64     = 62
	EM_AARCH64    = 183
)

// Types of ELF files and program headers, and flags of segments.
const (
	PT_NULL         = 0x0
	PT_LOAD         = 0x1
	PT_DYNAMIC      = 0x2
	PT_INTERP       = 0x3
	PT_NOTE         = 0x4
	PT_SHLIB        = 0x5
	PT_PHDR         = 0x6
	PT_TLS          = 0x7
	PT_GNU_EH_FRAME = 0x6474e550
	PT_GNU_STACK    = 0x6474e551
	PT_GNU_RELRO    = 0x6474e552
	PT_GNU_PROPERTY = 0x6474e553
	PN_XNUM         = 0xffff
	ET_NONE         = 0x0
	ET_REL          = 0x1
	ET_EXEC         = 0x2
	ET_DYN          = 0x3
	ET_CORE         = 0x4
	ET_LOPROC       = 0xff00
	ET_HIPROC       = 0xffff
	PF_R            = 0x4
	PF_W            = 0x2
	PF_X            = 0x1
)

// Tags of the dynamic section, symbols and relocations.
const (
	DT_NULL       = 0
	DT_NEEDED     = 1
	DT_PLTRELSZ   = 2
	DT_PLTGOT     = 3
	DT_HASH       = 4
	DT_STRTAB     = 5
	DT_SYMTAB     = 6
	DT_RELA       = 7
	DT_RELASZ     = 8
	DT_RELAENT    = 9
	DT_STRSZ      = 10
	DT_SYMENT     = 11
	DT_INIT       = 12
	DT_FINI       = 13
	DT_SONAME     = 14
	DT_RPATH      = 15
	DT_SYMBOLIC   = 16
	DT_REL        = 17
	DT_RELSZ      = 18
	DT_RELENT     = 19
	DT_PLTREL     = 20
	DT_DEBUG      = 21
	DT_TEXTREL    = 22
	DT_JMPREL     = 23
	DT_VERSYM     = 1879048176
	DT_VERDEF     = 1879048188
	DT_VERDEFNUM  = 1879048189
	DT_VERNEED    = 1879048190
	DT_VERNEEDNUM = 1879048191
	STB_LOCAL     = 0
	STB_GLOBAL    = 1
	STB_WEAK      = 2
	STT_NOTYPE    = 0
	STT_OBJECT    = 1
	STT_FUNC      = 2
	STT_SECTION   = 3
	STT_FILE      = 4
	STT_COMMON    = 5
	STT_TLS       = 6
	SHT_NULL      = 0
	SHT_PROGBITS  = 1
	SHT_SYMTAB    = 2
	SHT_STRTAB    = 3
	SHT_RELA      = 4
	SHT_HASH      = 5
	SHT_DYNAMIC   = 6
	SHT_NOTE      = 7
	SHT_NOBITS    = 8
	SHT_REL       = 9
	SHT_SHLIB     = 10
	SHT_DYNSYM    = 11
	SHT_NUM       = 12
	SHT_LOUSER    = 2147483648
	SHT_HIUSER    = 4294967295
	SHF_WRITE     = 1
	SHF_ALLOC     = 2
	SHF_EXECINSTR = 4
	SHN_UNDEF     = 0
	SHN_ABS       = 65521
	SHN_COMMON    = 65522
)

// Elf64Ehdr is Elf64_Ehdr.
type Elf64Ehdr struct {
	Ident     [EI_NIDENT]byte
	Type      uint16
	Machine   uint16
	Version   uint32
	Entry     uint64
	Phoff     uint64
	Shoff     uint64
	Flags     uint32
	Ehsize    uint16
	Phentsize uint16
	Phnum     uint16
	Shentsize uint16
	Shnum     uint16
	Shstrndx  uint16
}

// Elf64Phdr is Elf64_Phdr.
type Elf64Phdr struct {
	Type   uint32
	Flags  uint32
	Off    uint64
	Vaddr  uint64
	Paddr  uint64
	Filesz uint64
	Memsz  uint64
	Align  uint64
}

// Elf64Shdr is Elf64_Shdr.
type Elf64Shdr struct {
	Name      uint32
	Type      uint32
	Flags     uint64
	Addr      uint64
	Off       uint64
	Size      uint64
	Link      uint32
	Info      uint32
	Addralign uint64
	Entsize   uint64
}

// Elf64Dyn is Elf64_Dyn.
type Elf64Dyn struct {
	Tag int64
	Val uint64
}

// Elf64Sym is Elf64_Sym.
type Elf64Sym struct {
	Name  uint32
	Info  uint8
	Other uint8
	Shndx uint16
	Value uint64
	Size  uint64
}

// Elf64Nhdr is Elf64_Nhdr, the head of a note.
type Elf64Nhdr struct {
	Namesz uint32
	Descsz uint32
	Type   uint32
}

// Sizes of the ELF structs.
const (
	Elf64EhdrSize = 64
	Elf64PhdrSize = 56
)

// Types of the auxiliary vector's entries (getauxval(3)).
const (
	AT_SYSINFO_EHDR      = 33
	AT_VECTOR_SIZE_ARCH  = 3
	AT_NULL              = 0
	AT_IGNORE            = 1
	AT_EXECFD            = 2
	AT_PHDR              = 3
	AT_PHENT             = 4
	AT_PHNUM             = 5
	AT_PAGESZ            = 6
	AT_BASE              = 7
	AT_FLAGS             = 8
	AT_ENTRY             = 9
	AT_NOTELF            = 10
	AT_UID               = 11
	AT_EUID              = 12
	AT_GID               = 13
	AT_EGID              = 14
	AT_PLATFORM          = 15
	AT_HWCAP             = 16
	AT_CLKTCK            = 17
	AT_SECURE            = 23
	AT_BASE_PLATFORM     = 24
	AT_RANDOM            = 25
	AT_HWCAP2            = 26
	AT_EXECFN            = 31
	AT_MINSIGSTKSZ       = 51
	AT_RSEQ_FEATURE_SIZE = 27
	AT_RSEQ_ALIGN        = 28
)

// HWCAP2 bits of x86 (AT_HWCAP2).
const (
	HWCAP2_RING3MWAIT = 1
	HWCAP2_FSGSBASE   = 2
)
