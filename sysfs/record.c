/* SPDX-License-Identifier: MIT */
/* The notes on what is attached to which vhci port. */
#include "sysfs/record.h"

#include "proto/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = ENDPOINT_HOST_SIZE + ENDPOINT_PORT_SIZE + BUSID_SIZE + RECORD_MORE_SIZE };

static void record_path(char *path, const char *dir, unsigned port)
{
	text_format(path, PATH_MAX, "%s/port%u", dir, port);
}

int record_write(const char *dir, unsigned port, const char *host, const char *tcp_port,
		 const char *busid, const char *more)
{
	char path[PATH_MAX], line[LINE_SIZE + 1];
	size_t len = text_format(line, sizeof(line), "%s %s %s%s%s\n", host, tcp_port, busid,
				 more && *more ? " " : "", more ? more : "");
	int fd, error = 0;

	mkdir(dir, 0700);
	record_path(path, dir, port);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  more ? 0644 : 0700);
	if (fd < 0) {
		error = -errno;
		rmdir(dir); /* none is left that is empty */
		return error;
	}
	if (write(fd, line, len) != (ssize_t)len)
		error = -ENOSPC;
	close(fd);
	if (error)
		record_remove(dir, port);
	return error;
}

/* Copies the next word, if it fits. */
static bool take_word(char **cursor, char *field, size_t size)
{
	const char *word = text_word(cursor);

	if (!word || strlen(word) >= size)
		return false;
	text_format(field, size, "%s", word);
	return true;
}

bool record_read(const char *dir, unsigned port, struct record *record)
{
	char path[PATH_MAX], line[LINE_SIZE + 1], *cursor = line;
	ssize_t n;
	int fd;

	record_path(path, dir, port);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, LINE_SIZE);
	close(fd);
	if (n <= 0)
		return false;
	line[n] = '\0';
	return take_word(&cursor, record->host, sizeof(record->host)) &&
	       take_word(&cursor, record->tcp_port, sizeof(record->tcp_port)) &&
	       take_word(&cursor, record->busid, sizeof(record->busid));
}

bool record_is(const char *dir, unsigned port, const char *host, const char *tcp_port,
	       const char *busid)
{
	struct record record;

	return record_read(dir, port, &record) && !strcmp(record.host, host) &&
	       !strcmp(record.tcp_port, tcp_port) && !strcmp(record.busid, busid);
}

void record_remove(const char *dir, unsigned port)
{
	char path[PATH_MAX];

	record_path(path, dir, port);
	unlink(path);
	rmdir(dir); /* fails while there are others, as it should */
}
