package arch

// FPUState is the extended state of a thread in XSAVE's standard (not compacted)
// format: 512 bytes of FXSAVE area, 64 bytes of header, then the components that
// the host enables. Its length is FPUSize.
type FPUState []byte
