/* SPDX-License-Identifier: MIT */
/*
 * The kernel's attribute files below one root directory, which tests replace by one of their own.
 * Every path is a str_format() format with its arguments, relative to the root; every function
 * returns 0 (or a length) or -errno.
 */
#ifndef SYSFS_SYSFS_H
#define SYSFS_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An attribute is at most a page (Documentation/filesystems/sysfs.rst). */
#define SYSFS_ATTRIBUTE_SIZE 4096

#define SYSFS_PATH(n, args) __attribute__((format(printf, n, args)))

struct sysfs {
	int root;      /* directory handle, usually of /sys */
	int usb_nodes; /* of /dev/bus/usb, or -1: see stub_release() */
	int proc;      /* of /proc, or -1: see protect_check() */
	int run;       /* of /run, or -1: the same */
};

/* Opens root; the others are looked for only beside the kernel's own /sys. */
int sysfs_open(struct sysfs *sysfs, const char *root);
void sysfs_close(struct sysfs *sysfs);

/* Whether an error says nothing of the file: this machine is short of memory or descriptors. */
bool error_is_resource(int error);

/* Whether a file can be opened so: 0 or -errno. O_WRONLY: it may be written (-EACCES, -EROFS);
 * O_PATH: it is there. */
int sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path, ...) SYSFS_PATH(3, 4);

/* Reads an attribute into buf, terminated, without its last newline; returns the length.
 * One that does not fit into size - 1 bytes is -EFBIG. */
ssize_t sysfs_read(const struct sysfs *sysfs, char *buf, size_t size, const char *path, ...)
	SYSFS_PATH(4, 5);
/* The same for one that is no text: as it is; of a longer one, what fits. */
ssize_t sysfs_read_bytes(const struct sysfs *sysfs, uint8_t *buf, size_t size,
			 const char *path, ...)
	SYSFS_PATH(4, 5);
/* An attribute that is one number of at most max; -EINVAL or -ERANGE if it is not. */
int sysfs_read_number(const struct sysfs *sysfs, bool hex, uint32_t max, uint32_t *value,
		      const char *path, ...) SYSFS_PATH(5, 6);

/* Writes value in one write(2), without a newline: match_busid takes every byte literally. */
int sysfs_write(const struct sysfs *sysfs, const char *value, const char *path, ...)
	SYSFS_PATH(3, 4);

/*
 * Calls show for each entry of the directory at path below the handle dir, in no order, until it
 * returns true. 1 when it did, else 0 or -errno.
 */
int sysfs_each_entry(int dir, const char *path, bool (*show)(void *ctx, const char *name), void *ctx);

/* The target of a symbolic link, as it is written there; -ENAMETOOLONG when it does not fit. */
ssize_t sysfs_read_link(const struct sysfs *sysfs, char *buf, size_t size, const char *path, ...)
	SYSFS_PATH(4, 5);

#endif
