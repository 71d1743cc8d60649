/* SPDX-License-Identifier: MIT */
/* Uevents: the kernel's messages that a device came, went or got a driver. */
#include "sysfs/device.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MESSAGE_SIZE = 4096, /* the kernel's limit is 2048 (UEVENT_BUFFER_SIZE) and a path */
	RECEIVE_BUFFER = 256 * 1024, /* for the burst of a hub with many devices */
	KERNEL_GROUP = 1,
};

enum uevent uevent_parse(const char *buf, size_t len)
{
	bool device = false, matters = false, on_vhci = false;
	const char *end = buf + len;

	/* "ACTION@PATH", then KEY=VALUE lines, each with its terminator; the last byte is one */
	if (!len || end[-1])
		return UEVENT_OTHER;
	for (const char *line = buf; line < end; line = strchr(line, '\0') + 1) {
		if (!strncmp(line, "DEVPATH=", 8))
			on_vhci = strstr(line, "/vhci_hcd") != NULL;
		else if (!strcmp(line, "ACTION=remove") || !strcmp(line, "ACTION=bind"))
			matters = true;
		else if (!strcmp(line, "DEVTYPE=usb_device"))
			device = true;
	}
	if (!device || !matters)
		return UEVENT_OTHER;
	return on_vhci ? UEVENT_IMPORTED : UEVENT_LOCAL;
}

int uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int size = RECEIVE_BUFFER, error;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int uevent_receive(int fd)
{
	char buf[MESSAGE_SIZE];
	struct sockaddr_nl sender = { 0 };
	socklen_t size = sizeof(sender);
	/* MSG_TRUNC: returns the length of the message even if it does not fit */
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_TRUNC, (struct sockaddr *)&sender, &size);

	if (n < 0)
		return errno == EINTR ? UEVENT_OTHER : -errno;
	/* only the kernel has port id 0; other processes may send to the group with their own */
	if (sender.nl_pid || (size_t)n > sizeof(buf))
		return UEVENT_OTHER;
	return (int)uevent_parse(buf, (size_t)n);
}
