/* SPDX-License-Identifier: MIT */
/*
 * Runs one case of the kernel's driver usbtest (drivers/usb/misc/usbtest.c):
 * usbtest NODE CASE ITERATIONS LENGTH VARY SGLEN. Its status is 0, or 1 after a line with the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct usbtest_param_64 {
	__u32 test_num, iterations, length, vary, sglen;
	__s64 duration_sec, duration_usec;
};

int main(int argc, char **argv)
{
	__u32 number[5] = { 0 };
	struct usbtest_param_64 param;
	struct usbdevfs_ioctl wrapper = {
		.ifno = 0,
		.ioctl_code = (int)_IOWR('U', 100, struct usbtest_param_64),
		.data = &param,
	};
	int fd = argc == 7 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

	for (int i = 0; i < 5 && i + 2 < argc; i++)
		number[i] = (__u32)strtoul(argv[i + 2], NULL, 10);
	param = (struct usbtest_param_64){ number[0], number[1], number[2], number[3], number[4], 0, 0 };
	if (fd >= 0 && ioctl(fd, USBDEVFS_IOCTL, &wrapper) >= 0)
		return 0;
	printf("%s\n", strerror(errno));
	return 1;
}
