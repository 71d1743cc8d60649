/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: messages of a session. What is decoded is encoded to the same bytes but for those that mean nothing,
 * and packets fit where a sum in 64 bits says so.
 */
#include "proto/urb.h"
#include "tests/fuzz/fuzz.h"

static void command(const uint8_t *data)
{
	struct urb_command command, again;
	uint8_t bytes[URB_SIZE];

	if (urb_command_decode(data, &command))
		return;
	HOLDS(command.endpoint <= 15 && command.length <= INT32_MAX);
	urb_command_encode(bytes, &command);
	HOLDS(!memcmp(bytes, data, 12));
	if (command.code == URB_CMD_UNLINK)
		HOLDS(!memcmp(bytes + 0x14, data + 0x14, 4));
	else
		HOLDS(command.code == URB_CMD_SUBMIT && !memcmp(bytes, data, URB_SIZE));
	HOLDS(!urb_command_decode(bytes, &again) && !memcmp(&again, &command, sizeof(command)));
}

static void reply(const uint8_t *data)
{
	struct urb_reply reply, again;
	uint8_t bytes[URB_SIZE];

	if (urb_reply_decode(data, &reply))
		return;
	HOLDS(reply.length <= INT32_MAX);
	urb_reply_encode(bytes, &reply);
	HOLDS(!memcmp(bytes, data, 8) && !memcmp(bytes + 0x14, data + 0x14, 4));
	if (reply.code == URB_RET_SUBMIT)
		HOLDS(!memcmp(bytes + 0x14, data + 0x14, 0x14));
	HOLDS(!urb_reply_decode(bytes, &again) && !memcmp(&again, &reply, sizeof(reply)));
}

static void status(int32_t status)
{
	int here = urb_status_from_wire(status);

	HOLDS(here <= 0 && here > -4096);
	HOLDS(urb_status_from_wire(urb_status_to_wire(here)) == here);
	HOLDS(urb_status_from_wire(urb_status_to_wire(status)) <= 0);
}

static void packets(const uint8_t *data, size_t size, uint32_t length)
{
	unsigned count = (unsigned)(size / URB_PACKET_SIZE);
	struct urb_packet *packet = malloc(size + 1);
	uint8_t bytes[URB_PACKET_SIZE];
	uint32_t left = length;
	uint64_t sum = 0;
	bool fit = true, each = true;

	HOLDS(packet);
	for (unsigned i = 0; i < count; i++) {
		urb_packet_decode(data + i * URB_PACKET_SIZE, packet + i);
		urb_packet_encode(bytes, packet + i);
		HOLDS(!memcmp(bytes, data + i * URB_PACKET_SIZE, URB_PACKET_SIZE));
		fit = fit && (uint64_t)packet[i].offset + packet[i].length <= length;
		sum += packet[i].length;
		each = each && urb_packet_fits(packet + i, length, &left);
		status(packet[i].status);
	}
	HOLDS(each == (fit && sum <= length));
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct urb_command any;
	uint8_t *head;

	if (size < URB_SIZE)
		return 0;
	head = malloc(URB_SIZE); /* nothing behind it may be read */
	HOLDS(head);
	memcpy(head, data, URB_SIZE);
	command(head);
	reply(head);
	urb_command_decode(head, &any);
	free(head);
	packets(data + URB_SIZE, size - URB_SIZE, any.length);
	return 0;
}
