/* SPDX-License-Identifier: MIT */
/* Stream sockets that do not block. */
#include "lib/socket.h"

#include "lib/str.h"

#include <assert.h>
#include <errno.h>

int socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int receive_with_flags(int fd, void *buf, size_t size, int flags)
{
	ssize_t n;

	assert(size); /* or recv() would return 0, which means the end of the stream here */
	n = recv(fd, buf, size, flags);
	if (n > 0)
		return (int)n;
	if (!n)
		return -ECONNRESET;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int socket_receive(int fd, void *buf, size_t size)
{
	return receive_with_flags(fd, buf, size, 0);
}

int socket_peek(int fd, void *buf, size_t size)
{
	return receive_with_flags(fd, buf, size, MSG_PEEK);
}

int socket_send_all(int fd, const void *bytes, size_t len)
{
	ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Writes "ADDRESS PORT" of the end that get_name, getsockname() or getpeername(), tells. */
static size_t end_text(int fd, int (*get_name)(int, struct sockaddr *, socklen_t *), char *text,
		       size_t size)
{
	struct addr end;
	struct in6_addr address;
	char address_text[ADDR_TEXT_SIZE];
	uint16_t port;

	end.len = sizeof(end.sa);
	if (get_name(fd, &end.sa.any, &end.len) ||
	    (end.sa.any.sa_family != AF_INET && end.sa.any.sa_family != AF_INET6))
		return 0;
	port = addr_split(&end, &address);
	addr_text(&address, address_text);
	return str_format(text, size, "%s %u", address_text, (unsigned)port);
}

bool socket_pair_text(int fd, char *text)
{
	size_t len = end_text(fd, getsockname, text, SOCKET_PAIR_SIZE), more = 0;

	if (len) {
		text[len++] = ' ';
		more = end_text(fd, getpeername, text + len, SOCKET_PAIR_SIZE - len);
	}
	text[len + more] = '\0';
	return more != 0;
}
