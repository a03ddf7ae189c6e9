// Package mm is the memory of a process: its mappings and the pages behind them.
//
// An MM is Linux's mm_struct. It holds two interval maps. vmas says what each
// range of addresses is (protection, file, flags), as /proc/PID/maps shows it.
// ptes says which frames are behind it by now: runs of pages in a Backing, whether
// they belong to this address space alone, and how the platform maps them. What a
// platform maps is always a subset of ptes with no more permission than ptes
// allow; a fault fills ptes and maps a neighbourhood.
//
// Private memory is copied on write. A run is exclusive if its excl mark equals
// MM.exclEpoch; Fork takes a new epoch on both sides, which makes everything
// shared at once. A frame that is not exclusive but has one reference only becomes
// exclusive again without a copy.
//
// Files are known as mappable.Mappable and FileRef only. Package vfs is above.
//
// A Userfault is what stands behind a userfaultfd(2): a mapping that is registered with one says so in its vma. A fault
// there may have to wait; then it returns a UserFault, with which package kernel puts a task to sleep.
//
// A frame's reference is dropped only after the platform has unmapped it or mapped
// something else in its place, so that no guest reaches a frame of somebody else.
//
// Lock order:
//
//	MM.pinMu   held for reading while Blocks lends memory out; Fork excludes that
//	  MM.mapMu   mappings; a fault holds it for reading
//	    MM.metaMu
//	    locks that a Mappable takes in AddMapping and RemoveMapping
//	    MM.pageMu  pages and every call of the platform; held for reading while bytes move
//	      locks that a Mappable takes in Translate
//	        memfile's locks
//	      Userfault.mu
//
// No FileRef is dropped and no Space called with any of these held. An MM locks no
// second MM, except Fork its child, of which only Mappables know yet.
package mm
