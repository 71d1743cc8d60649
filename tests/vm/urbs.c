/* SPDX-License-Identifier: MIT */
/*
 * In a test guest: URBs to a device from user space, whose first interface with that endpoint is
 * taken from its driver. Its status is 0, or 1 after a line with the reason.
 *
 *	urbs NODE iso INTERFACE ALTERNATE ENDPOINT COUNT    so many isochronous URBs of 8 packets
 *	urbs NODE unlink INTERFACE ALTERNATE ENDPOINT COUNT so many URBs, cancelled after they were sent
 *	urbs NODE cancel INTERFACE ALTERNATE ENDPOINT COUNT 8 times as many, cancelled at once
 *	urbs NODE flood INTERFACE ALTERNATE ENDPOINT COUNT  so many isochronous URBs at once, when its input ends
 *
 * ENDPOINT is its address. Data of an isochronous IN are those that liar.c makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PACKETS = 8, PACKET = 192, FLYING = 8, SIZE = PACKETS * PACKET, LEAST = 8 };

struct flight {
	unsigned char data[SIZE];
	struct usbdevfs_urb *urb;
};

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static struct flight *make_flights(unsigned count)
{
	struct flight *flight = calloc(count, sizeof(*flight));

	for (unsigned i = 0; flight && i < count; i++) {
		flight[i].urb = calloc(1, sizeof(struct usbdevfs_urb) +
				       PACKETS * sizeof(struct usbdevfs_iso_packet_desc));
		if (!flight[i].urb)
			flight = NULL;
	}
	if (!flight)
		fail("memory");
	return flight;
}

static int take_interface(int fd, unsigned interface, unsigned alternate)
{
	struct usbdevfs_ioctl driver = { .ifno = (int)interface, .ioctl_code = USBDEVFS_DISCONNECT };
	struct usbdevfs_setinterface setting = { interface, alternate };

	ioctl(fd, USBDEVFS_IOCTL, &driver);
	if (ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface))
		return fail("claim");
	return alternate && ioctl(fd, USBDEVFS_SETINTERFACE, &setting) ? fail("setting") : 0;
}

static int submit(int fd, struct flight *flight, unsigned char endpoint, bool iso)
{
	struct usbdevfs_urb *urb = flight->urb;

	memset(urb, 0, sizeof(*urb));
	urb->type = iso ? USBDEVFS_URB_TYPE_ISO : USBDEVFS_URB_TYPE_INTERRUPT;
	urb->flags = iso ? USBDEVFS_URB_ISO_ASAP : 0;
	urb->endpoint = endpoint;
	urb->buffer = flight->data;
	urb->buffer_length = iso ? SIZE : LEAST;
	urb->usercontext = flight;
	urb->number_of_packets = iso ? PACKETS : 0;
	for (int i = 0; iso && i < PACKETS; i++)
		urb->iso_frame_desc[i].length = PACKET;
	memset(flight->data, 0xee, SIZE);
	return ioctl(fd, USBDEVFS_SUBMITURB, urb) ? fail("submit") : 0;
}

/* Each byte tells of its place. */
static bool is_sound(const struct flight *flight)
{
	for (unsigned i = 0; i < PACKETS; i++)
		for (unsigned k = 0; k < flight->urb->iso_frame_desc[i].actual_length; k++)
			if (flight->data[i * PACKET + k] != (unsigned char)(i * PACKET + k))
				return false;
	return true;
}

static int check_iso(const struct flight *flight, bool in)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		const struct usbdevfs_iso_packet_desc *packet = &flight->urb->iso_frame_desc[i];

		if (packet->status || packet->actual_length != PACKET - (in ? PACKET % (i + 2) : 0)) {
			printf("packet %u: status %d, %u bytes\n", i, (int)packet->status,
			       packet->actual_length);
			return 1;
		}
	}
	if (in && !is_sound(flight)) {
		printf("other bytes\n");
		return 1;
	}
	return 0;
}

static struct flight *reap(int fd)
{
	struct usbdevfs_urb *urb;

	return ioctl(fd, USBDEVFS_REAPURB, &urb) ? NULL : urb->usercontext;
}

static int run_iso(int fd, unsigned char endpoint, unsigned count, struct flight *flight)
{
	bool in = endpoint & 0x80;
	unsigned sent = 0;

	for (; sent < FLYING && sent < count; sent++)
		if (submit(fd, &flight[sent], endpoint, true))
			return 1;
	for (unsigned i = 0; i < count; i++) {
		struct flight *done = reap(fd);

		if (!done)
			return fail("reap");
		if (done->urb->status) {
			printf("status %d\n", done->urb->status);
			return 1;
		}
		if (check_iso(done, in) || (sent < count && submit(fd, done, endpoint, true)))
			return 1;
		sent += sent < count;
	}
	return 0;
}

/* So many at once when the standard input ends. Nobody waits for them: it is to be killed. */
static int run_flood(int fd, unsigned char endpoint, unsigned count)
{
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	for (unsigned i = 0; i < count; i++) {
		struct flight *flight = make_flights(1);

		if (!flight || submit(fd, flight, endpoint, true))
			return 1;
	}
	for (;;)
		pause();
}

static int check_cancelled(const struct flight *flight)
{
	int status = flight ? flight->urb->status : 0;

	if (!flight)
		return fail("reap");
	if (status && status != -ENOENT && status != -ECONNRESET) {
		printf("status %d\n", status);
		return 1;
	}
	return 0;
}

/* What is sent later has been answered: so the URB was sent. */
static int run_unlink(int fd, unsigned char endpoint, unsigned count, struct flight *flight)
{
	unsigned char status[2];
	struct usbdevfs_ctrltransfer get = { .bRequestType = 0x80, .wLength = sizeof(status),
					     .timeout = 5000, .data = status };

	for (unsigned i = 0; i < count; i++) {
		if (submit(fd, flight, endpoint, false))
			return 1;
		if (ioctl(fd, USBDEVFS_CONTROL, &get) < 0)
			return fail("control");
		ioctl(fd, USBDEVFS_DISCARDURB, flight->urb);
		if (check_cancelled(reap(fd)))
			return 1;
	}
	return 0;
}

/* The first ones are cancelled when the kernel has just got them, the others later. */
static int run_cancel(int fd, unsigned char endpoint, unsigned count, struct flight *flight)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < FLYING; k++) {
			if (submit(fd, &flight[k], endpoint, false))
				return 1;
			if (k >= i % FLYING)
				ioctl(fd, USBDEVFS_DISCARDURB, flight[k].urb);
		}
		for (unsigned k = 0; k < i % FLYING; k++)
			ioctl(fd, USBDEVFS_DISCARDURB, flight[k].urb);
		for (unsigned k = 0; k < FLYING; k++)
			if (check_cancelled(reap(fd)))
				return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct flight *flight = make_flights(FLYING);
	int fd = argc == 7 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	unsigned char endpoint;
	unsigned count;

	if (fd < 0)
		return fail("open");
	if (!flight)
		return 1;
	endpoint = (unsigned char)strtoul(argv[5], NULL, 16);
	count = (unsigned)atoi(argv[6]);
	if (take_interface(fd, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4])))
		return 1;
	if (!strcmp(argv[2], "iso"))
		return run_iso(fd, endpoint, count, flight);
	if (!strcmp(argv[2], "flood"))
		return run_flood(fd, endpoint, count);
	if (!strcmp(argv[2], "unlink"))
		return run_unlink(fd, endpoint, count, flight);
	return run_cancel(fd, endpoint, count, flight);
}
