/* SPDX-License-Identifier: MIT */
/* The URBs of a session: submitted, reaped, unlinked, and their replies. */
#include "usbfs/transfer.h"

#include "proto/wire.h"
#include "usbfs/replies.h"
#include "usbfs/slots.h"

#include <errno.h>
#include <linux/usb/ch9.h>
#include <string.h>

enum {
	WAIT_TICKS = 40, /* for memory, if none of ours will become free */
	/* Bytes. A small transfer does not wait until large ones have completed, as it may be what
	 * makes the device complete them. TRANSFERS_MAX such ones are 4 MiB. */
	SMALL = 4096,
};

static bool has_room(const struct transfers *transfers, const struct urb_command *command)
{
	/* of a control transfer the setup tells the length, too */
	bool small = command->length <= SMALL && wire_load_le16(command->setup + 6) <= SMALL;

	return small || transfers->bytes < transfers->device->memory;
}

void transfers_begin(struct transfers *transfers, struct usbfs_device *device,
		     struct urb_counters *counters)
{
	/* slots are zeroed when they are taken for the first time: most never are */
	memset(transfers, 0, offsetof(struct transfers, slot));
	transfers->device = device;
	transfers->counters = counters;
	transfers->buffers.fd = device->fd;
	transfers->buffers.maps = device->maps_are_cheap;
	list_clear(&transfers->waiting);
	list_clear(&transfers->done);
}

/* What the endpoint is now. Of one that is not there only the number of packets tells what follows
 * the request. False if there are too many. */
static bool find_endpoint(const struct usbfs_device *device, struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;
	const struct usbfs_endpoint *endpoint = command->in ? device->endpoints.in
							    : device->endpoints.out;

	endpoint += command->endpoint;
	transfer->exists = endpoint->exists;
	transfer->type = endpoint->type;
	if (transfer->exists ? transfer->type == USB_ENDPOINT_XFER_ISOC
			     : command->packets <= URB_PACKETS_MAX)
		transfer->packets = command->packets;
	return transfer->packets <= URB_PACKETS_MAX;
}

int transfer_take(struct transfers *transfers, const struct urb_command *command,
		  struct transfer **taken)
{
	bool packets = command->packets - 1 < URB_PACKETS_MAX;
	struct transfer *transfer;

	/* reads need no memory before they are submitted, but for their packets */
	if (transfers->taken >= TRANSFERS_MAX ||
	    (packets ? transfers->bytes >= transfers->device->memory :
		       !command->in && !has_room(transfers, command)))
		return -EAGAIN;
	*taken = transfer = slot_take(transfers);
	transfer->state = TRANSFER_RECEIVING;
	transfer->command = *command;
	if (!find_endpoint(transfers->device, transfer))
		return -EBADMSG;
	if ((!command->in && !slot_take_buffer(transfers, transfer)) ||
	    !slot_grow_extra(transfers, transfer, pieces_size(transfer->packets)))
		return -ENOMEM;
	return 0;
}

size_t transfer_missing(const struct transfer *transfer, struct iovec part[2], int *parts)
{
	size_t data = transfer->command.in ? 0 : transfer->command.length;
	size_t packets = (size_t)transfer->packets * URB_PACKET_SIZE, at = transfer->received;

	*parts = 0;
	if (at < data) {
		part[(*parts)++] = (struct iovec){ transfer_data(transfer) + at, data - at };
		at = data;
	}
	if (at < data + packets)
		part[(*parts)++] = (struct iovec){ transfer->extra.data + (at - data),
						   data + packets - at };
	return data + packets - transfer->received;
}

static void set_done(struct transfers *transfers, struct transfer *transfer)
{
	transfer->state = TRANSFER_DONE;
	list_push(&transfers->done, transfer);
}

static void count_transfer(const struct transfers *transfers, const struct transfer *transfer,
			   const struct pieces_result *result)
{
	struct urb_counters *counters = transfers->counters;

	counters->urbs++;
	counters->errors += result->status && result->status != -ECONNRESET;
	counters->in_flight--;
	*(transfer->command.in ? &counters->bytes_in : &counters->bytes_out) += result->actual;
}

/*
 * A URB that was unlinked has the reply to that alone, as vhci-hcd gives it back then; but if there
 * are data, they come first, in a reply of its own, after which vhci-hcd ignores the second one.
 * usbfs says -ENOENT of what was killed.
 */
