/* SPDX-License-Identifier: MIT */
/* The usbfs URBs that a transfer is made of. */
#include "usbfs/pieces.h"

#include "proto/wire.h"

#include <errno.h>
#include <linux/usb/ch9.h>
#include <string.h>

enum {
	SETUP_SIZE = 8,
	CUT = 16 << 10, /* bytes of a piece of a bulk transfer: any machine has as many in a row */
	URB_MEMORY = sizeof(struct usbdevfs_urb),
	PACKET_MEMORY = sizeof(struct usbdevfs_iso_packet_desc),
	/* of a whole isochronous piece: a multiple of the alignment */
	PIECE_MEMORY = (URB_MEMORY + PIECE_PACKETS * PACKET_MEMORY + 7) / 8 * 8,
};

static unsigned count_pieces(uint32_t whole, uint32_t each)
{
	return whole ? (whole - 1) / each + 1 : 1;
}

size_t pieces_size(uint32_t packets)
{
	if (!packets)
		return 0;
	return (size_t)packets * (URB_PACKET_SIZE + PACKET_MEMORY) +
	       (size_t)count_pieces(packets, PIECE_PACKETS) * (URB_MEMORY + 8);
}

size_t pieces_cut_size(uint32_t length)
{
	return (size_t)count_pieces(length, CUT) * URB_MEMORY;
}

struct usbdevfs_urb *piece_urb(struct transfer *transfer, unsigned i)
{
	size_t at = transfer->packets * (size_t)URB_PACKET_SIZE +
		    i * (size_t)(transfer->packets ? PIECE_MEMORY : URB_MEMORY);
	bool one = !transfer->packets && transfer->pieces <= 1;

	return (void *)(one ? transfer->urb : transfer->extra.data + at);
}

uint8_t *transfer_data(const struct transfer *transfer)
{
	bool setup = transfer->exists && transfer->type == USB_ENDPOINT_XFER_CONTROL;

	return transfer->buffer.data + (setup ? SETUP_SIZE : 0);
}

/* The direction of a control transfer is that of its setup: usbfs does not ask for another. */
static bool reads_data(const struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;

	if (transfer->type == USB_ENDPOINT_XFER_CONTROL)
		return command->setup[0] & USB_DIR_IN && wire_load_le16(command->setup + 6);
	return command->in;
}

/* A flag that does not suit makes the kernel log a warning each time. */
static unsigned urb_flags(const struct transfer *transfer)
{
	uint32_t flags = transfer->command.flags;

	if (transfer->type == USB_ENDPOINT_XFER_ISOC)
		return USBDEVFS_URB_ISO_ASAP; /* the client has another frame counter */
	if (reads_data(transfer))
		return flags & URB_SHORT_NOT_OK ? USBDEVFS_URB_SHORT_NOT_OK : 0;
	if (transfer->type != USB_ENDPOINT_XFER_CONTROL && flags & URB_ZERO_PACKET)
		return USBDEVFS_URB_ZERO_PACKET;
	return 0;
}

static void fill_urb(struct transfer *transfer, unsigned i, uint8_t *data, uint32_t length)
{
	static const uint8_t types[] = {
		[USB_ENDPOINT_XFER_CONTROL] = USBDEVFS_URB_TYPE_CONTROL,
		[USB_ENDPOINT_XFER_ISOC] = USBDEVFS_URB_TYPE_ISO,
		[USB_ENDPOINT_XFER_BULK] = USBDEVFS_URB_TYPE_BULK,
		[USB_ENDPOINT_XFER_INT] = USBDEVFS_URB_TYPE_INTERRUPT,
	};
	struct usbdevfs_urb *urb = piece_urb(transfer, i);

	memset(urb, 0, sizeof(*urb));
	urb->type = types[transfer->type];
	urb->endpoint = transfer->command.endpoint;
	if (transfer->command.in)
		urb->endpoint |= USB_DIR_IN;
	urb->flags = urb_flags(transfer);
	urb->buffer = data;
	urb->buffer_length = (int)length;
	urb->usercontext = transfer;
}

static void lay_control(struct transfer *transfer)
{
	const struct urb_command *command = &transfer->command;
	uint32_t length = wire_load_le16(command->setup + 6);
	uint32_t sent = command->in ? 0 : command->length;

	if (length < command->length)
		length = command->length;
	memcpy(transfer->buffer.data, command->setup, SETUP_SIZE);
	if (!reads_data(transfer))
		memset(transfer->buffer.data + SETUP_SIZE + sent, 0, length - sent);
	fill_urb(transfer, 0, transfer->buffer.data, SETUP_SIZE + length);
}

static struct urb_packet get_packet(const struct transfer *transfer, unsigned i)
{
	struct urb_packet packet;

	urb_packet_decode(transfer->extra.data + i * (size_t)URB_PACKET_SIZE, &packet);
	return packet;
}

