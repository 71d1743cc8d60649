/* SPDX-License-Identifier: MIT */
/*
 * client/pending: any requests of vhci-hcd, and any answers to them.
 * SOURCES: client/pending.c proto/urb.c proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 * EVA: -eva-split-return-function check_submit:0,pending_check:0
 */
#include "client/pending.h"

#include "tests/prove/prove.h"

#include <errno.h>

enum { CHAIN = 7, LENGTH = 3 };

static struct pending pending;

/* Any command, whose number is one of a chain of three. */
static int add(unsigned which)
{
	struct urb_command command;
	struct pending_request *request = NULL;
	int error;

	any_bytes(&command, sizeof(command));
	command.code = any_int(0, 1) ? URB_CMD_SUBMIT : URB_CMD_UNLINK;
	command.in = any_int(0, 1);
	command.endpoint = (uint8_t)any_size(0, 15);
	command.packets = (uint32_t)any_size(0, UINT32_MAX);
	command.seqnum = CHAIN + which * PENDING_CHAINS;
	error = pending_add(&pending, &command, (uint32_t)any_size(0, UINT32_MAX), &request);
	/*@ assert result: error == 0 || error == -EAGAIN || error == -EPROTO; */
	/*@ assert request: error == 0 ==> &pending.request[0] <= request <= &pending.request[2]; */
	return error;
}

/* Up to three requests, and then an answer. */
void prove_pending_check(void)
{
	unsigned requests = (unsigned)any_size(0, 3);
	struct pending_request *answered = NULL;
	struct urb_reply reply;
	const char *wrong;

	/*@ split requests; */
	for (unsigned i = 0; i < requests; i++)
		add(i);
	pending_release(&pending, (uint32_t)any_size(0, UINT32_MAX));
	any_bytes(&reply, sizeof(reply));
	reply.code = any_int(0, 1) ? URB_RET_SUBMIT : URB_RET_UNLINK;
	wrong = pending_check(&pending, &reply, &answered);
	/*@ assert answered: wrong == \null ==> &pending.request[0] <= answered <= &pending.request[2]; */
	/*@ assert status: wrong == \null ==> -4095 <= reply.status <= 0; */
	if (!wrong)
		pending_end(&pending, answered);
	/*@ assert count: pending.count <= requests; */
	pending_has_unlink(&pending, (uint32_t)any_size(0, UINT32_MAX), (uint32_t)any_size(0, UINT32_MAX));
	END();
}

/* A packet of any isochronous request, and its answer. */
void prove_pending_packet(void)
{
	struct pending_request request = { .packets = (uint16_t)any_size(1, URB_PACKETS_MAX),
					   .iso = (uint8_t)any_size(0, PENDING_ISO_MAX - 1) };
	uint32_t index = (uint32_t)any_size(0, request.packets - 1u);
	uint32_t length = (uint32_t)any_size(0, LENGTH), sum = (uint32_t)any_size(0, LENGTH);
	struct urb_packet packet, answer;
	const char *wrong;

	/*@ split length; */
	/*@ split sum; */
	if (sum > length)
		return;
	any_bytes(&packet, sizeof(packet));
	any_bytes(&answer, sizeof(answer));
	pending_add_packet(&pending, &request, index, &packet);
	wrong = pending_check_packet(&pending, &request, index, &answer, length, &sum);
	/*@ assert sum: wrong == \null ==> sum <= length; */
	/*@ assert status: wrong == \null ==> -4095 <= answer.status <= 0; */
	END();
}