static void finish_transfer(struct transfers *transfers, struct transfer *transfer)
{
	struct pieces_result result = pieces_result(transfer);
	bool killed = result.status == -ENOENT;

	if (killed)
		result.status = transfer->unlinked ? -ECONNRESET : -ESHUTDOWN;
	count_transfer(transfers, transfer, &result);
	if (!transfer->unlinked || !killed || result.actual)
		reply_submit(transfer, &result);
	if (transfer->unlinked)
		reply_unlink(transfer, transfer->unlink, killed ? -ECONNRESET : 0);
	set_done(transfers, transfer);
}

/* Whether the latest of its pieces was short or failed. */
static bool has_ended_early(struct transfer *transfer)
{
	const struct usbdevfs_urb *urb = piece_urb(transfer, transfer->submitted - 1);

	return urb->status || urb->actual_length < urb->buffer_length;
}

/* -EAGAIN if it waits for a piece: those of a bulk transfer go one at a time, up to a short one. */
static int submit_pieces(struct transfers *transfers, struct transfer *transfer)
{
	bool in_turn = transfer->type == USB_ENDPOINT_XFER_BULK;
	int error;

	while (transfer->submitted < transfer->pieces) {
		if (in_turn && transfer->flying)
			return -EAGAIN;
		if (in_turn && transfer->submitted && has_ended_early(transfer))
			return 0;
		error = usbfs_ioctl(transfers->device->fd, USBDEVFS_SUBMITURB,
				    piece_urb(transfer, transfer->submitted));
		if (error < 0) /* -EAGAIN means here that there is no room */
			return error == -EAGAIN ? -EBUSY : error;
		transfer->waited = 0;
		transfer->submitted++;
		transfer->flying++;
		transfers->flying++;
	}
	return 0;
}

static bool can_cut(const struct transfer *transfer)
{
	return transfer->type == USB_ENDPOINT_XFER_BULK && transfer->pieces == 1;
}

/* -ENOMEM if it has to wait. */
static int submit_patiently(struct transfers *transfers, struct transfer *transfer)
{
	int error = submit_pieces(transfers, transfer);

	if (error == -ENOMEM && transfers_free_idle(transfers, true)) {
		transfers->buffers.maps = false;
		error = submit_pieces(transfers, transfer);
	}
	if (error != -ENOMEM || (transfers->flying && transfer->waited < WAIT_TICKS) ||
	    !can_cut(transfer) ||
	    !slot_grow_extra(transfers, transfer, pieces_cut_size(transfer->command.length)))
		return error;
	pieces_cut(transfer);
	return submit_pieces(transfers, transfer);
}

static int prepare_transfer(struct transfers *transfers, struct transfer *transfer)
{
	struct usbfs_buffer data = transfer->buffer;

	if (transfer->pieces)
		return 0;
	if (!transfer->exists)
		return -ENOENT;
	if (!data.data && !has_room(transfers, &transfer->command))
		return -EAGAIN;
	if ((!data.data || transfer->scattered) && !slot_take_buffer(transfers, transfer))
		return -ENOMEM;
	pieces_lay(transfer, data.data);
	if (transfer->scattered) {
		transfers->bytes -= data.size;
		usbfs_buffer_free(&transfers->buffers, &data);
	}
	return 0;
}

static int refusal_status(int error)
{
	return error == -ENOENT || error == -EINVAL || error == -EHOSTUNREACH ? -EPIPE : error;
}

/* The endpoint as a bit. The control endpoint 0 is one in both directions. */
static uint32_t endpoint_bit(const struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;

	return 1u << (command->endpoint + (command->endpoint && command->in ? 16 : 0));
}

/* They end when they are tried again. */
static void kill_waiting(struct transfers *transfers, uint32_t endpoints)
{
	struct transfer *transfer = transfers->waiting.first;

	for (; transfer; transfer = transfer->next)
		if (endpoint_bit(transfer) & endpoints)
			transfer->error = -ENOENT;
}

/* Submits it, or what is left of it. 0 or -errno; but that of an ioctl is in transfer->error. */
static int try_transfer(struct transfers *transfers, struct transfer *transfer)
{
	struct usbfs_special *special = &transfers->special;
	const struct urb_command *command = &transfer->command;
	int error;

	if (command->endpoint) { /* nobody resets a device that is at work */
		special->described = false;
	} else if (usbfs_special(special, transfers->device, command->setup, &transfer->error)) {
		kill_waiting(transfers, special->killed);
		return 0;
	}
	error = prepare_transfer(transfers, transfer);
	return error ? error : submit_patiently(transfers, transfer);
}

