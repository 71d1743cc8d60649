/* SPDX-License-Identifier: MIT */
/* The slots in which transfers live, and their memory. */
#include "usbfs/slots.h"

#include "proto/wire.h"

#include <assert.h>
#include <linux/usb/ch9.h>
#include <string.h>

enum { IDLE_MAX = 1 << 20 }; /* bytes in free slots, beside the last buffer that became free */

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
	memset(&transfer->command, 0, sizeof(transfer->command));
	transfer->exists = transfer->unlinked = transfer->scattered = false;
	transfer->packets = transfer->received = 0;
	transfer->pieces = transfer->submitted = transfer->flying = transfer->waited = 0;
	transfer->parts = 0;
	transfer->error = 0;
	return transfer;
}

void slot_free(struct transfers *transfers, struct transfer *transfer)
{
	struct transfer **class = &transfers->bare;

	assert(!transfer->flying);
	transfers->taken--;
	transfers->bytes -= transfer->buffer.size + transfer->extra.size;
	if (transfers->idle >= IDLE_MAX) {
		usbfs_buffer_free(&transfers->buffers, &transfer->buffer);
		usbfs_buffer_free(&transfers->buffers, &transfer->extra);
	}
	transfers->idle += transfer->buffer.size + transfer->extra.size;
	transfer->state = TRANSFER_FREE;
	if (transfer->buffer.data)
		class = &transfers->free[usbfs_buffer_class(transfer->buffer.size)];
	stack_push(class, transfer);
}

bool transfers_free_idle(struct transfers *transfers)
{
	size_t mapped = transfers->buffers.mapped;

	memset(transfers->free, 0, sizeof(transfers->free));
	transfers->bare = NULL;
	for (unsigned i = transfers->used; i--;) {
		struct transfer *transfer = &transfers->slot[i];

		if (transfer->state != TRANSFER_FREE)
			continue;
		usbfs_buffer_free(&transfers->buffers, &transfer->buffer);
		usbfs_buffer_free(&transfers->buffers, &transfer->extra);
		stack_push(&transfers->bare, transfer);
	}
	transfers->idle = 0;
	return transfers->buffers.mapped < mapped;
}

bool slot_take_buffer(struct transfers *transfers, struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;
	size_t size = command->length, setup = wire_load_le16(command->setup + 6);
	unsigned class;
	struct transfer *other;

	if (transfer->exists && transfer->type == USB_ENDPOINT_XFER_CONTROL)
		size = sizeof(command->setup) + (setup > size ? setup : size);
	class = usbfs_buffer_class(size);
	other = stack_pop(&transfers->free[class]);
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
	bool grown = usbfs_buffer_grow(&transfer->extra, size);

	transfers->bytes += transfer->extra.size - before;
	return grown;
}
