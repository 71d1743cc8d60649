/* SPDX-License-Identifier: MIT */
/* Records of the devices that are attached to vhci ports. */
#include "client/port_record.h"

#include "lib/file.h"
#include "lib/str.h"
#include "loop/session.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_SIZE = ENDPOINT_HOST_SIZE + ENDPOINT_PORT_SIZE + BUSID_SIZE + SESSION_TEXT_SIZE +
		    2 * (CONNECTION_ADDR_SIZE + ENDPOINT_PORT_SIZE),
};

void record_stock_dir(char *dir, size_t size, const char *run)
{
	size_t len = strlen(run);

	while (len && run[len - 1] == '/')
		len--;
	while (len && run[len - 1] != '/')
		len--;
	str_format(dir, size, "%.*svhci_hcd", (int)len, run);
}

static void record_path(char *path, const char *dir, unsigned port)
{
	str_format(path, PATH_MAX, "%s/port%u", dir, port);
}

int record_write(const char *dir, unsigned port, const struct endpoint *server, const char *busid,
		 const char *more)
{
	char path[PATH_MAX], line[LINE_SIZE + 1];
	size_t len = str_format(line, sizeof(line), "%s %s %s%s%s\n", server->host, server->port,
				busid, more && *more ? " " : "", more ? more : "");
	int error;

	record_path(path, dir, port);
	error = file_replace(AT_FDCWD, path, 0, line, len);
	if (error)
		record_remove(dir, port);
	return error;
}

/* Copies the next word. Returns false if there is none, or if it does not fit. */
static bool copy_word(char **cursor, char *field, size_t size)
{
	const char *word = str_word(cursor);

	return word && str_copy(field, size, word) == strlen(word);
}

/* The words of the line are those of the connection. */
static bool read_connection(const char *path, char *line, struct connection_addr *connection)
{
	const char *begin = str_word(&line);
	uint32_t seconds;
	struct stat st;

	if (begin && !str_decimal(begin, UINT32_MAX, &seconds))
		connection->since = time(NULL) - (int64_t)(loop_clock() / 1000) + seconds;
	else if (!lstat(path, &st)) /* the stock tools' */
		connection->since = st.st_mtime;
	if (copy_word(&line, connection->local, sizeof(connection->local)) &&
	    copy_word(&line, connection->local_port, sizeof(connection->local_port)) &&
	    copy_word(&line, connection->peer, sizeof(connection->peer)) &&
	    copy_word(&line, connection->peer_port, sizeof(connection->peer_port)))
		return true;
	connection->peer[0] = connection->peer_port[0] = '\0';
	return false;
}

bool record_read(const char *dir, unsigned port, struct record *record,
		 struct connection_addr *connection)
{
	char path[PATH_MAX], line[LINE_SIZE + 1], *cursor = line;

	record_path(path, dir, port);
	file_load(AT_FDCWD, path, O_NOFOLLOW, line, sizeof(line));
	if (!copy_word(&cursor, record->host, sizeof(record->host)) ||
	    !copy_word(&cursor, record->tcp_port, sizeof(record->tcp_port)) ||
	    !copy_word(&cursor, record->busid, sizeof(record->busid)))
		return false;
	if (connection)
		read_connection(path, cursor, connection);
	return true;
}

bool connection_read(const char *dir, const char *busid, struct connection_addr *connection)
{
	char path[PATH_MAX], line[LINE_SIZE + 1];

	str_format(path, sizeof(path), "%s/session.%s", dir, busid);
	file_load(AT_FDCWD, path, O_NOFOLLOW, line, sizeof(line));
	return read_connection(path, line, connection);
}

bool record_is_from(const struct record *record, const struct endpoint *server)
{
	return !strcmp(record->host, server->host) && !strcmp(record->tcp_port, server->port);
}

bool record_matches(const char *dir, unsigned port, const struct endpoint *server,
		    const char *busid)
{
	struct record record;

	return record_read(dir, port, &record, NULL) && record_is_from(&record, server) &&
	       !strcmp(record.busid, busid);
}

void record_remove(const char *dir, unsigned port)
{
	char path[PATH_MAX];

	record_path(path, dir, port);
	unlink(path);
}
