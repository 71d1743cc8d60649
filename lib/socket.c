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

int socket_receive(int fd, void *buf, size_t size, int flags)
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

int socket_send_all(int fd, const void *bytes, size_t len)
{
	ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

size_t socket_pair_text(int fd, char *text)
{
	char address_text[ADDR_TEXT_SIZE];
	struct in6_addr address;
	size_t len = 0;

	for (int peer = 0; peer < 2; peer++) {
		struct addr end = { .len = sizeof(end.sa) };
		int error = peer ? getpeername(fd, &end.sa.any, &end.len)
				 : getsockname(fd, &end.sa.any, &end.len);
		sa_family_t family = end.sa.any.sa_family;
		unsigned port;

		if (error || (family != AF_INET && family != AF_INET6)) {
			text[0] = '\0';
			return 0;
		}
		port = addr_split(&end, &address);
		addr_text(&address, address_text);
		len += str_format(text + len, SOCKET_PAIR_SIZE - len, "%s%s %u", peer ? " " : "",
				  address_text, port);
	}
	return len;
}
