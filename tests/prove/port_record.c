/* SPDX-License-Identifier: MIT */
/*
 * client/port_record: any file of some sizes behind the path, any directory's name of up to DIR_MAX
 * characters, and, to see that whole strings reach the kernel, short strings of every length up to SHORT. The
 * system calls are modelled here: each may fail, or give or take any number of bytes up to what it
 * was asked for.
 * SOURCES: client/port_record.c lib/str.c lib/file.c
 * EVA: -eva-precision 1 -eva-plevel 5000 -eva-split-limit 1000 -eva-widening-delay 40
 * EVA: -eva-slevel-function record_write:500,record_remove:500,record_path:500,str_format:500
 * EVA: -eva-slevel-function prove_record_write_short:500,file_load:100,file_read_all:100,read:100 -eva-partition-history 3 -eva-interprocedural-history
 */
#include "client/port_record.h"

#include "tests/prove/prove.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	DIR_MAX = 255,
	SHORT = 3,
	FILE_SHORT = 16,
	FILE_LONG = 4096,
};

/* Clocks that have run for less than some 30,000 years. */
time_t time(time_t *t)
{
	(void)t;
	return (time_t)any_size(0, (size_t)1 << 40);
}

uint64_t loop_clock(void)
{
	return any_size(0, (size_t)1 << 50);
}

static char dir[DIR_MAX + 1];
static struct endpoint server;
static char busid[BUSID_SIZE], more[2 * (CONNECTION_ADDR_SIZE + ENDPOINT_PORT_SIZE)];

/* The bytes of the file, and those that were not read yet; -1: it cannot be read. */
static int file_size, file_left;

/* Whether the strings' lengths are known, so that what is made of them is, too. */
static bool exact;

static void check_path(const char *path)
{
	if (exact) {
		/*@ assert path: valid_read_string(path); */
	}
}

int open(const char *path, int flags, ...)
{
	check_path(path);
	(void)flags;
	errno = any_int(1, 133);
	return any_int(-1, 1023);
}

int openat(int at, const char *path, int flags, ...)
{
	check_path(path);
	(void)at;
	(void)flags;
	file_left = file_size;
	errno = any_int(1, 133);
	return any_int(-1, 1023);
}

ssize_t read(int fd, void *buf, size_t n)
{
	int got = file_left < (int)n ? file_left : (int)n;

	(void)fd;
	if (got > 0)
		file_left -= got;
	/*@ assert space: \valid((char *)buf + (0 .. n - 1)); */
	if (got > 0)
		any_bytes(buf, (size_t)got);
	return got;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	(void)fd;
	if (exact) {
		/*@ assert bytes: \initialized((char *)buf + (0 .. n - 1)); */
	}
	errno = any_int(1, 133);
	return any_int(-1, (int)n);
}

int close(int fd)
{
	(void)fd;
	return 0;
}

int fstat(int fd, struct stat *st)
{
	(void)fd;
	st->st_mode = any_int(0, 1) ? S_IFREG : S_IFDIR;
	return any_int(-1, 0);
}

int lstat(const char *path, struct stat *st)
{
	check_path(path);
	st->st_mtime = any_int(0, INT32_MAX);
	return any_int(-1, 0);
}

int unlink(const char *path)
{
	check_path(path);
	return any_int(-1, 0);
}

int unlinkat(int at, const char *path, int flags)
{
	check_path(path);
	(void)at;
	(void)flags;
	errno = any_int(1, 133);
	return any_int(-1, 0);
}

int renameat(int from, const char *path, int to, const char *name)
{
	check_path(path);
	check_path(name);
	(void)from;
	(void)to;
	errno = any_int(1, 133);
	return any_int(-1, 0);
}

static void read_one(int size)
{
	struct record record;
	struct connection_addr connection;
	bool there;

	file_size = size;
	there = record_read("/var/run/vhci_hcd", 7, &record, &connection);
	/*@ assert result: there == 0 || there == 1; */
}

static void read_session(int size)
{
	struct connection_addr connection = { 0 };
	struct record record;
	bool there;

	file_size = size;
	there = record_read("/var/run/usbiphp", 7, &record, &connection);
	/*@ assert result: there == 0 || there == 1; */
	there = connection_read("/var/run/usbiphp", "1-1", &connection);
	/*@ assert result: there == 0 || there == 1; */
}

void prove_record_sessions(void)
{
	/*@ loop unroll FILE_SHORT + 2; */
	for (int size = -1; size <= FILE_SHORT; size++)
		read_session(size);
	read_session(FILE_LONG);
	END();
}

/* None, a short file of any size, and one longer than what is read of it. */
void prove_record_read(void)
{
	/*@ loop unroll FILE_SHORT + 2; */
	for (int size = -1; size <= FILE_SHORT; size++)
		read_one(size);
	read_one(FILE_LONG);
	END();
}

void prove_record_write(void)
{
	int error;

	any_string(server.host, sizeof(server.host));
	any_string(server.port, sizeof(server.port));
	record_remove(any_string(dir, sizeof(dir)), (unsigned)any_size(0, UINT32_MAX));
	error = record_write(any_string(dir, sizeof(dir)), (unsigned)any_size(0, UINT32_MAX),
			     &server, any_string(busid, sizeof(busid)),
			     any_int(0, 1) ? any_string(more, sizeof(more)) : NULL);

	/*@ assert result: error == 0 || -133 <= error <= -1; */
	END();
}

/* A string of len characters. */
static char *short_string(char *block, size_t len)
{
	/*@ loop unroll SHORT; */
	for (size_t i = 0; i < len; i++)
		block[i] = (char)any_int(1, 127);
	block[len] = '\0';
	return block;
}

void prove_record_write_short(void)
{
	size_t d = any_size(0, SHORT), h = any_size(0, SHORT), b = any_size(0, SHORT);
	unsigned n = any_int(0, 1) ? 0 : 3839;
	int error;

	exact = true;
	/*@ split d; */
	/*@ split h; */
	/*@ split b; */
	short_string(server.host, h);
	short_string(server.port, 1);
	error = record_write(short_string(dir, d), n, &server, short_string(busid, b), any_int(0, 1) ? "" : NULL);
	/*@ assert result: error == 0 || -133 <= error <= -1; */
	record_remove(dir, n);
	END();
}
