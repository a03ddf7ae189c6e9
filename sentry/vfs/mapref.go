package vfs

// MapName is the path of f in its mount tree, as /proc/PID/maps shows it to whoever has the
// tree's root. With IncRef, DecRef and MapDevIno it makes a File what mm.FileRef asks for.
func (f *File) MapName() string { return f.Path.Mount.v.FileName(Path{}, f) }

// MapDevIno are the device and inode numbers that /proc/PID/maps shows.
func (f *File) MapDevIno() (dev, ino uint64) {
	n := f.Inode()
	return n.SB.Dev, n.Ino()
}
