/* SPDX-License-Identifier: MIT */
/* Small files that are read and written as a whole. */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads from fd until buf is full or the file ends: the number of bytes, or -errno. */
ssize_t file_read_all(int fd, void *buf, size_t size);

/* Reads at most size - 1 bytes of the regular file at path below the directory handle dir. flags
 * are added to those of open(2). buf is always terminated, and empty after an error. The length, or
 * -errno: -EISDIR or -ENOTSUP if it is no regular file. Never waits for a writer. */
ssize_t file_load(int dir, const char *path, int flags, char *buf, size_t size);

/* Calls visit for each line of the file, until visit returns true. A line is cut off after 4095
 * bytes; the last one needs no '\n'. Returns 1 if visit returned true, 0 if it never did, or -errno
 * if the file could not be opened or read to its end. */
int file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);
/* Whether a line of the file has that text. False if the file cannot be read. */
bool file_contains(int dir, const char *path, const char *text);

/* Replaces the file at path by a new one, which is written as PATH.new beside it and then renamed;
 * with len 0 both are removed. With O_SYNC in flags the text is on the disk before the rename.
 * Returns 0, or -errno and the file is as before. */
int file_replace(int dir, const char *path, int flags, const char *text, size_t len);

#endif
