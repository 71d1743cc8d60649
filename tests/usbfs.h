/* SPDX-License-Identifier: MIT */
/*
 * A usbfs whose device and controller the test plays. It does with URBs what the kernel does
 * (drivers/usb/core/devio.c): data of a write are taken when it is submitted, results and data of a
 * read are written when it is reaped, and what the kernel would refuse or complain of is a fault.
 * Its test says LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap
 */
#ifndef TESTS_USBFS_H
#define TESTS_USBFS_H

#include "usbfs/node.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FAKE_URBS = 1400, FAKE_NUMBERS = 64, FAKE_PACKETS = 128, FAKE_MAPS = 1024 };

/* A URB that was submitted and not reaped yet. */
struct fake_urb {
	struct usbdevfs_urb *urb, *was; /* was: as it was submitted */
	uint8_t *data;		       /* a copy of what was sent; or what will be read */
	size_t size;
	unsigned done; /* 0: in flight; else its place among those that are done */
	int status;
	unsigned actual;
	struct usbdevfs_iso_packet_desc *packet; /* of an isochronous one */
};

static struct {
	struct fake_urb urb[FAKE_URBS];
	unsigned urbs, done;
	unsigned calls[FAKE_NUMBERS]; /* ioctls, by their number */
	/* ioctls that fail: of this number, after so many that succeed, so many times */
	unsigned fail_number, fail_after, fail_times;
	int fail_error;
	size_t memory, used; /* usbfs_memory_mb, in bytes: of URBs and maps. 0: no limit */
	bool no_memory;
	unsigned maps, maps_made, plains;
	struct {
		uint8_t *base;
		size_t size;
	} map[FAKE_MAPS];
	bool discard_loses; /* URBs complete while they are killed */
	bool gone;
	bool unconfigured; /* the device has no configuration any more, and so no interfaces */
	const char *driver; /* of every interface from driver_from on; NULL: none */
	unsigned driver_from;
	char log[4096];
	const char *fault; /* the first thing that the kernel would not have liked */
} fake;

int __wrap_usbfs_ioctl(int fd, unsigned request, void *argument);
void *__wrap_usbfs_map(int fd, size_t size);
void __wrap_usbfs_unmap(void *map, size_t size);

static inline void fake_fault(bool fault, const char *what)
{
	if (fault && !fake.fault)
		fake.fault = what;
}

static inline void fake_log(const char *word, unsigned number)
{
	size_t len = strlen(fake.log);

	snprintf(fake.log + len, sizeof(fake.log) - len, "%s%s %u", len ? ", " : "", word, number);
}

/* The URB i, in the order in which they were submitted, is done. */
static inline void fake_done(unsigned i, int status, unsigned actual)
{
	fake.urb[i].done = ++fake.done;
	fake.urb[i].status = status;
	fake.urb[i].actual = actual;
}

/* All that are in flight are killed, or those of an endpoint. */
static inline void fake_kill(int endpoint)
{
	for (unsigned i = 0; i < fake.urbs; i++)
		if (!fake.urb[i].done && (endpoint < 0 || fake.urb[i].was->endpoint == endpoint))
			fake_done(i, -ENOENT, 0);
}

static inline bool fake_is_mapped(const void *data, size_t size)
{
	const uint8_t *p = data;

	for (unsigned i = 0; i < FAKE_MAPS; i++)
		if (fake.map[i].base && p >= fake.map[i].base &&
		    p < fake.map[i].base + fake.map[i].size) {
			fake_fault(p + size > fake.map[i].base + fake.map[i].size,
				   "a URB that begins in a map ends outside");
			return true;
		}
	return false;
}

static inline bool fake_reads(const struct usbdevfs_urb *urb)
{
	const uint8_t *setup = urb->buffer;

	return urb->type == USBDEVFS_URB_TYPE_CONTROL
		       ? setup[0] & 0x80 && (setup[6] || setup[7])
		       : (urb->endpoint & 0x80) != 0;
}

