/* SPDX-License-Identifier: MIT */
/*
 * Requests of one kind to a device, for tests/bench/engines.py:
 *	urbs NODE control NUMBER		its device descriptor, one at a time
 *	urbs NODE bulk NUMBER DEPTH SIZE	from endpoint 0x81, so many in flight
 *	urbs DISK random NUMBER SIZE		reads all over the first 4 MiB, one at a time
 */
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, DISK_SIZE = 4 << 20 };

static void must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static void control(int fd, unsigned number)
{
	struct usb_device_descriptor device;
	struct usbdevfs_ctrltransfer transfer = {
		USB_DIR_IN, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE << 8, 0, sizeof(device), 5000, &device,
	};

	while (number--)
		must(ioctl(fd, USBDEVFS_CONTROL, &transfer), "control");
}

static void bulk(int fd, unsigned number, unsigned depth, int size)
{
	static struct usbdevfs_urb urb[DEPTH_MAX];
	unsigned interface = 0, submitted = 0, reaped = 0;
	struct usbdevfs_urb *done;

	must(ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface), "claim");
	while (reaped < number) {
		if (submitted < number && submitted - reaped < depth) {
			/* they come back in order, so the place is free */
			done = &urb[submitted++ % depth];
			if (!done->buffer)
				done->buffer = malloc((size_t)size);
		} else {
			must(ioctl(fd, USBDEVFS_REAPURB, &done), "reap");
			must(done->status ? -1 : 0, "bulk");
			reaped++;
			continue;
		}
		done->type = USBDEVFS_URB_TYPE_BULK;
		done->endpoint = 0x81;
		done->buffer_length = size;
		must(ioctl(fd, USBDEVFS_SUBMITURB, done), "submit");
	}
}

static void read_random(int fd, unsigned number, size_t size)
{
	void *buffer = aligned_alloc(4096, size);
	unsigned long at = 1;

	while (number--) {
		at = at * 1103515245 + 12345;
		must((int)pread(fd, buffer, size, (off_t)(at / 65536 * size % DISK_SIZE)), "read");
	}
}

int main(int argc, char **argv)
{
	unsigned number[3] = { 0 };
	int fd;

	if (argc < 4)
		return 2;
	fd = open(argv[1], strcmp(argv[2], "random") ? O_RDWR : O_RDONLY | O_DIRECT);
	must(fd, argv[1]);
	for (int i = 0; i < 3 && i + 3 < argc; i++)
		number[i] = (unsigned)strtoul(argv[i + 3], NULL, 10);
	if (!strcmp(argv[2], "control"))
		control(fd, number[0]);
	else if (!strcmp(argv[2], "bulk") && number[1] && number[1] <= DEPTH_MAX)
		bulk(fd, number[0], number[1], (int)number[2]);
	else if (!strcmp(argv[2], "random"))
		read_random(fd, number[0], number[1]);
	return 0;
}
