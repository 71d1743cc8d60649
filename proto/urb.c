/* SPDX-License-Identifier: MIT */
/* USB requests for a descriptor, to bytes, and the replies from bytes. */
#include "proto/urb.h"

#include "proto/wire.h"

#include <errno.h>
#include <string.h>

enum {
	CMD_SUBMIT = 1,
	RET_SUBMIT = 3,
	DIRECTION_IN = 1,
	DEVICE_TO_HOST = 0x80, /* bmRequestType: standard, of the device */
	GET_DESCRIPTOR = 6,
};

void urb_request_encode(uint8_t *buf, const struct urb_request *request)
{
	const uint32_t header[] = {
		CMD_SUBMIT, request->seqnum, request->devid, DIRECTION_IN, 0 /* endpoint */,
		0 /* flags */, request->length, 0 /* start frame */,
		UINT32_MAX /* not isochronous */, 0 /* interval */,
	};
	/* USB's own, little-endian */
	const uint8_t setup[] = {
		DEVICE_TO_HOST, GET_DESCRIPTOR, request->index, request->type,
		(uint8_t)request->language, (uint8_t)(request->language >> 8),
		(uint8_t)request->length, (uint8_t)(request->length >> 8),
	};
	struct wire_out out = { buf, URB_SIZE, false };

	for (size_t i = 0; i < sizeof(header) / sizeof(*header); i++)
		wire_put(&out, header[i], 4);
	wire_put_bytes(&out, setup, sizeof(setup));
}

int urb_reply_decode(const uint8_t *buf, size_t len, const struct urb_request *request,
		     int32_t *status, uint16_t *data)
{
	struct wire_in in = { buf, len, false };
	uint32_t command = wire_get(&in, 4), seqnum = wire_get(&in, 4), code, length;

	wire_skip(&in, 12); /* devid, direction and endpoint: 0 in a reply */
	code = wire_get(&in, 4);
	memcpy(status, &code, sizeof(*status));
	length = wire_get(&in, 4);
	wire_skip(&in, 20);
	if (in.bad)
		return 0;
	if (command != RET_SUBMIT || seqnum != request->seqnum || length > request->length)
		return -EBADMSG;
	*data = (uint16_t)length;
	return in.left < length ? 0 : (int)(URB_SIZE + length);
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
