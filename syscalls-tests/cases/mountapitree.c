// Mounts that are held, copied and moved by descriptors: open_tree and move_mount; and what that does to others.
#include "mountapi.h"

CASE(a_detached_mount_can_be_used_through_its_descriptor) {
	own();
	int m = detached(0);
	struct statfs sf;
	CHECK_EQ(fcntl(m, F_GETFL) & O_PATH, O_PATH);
	CHECK_EQ(fcntl(m, F_GETFD), FD_CLOEXEC);
	CHECK(fstatfs(m, &sf) == 0);
	CHECK_EQ(sf.f_type, 0x01021994);
	CHECK(mkdirat(m, "d", 0755) == 0);
	touchat(m, "d/f");
	CHECK(faccessat(m, "d/f", F_OK, 0) == 0);
	// Its root has no parent.
	CHECK(faccessat(m, "../../d/f", F_OK, 0) == 0);
	char b[4];
	CHECK_ERRNO(read(m, b, 4), EBADF);
	dir("a");
	CHECK(attach(m, "a") == 0);
	CHECK(there("a/d/f"));
}

CASE(a_detached_mount_is_dissolved_with_its_last_descriptor) {
	own();
	dir("a");
	int m = detached(0), d = dup(m);
	touchat(m, "f");
	char p[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", m);
	int again = open(p, O_PATH);
	CHECK(again >= 0);
	close(m);
	CHECK(faccessat(d, "f", F_OK, 0) == 0);
	close(d);
	// What else was open there stays usable, but is mounted no more.
	CHECK(faccessat(again, "f", F_OK, 0) == 0);
	CHECK_ERRNO(attach(again, "a"), EINVAL);
	CHECK_ERRNO(set_attr(again, "", AT_EMPTY_PATH, &(struct mount_attr){.attr_set = 1}, 32), EINVAL);
}

CASE(an_attached_mount_outlives_its_descriptor) {
	own();
	dir("a"), dir("b");
	int m = detached(0);
	CHECK(attach(m, "a") == 0);
	// The descriptor stands for the mount, which moves.
	CHECK(attach(m, "b") == 0);
	CHECK(!mounted("/a") && mounted("/b"));
	close(m);
	CHECK(mounted("/b"));
	touch("b/f");
}

CASE(an_unmounted_mount_cannot_be_attached_again) {
	own();
	dir("a");
	int m = detached(0);
	CHECK(attach(m, "a") == 0);
	CHECK(umount2("a", MNT_DETACH) == 0);
	CHECK_ERRNO(attach(m, "a"), EINVAL);
}

CASE(mount_can_move_a_detached_mount_but_umount_can_not_take_it) {
	own();
	dir("a");
	int m = detached(0);
	char p[64];
	CHECK(mkdirat(m, "d", 0755) == 0);
	snprintf(p, sizeof p, "/proc/self/fd/%d", m);
	CHECK_ERRNO(umount2(p, MNT_DETACH), EINVAL);
	CHECK_ERRNO(mount(0, p, 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0), EINVAL);
	CHECK(mount(p, "a", 0, MS_MOVE, 0) == 0);
	CHECK(there("a/d"));
}

CASE(move_mount_refuses_bad_arguments) {
	own();
	dir("a"), dir("b"), dir("b/c");
	touch("f");
	tmpfs("t");
	dir("t/in");
	int m = detached(0);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", 0x80000000), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH | MOVE_MOUNT_SET_GROUP), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", 0), ENOENT);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "", MOVE_MOUNT_F_EMPTY_PATH), ENOENT);
	CHECK_ERRNO(move(999, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH), EBADF);
	CHECK_ERRNO(move(m, "", 999, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), EBADF);
	CHECK_ERRNO(attach(m, "none"), ENOENT);
	CHECK_ERRNO(attach(m, "f"), EINVAL);
	// No mount's root.
	CHECK_ERRNO(move(AT_FDCWD, "b", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t/in", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t", AT_FDCWD, "t/in", 0), ELOOP);
	CHECK_ERRNO(move(AT_FDCWD, "/", AT_FDCWD, "a", 0), ELOOP);
	CHECK(attach(m, "a") == 0);
}

