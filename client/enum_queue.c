/* SPDX-License-Identifier: MIT */
/* The order in which the kernel enumerates the attached devices. */
#include "client/enum_queue.h"

#include <assert.h>

uint32_t enum_queue_ticket(struct enum_queue *queue)
{
	queue->tickets++;
	assert(queue->tickets);
	return queue->tickets;
}

void enum_queue_clear(struct enum_queue *queue)
{
	for (unsigned i = 0; i < VHCI_CONTROLLERS_MAX; i++)
		queue->head[i].ticket = 0;
}

void enum_queue_add(struct enum_queue *queue, unsigned controller, uint32_t ticket)
{
	struct enum_queue_head *head = &queue->head[controller];

	assert(controller < VHCI_CONTROLLERS_MAX && ticket);
	if (!head->ticket || ticket < head->ticket)
		head->ticket = ticket;
}

bool enum_queue_is_first(const struct enum_queue *queue, unsigned controller, uint32_t ticket)
{
	assert(controller < VHCI_CONTROLLERS_MAX);
	return queue->head[controller].ticket == ticket;
}

void enum_queue_progress(struct enum_queue *queue, unsigned controller, uint64_t now)
{
	assert(controller < VHCI_CONTROLLERS_MAX);
	queue->head[controller].progress = now;
}

uint64_t enum_queue_since(const struct enum_queue *queue, unsigned controller, uint64_t attached)
{
	uint64_t progress;

	assert(controller < VHCI_CONTROLLERS_MAX);
	progress = queue->head[controller].progress;
	return progress > attached ? progress : attached;
}