/* False if it has to wait. */
static bool start_transfer(struct transfers *transfers, struct transfer *transfer)
{
	int error = transfer->error ? 0 : try_transfer(transfers, transfer);

	if (error == -EAGAIN)
		return false;
	if (error == -ENOMEM && (transfer->flying || transfer->waited < WAIT_TICKS)) {
		transfers->ticks = true;
		return false;
	}
	transfers->starved |= error == -ENOMEM;
	if (error)
		transfer->error = refusal_status(error);
	transfers->gone |= transfer->error == -ENODEV || transfer->error == -ESHUTDOWN;
	transfer->state = TRANSFER_FLYING;
	if (!transfer->flying)
		finish_transfer(transfers, transfer);
	return true;
}

static bool is_behind(const struct transfers *transfers, const struct transfer *transfer)
{
	const struct transfer *other = transfers->waiting.first;

	while (other && endpoint_bit(other) != endpoint_bit(transfer))
		other = other->next;
	return other;
}

bool transfer_submit(struct transfers *transfers, struct transfer *transfer)
{
	if (!pieces_check(transfer))
		return false;
	transfers->counters->in_flight++;
	transfer->state = TRANSFER_WAITING;
	if (is_behind(transfers, transfer) || !start_transfer(transfers, transfer))
		list_push(&transfers->waiting, transfer);
	return true;
}

void transfers_start_waiting(struct transfers *transfers)
{
	struct transfer *first = transfers->waiting.first, *transfer;
	uint32_t blocked = 0, bit;

	list_clear(&transfers->waiting);
	transfers->ticks = false;
	while ((transfer = first)) {
		first = first->next;
		bit = endpoint_bit(transfer);
		if (blocked & bit || !start_transfer(transfers, transfer)) {
			blocked |= bit;
			list_push(&transfers->waiting, transfer);
		}
	}
}

void transfers_reap(struct transfers *transfers)
{
	struct usbdevfs_urb *urb;
	struct transfer *transfer;
	int error = 0;

	while (transfers->flying) {
		error = usbfs_ioctl(transfers->device->fd, USBDEVFS_REAPURBNDELAY, &urb);
		if (error < 0)
			break;
		transfer = urb->usercontext;
		transfers->flying--;
		transfer->flying--;
		if (!transfer->flying && transfer->state == TRANSFER_FLYING)
			finish_transfer(transfers, transfer);
	}
	transfers->gone |= error < 0 && error != -EAGAIN;
}

void transfers_tick(struct transfers *transfers)
{
	struct transfer *transfer = transfers->waiting.first;

	for (; transfer; transfer = transfer->next)
		transfer->waited++;
}

/* From the last to the first, so that none begins because another was killed. */
static void discard_pieces(const struct transfers *transfers, struct transfer *transfer)
{
	for (unsigned i = transfer->flying ? transfer->submitted : 0; i--;)
		usbfs_ioctl(transfers->device->fd, USBDEVFS_DISCARDURB, piece_urb(transfer, i));
}

void transfer_unlink(struct transfers *transfers, struct transfer *transfer, uint32_t seqnum)
{
	transfer->unlinked = true;
	transfer->unlink = seqnum;
	if (transfer->state == TRANSFER_WAITING) {
		list_remove(&transfers->waiting, transfer);
		transfer->state = TRANSFER_FLYING;
		transfer->error = -ENOENT;
	}
	discard_pieces(transfers, transfer);
	if (!transfer->flying)
		finish_transfer(transfers, transfer);
}

void transfer_refuse(struct transfers *transfers, struct transfer *transfer, uint32_t seqnum)
{
	reply_unlink(transfer, seqnum, -ECONNRESET);
	set_done(transfers, transfer);
}

int transfers_reply_unlink(struct transfers *transfers, uint32_t seqnum)
{
	struct transfer *transfer = slot_take(transfers);

	if (!transfer)
		return -EAGAIN;
	reply_unlink(transfer, seqnum, 0);
	set_done(transfers, transfer);
	return 0;
}

void transfers_end(struct transfers *transfers)
{
	for (unsigned i = 0; i < transfers->used; i++)
		discard_pieces(transfers, &transfers->slot[i]);
	transfers_reap(transfers);
	for (unsigned i = 0; i < transfers->used; i++) {
		usbfs_buffer_free(&transfers->buffers, &transfers->slot[i].buffer);
		usbfs_buffer_free(&transfers->buffers, &transfers->slot[i].extra);
	}
	transfers->counters->in_flight = 0;
}
