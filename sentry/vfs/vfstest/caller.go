// Package vfstest helps the tests of file systems to call them.
package vfstest

import (
	"math"
	"time"

	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// Caller is a vfs.Caller for tests.
type Caller struct {
	Credentials *creds.Credentials
	FS          *vfs.FSContext
}

// Root returns a caller with all rights and no file system context.
func Root() *Caller {
	return &Caller{Credentials: creds.NewRoot(&creds.UserNamespace{})}
}

// User returns a caller without capabilities.
func User(uid creds.UID) *Caller {
	return &Caller{Credentials: creds.New(uid, creds.GID(uid), nil, &creds.UserNamespace{})}
}

func (c *Caller) Creds() *creds.Credentials { return c.Credentials }
func (c *Caller) FSContext() *vfs.FSContext { return c.FS }
func (c *Caller) Now() int64                { return time.Now().UnixNano() }
func (c *Caller) FileSizeLimit() uint64     { return math.MaxUint64 }
