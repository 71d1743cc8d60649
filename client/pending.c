/* SPDX-License-Identifier: MIT */
/* Requests without an answer, and whether an answer fits. */
#include "client/pending.h"

#include <errno.h>
#include <stddef.h>

#define NO_PACKETS UINT32_MAX /* what the kernel's document wants of a URB without packets */

static struct pending_request *pending_at(struct pending *pending, uint16_t place)
{
	return place ? &pending->request[place - 1] : NULL;
}

static uint16_t pending_place(const struct pending *pending, const struct pending_request *request)
{
	return (uint16_t)(request - pending->request + 1);
}

static struct pending_request *pending_find(struct pending *pending, uint32_t seqnum)
{
	uint16_t place = pending->chain[seqnum % PENDING_CHAINS];
	struct pending_request *request;

	while ((request = pending_at(pending, place)) && request->seqnum != seqnum)
		place = request->next;
	return request;
}

/* An empty place that has that number from now on; NULL: there is none. */
static struct pending_request *pending_take(struct pending *pending, uint32_t seqnum)
{
	struct pending_request *request = pending_at(pending, pending->free);
	uint16_t *chain = &pending->chain[seqnum % PENDING_CHAINS];

	if (request)
		pending->free = request->next;
	else if (pending->used < PENDING_MAX)
		request = &pending->request[pending->used++];
	else
		return NULL;
	*request = (struct pending_request){ .seqnum = seqnum, .next = *chain };
	*chain = pending_place(pending, request);
	pending->count++;
	return request;
}

static void pending_drop(struct pending *pending, struct pending_request *request)
{
	uint16_t place = pending_place(pending, request);
	uint16_t *at = &pending->chain[request->seqnum % PENDING_CHAINS];

	while (*at != place)
		at = &pending_at(pending, *at)->next;
	*at = request->next;
	if (request->packets)
		pending->iso_used[request->iso] = false;
	request->kind = PENDING_NONE;
	request->next = pending->free;
	pending->free = place;
	pending->count--;
}

/* PENDING_ISO_MAX if there is none. */
static uint8_t pending_free_iso(const struct pending *pending)
{
	uint8_t iso = 0;

	while (iso < PENDING_ISO_MAX && pending->iso_used[iso])
		iso++;
	return iso;
}

int pending_add(struct pending *pending, const struct urb_command *command, uint32_t now,
		struct pending_request **added)
{
	bool submit = command->code == URB_CMD_SUBMIT;
	uint8_t iso = command->packets ? pending_free_iso(pending) : 0;
	struct pending_request *request;

	if (command->packets > URB_PACKETS_MAX || pending_find(pending, command->seqnum))
		return -EPROTO;
	request = iso < PENDING_ISO_MAX ? pending_take(pending, command->seqnum) : NULL;
	if (!request)
		return -EAGAIN;
	*added = request;
	request->since = now;
	request->in = command->in;
	request->endpoint = command->endpoint;
	request->length = command->length;
	request->packets = (uint16_t)command->packets;
	request->iso = iso;
	if (request->packets)
		pending->iso_used[iso] = true;
	request->kind = submit ? PENDING_SUBMIT : PENDING_UNLINK;
	if (submit) {
		pending->begun = true;
		pending->latest = command->seqnum;
		pending->devid = command->devid;
		return 0;
	}
	request->victim = command->victim;
	if (urb_is_after(command->victim, pending->latest)) {
		request->kind = PENDING_HELD;
		pending->held++;
	}
	return 0;
}

void pending_add_packet(struct pending *pending, const struct pending_request *request,
			uint32_t index, const struct urb_packet *packet)
{
	pending->packet[request->iso][index].offset = packet->offset;
	pending->packet[request->iso][index].length = packet->length;
}

struct pending_request *pending_release(struct pending *pending, uint32_t seqnum)
{
	struct pending_request *request = pending->request;

	if (!pending->held)
		return NULL;
	for (; request < pending->request + pending->used; request++) {
		if (request->kind != PENDING_HELD || request->victim != seqnum)
			continue;
		request->kind = PENDING_UNLINK;
		pending->held--;
		return request;
	}
	return NULL;
}

static bool is_status(int32_t status)
{
	return status <= 0 && status >= -PENDING_ERRNO_MAX;
}

static const char *check_submit(const struct pending_request *request,
				const struct urb_reply *reply)
{
	if (reply->length > request->length)
		return PENDING_WRONG "actual_length";
	if (reply->packets != request->packets &&
	    (request->packets || reply->packets != NO_PACKETS))
		return PENDING_WRONG "number_of_packets";
	if (reply->errors > request->packets && request->packets)
		return PENDING_WRONG "error_count";
	return NULL;
}

const char *pending_check(struct pending *pending, const struct urb_reply *reply,
			  struct pending_request **answered)
{
	struct pending_request *request = pending_find(pending, reply->seqnum);
	bool submit = reply->code == URB_RET_SUBMIT;

	if (!request || request->kind != (submit ? PENDING_SUBMIT : PENDING_UNLINK))
		return PENDING_WRONG "seqnum";
	*answered = request;
	if (!is_status(reply->status))
		return PENDING_WRONG "status";
	return submit ? check_submit(request, reply) : NULL;
}

const char *pending_check_packet(const struct pending *pending,
				 const struct pending_request *request, uint32_t index,
				 const struct urb_packet *packet, uint32_t length, uint32_t *sum)
{
	if (packet->offset != pending->packet[request->iso][index].offset)
		return PENDING_WRONG "offset of a packet";
	if (packet->length != pending->packet[request->iso][index].length)
		return PENDING_WRONG "length of a packet";
	if (packet->actual > packet->length || packet->actual > length - *sum)
		return PENDING_WRONG "actual_length of a packet";
	if (!is_status(packet->status))
		return PENDING_WRONG "status of a packet";
	*sum += packet->actual;
	if (index + 1 == request->packets && *sum != length)
		return PENDING_WRONG "actual_length";
	return NULL;
}

void pending_end(struct pending *pending, struct pending_request *request)
{
	struct pending_request *victim = NULL;

	if (request->kind == PENDING_UNLINK)
		victim = pending_find(pending, request->victim);
	if (victim && victim->kind == PENDING_SUBMIT)
		pending_drop(pending, victim);
	pending_drop(pending, request);
}

bool pending_has_unlink(const struct pending *pending, uint32_t now, uint32_t ago)
{
	const struct pending_request *request = pending->request;

	while (request < pending->request + pending->used &&
	       (request->kind != PENDING_UNLINK || now - request->since < ago))
		request++;
	return request < pending->request + pending->used;
}
