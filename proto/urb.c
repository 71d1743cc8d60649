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

/* Where the fields of a message are. */
enum {
	AT_CODE = 0,
	AT_SEQNUM = 4,
	AT_DEVID = 8, /* it, direction and endpoint mean nothing in a reply */
	AT_DIRECTION = 12,
	AT_ENDPOINT = 16,
	AT_VICTIM = 20,
	AT_FLAGS = 20,
	AT_STATUS = 20,
	AT_LENGTH = 24,
	AT_START_FRAME = 28,
	AT_PACKETS = 32,
	AT_INTERVAL = 36,
	AT_ERRORS = 36,
	AT_SETUP = 40,
};

static int32_t load_signed(const uint8_t *p)
{
	uint32_t bits = wire_load_be32(p);
	int32_t value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

int urb_command_decode(const uint8_t *buf, struct urb_command *command)
{
	uint32_t direction = wire_load_be32(buf + AT_DIRECTION);
	uint32_t endpoint = wire_load_be32(buf + AT_ENDPOINT);

	memset(command, 0, sizeof(*command));
	command->code = wire_load_be32(buf + AT_CODE);
	command->seqnum = wire_load_be32(buf + AT_SEQNUM);
	command->devid = wire_load_be32(buf + AT_DEVID);
	if (command->code == URB_CMD_UNLINK) {
		command->victim = wire_load_be32(buf + AT_VICTIM);
		return 0;
	}
	if (command->code != URB_CMD_SUBMIT || direction > 1 || endpoint > ENDPOINT_MAX)
		return -EBADMSG;
	command->in = direction;
	command->endpoint = (uint8_t)endpoint;
	command->flags = wire_load_be32(buf + AT_FLAGS);
	command->length = wire_load_be32(buf + AT_LENGTH);
	command->start_frame = wire_load_be32(buf + AT_START_FRAME);
	command->packets = wire_load_be32(buf + AT_PACKETS);
	command->interval = wire_load_be32(buf + AT_INTERVAL);
	memcpy(command->setup, buf + AT_SETUP, sizeof(command->setup));
	return command->length > INT32_MAX ? -EBADMSG : 0;
}

void urb_command_encode(uint8_t *buf, const struct urb_command *command)
{
	memset(buf, 0, URB_SIZE);
	wire_store_be32(buf + AT_CODE, command->code);
	wire_store_be32(buf + AT_SEQNUM, command->seqnum);
	wire_store_be32(buf + AT_DEVID, command->devid);
	wire_store_be32(buf + AT_DIRECTION, command->in);
	wire_store_be32(buf + AT_ENDPOINT, command->endpoint);
	if (command->code == URB_CMD_UNLINK) {
		wire_store_be32(buf + AT_VICTIM, command->victim);
		return;
	}
	wire_store_be32(buf + AT_FLAGS, command->flags);
	wire_store_be32(buf + AT_LENGTH, command->length);
	wire_store_be32(buf + AT_START_FRAME, command->start_frame);
	wire_store_be32(buf + AT_PACKETS, command->packets);
	wire_store_be32(buf + AT_INTERVAL, command->interval);
	memcpy(buf + AT_SETUP, command->setup, sizeof(command->setup));
}

int urb_reply_decode(const uint8_t *buf, struct urb_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->code = wire_load_be32(buf + AT_CODE);
	reply->seqnum = wire_load_be32(buf + AT_SEQNUM);
	reply->status = load_signed(buf + AT_STATUS);
	if (reply->code == URB_RET_UNLINK)
		return 0;
	reply->length = wire_load_be32(buf + AT_LENGTH);
	reply->start_frame = wire_load_be32(buf + AT_START_FRAME);
	reply->packets = wire_load_be32(buf + AT_PACKETS);
	reply->errors = wire_load_be32(buf + AT_ERRORS);
	return reply->code != URB_RET_SUBMIT || reply->length > INT32_MAX ? -EBADMSG : 0;
}

void urb_reply_encode(uint8_t *buf, const struct urb_reply *reply)
{
	memset(buf, 0, URB_SIZE);
	wire_store_be32(buf + AT_CODE, reply->code);
	wire_store_be32(buf + AT_SEQNUM, reply->seqnum);
	wire_store_be32(buf + AT_STATUS, (uint32_t)reply->status);
	if (reply->code == URB_RET_UNLINK)
		return;
	wire_store_be32(buf + AT_LENGTH, reply->length);
	wire_store_be32(buf + AT_START_FRAME, reply->start_frame);
	wire_store_be32(buf + AT_PACKETS, reply->packets);
	wire_store_be32(buf + AT_ERRORS, reply->errors);
}

void urb_packet_decode(const uint8_t *buf, struct urb_packet *packet)
{
	packet->offset = wire_load_be32(buf);
	packet->length = wire_load_be32(buf + 4);
	packet->actual = wire_load_be32(buf + 8);
	packet->status = load_signed(buf + 12);
}

void urb_packet_encode(uint8_t *buf, const struct urb_packet *packet)
{
	wire_store_be32(buf, packet->offset);
	wire_store_be32(buf + 4, packet->length);
	wire_store_be32(buf + 8, packet->actual);
	wire_store_be32(buf + 12, (uint32_t)packet->status);
}

bool urb_is_after(uint32_t seqnum, uint32_t other)
{
	return seqnum != other && seqnum - other < 1u << 31;
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
