/* SPDX-License-Identifier: MIT */
/* Small files that are read and written as a whole. */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a regular file at path below the handle dir, at most size - 1 bytes of it; flags as of
 * open(2). buf is terminated in any case. The length, or -errno: -EISDIR or -ENOTSUP for what is
 * no regular file. Never waits for a writer.
 */
ssize_t file_load(int dir, const char *path, int flags, char *buf, size_t size);
/*
 * Calls see for each line of a file below the handle dir, until it returns true, and returns that.
 * A line is cut off at about 4000 bytes.
 */
bool file_each_line(int dir, const char *path, bool (*see)(void *ctx, char *line), void *ctx);
/*
 * Replaces a file, by way of a fresh one beside it, or removes it when len is 0. 0, or -errno and
 * it is as it was. With O_SYNC as flags it is on the disk then.
 */
int file_replace(int dir, const char *path, const char *fresh, int flags, const char *text,
		 size_t len);

#endif
