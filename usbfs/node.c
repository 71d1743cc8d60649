/* SPDX-License-Identifier: MIT */
/* The system calls on a node of /dev/bus/usb. */
#include "usbfs/node.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libcs do not agree about the type of ioctl()'s request. */
int usbfs_ioctl(int fd, unsigned request, void *argument)
{
	long result = syscall(SYS_ioctl, fd, request, argument);

	return result < 0 ? -errno : (int)result;
}

void *usbfs_map(int fd, size_t size)
{
	int flags = fd == USBFS_PLAIN ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

void usbfs_unmap(void *map, size_t size)
{
	munmap(map, size);
}
