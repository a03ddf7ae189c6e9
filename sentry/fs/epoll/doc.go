// Package epoll implements epoll(7).
//
//	FS      makes epoll files and keeps them from watching each other in circles
//	Epoll   the FileOps of an epoll file: what it watches, and what of that is ready
//	item    one watched (file, descriptor)
//
// An item stands in the wait queue of its file. A wake-up puts it on the ready list, and
// that is all: Collect asks the files on the list, and only those, how ready they are. So a
// wait costs what is ready, not what is watched.
//
// An item holds no reference to its file: it goes when the file goes (vfs.ReleaseWatcher).
//
// Lock order:
//
//	FS.nestMu
//	  Epoll.mu (of the watcher before that of the watched)
//	    locks of a watched file, its wait queue
//	      Epoll.readyMu
//	        Epoll.queue, and so on outwards if the epoll file is itself watched
package epoll
