/* SPDX-License-Identifier: MIT */
/* The slots in which transfers live, and their memory. */
#include "usbfs/slots.h"

#include "proto/wire.h"

#include <assert.h>
#include <linux/usb/ch9.h>
#include <string.h>

enum {
	IDLE_MAX = 1 << 20, /* bytes in free slots, beside the largest buffer among them */
	LARGER = 3,	    /* classes by which a buffer may be larger than it has to be */
};

void list_clear(struct transfer_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

void list_push(struct transfer_list *list, struct transfer *transfer)
{
	transfer->next = NULL;
	*list->end = transfer;
	list->end = &transfer->next;
}

void list_remove(struct transfer_list *list, struct transfer *transfer)
{
	struct transfer **at = &list->first;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	if (!*at)
		list->end = at;
}

static struct transfer *stack_pop(struct transfer **first)
{
	struct transfer *transfer = *first;

	if (transfer)
		*first = transfer->next;
	return transfer;
}

static void stack_push(struct transfer **first, struct transfer *transfer)
{
	transfer->next = *first;
	*first = transfer;
}

struct transfer *transfers_find(struct transfers *transfers, uint32_t seqnum)
{
	for (unsigned i = 0; i < transfers->used; i++) {
		struct transfer *transfer = &transfers->slot[i];

		if (transfer->state != TRANSFER_FREE && transfer->command.code == URB_CMD_SUBMIT &&
		    transfer->command.seqnum == seqnum)
			return transfer;
	}
	return NULL;
}

struct transfer *slot_take(struct transfers *transfers)
{
	struct transfer *transfer = stack_pop(&transfers->bare);

	if (!transfer && transfers->used < TRANSFERS_MAX + TRANSFER_REPLIES) {
		transfer = &transfers->slot[transfers->used++];
		memset(transfer, 0, sizeof(*transfer));
	}
	for (unsigned i = 0; !transfer && i < USBFS_CLASSES; i++)
		transfer = stack_pop(&transfers->free[i]);
	if (!transfer)
		return NULL;
	transfers->idle -= transfer->buffer.size + transfer->extra.size;
	usbfs_buffer_free(&transfers->buffers, &transfer->buffer);
	transfers->bytes += transfer->extra.size;
	transfers->taken++;
	transfer->command.code = 0;
	transfer->exists = transfer->unlinked = transfer->scattered = false;
	transfer->packets = transfer->received = 0;
	transfer->pieces = transfer->submitted = transfer->flying = transfer->waited = 0;
	transfer->parts = 0;
	transfer->error = 0;
	return transfer;
}

/* Of a free slot that is in no list. */
static void free_memory(struct transfers *transfers, struct transfer *transfer)
{
	transfers->idle -= transfer->buffer.size + transfer->extra.size;
	usbfs_buffer_free(&transfers->buffers, &transfer->buffer);
	usbfs_buffer_free(&transfers->buffers, &transfer->extra);
	stack_push(&transfers->bare, transfer);
}

/* The list of its buffer's class. */
static void keep_memory(struct transfers *transfers, struct transfer *transfer)
{
	unsigned class = usbfs_buffer_class(transfer->buffer.size);

	stack_push(transfer->buffer.data ? &transfers->free[class] : &transfers->bare, transfer);
}

/* NULL if no free slot has a buffer. */
static struct transfer **find_largest(struct transfers *transfers)
{
	for (unsigned i = USBFS_CLASSES; i--;)
		if (transfers->free[i])
			return &transfers->free[i];
	return NULL;
}

void slot_free(struct transfers *transfers, struct transfer *transfer)
{
	size_t size = transfer->buffer.size + transfer->extra.size;
	struct transfer **largest;

	assert(!transfer->flying);
	transfers->taken--;
	transfers->bytes -= size;
	transfers->idle += size;
	transfer->state = TRANSFER_FREE;
	transfer->stale = false;
	if (transfer->buffer.data)
		keep_memory(transfers, transfer);
	else /* packets of an endpoint that is not there: they would not be found below */
		free_memory(transfers, transfer);
	while (transfers->idle > IDLE_MAX && (largest = find_largest(transfers))) {
		if (transfers->idle <= IDLE_MAX + (*largest)->buffer.size)
			break;
		free_memory(transfers, stack_pop(largest));
	}
}

bool transfers_free_idle(struct transfers *transfers, bool all)
{
	size_t mapped = transfers->buffers.mapped;

	memset(transfers->free, 0, sizeof(transfers->free));
	transfers->bare = NULL;
	for (unsigned i = transfers->used; i--;) {
		struct transfer *transfer = &transfers->slot[i];

		if (transfer->state != TRANSFER_FREE)
			continue;
		if (all || transfer->stale)
			free_memory(transfers, transfer);
		else
			keep_memory(transfers, transfer);
		transfer->stale = true;
	}
	return transfers->buffers.mapped < mapped;
}

bool slot_take_buffer(struct transfers *transfers, struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;
	size_t size = command->length, setup = wire_load_le16(command->setup + 6);
	struct transfer *other = NULL;
	unsigned class;

	if (transfer->type == USB_ENDPOINT_XFER_CONTROL) /* so is one that is not there */
		size = sizeof(command->setup) + (setup > size ? setup : size);
	class = usbfs_buffer_class(size);
	for (unsigned i = class; !other && i <= class + LARGER && i < USBFS_CLASSES; i++)
		other = stack_pop(&transfers->free[i]);
	if (other) {
		transfer->buffer = other->buffer;
		other->buffer = (struct usbfs_buffer){ NULL, 0, false };
		transfers->idle -= transfer->buffer.size;
		stack_push(&transfers->bare, other);
	} else {
		transfers->buffers.limit = transfers->device->memory;
		if (!usbfs_buffer_make(&transfers->buffers, &transfer->buffer, class))
			return false;
	}
	transfers->bytes += transfer->buffer.size;
	return true;
}

bool slot_grow_extra(struct transfers *transfers, struct transfer *transfer, size_t size)
{
	size_t before = transfer->extra.size;
	bool grown = usbfs_buffer_grow(&transfers->buffers, &transfer->extra, size);

	transfers->bytes += transfer->extra.size - before;
	return grown;
}
