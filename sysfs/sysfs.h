/* SPDX-License-Identifier: MIT */
/* The kernel's attribute files below one root directory, which a test replaces by a tree of its
 * own. A path is relative to the root. Every function returns 0 (or a length), or -errno. */
#ifndef SYSFS_SYSFS_H
#define SYSFS_SYSFS_H

#include "lib/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An attribute is at most a page (Documentation/filesystems/sysfs.rst). */
#define SYSFS_ATTRIBUTE_SIZE 4096

/* Directory handles. All but root are -errno where the directory could not be opened:
 * -ENOENT if this host has none. */
struct sysfs {
	int root;      /* of the sysfs */
	bool fake;     /* root is a test's tree: this host depends on nothing in it */
	int usb_nodes; /* of /dev/bus/usb: stub_release() */
	int proc, run, dev, etc; /* of /proc, /run, /dev, /etc: protect_survey() */
};

/* Opens root, and the others if it is the kernel's sysfs or its file system cannot be found out
 * (statfs(2)). It is no error if the others cannot be opened. */
int sysfs_open(struct sysfs *sysfs, const char *root);
void sysfs_close(struct sysfs *sysfs);

/* Enough for every path that is made of constants and checked bus ids; a longer one is cut off. */
struct sysfs_path {
	char text[160];
};
struct sysfs_path sysfs_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True if an error tells nothing about the file: this host is short of memory or descriptors. */
bool error_is_resource(int error);

/* Whether a file can be opened with these flags. O_WRONLY: may it be written (-EACCES, -EROFS)?
 * O_PATH: does it exist? */
int sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path);

/* Reads at most size bytes of a binary attribute, as they are, and returns their number. */
ssize_t sysfs_read_bytes(const struct sysfs *sysfs, void *buf, size_t size, const char *path);
/* These two terminate a text in buf and return its length, or an error if it has more than size - 1
 * bytes: an attribute without its last newline (-EFBIG), the target of a link (-ENAMETOOLONG).
 * After an error the text of an attribute is empty. */
ssize_t sysfs_read(const struct sysfs *sysfs, char *buf, size_t size, const char *path);
ssize_t sysfs_read_link(const struct sysfs *sysfs, char *buf, size_t size, const char *path);
/* Reads an attribute that is one number, decimal or hexadecimal, and returns it: -EINVAL if it is
 * none, -ERANGE if it is above max, which is at most INT_MAX. */
int sysfs_read_number(const struct sysfs *sysfs, bool hex, uint32_t max, const char *path);

/* Writes value in one write(2), without a newline: match_busid takes every byte literally. */
int sysfs_write(const struct sysfs *sysfs, const char *value, const char *path);

/* Calls visit for each entry of the directory at path below the directory handle dir, "." and ".."
 * too, until it returns true: 1, 0 if it never did, -errno if not all could be read. */
int sysfs_each_entry(int dir, const char *path, bool (*visit)(void *ctx, const char *name),
		     void *ctx);

/* The driver that a role needs. */
struct driver {
	const char *module; /* NULL: it is part of the kernel */
	int (*check)(const struct sysfs *sysfs); /* stub_check() or vhci_check() */
	bool optional; /* the role can do without it */
};
/* Loads the module if the driver's files are missing, and waits up to 5 s until its devices are set
 * up. 0, or -errno: the reason and the remedy are logged, once for each fault. It blocks. */
int driver_load(const struct sysfs *sysfs, const struct driver *driver, struct log_once *fault);
/* Runs modprobe for a module, waits for its end, and returns whether it succeeded. */
bool modprobe(const char *module);

#endif
