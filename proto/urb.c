/* SPDX-License-Identifier: MIT */
/* The messages of a session, to bytes and from bytes. */
#include "proto/urb.h"

#include "proto/wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
	ENDPOINT_MAX = 15,
	ERRNO_SAME = 34, /* up to it numbers are the same: include/uapi/asm-generic/errno-base.h */
};

/* A URB's other statuses (Documentation/driver-api/usb/error-codes.rst). The first one stands for
 * those that are not listed. */
static const struct {
	int here, wire;
} statuses[] = {
	{ EPROTO, 71 },	   { EBADR, 53 },	 { ETIME, 62 },	      { ENOSR, 63 },
	{ ECOMM, 70 },	   { EOVERFLOW, 75 },	 { EILSEQ, 84 },      { EMSGSIZE, 90 },
	{ EOPNOTSUPP, 95 }, { ECONNRESET, 104 }, { ESHUTDOWN, 108 },  { ETIMEDOUT, 110 },
	{ EHOSTUNREACH, 113 }, { EINPROGRESS, 115 }, { EREMOTEIO, 121 },
};

enum { STATUSES = sizeof(statuses) / sizeof(*statuses) };

static int32_t get_signed(struct wire_in *in)
{
	uint32_t bits = wire_get(in, 4);
	int32_t value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

int urb_command_decode(const uint8_t *buf, struct urb_command *command)
{
	struct wire_in in = { buf, URB_SIZE, false };
	uint32_t direction, endpoint;

	memset(command, 0, sizeof(*command));
	command->code = wire_get(&in, 4);
	command->seqnum = wire_get(&in, 4);
	command->devid = wire_get(&in, 4);
	direction = wire_get(&in, 4);
	endpoint = wire_get(&in, 4);
	if (command->code == URB_CMD_UNLINK) {
		command->victim = wire_get(&in, 4);
		return 0;
	}
	if (command->code != URB_CMD_SUBMIT || direction > 1 || endpoint > ENDPOINT_MAX)
		return -EBADMSG;
	command->in = direction;
	command->endpoint = (uint8_t)endpoint;
	command->flags = wire_get(&in, 4);
	command->length = wire_get(&in, 4);
	command->start_frame = wire_get(&in, 4);
	command->packets = wire_get(&in, 4);
	command->interval = wire_get(&in, 4);
	memcpy(command->setup, wire_skip(&in, sizeof(command->setup)), sizeof(command->setup));
	return command->length > INT32_MAX ? -EBADMSG : 0;
}

void urb_command_encode(uint8_t *buf, const struct urb_command *command)
{
	struct wire_out out = { buf, URB_SIZE, false };

	memset(buf, 0, URB_SIZE);
	wire_put(&out, command->code, 4);
	wire_put(&out, command->seqnum, 4);
	wire_put(&out, command->devid, 4);
	wire_put(&out, command->in, 4);
	wire_put(&out, command->endpoint, 4);
	if (command->code == URB_CMD_UNLINK) {
		wire_put(&out, command->victim, 4);
		return;
	}
	wire_put(&out, command->flags, 4);
	wire_put(&out, command->length, 4);
	wire_put(&out, command->start_frame, 4);
	wire_put(&out, command->packets, 4);
	wire_put(&out, command->interval, 4);
	wire_put_bytes(&out, command->setup, sizeof(command->setup));
}

int urb_reply_decode(const uint8_t *buf, struct urb_reply *reply)
{
	struct wire_in in = { buf, URB_SIZE, false };

	memset(reply, 0, sizeof(*reply));
	reply->code = wire_get(&in, 4);
	reply->seqnum = wire_get(&in, 4);
	wire_skip(&in, 12); /* devid, direction and endpoint */
	reply->status = get_signed(&in);
	if (reply->code == URB_RET_UNLINK)
		return 0;
	reply->length = wire_get(&in, 4);
	reply->start_frame = wire_get(&in, 4);
	reply->packets = wire_get(&in, 4);
	reply->errors = wire_get(&in, 4);
	return reply->code != URB_RET_SUBMIT || reply->length > INT32_MAX ? -EBADMSG : 0;
}

void urb_reply_encode(uint8_t *buf, const struct urb_reply *reply)
{
	struct wire_out out = { buf, URB_SIZE, false };

	memset(buf, 0, URB_SIZE);
	wire_put(&out, reply->code, 4);
	wire_put(&out, reply->seqnum, 4);
	wire_put(&out, 0, 12); /* devid, direction and endpoint */
	wire_put(&out, (uint32_t)reply->status, 4);
	if (reply->code == URB_RET_UNLINK)
		return;
	wire_put(&out, reply->length, 4);
	wire_put(&out, reply->start_frame, 4);
	wire_put(&out, reply->packets, 4);
	wire_put(&out, reply->errors, 4);
}

void urb_packet_decode(const uint8_t *buf, struct urb_packet *packet)
{
	struct wire_in in = { buf, URB_PACKET_SIZE, false };

	packet->offset = wire_get(&in, 4);
	packet->length = wire_get(&in, 4);
	packet->actual = wire_get(&in, 4);
	packet->status = get_signed(&in);
}

void urb_packet_encode(uint8_t *buf, const struct urb_packet *packet)
{
	struct wire_out out = { buf, URB_PACKET_SIZE, false };

	wire_put(&out, packet->offset, 4);
	wire_put(&out, packet->length, 4);
	wire_put(&out, packet->actual, 4);
	wire_put(&out, (uint32_t)packet->status, 4);
}

bool urb_packet_fits(const struct urb_packet *packet, uint32_t length, uint32_t *left)
{
	if (packet->length > *left || packet->offset > length - packet->length)
		return false;
	*left -= packet->length;
	return true;
}

int32_t urb_status_to_wire(int status)
{
	size_t i = STATUSES - 1;

	if (status <= 0 && status >= -ERRNO_SAME)
		return status;
	while (i && status != -statuses[i].here)
		i--;
	return -statuses[i].wire;
}

int urb_status_from_wire(int32_t status)
{
	size_t i = STATUSES - 1;

	if (status <= 0 && status >= -ERRNO_SAME)
		return status;
	while (i && status != -statuses[i].wire)
		i--;
	return -statuses[i].here;
}