CASE(move_mount_moves_between_directories_of_descriptors) {
	own();
	dir("a"), dir("b");
	tmpfs("a/m");
	touch("a/m/f");
	dir("b/to");
	int a = open("a", O_RDONLY), b = open("b/to", O_PATH);
	CHECK(move(a, "m", b, "", MOVE_MOUNT_T_EMPTY_PATH) == 0);
	CHECK(there("b/to/f") && !there("a/m/f"));
}

CASE(move_mount_follows_links_if_told) {
	own();
	dir("a");
	tmpfs("t");
	CHECK(symlink("t", "lt") == 0 && symlink("a", "la") == 0);
	CHECK_ERRNO(move(AT_FDCWD, "lt", AT_FDCWD, "a", 0), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "t", AT_FDCWD, "la", 0), EINVAL);
	CHECK(move(AT_FDCWD, "lt", AT_FDCWD, "la", MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_T_SYMLINKS) == 0);
	CHECK(mounted("/a") && !mounted("/t"));
}

CASE(move_mount_out_of_a_shared_mount_gives_EINVAL) {
	own();
	dir("a");
	tmpfs("s");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	dir("s/in");
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "s/in", AT_FDCWD, "a", 0), EINVAL);
}

CASE(move_mount_into_a_shared_mount_reaches_its_peers) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer"), dir("slave");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("s", "slave", 0, MS_BIND, 0) == 0);
	CHECK(propagation("slave", 0, MS_SLAVE) == 0);
	int m = detached(0);
	touchat(m, "f");
	CHECK(attach(m, "s/in") == 0);
	CHECK(there("peer/in/f") && there("slave/in/f"));
	CHECK(says("/s/in", " shared:") && says("/peer/in", " shared:") && says("/slave/in", " master:"));
	CHECK(!says("/slave/in", " shared:"));
}

CASE(move_mount_beneath_puts_a_mount_below_another) {
	own();
	tmpfs("a");
	touch("a/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(move(m, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0);
	CHECK(there("a/top"));
	close(m);
	CHECK(umount2("a", 0) == 0);
	CHECK(there("a/below"));
	CHECK(umount2("a", 0) == 0);
	CHECK(!there("a/below"));
}

CASE(move_mount_beneath_needs_a_mount_to_go_beneath) {
	own();
	dir("a");
	tmpfs("t");
	dir("t/in");
	int m = detached(0);
	const unsigned f = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH;
	CHECK_ERRNO(move(m, "", AT_FDCWD, "a", f), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "/", f), EINVAL);
	CHECK_ERRNO(move(m, "", AT_FDCWD, "t/in", f), EINVAL);
}

CASE(move_mount_set_group_joins_a_peer_group) {
	own();
	tmpfs("a");
	dir("b"), dir("c"), dir("a/in");
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	const unsigned f = MOVE_MOUNT_SET_GROUP;
	// Neither is shared.
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "b", f), EINVAL);
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "c", f), EINVAL);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "a/in", f), EINVAL);
	CHECK(mount("none", "c", "tmpfs", 0, 0) == 0);
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "c", f), EINVAL);
	CHECK(!says("/b", " shared:"));
	CHECK(move(AT_FDCWD, "a", AT_FDCWD, "b", f) == 0);
	CHECK(says("/b", " shared:"));
	// It is no private mount any more.
	CHECK_ERRNO(move(AT_FDCWD, "a", AT_FDCWD, "b", f), EINVAL);
	CHECK(mount("none", "a/in", "tmpfs", 0, 0) == 0);
	touch("a/in/f");
	CHECK(there("b/in/f"));
}