static inline void fake_check(const struct usbdevfs_urb *urb)
{
	const uint8_t *setup = urb->buffer;
	unsigned flags = urb->flags;
	long long sum = 0;

	fake_fault(fake_reads(urb) ? flags & USBDEVFS_URB_ZERO_PACKET
				   : flags & USBDEVFS_URB_SHORT_NOT_OK,
		   "a flag for the other direction");
	fake_fault(flags & ~(0u | USBDEVFS_URB_SHORT_NOT_OK | USBDEVFS_URB_ISO_ASAP |
			     USBDEVFS_URB_ZERO_PACKET),
		   "an unknown flag");
	fake_fault((urb->type == USBDEVFS_URB_TYPE_ISO) != ((flags & USBDEVFS_URB_ISO_ASAP) != 0),
		   "ISO_ASAP");
	if (urb->type == USBDEVFS_URB_TYPE_CONTROL)
		fake_fault(urb->buffer_length < 8 + (setup[6] | setup[7] << 8), "a short buffer");
	if (urb->type != USBDEVFS_URB_TYPE_ISO) {
		fake_fault(urb->number_of_packets, "packets, or a stream");
		return;
	}
	fake_fault(urb->number_of_packets < 1 || urb->number_of_packets > FAKE_PACKETS,
		   "the number of packets");
	for (int i = 0; i < urb->number_of_packets && !fake.fault; i++)
		sum += urb->iso_frame_desc[i].length;
	fake_fault(sum != urb->buffer_length, "the lengths of packets");
}

static inline int fake_submit(struct usbdevfs_urb *urb)
{
	struct fake_urb *entry = &fake.urb[fake.urbs];
	size_t size = (size_t)urb->buffer_length;
	bool mapped = fake_is_mapped(urb->buffer, size);

	if (fake.memory && !mapped && fake.used + size > fake.memory)
		return -ENOMEM;
	fake_fault(fake.urbs == FAKE_URBS, "too many URBs");
	if (fake.fault)
		return -EINVAL;
	fake_check(urb);
	memset(entry, 0, sizeof(*entry));
	entry->urb = urb;
	entry->was = calloc(1, sizeof(*urb));
	memcpy(entry->was, urb, sizeof(*urb));
	entry->size = size;
	entry->data = calloc(1, size + 1);
	memcpy(entry->data, urb->buffer, size);
	if (urb->type == USBDEVFS_URB_TYPE_ISO)
		entry->packet = calloc(FAKE_PACKETS, sizeof(*entry->packet));
	for (int i = 0; entry->packet && i < urb->number_of_packets; i++)
		entry->packet[i] = urb->iso_frame_desc[i];
	fake.used += mapped ? 0 : size;
	fake.urbs++;
	return 0;
}

static inline void fake_free(const struct fake_urb *entry)
{
	free(entry->data);
	free(entry->was);
	free(entry->packet);
}

static inline int fake_reap(struct usbdevfs_urb **reaped)
{
	struct fake_urb *entry = NULL;
	struct usbdevfs_urb *urb;
	bool iso;

	for (unsigned i = 0; i < fake.urbs; i++)
		if (fake.urb[i].done && (!entry || fake.urb[i].done < entry->done))
			entry = &fake.urb[i];
	if (!entry)
		return fake.gone ? -ENODEV : -EAGAIN;
	urb = entry->urb;
	iso = urb->type == USBDEVFS_URB_TYPE_ISO;
	fake_fault(memcmp(urb, entry->was, sizeof(*urb)) != 0, "a URB was changed in flight");
	urb->status = entry->status;
	urb->actual_length = (int)entry->actual;
	for (int i = 0; iso && i < urb->number_of_packets; i++)
		urb->iso_frame_desc[i] = entry->packet[i];
	if (fake_reads(urb)) {
		size_t at = urb->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;

		memcpy((uint8_t *)urb->buffer + at, entry->data + at,
		       iso ? entry->size : entry->actual);
	}
	if (!fake_is_mapped(urb->buffer, entry->size))
		fake.used -= entry->size;
	fake_free(entry);
	memmove(entry, entry + 1, (size_t)(fake.urb + --fake.urbs - entry) * sizeof(*entry));
	*reaped = urb;
	return 0;
}

static inline int fake_discard(const struct usbdevfs_urb *urb)
{
	for (unsigned i = 0; i < fake.urbs; i++) {
		if (fake.urb[i].urb != urb)
			continue;
		if (fake.urb[i].done)
			return -EINVAL;
		fake_done(i, fake.discard_loses ? 0 : -ENOENT, fake.urb[i].actual);
		return 0;
	}
	return -EINVAL;
}