bool pieces_check(struct transfer *transfer)
{
	uint32_t length = transfer->command.length, left = length;

	for (unsigned i = 0; i < transfer->packets; i++) {
		struct urb_packet packet = get_packet(transfer, i);

		transfer->scattered |= packet.offset < length - left;
		if (!urb_packet_fits(&packet, length, &left))
			return false;
	}
	return true;
}

/* usbfs wants the packets without gaps. */
static void lay_packets(struct transfer *transfer, const uint8_t *data)
{
	uint8_t *at = transfer->buffer.data;
	struct usbdevfs_urb *urb = NULL;

	for (unsigned i = 0; i < transfer->packets; i++) {
		struct urb_packet packet = get_packet(transfer, i);

		if (i % PIECE_PACKETS == 0) {
			fill_urb(transfer, i / PIECE_PACKETS, at, 0);
			urb = piece_urb(transfer, i / PIECE_PACKETS);
		}
		if (!transfer->command.in)
			memmove(at, data + packet.offset, packet.length);
		at += packet.length;
		urb->buffer_length += (int)packet.length;
		urb->iso_frame_desc[i % PIECE_PACKETS] =
			(struct usbdevfs_iso_packet_desc){ .length = packet.length };
		urb->number_of_packets++;
	}
}

void pieces_lay(struct transfer *transfer, const uint8_t *data)
{
	transfer->pieces = count_pieces(transfer->packets, PIECE_PACKETS);
	if (transfer->type == USB_ENDPOINT_XFER_CONTROL)
		lay_control(transfer);
	else if (transfer->type != USB_ENDPOINT_XFER_ISOC)
		fill_urb(transfer, 0, transfer->buffer.data, transfer->command.length);
	else if (transfer->packets)
		lay_packets(transfer, data);
	else
		transfer->pieces = 0; /* Bluetooth has such ones */
}

/* Only the last piece of a read may be short, unless the transfer ends there. xhci has no
 * BULK_CONTINUATION, which would end the pieces behind it, so they go one at a time. */
void pieces_cut(struct transfer *transfer)
{
	uint32_t length = transfer->command.length;

	transfer->pieces = count_pieces(length, CUT);
	for (unsigned i = 0; i < transfer->pieces; i++) {
		bool last = i + 1 == transfer->pieces;
		struct usbdevfs_urb *urb = piece_urb(transfer, i);

		fill_urb(transfer, i, transfer->buffer.data + i * (size_t)CUT,
			 last ? length - i * (uint32_t)CUT : CUT);
		if (!last)
			urb->flags &= ~(unsigned)USBDEVFS_URB_ZERO_PACKET;
		if (!last && transfer->command.in)
			urb->flags |= USBDEVFS_URB_SHORT_NOT_OK;
	}
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

static struct pieces_result result_of_packets(struct transfer *transfer)
{
	struct pieces_result result = { 0, 0, 0 };
	uint8_t *data = transfer->buffer.data, *wire = transfer->extra.data;
	struct urb_packet packet;
	size_t at = 0;

	for (unsigned i = 0; i < transfer->packets; i++, wire += URB_PACKET_SIZE) {
		const struct usbdevfs_urb *urb = piece_urb(transfer, i / PIECE_PACKETS);
		struct usbdevfs_iso_packet_desc desc = { .status = (unsigned)transfer->error };

		if (i / PIECE_PACKETS < transfer->submitted) {
			desc = urb->iso_frame_desc[i % PIECE_PACKETS];
			result.status = result.status ? result.status : urb->status;
		}
		urb_packet_decode(wire, &packet);
		packet.actual = at_most(desc.actual_length, packet.length);
		packet.status = urb_status_to_wire(*(int *)&desc.status); /* the kernel's int */
		urb_packet_encode(wire, &packet);
		if (transfer->command.in && packet.actual)
			memmove(data + result.actual, data + at, packet.actual);
		at += packet.length;
		result.actual += packet.actual;
		result.errors += desc.status != 0;
	}
	if (!result.status)
		result.status = transfer->error;
	return result;
}

/* Of a bulk transfer in pieces none was submitted behind one that was short or failed. */
static struct pieces_result result_of_data(struct transfer *transfer)
{
	struct pieces_result result = { 0, 0, 0 };

	for (unsigned i = 0; i < transfer->submitted; i++) {
		const struct usbdevfs_urb *urb = piece_urb(transfer, i);

		result.actual += at_most((uint32_t)urb->actual_length,
					 transfer->command.length - result.actual);
		result.status = urb->status;
		if (urb->status == -EREMOTEIO && i + 1 < transfer->pieces &&
		    !(transfer->command.flags & URB_SHORT_NOT_OK))
			return (struct pieces_result){ 0, result.actual, 0 };
	}
	if (!result.status)
		result.status = transfer->error;
	return result;
}

struct pieces_result pieces_result(struct transfer *transfer)
{
	return transfer->packets ? result_of_packets(transfer) : result_of_data(transfer);
}