CASE(open_tree_without_clone_is_a_path_descriptor) {
	own();
	dir("a");
	touch("a/f");
	int t = tree(AT_FDCWD, "a", OPEN_TREE_CLOEXEC);
	CHECK(t >= 0);
	CHECK_EQ(fcntl(t, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(t, F_GETFL) & O_PATH, O_PATH);
	CHECK(faccessat(t, "f", F_OK, 0) == 0);
	CHECK(symlink("a", "l") == 0);
	struct stat st;
	int l = tree(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW);
	CHECK(fstat(l, &st) == 0 && S_ISLNK(st.st_mode));
	int e = tree(t, "", AT_EMPTY_PATH);
	CHECK(faccessat(e, "f", F_OK, 0) == 0);
}

CASE(open_tree_refuses_bad_arguments) {
	own();
	dir("a");
	CHECK_ERRNO(tree(AT_FDCWD, "a", 0x40000000), EINVAL);
	CHECK_ERRNO(tree(AT_FDCWD, "a", AT_RECURSIVE), EINVAL);
	CHECK_ERRNO(tree(AT_FDCWD, "b", OPEN_TREE_CLONE), ENOENT);
	CHECK_ERRNO(tree(AT_FDCWD, "", OPEN_TREE_CLONE), ENOENT);
	CHECK_ERRNO(tree(999, "", AT_EMPTY_PATH), EBADF);
	CHECK_ERRNO(tree(AT_FDCWD, (char *)8, 0), EFAULT);
}

CASE(open_tree_clones_a_part_of_a_mount) {
	own();
	dir("a"), dir("a/in"), dir("b");
	touch("a/in/f");
	int t = tree(AT_FDCWD, "a/in", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(t >= 0);
	CHECK(faccessat(t, "f", F_OK, 0) == 0);
	CHECK(!mounted("/b"));
	CHECK(attach(t, "b") == 0);
	CHECK(there("b/f"));
	CHECK(says("/b", " /a/in "));
	touch("a/in/g");
	CHECK(there("b/g"));
}

CASE(open_tree_clones_a_file) {
	own();
	touch("f"), touch("g");
	dir("d");
	int t = tree(AT_FDCWD, "f", OPEN_TREE_CLONE);
	CHECK(t >= 0);
	CHECK_ERRNO(attach(t, "d"), EINVAL);
	CHECK(attach(t, "g") == 0);
	CHECK(says("/g", " /f "));
}

CASE(open_tree_recursive_takes_what_is_mounted_below) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	touch("a/in/f");
	dir("plain"), dir("all");
	int t = tree(AT_FDCWD, "a", OPEN_TREE_CLONE), r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(t >= 0 && r >= 0);
	CHECK_ERRNO(faccessat(t, "in/f", F_OK, 0), ENOENT);
	CHECK(faccessat(r, "in/f", F_OK, 0) == 0);
	CHECK(attach(t, "plain") == 0 && attach(r, "all") == 0);
	CHECK(there("all/in/f") && !there("plain/in/f"));
	CHECK(mounted("/all/in") && !mounted("/plain/in"));
}

CASE(open_tree_leaves_unbindable_mounts_out) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	touch("a/in/f");
	CHECK(propagation("a/in", 0, MS_UNBINDABLE) == 0);
	CHECK_ERRNO(tree(AT_FDCWD, "a/in", OPEN_TREE_CLONE), EINVAL);
	int r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(r >= 0);
	CHECK_ERRNO(faccessat(r, "in/f", F_OK, 0), ENOENT);
}

