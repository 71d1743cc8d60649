/* SPDX-License-Identifier: MIT */
/* The notes on what is attached to which vhci port. */
#include "client/port_record.h"

#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NOTE_SIZE = ENDPOINT_HOST_SIZE + ENDPOINT_PORT_SIZE + BUSID_SIZE +
		    2 * (SESSION_ADDRESS_SIZE + ENDPOINT_PORT_SIZE),
};

static void record_path(char *path, const char *dir, unsigned port)
{
	str_format(path, PATH_MAX, "%s/port%u", dir, port);
}

int record_write(const char *dir, unsigned port, const char *host, const char *tcp_port,
		 const char *busid, const char *more)
{
	char path[PATH_MAX], line[NOTE_SIZE + 1];
	size_t len = str_format(line, sizeof(line), "%s %s %s%s%s\n", host, tcp_port, busid,
				 more && *more ? " " : "", more ? more : "");
	int fd, error = 0;

	record_path(path, dir, port);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  more ? 0644 : 0700);
	if (fd < 0)
		error = -errno;
	else if (write(fd, line, len) != (ssize_t)len)
		error = -ENOSPC;
	if (fd >= 0)
		close(fd);
	if (error)
		record_remove(dir, port);
	return error;
}

/* Copies the next word, if it fits. */
static bool take_word(char **cursor, char *field, size_t size)
{
	const char *word = str_word(cursor);

	return word && str_format(field, size, "%s", word) == strlen(word);
}

/* The beginning of a note, terminated; empty when there is none. */
static void load(const char *path, char *line, int64_t *since)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = -1;
	struct stat st;

	if (fd >= 0) {
		n = read(fd, line, NOTE_SIZE);
		if (!fstat(fd, &st))
			*since = st.st_mtime;
		close(fd);
	}
	line[n > 0 ? n : 0] = '\0';
}

static bool take_session(char *line, struct session *session)
{
	if (take_word(&line, session->local, sizeof(session->local)) &&
	    take_word(&line, session->local_port, sizeof(session->local_port)) &&
	    take_word(&line, session->peer, sizeof(session->peer)) &&
	    take_word(&line, session->peer_port, sizeof(session->peer_port)))
		return true;
	session->peer[0] = session->peer_port[0] = '\0';
	return false;
}

bool record_read_session(const char *dir, unsigned port, struct record *record,
			 struct session *session)
{
	char path[PATH_MAX], line[NOTE_SIZE + 1], *cursor = line;

	record_path(path, dir, port);
	load(path, line, &session->since);
	if (!take_word(&cursor, record->host, sizeof(record->host)) ||
	    !take_word(&cursor, record->tcp_port, sizeof(record->tcp_port)) ||
	    !take_word(&cursor, record->busid, sizeof(record->busid)))
		return false;
	take_session(cursor, session);
	return true;
}

bool record_read(const char *dir, unsigned port, struct record *record)
{
	struct session session;

	return record_read_session(dir, port, record, &session);
}

bool session_read(const char *dir, const char *busid, struct session *session)
{
	char path[PATH_MAX], line[NOTE_SIZE + 1];

	str_format(path, sizeof(path), "%s/session.%s", dir, busid);
	load(path, line, &session->since);
	return take_session(line, session);
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
}
