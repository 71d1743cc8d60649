/* SPDX-License-Identifier: MIT */
/* A query for a descriptor, to bytes, and its reply from bytes. */
#include "proto/urb_query.h"

#include "proto/wire.h"

#include <errno.h>
#include <string.h>

enum {
	DEVICE_TO_HOST = 0x80, /* bmRequestType: standard, of the device */
	GET_DESCRIPTOR = 6,
};

void urb_query_encode(uint8_t *buf, const struct urb_query *query)
{
	const struct urb_command command = {
		.code = URB_CMD_SUBMIT, .seqnum = query->seqnum, .devid = query->devid, .in = true,
		.length = query->length,
		.setup = { /* little-endian */
			DEVICE_TO_HOST, GET_DESCRIPTOR, query->index, query->type,
			(uint8_t)query->language, (uint8_t)(query->language >> 8),
			(uint8_t)query->length, (uint8_t)(query->length >> 8),
		},
	};

	urb_command_encode(buf, &command);
}

int urb_query_decode(const uint8_t *buf, size_t len, const struct urb_query *query,
		     int32_t *status, uint16_t *data)
{
	struct urb_reply reply;

	if (len < URB_SIZE)
		return 0;
	if (urb_reply_decode(buf, &reply) || reply.code != URB_RET_SUBMIT ||
	    reply.seqnum != query->seqnum || reply.length > query->length)
		return -EBADMSG;
	*status = reply.status;
	*data = (uint16_t)reply.length;
	return len - URB_SIZE < *data ? 0 : URB_SIZE + *data;
}

static size_t encode_utf8(uint32_t c, uint8_t *out)
{
	static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	*out = (uint8_t)(c >> 6 * more | lead[more]);
	for (unsigned i = 1; i <= more; i++)
		out[i] = (uint8_t)((c >> 6 * (more - i) & 0x3f) | 0x80);
	return more + 1;
}

void urb_string_decode(const uint8_t *buf, size_t len, char *text, size_t size)
{
	uint32_t c, high = 0;
	size_t n = 0, more;
	uint8_t utf8[4];

	if (len > 2 && buf[0] < len)
		len = buf[0];
	for (size_t i = 2; i + 1 < len; i += 2) {
		c = wire_load_le16(buf + i);
		if (!c)
			break;
		if (c >> 10 == 0xd800 >> 10) {
			high = c;
			continue;
		}
		if (c >> 10 == 0xdc00 >> 10)
			c = high ? 0x10000 + ((high & 0x3ff) << 10 | (c & 0x3ff)) : 0;
		high = 0;
		more = c ? encode_utf8(c, utf8) : 0;
		if (n + more >= size)
			break;
		memcpy(text + n, utf8, more);
		n += more;
	}
	text[n] = '\0';
}