CASE(a_detached_tree_is_dissolved_as_a_whole) {
	own();
	tmpfs("a");
	tmpfs("a/in");
	int r = tree(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(r >= 0);
	CHECK_ERRNO(umount2("a", 0), EBUSY);
	close(r);
	CHECK(umount2("a/in", 0) == 0);
	CHECK(umount2("a", 0) == 0);
}

CASE(a_detached_mount_goes_to_another_mount_namespace) {
	own();
	dir("a");
	int m = detached(0);
	touchat(m, "f");
	pid_t pid = fork();
	if (!pid) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(attach(m, "a") == 0);
		CHECK(there("a/f"));
		_exit(0);
	}
	CHECK_CHILD(pid, 0);
	CHECK(!there("a/f"));
}

CASE(move_mount_onto_a_mount_covers_it) {
	own();
	tmpfs("a");
	touch("a/old");
	int m = detached(0);
	touchat(m, "new");
	CHECK(attach(m, "a") == 0);
	CHECK(there("a/new") && !there("a/old"));
	close(m);
	CHECK(umount2("a", 0) == 0);
	CHECK(there("a/old"));
}

CASE(move_mount_to_a_removed_directory_gives_ENOENT) {
	own();
	dir("a");
	int d = open("a", O_PATH), m = detached(0);
	CHECK(rmdir("a") == 0);
	CHECK_ERRNO(move(m, "", d, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), ENOENT);
}

// changed reports whether mountinfo has changed since the last call.
static int changed(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	CHECK(poll(&p, 1, 0) >= 0);
	return (p.revents & POLLPRI) != 0;
}

CASE(poll_on_mountinfo_tells_of_what_is_attached_and_changed) {
	own();
	dir("a");
	int fd = open("/proc/self/mountinfo", O_RDONLY);
	CHECK(!changed(fd));
	int m = detached(0);
	CHECK(!changed(fd));
	CHECK(attach(m, "a") == 0);
	CHECK(changed(fd) && !changed(fd));
	CHECK(attrs("a", 0, MOUNT_ATTR_NODEV, 0) == 0);
	CHECK(changed(fd) && !changed(fd));
	CHECK(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOSUID, 0) == 0);
	CHECK(changed(fd) && !changed(fd));
}

CASE(move_mount_beneath_reaches_the_peers_of_the_parent) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	touch("s/in/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(move(m, "", AT_FDCWD, "s/in", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0);
	close(m);
	CHECK(there("s/in/top") && there("peer/in/top"));
	CHECK(umount2("s/in", 0) == 0);
	CHECK(there("s/in/below") && there("peer/in/below"));
	CHECK(umount2("peer/in", 0) == 0);
	CHECK(!there("s/in/below") && !there("peer/in/below"));
}

CASE(a_mount_that_propagates_goes_beneath_what_is_there) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0 && propagation("peer", 0, MS_SLAVE) == 0);
	CHECK(mount("none", "peer/in", "tmpfs", 0, 0) == 0);
	touch("peer/in/top");
	int m = detached(0);
	touchat(m, "below");
	CHECK(attach(m, "s/in") == 0);
	close(m);
	CHECK(there("peer/in/top") && there("s/in/below"));
	// It goes from there too, and what covers it takes its place.
	CHECK(umount2("s/in", 0) == 0);
	CHECK(there("peer/in/top"));
	CHECK(umount2("peer/in", 0) == 0);
	CHECK(!there("peer/in/top") && !there("peer/in/below"));
}

CASE(copies_among_slaves_that_are_peers_do_not_send_back) {
	own();
	tmpfs("s");
	dir("s/in"), dir("one"), dir("two");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "one", 0, MS_BIND, 0) == 0);
	CHECK(propagation("one", 0, MS_SLAVE) == 0 && propagation("one", 0, MS_SHARED) == 0);
	CHECK(mount("one", "two", 0, MS_BIND, 0) == 0);
	int m = detached(0);
	CHECK(mkdirat(m, "deep", 0755) == 0);
	CHECK(attach(m, "s/in") == 0);
	CHECK(says("/one/in", " shared:") && says("/one/in", " master:") && !says("/s/in", " master:"));
	CHECK(mount("none", "one/in/deep", "tmpfs", 0, 0) == 0);
	CHECK(mounted("/two/in/deep") && !mounted("/s/in/deep"));
	CHECK(mount("none", "s/in/deep", "tmpfs", 0, 0) == 0);
	CHECK(umount2("two/in/deep", 0) == 0);
	CHECK(mounted("/one/in/deep") && mounted("/s/in/deep"));
}

