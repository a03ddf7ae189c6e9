package kernel

import (
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/vfs"
)

// execCreds is who a task is after an exec.
type execCreds struct {
	cred *creds.Credentials
	// secure is AT_SECURE: the program must not trust its environment.
	secure bool
	// private says that the process is not dumpable: it runs with other ids than before,
	// or from a file that it can't read.
	private bool
}

// execCreds computes credentials for executing f: set-user-ID and set-group-ID bits, file
// capabilities, and the special treatment of root (capabilities(7), security/commoncap.c).
func (t *Task) execCreds(f *vfs.File) execCreds {
	old := t.Creds()
	n := old.Clone()
	maySUID := t.maySUID(f)
	st, err := t.k.VFS.Stat(t, f.Path)
	// Ids without a name here are as good as none.
	if maySUID && !t.NoNewPrivs() && err == nil && old.UserNS.HasUID(st.UID) && old.UserNS.HasGID(st.GID) {
		if st.Mode&linux.S_ISUID != 0 {
			n.EUID = st.UID
		}
		if st.Mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP {
			n.EGID = st.GID
		}
	}
	setid := n.EUID != old.RUID || n.EGID != old.RGID
	// Ambient capabilities survive only an exec that grants nothing by itself.
	changed := n.EUID != old.EUID || n.EGID != old.EGID

	n.Permitted, n.Effective = 0, 0
	effective, hasCaps := false, false
	if maySUID {
		if fc, ok := t.fileCaps(f); ok {
			hasCaps = true
			n.Permitted = old.Bounding&fc.permitted | old.Inheritable&fc.inheritable
			effective = fc.effective
		}
	}
	root, eroot := old.Root(old.RUID), old.Root(n.EUID)
	if old.Securebits&linux.SECBIT_NOROOT == 0 && !(hasCaps && !root && eroot) {
		if eroot || root {
			n.Permitted = old.Bounding | old.Inheritable
		}
		if eroot {
			effective = true
		}
	}
	gained := n.Permitted&^old.Permitted != 0
	if (changed || gained) && t.unsafeExec() {
		if !old.HasOwn(linux.CAP_SETUID) || t.NoNewPrivs() {
			n.EUID, n.EGID = old.RUID, old.RGID
		}
		n.Permitted &= old.Permitted
	}
	n.SUID, n.FSUID = n.EUID, n.EUID
	n.SGID, n.FSGID = n.EGID, n.EGID
	if hasCaps || changed {
		n.Ambient = 0
	}
	n.Permitted |= n.Ambient
	if effective {
		n.Effective = n.Permitted
	} else {
		n.Effective = n.Ambient
	}
	n.Securebits &^= linux.SECBIT_KEEP_CAPS
	secure := setid && changed
	if !root && (effective || n.Permitted&^n.Ambient != 0) {
		secure = true
	}
	if setid && !changed {
		// Real and effective ids differed before and still do.
		secure = true
	}
	private := changed || n.EUID != n.RUID || n.EGID != n.RGID || secure ||
		t.k.VFS.Permission(t, f.Path, vfs.MayRead) != nil
	return execCreds{cred: n, secure: secure, private: private}
}

// maySUID reports whether set-id bits and capabilities of f count (Linux's mnt_may_suid): the mount is one of the
// task's, and the file system belongs to its user namespace or one above.
func (t *Task) maySUID(f *vfs.File) bool {
	m := f.Path.Mount
	return m.Flags()&linux.MS_NOSUID == 0 && t.mounts.Contains(m) && (m.SB.UserNS.Initial() || t.Creds().UserNS.Within(m.SB.UserNS))
}

// unsafeExec reports whether an exec must not raise privileges because others could take
// hold of the process: a tracer without rights, or a task that shares its root.
func (t *Task) unsafeExec() bool {
	if t.NoNewPrivs() {
		return true
	}
	t.k.mu.RLock()
	tracer, threads := t.tracer, int64(len(t.tg.threads))
	t.k.mu.RUnlock()
	if tracer != nil && !tracer.Creds().HasIn(linux.CAP_SYS_PTRACE, t.Creds().UserNS) {
		return true
	}
	return t.fs.users.Load()-t.fs.actors.Load() > threads
}

// fileCapabilities is the security.capability attribute of a program.
type fileCapabilities struct {
	permitted, inheritable creds.CapSet
	effective              bool
}

// fileCaps reads the capabilities of f, revisions 2 and 3.
func (t *Task) fileCaps(f *vfs.File) (fileCapabilities, bool) {
	n := f.Inode()
	b, err := n.Ops.GetXattr(t, n, linux.XATTR_NAME_CAPS)
	if err != nil {
		return fileCapabilities{}, false
	}
	d, ok := vfs.ParseFileCaps(b)
	if !ok {
		return fileCapabilities{}, false
	}
	// They are for namespaces whose root, or that of one above, the file names.
	root, ok := f.Path.Mount.SB.UserNS.ToUID(d.Rootid)
	if !ok || !t.Creds().UserNS.RootedBy(root) {
		return fileCapabilities{}, false
	}
	join := func(lo, hi uint32) creds.CapSet { return creds.CapSet(uint64(hi)<<32|uint64(lo)) & creds.AllCaps }
	return fileCapabilities{
		permitted:   join(d.Data[0].Permitted, d.Data[1].Permitted),
		inheritable: join(d.Data[0].Inheritable, d.Data[1].Inheritable),
		effective:   d.MagicEtc&linux.VFS_CAP_FLAGS_EFFECTIVE != 0,
	}, true
}

// setCreds replaces the task's credentials and moves its count to another user if need be.
// Task goroutine only.
func (t *Task) setCreds(c *creds.Credentials) {
	if c.RUID != t.userID {
		u := t.k.user(c.RUID)
		u.tasks.Add(1)
		t.user.tasks.Add(-1)
		t.k.putUser(t.userID, t.user)
		t.user, t.userID = u, c.RUID
	}
	t.cred.Store(c)
	t.answersStale.Store(true)
}

// SetCreds replaces the task's credentials (setuid(2) and the like). Where ids or
// capabilities grow or change, the process is no longer dumpable and forgets PR_SET_PDEATHSIG, as
// commit_creds does. Task goroutine only.
func (t *Task) SetCreds(c *creds.Credentials) {
	old := t.Creds()
	if old.EUID != c.EUID || old.EGID != c.EGID || old.FSUID != c.FSUID || old.FSGID != c.FSGID ||
		!old.Covers(c) {
		t.setDumpable(linux.SUID_DUMP_DISABLE)
		t.parentDeath.Store(0)
	}
	t.setCreds(c)
	t.k.Keys.SetOwner(&t.keys, c.FSUID, c.FSGID)
	t.LimitsChanged()
}
