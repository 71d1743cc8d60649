/* SPDX-License-Identifier: MIT */
/* The list of devices that clients get. */
#include "host/devlist.h"

#include <string.h>

void listing_begin(struct listing *listing)
{
	listing->devices = 0;
	listing->len = OP_DEVLIST_HEAD_SIZE;
}

bool listing_add(struct listing *listing, const struct op_device *device,
		 const struct op_interface *interface)
{
	int n = op_record_encode(listing->bytes + listing->len, LISTING_SIZE - listing->len, device,
				 interface);

	if (n < 0)
		return false;
	listing->devices++;
	listing->len += (size_t)n;
	return true;
}

void listing_select(const struct listing *listing, struct listing *part,
		    bool (*allowed)(void *ctx, const char *busid), void *ctx)
{
	size_t at = OP_DEVLIST_HEAD_SIZE, size;

	listing_begin(part);
	for (; at < listing->len; at += size) {
		const uint8_t *record = listing->bytes + at;

		size = op_record_size(record);
		if (!allowed(ctx, (const char *)record + OP_PATH_SIZE))
			continue;
		memcpy(part->bytes + part->len, record, size);
		part->len += size;
		part->devices++;
	}
}

void listing_head(struct listing *listing, enum op_code code)
{
	op_devlist_head_encode(listing->bytes, LISTING_SIZE, code, listing->devices);
}