CASE(a_shared_slave_made_a_slave_keeps_its_master) {
	own();
	tmpfs("a");
	dir("b");
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	CHECK(propagation("b", 0, MS_SLAVE) == 0 && propagation("b", 0, MS_SHARED) == 0);
	CHECK(says("/b", " master:") && says("/b", " shared:"));
	CHECK(propagation("b", 0, MS_SLAVE) == 0);
	CHECK(says("/b", " master:") && !says("/b", " shared:"));
}

CASE(slaves_lose_their_master_with_its_last_peer) {
	own();
	tmpfs("a");
	dir("b"), dir("c");
	CHECK(propagation("a", 0, MS_SHARED) == 0);
	CHECK(mount("a", "b", 0, MS_BIND, 0) == 0);
	CHECK(propagation("b", 0, MS_SLAVE) == 0 && propagation("b", 0, MS_SHARED) == 0);
	CHECK(mount("b", "c", 0, MS_BIND, 0) == 0 && propagation("c", 0, MS_SLAVE) == 0);
	struct sm a, c;
	CHECK(stat_mount(mntid(AT_FDCWD, "a"), SM_MNT_BASIC, &a, sizeof a) == 0);
	// The slave of a slave gets the master above.
	CHECK(propagation("b", 0, MS_PRIVATE) == 0);
	CHECK(stat_mount(mntid(AT_FDCWD, "c"), SM_MNT_BASIC, &c, sizeof c) == 0);
	CHECK_EQ(c.mnt_master, a.mnt_peer_group);
	CHECK(umount2("a", 0) == 0);
	CHECK(stat_mount(mntid(AT_FDCWD, "c"), SM_MNT_BASIC, &c, sizeof c) == 0);
	CHECK_EQ(c.mnt_master, 0);
	CHECK_EQ(c.mnt_propagation, MS_PRIVATE);
}

CASE(umount_reaches_the_peers_of_what_is_below) {
	own();
	tmpfs("s");
	tmpfs("s/in");
	dir("s/in/deep"), dir("peer");
	CHECK(propagation("s", AT_RECURSIVE, MS_SHARED) == 0);
	CHECK(mount("s/in", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "peer/deep", "tmpfs", 0, 0) == 0);
	CHECK(mounted("/s/in/deep"));
	CHECK(umount2("s", MNT_DETACH) == 0);
	CHECK(mounted("/peer") && !mounted("/peer/deep"));
}

CASE(umount_is_refused_while_a_peer_of_the_mount_is_in_use) {
	own();
	tmpfs("s");
	dir("s/in"), dir("peer");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "peer", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in", "tmpfs", 0, 0) == 0);
	int fd = open("peer/in", O_RDONLY);
	CHECK_ERRNO(umount2("s/in", 0), EBUSY);
	close(fd);
	CHECK(umount2("s/in", 0) == 0);
	CHECK(!mounted("/peer/in"));
}

CASE(umount_below_a_copy_of_the_same_mount) {
	own();
	tmpfs("s");
	dir("s/in"), dir("s/in/in");
	CHECK(propagation("s", 0, MS_SHARED) == 0);
	CHECK(mount("s", "s/in", 0, MS_BIND, 0) == 0);
	CHECK(mount("none", "s/in/in", "tmpfs", 0, 0) == 0);
	CHECK(umount2("s/in/in", MNT_DETACH) == 0);
	CHECK(mounted("/s/in") && !mounted("/s/in/in"));
	CHECK(umount2("s", MNT_DETACH) == 0);
	CHECK(!mounted("/s"));
}

MAIN()
