/* SPDX-License-Identifier: MIT */
/* The list of devices that clients get. */
#include "host/listing.h"

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

void listing_head(struct listing *listing, enum op_code code)
{
	op_devlist_head_encode(listing->bytes, LISTING_SIZE, code, listing->devices);
}
