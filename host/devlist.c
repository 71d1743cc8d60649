/* SPDX-License-Identifier: MIT */
/* The device list that clients get. */
#include "host/devlist.h"

#include <assert.h>
#include <string.h>

void devlist_clear(struct devlist *devlist)
{
	devlist->devices = 0;
	devlist->len = OP_DEVLIST_HEAD_SIZE;
}

bool devlist_add(struct devlist *devlist, const struct op_device *device,
		 const struct op_interface *interface)
{
	int n = op_record_encode(devlist->bytes + devlist->len, DEVLIST_SIZE - devlist->len, device,
				 interface);

	if (n < 0)
		return false;
	devlist->devices++;
	devlist->len += (size_t)n;
	return true;
}

void devlist_filter(const struct devlist *devlist, struct devlist *part,
		    bool (*allowed)(void *ctx, const char *busid), void *ctx)
{
	size_t size;

	devlist_clear(part);
	for (size_t at = OP_DEVLIST_HEAD_SIZE; at < devlist->len; at += size) {
		const uint8_t *record = devlist->bytes + at;

		size = op_record_size(record);
		assert(size <= devlist->len - at);
		if (!allowed(ctx, (const char *)record + OP_PATH_SIZE))
			continue;
		memcpy(part->bytes + part->len, record, size);
		part->len += size;
		part->devices++;
	}
}

void devlist_set_head(struct devlist *devlist, enum op_code code)
{
	op_devlist_head_encode(devlist->bytes, DEVLIST_SIZE, code, devlist->devices);
}
