/* SPDX-License-Identifier: MIT */
/* What both roles need of sockets. */
#include "loop/socket.h"

#include <errno.h>

int socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}
