// Package vfs is the virtual file system: mounts, dentries, inodes, open files,
// path walk, permissions, locks and file events. The words are Linux's.
//
//	Path = (Mount, Dentry)     where a walk stands
//	Dentry                     a name in a directory, or a cached miss
//	Inode + InodeOps           a file, and what its file system can do with it
//	File + FileOps             an open file description, and what it can do
//	Superblock                 one instance of a file system
//	Namespace                  a tree of mounts
//	MountContext               a file system that is being set up
//
// File systems implement InodeOps and FileOps and embed BaseInode and BaseFile
// for what they do not support. They know no tasks: what they may know of who
// calls is in Caller, and what would block returns EAGAIN and is waited for by
// the caller through File's wait queue.
//
// Lock order:
//
//	MountContext.mu
//	Superblock.renameMu
//	  Inode.rw (a directory before what is in it)
//	    locks of a file system
//	      Superblock.treeMu
//	        VFS.mountMu
//	          FSContext.mu
//	            Inode.mu
//
// A walk through cached names takes none of them: treeLock says how.
//
// File.PosMu comes before all of them. Watches and file locks have locks of their own,
// which are taken with none of these held but Inode.rw. References are dropped with neither
// treeMu nor mountMu held.
package vfs
