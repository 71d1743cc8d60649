/* SPDX-License-Identifier: MIT */
/* In a test guest: holds a file as some programs do: a disk exclusively, or a USB device by a claim
 * of its first interface. */

#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_EXCL) : -1;
	unsigned interface = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) ||
	    (S_ISCHR(st.st_mode) && ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface)))
		return 1;
	for (;;)
		pause();
}
