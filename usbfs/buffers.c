/* SPDX-License-Identifier: MIT */
/* Memory for URBs, plain or mapped. */
#include "usbfs/buffers.h"

#include "usbfs/node.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

enum {
	CLASS_MIN = 512,      /* bytes in the class 0 */
	POOL_PARTS = 32,      /* buffers of the class 0 that are parts of one map */
	POOL_SIZE = POOL_PARTS * CLASS_MIN,
	PAGE = 4096,	      /* what the kernel allocates at least, or a part of it */
	MAP_MAX = 4 << 20,    /* what the kernel can allocate in one piece */
	MAPS_MAX = 1 << 20,   /* of a device, beside its largest buffer that can be one */
	PROBE_SIZE = 64 << 10,
	PROBE_TURNS = 4,
	PROBE_FACTOR = 4, /* a map that is so many times slower is not cached */
};

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

/* The shortest time in which memory can be read, in ns. */
static unsigned long long time_read(const void *memory)
{
	const volatile unsigned long *word = memory;
	unsigned long long best = ~0ull, began;

	for (unsigned turn = 0; turn < PROBE_TURNS; turn++) {
		began = now_ns();
		for (size_t i = 0; i < PROBE_SIZE / sizeof(*word); i++)
			(void)word[i];
		began = now_ns() - began;
		best = began < best ? began : best;
	}
	return best;
}

static bool kernel_maps_right(void)
{
	struct utsname name;
	unsigned long major, minor;
	char *end;

	if (uname(&name))
		return false;
	major = strtoul(name.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 5 || (major == 5 && minor >= 7);
}

bool usbfs_maps_are_cheap(int fd)
{
	void *plain, *map = kernel_maps_right() ? usbfs_map(fd, PROBE_SIZE) : NULL;
	bool cheap = false;

	if (!map)
		return false;
	plain = usbfs_map(USBFS_PLAIN, PROBE_SIZE);
	if (plain) {
		cheap = time_read(map) / PROBE_FACTOR <= time_read(plain);
		usbfs_unmap(plain, PROBE_SIZE);
	}
	usbfs_unmap(map, PROBE_SIZE);
	return cheap;
}

unsigned usbfs_buffer_class(size_t size)
{
	unsigned class = 0;

	while ((size_t)CLASS_MIN << class < size)
		class++;
	return class;
}

static bool may_map(const struct usbfs_buffers *buffers, size_t size)
{
	return buffers->maps && size >= PAGE &&
	       buffers->mapped + size <= MAPS_MAX + buffers->largest &&
	       buffers->mapped + size <= buffers->limit;
}

/* Whole pages, so that what it is said to take is what it takes. */
static bool make_plain(struct usbfs_buffer *buffer, size_t size)
{
	size = (size + PAGE - 1) / PAGE * PAGE;
	buffer->data = usbfs_map(USBFS_PLAIN, size);
	buffer->size = buffer->data ? (uint32_t)size : 0;
	return buffer->data;
}

static bool make_memory(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer, size_t size)
{
	buffer->data = may_map(buffers, size) ? usbfs_map(buffers->fd, size) : NULL;
	buffer->mapped = buffer->data != NULL;
	if (!buffer->mapped)
		return make_plain(buffer, size);
	buffer->size = (uint32_t)size;
	buffers->mapped += size;
	return true;
}

static void drop_memory(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer)
{
	if (buffer->data)
		usbfs_unmap(buffer->data, buffer->size);
	if (buffer->mapped)
		buffers->mapped -= buffer->size;
	*buffer = (struct usbfs_buffer){ NULL, 0, false };
}

/* False: all are in use. */
static bool take_part(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer)
{
	struct usbfs_buffer *pool = &buffers->pool;
	unsigned i = 0;

	if (!pool->data)
		make_memory(buffers, pool, POOL_SIZE);
	while (i < POOL_PARTS && buffers->parts >> i & 1)
		i++;
	if (!pool->data || i == POOL_PARTS)
		return false;
	buffers->parts |= 1u << i;
	buffer->data = pool->data + (size_t)i * CLASS_MIN;
	buffer->size = CLASS_MIN;
	return true;
}

static void give_part(struct usbfs_buffers *buffers, struct usbfs_buffer *part)
{
	buffers->parts &= ~(1u << (part->data - buffers->pool.data) / CLASS_MIN);
	*part = (struct usbfs_buffer){ NULL, 0, false };
	if (!buffers->parts)
		drop_memory(buffers, &buffers->pool);
}

bool usbfs_buffer_make(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer, unsigned class)
{
	size_t size = (size_t)CLASS_MIN << class;

	if (size > buffers->largest && size <= MAP_MAX)
		buffers->largest = size;
	return (!class && take_part(buffers, buffer)) || make_memory(buffers, buffer, size);
}

bool usbfs_buffer_grow(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer, size_t size)
{
	if (buffer->size >= size)
		return true;
	drop_memory(buffers, buffer);
	return make_plain(buffer, size);
}

void usbfs_buffer_free(struct usbfs_buffers *buffers, struct usbfs_buffer *buffer)
{
	if (buffer->size == CLASS_MIN)
		give_part(buffers, buffer);
	else
		drop_memory(buffers, buffer);
}
