/* SPDX-License-Identifier: MIT */
/* Tests of usbfs/node: the system calls, on files that are no devices. */
#include "usbfs/node.h"

#include "tests/files.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 8192 };

static void ioctls(void)
{
	int pipes[2], waiting = 0;

	must(!pipe(pipes) && write(pipes[1], "abc", 3) == 3, "make a pipe");
	CHECK_INT(usbfs_ioctl(pipes[0], FIONREAD, &waiting), 0);
	CHECK_INT(waiting, 3);
	CHECK_INT(usbfs_ioctl(pipes[0], USBDEVFS_RESET, NULL), -ENOTTY);
	close(pipes[0]);
	close(pipes[1]);
	CHECK_INT(usbfs_ioctl(-1, USBDEVFS_RESET, NULL), -EBADF);
}

/* An emulator answers msync(2) and others of what it keeps for its program, too. */
static bool node_is_mapped(void)
{
	char *text = file_read("/proc/self/maps", NULL);
	bool mapped = strstr(text, "memfd:node") != NULL;

	free(text);
	return mapped;
}

static void maps(void)
{
	int fd = memfd_create("node", MFD_CLOEXEC);
	char byte = 0;
	char *map;

	must(fd >= 0 && !ftruncate(fd, SIZE), "make a file");
	map = usbfs_map(fd, SIZE);
	must(map != NULL, "map it");
	map[SIZE - 1] = 'x'; /* it is the file's memory */
	CHECK_INT(pread(fd, &byte, 1, SIZE - 1), 1);
	CHECK_INT(byte, 'x');
	CHECK(node_is_mapped());
	usbfs_unmap(map, SIZE);
	CHECK(!node_is_mapped());
	close(fd);
	CHECK(!usbfs_map(fd, SIZE));
}

static void plain(void)
{
	char *memory = usbfs_map(USBFS_PLAIN, SIZE), *other = usbfs_map(USBFS_PLAIN, SIZE);

	must(memory && other, "get memory");
	memset(other, 'y', SIZE);
	for (unsigned i = 0; i < SIZE; i++)
		CHECK_INT(memory[i], 0);
	usbfs_unmap(memory, SIZE);
	usbfs_unmap(other, SIZE);
	CHECK(!usbfs_map(USBFS_PLAIN, SIZE_MAX / 2));
}

int main(void)
{
	RUN("t_usbfs_node: ioctls", ioctls);
	RUN("t_usbfs_node: maps", maps);
	RUN("t_usbfs_node: plain memory", plain);
	return check_status();
}
