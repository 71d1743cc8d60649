/* SPDX-License-Identifier: MIT */
/*
 * Memory for URBs: plain, or mapped from the device's node. usbfs copies a URB's data between plain
 * memory and its own; a map is the memory that the controller itself reads and writes. All maps and
 * URBs of a machine together may take usbfs_memory_mb (16 MiB), so maps are few.
 */
#ifndef USBFS_BUFFERS_H
#define USBFS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	USBFS_CLASSES = 16,		    /* of sizes: 512 bytes, the double, ... */
	USBFS_BUFFER_MAX = 16 << 20,	    /* ... the largest: usbfs takes less */
	USBFS_LENGTH_MAX = USBFS_BUFFER_MAX - 8, /* of a URB: behind a setup, if it has one */
};

struct usbfs_buffer {
	uint8_t *data; /* NULL: none */
	uint32_t size;
	bool mapped;
};

struct usbfs_buffers {
	int fd;	      /* the device's node */
	bool maps;    /* buffers may be mapped */
	size_t limit; /* bytes that maps may have */
	size_t mapped; /* bytes in maps */
	size_t largest; /* bytes of the largest buffer so far that a map can have */
	struct usbfs_buffer pool; /* its parts are buffers of the class 0 */
	uint32_t parts; /* those that are buffers, a bit each */
};

/*
 * Whether maps of this node are worth their while. Where the controller does not share the
 * processor's cache they are not: there a map is not cached, which makes it 35 to 50 times slower,
 * and before Linux 5.7 it was of somebody else's memory.
 */
bool usbfs_maps_are_cheap(int fd);

/* The smallest class of buffers with that size, which is at most USBFS_BUFFER_MAX. */
unsigned usbfs_buffer_class(size_t size);
/* A buffer of that class, or a larger one. False if there is no memory. */
bool usbfs_buffer_make(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer, unsigned class);
/* Plain memory of that size at least, in place of what was there. False if there is none. */
bool usbfs_buffer_grow(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer, size_t size);
void usbfs_buffer_free(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer);

#endif