static inline int fake_do(unsigned request, void *argument)
{
	unsigned number = argument && request != USBDEVFS_GETDRIVER ? *(unsigned *)argument : 0;
	const struct usbdevfs_disconnect_claim *claim;

	switch (request) {
	case USBDEVFS_SUBMITURB:
		return fake_submit(argument);
	case USBDEVFS_REAPURBNDELAY:
		return fake_reap(argument);
	case USBDEVFS_DISCARDURB:
		return fake_discard(argument);
	case USBDEVFS_GET_CAPABILITIES:
		*(uint32_t *)argument = 0x1ff;
		return 0;
	case USBDEVFS_GETDRIVER:
		if (!fake.driver ||
		    ((struct usbdevfs_getdriver *)argument)->interface < fake.driver_from)
			return -ENODATA;
		strcpy(((struct usbdevfs_getdriver *)argument)->driver, fake.driver);
		return 0;
	case USBDEVFS_CLAIM_PORT:
		fake_log("port", number);
		return 0;
	case USBDEVFS_RELEASE_PORT:
		fake_log("release port", number);
		return 0;
	case USBDEVFS_ALLOW_SUSPEND:
		fake_log("may sleep", 0);
		return 0;
	case USBDEVFS_DISCONNECT_CLAIM:
		claim = argument;
		fake_fault(claim->flags != USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER ||
				   strcmp(claim->driver, "usbfs") != 0,
			   "a claim that would take from another program");
		fake_log("claim", number);
		return fake.unconfigured ? -EINVAL : 0;
	case USBDEVFS_RELEASEINTERFACE:
		fake_log("release", number);
		return 0;
	case USBDEVFS_SETCONFIGURATION:
		fake_log("configure", number);
		fake_kill(-1);
		fake.unconfigured &= number > 3;
		return number > 3 ? -EINVAL : 0;
	case USBDEVFS_SETINTERFACE:
		fake_log("interface", number);
		for (int endpoint = 1; endpoint < 256; endpoint++)
			fake_kill(endpoint);
		return ((struct usbdevfs_setinterface *)argument)->altsetting > 1 ? -EINVAL : 0;
	case USBDEVFS_CLEAR_HALT:
		fake_log("clear", number);
		return 0;
	case USBDEVFS_RESET:
		fake_log("reset", 0);
		fake_kill(-1);
		return 0;
	case USBDEVFS_IOCTL:
		fake_log("connect", number);
		return 0;
	}
	fake_fault(true, "an unknown ioctl");
	return -ENOTTY;
}

int __wrap_usbfs_ioctl(int fd, unsigned request, void *argument)
{
	unsigned number = _IOC_NR(request);

	(void)fd;
	fake.calls[number]++;
	if (fake.gone && request != USBDEVFS_REAPURBNDELAY && request != USBDEVFS_DISCARDURB)
		return -ENODEV;
	if (fake.fail_times && fake.fail_number == number && !fake.fail_after--) {
		fake.fail_after = 0;
		fake.fail_times--;
		return fake.fail_error;
	}
	return fake_do(request, argument);
}

void *__wrap_usbfs_map(int fd, size_t size)
{
	unsigned i = 0;
	void *base;

	if (fd == USBFS_PLAIN) {
		base = fake.no_memory ? NULL : calloc(1, size);
		fake.plains += base != NULL;
		return base;
	}
	if (fake.memory && fake.used + size > fake.memory)
		return NULL;
	while (i < FAKE_MAPS && fake.map[i].base)
		i++;
	base = i < FAKE_MAPS ? calloc(1, size) : NULL;
	if (!base)
		return NULL;
	fake.map[i].base = base;
	fake.map[i].size = size;
	fake.used += size;
	fake.maps++;
	fake.maps_made++;
	return base;
}

void __wrap_usbfs_unmap(void *map, size_t size)
{
	for (unsigned i = 0; i < FAKE_MAPS; i++)
		if (fake.map[i].base == map) {
			fake_fault(fake.map[i].size != size, "a map is given back in part");
			for (unsigned u = 0; u < fake.urbs; u++)
				fake_fault((uint8_t *)fake.urb[u].urb->buffer >= fake.map[i].base &&
						   (uint8_t *)fake.urb[u].urb->buffer <
							   fake.map[i].base + size,
					   "a map of a URB in flight is given back");
			fake.map[i].base = NULL;
			free(map);
			fake.used -= size;
			fake.maps--;
			return;
		}
	fake_fault(!fake.plains--, "no such memory");
	free(map);
}

/* Forgets everything; a URB in flight is a fault of the test. */
static inline void fake_reset(void)
{
	for (unsigned i = 0; i < fake.urbs; i++)
		fake_free(&fake.urb[i]);
	memset(&fake, 0, sizeof(fake));
}

#endif
