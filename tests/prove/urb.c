/* SPDX-License-Identifier: MIT */
/*
 * proto/urb: any messages and statuses, and any packets of a buffer of any length.
 * SOURCES: proto/urb.c proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 */
#include "proto/urb.h"

#include "tests/prove/prove.h"

#include <errno.h>


void prove_urb_command_decode(void)
{
	uint8_t buf[URB_SIZE];
	struct urb_command command;
	int error;

	any_bytes(buf, sizeof(buf));
	error = urb_command_decode(buf, &command);
	/*@ assert result: error == 0 || error == -EBADMSG; */
	/*@ assert code: error == 0 ==> command.code == URB_CMD_SUBMIT || command.code == URB_CMD_UNLINK; */
	/*@ assert endpoint: error == 0 ==> command.endpoint <= 15; */
	/*@ assert length: error == 0 ==> command.length <= INT32_MAX; */
	/*@ assert whole: \initialized(&command.seqnum) && \initialized(&command.devid) &&
	        \initialized(&command.in) && \initialized(&command.flags) &&
	        \initialized(&command.start_frame) && \initialized(&command.packets) &&
	        \initialized(&command.interval) && \initialized(&command.setup[0 .. 7]) &&
	        \initialized(&command.victim); */
	END();
}

void prove_urb_command_encode(void)
{
	uint8_t buf[URB_SIZE];
	struct urb_command command;

	any_bytes(&command, sizeof(command));
	command.in = any_int(0, 1);
	urb_command_encode(buf, &command);
	/*@ assert written: \initialized(&buf[0 .. URB_SIZE - 1]); */
	/*@ assert direction: buf[15] <= 1; */
	END();
}

void prove_urb_reply_decode(void)
{
	uint8_t buf[URB_SIZE];
	struct urb_reply reply;
	int error;

	any_bytes(buf, sizeof(buf));
	error = urb_reply_decode(buf, &reply);
	/*@ assert result: error == 0 || error == -EBADMSG; */
	/*@ assert code: error == 0 ==> reply.code == URB_RET_SUBMIT || reply.code == URB_RET_UNLINK; */
	/*@ assert length: error == 0 ==> reply.length <= INT32_MAX; */
	/*@ assert whole: \initialized(&reply.seqnum) && \initialized(&reply.status) &&
	        \initialized(&reply.start_frame) && \initialized(&reply.packets) &&
	        \initialized(&reply.errors); */
	END();
}

void prove_urb_reply_encode(void)
{
	uint8_t buf[URB_SIZE];
	struct urb_reply reply;

	any_bytes(&reply, sizeof(reply));
	urb_reply_encode(buf, &reply);
	/*@ assert written: \initialized(&buf[0 .. URB_SIZE - 1]); */
	/*@ assert nothing: buf[8] == 0 && buf[19] == 0; */
	END();
}

void prove_urb_packet(void)
{
	uint8_t buf[URB_PACKET_SIZE], again[URB_PACKET_SIZE];
	struct urb_packet packet;

	any_bytes(buf, sizeof(buf));
	urb_packet_decode(buf, &packet);
	/*@ assert whole: \initialized(&packet.offset) && \initialized(&packet.length) &&
	        \initialized(&packet.actual) && \initialized(&packet.status); */
	urb_packet_encode(again, &packet);
	/*@ assert written: \initialized(&again[0 .. URB_PACKET_SIZE - 1]); */
	END();
}

void prove_urb_packet_fits(void)
{
	struct urb_packet packet;
	uint32_t length = (uint32_t)any_size(0, UINT32_MAX);
	uint32_t left = (uint32_t)any_size(0, length);
	bool fits;

	any_bytes(&packet, sizeof(packet));
	fits = urb_packet_fits(&packet, length, &left);
	/*@ assert answer: fits == 0 || fits == 1; */
	END();
}

void prove_urb_status(void)
{
	int status = any_int(INT32_MIN, INT32_MAX), wire = urb_status_to_wire(status),
	    here = urb_status_from_wire(status);

	/*@ assert wire: -121 <= wire <= 0; */
	/*@ assert here: -4096 < here <= 0; */
	END();
}
