/* SPDX-License-Identifier: MIT */
/* In a test guest: the kernel's uevents, each in one write and ended by an empty line. */

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int big = 1 << 20;
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	char message[16384];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (bind(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return 1;
	for (;;) {
		ssize_t length = recv(fd, message, sizeof(message) - 1, 0);

		if (length <= 0)
			continue;
		for (ssize_t i = 0; i < length; i++)
			if (message[i] == '\0')
				message[i] = '\n';
		message[length] = '\n';
		if (write(STDOUT_FILENO, message, (size_t)length + 1) < 0)
			return 1;
	}
}
