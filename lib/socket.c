/* SPDX-License-Identifier: MIT */
/* Stream sockets that do not block. */
#include "lib/socket.h"

#include "lib/str.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUIET_MS = 100 };

int socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

int socket_connect(const struct addr *to)
{
	int error, fd;

	fd = socket(to->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, &to->sa.any, to->len) || errno == EINPROGRESS)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
}

int socket_wait(int fd, short events, int ms)
{
	struct pollfd wanted = { fd, events, 0 };

	return poll(&wanted, 1, ms) > 0 ? wanted.revents : 0;
}

void socket_drain(int fd)
{
	static uint8_t bytes[16384];

	while (socket_wait(fd, POLLIN, QUIET_MS) &&
	       recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
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

union fds_buffer {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
};

int socket_send_fds(int fd, const void *message, size_t len, const int *fds, unsigned count)
{
	size_t bytes = count * sizeof(int);
	/* lengths are a socklen_t in musl, a size_t in glibc */
	union fds_buffer control = { .header = { .cmsg_len = (socklen_t)CMSG_LEN(bytes),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)message, len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(count <= SOCKET_FDS_MAX);
	if (count) {
		header.msg_control = &control;
		header.msg_controllen = (socklen_t)CMSG_SPACE(bytes);
		memcpy(CMSG_DATA(&control.header), fds, bytes);
	}
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t socket_receive_fds(int fd, void *message, size_t size, int *fds, unsigned count)
{
	union fds_buffer control;
	struct iovec iov = { message, size };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	int got[SOCKET_FDS_MAX] = { -1, -1 };
	struct cmsghdr *first = CMSG_FIRSTHDR(&header);

	for (unsigned i = 0; i < count; i++)
		fds[i] = -1;
	if (n < 0)
		return -errno;
	if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
		memcpy(got, CMSG_DATA(first), first->cmsg_len - CMSG_LEN(0));
	for (unsigned i = 0; i < SOCKET_FDS_MAX; i++) {
		if (i < count)
			fds[i] = got[i];
		else if (got[i] >= 0)
			close(got[i]);
	}
	return n;
}
