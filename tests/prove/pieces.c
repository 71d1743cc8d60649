/* SPDX-License-Identifier: MIT */
/*
 * usbfs/pieces: packets of any bytes are checked; what passed is laid into URBs, and any results are
 * gathered from them, in blocks that end with the last byte that the transfer may use.
 * SOURCES: usbfs/pieces.c proto/urb.c proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 20000 -eva-split-limit 10000
 * EVA: -eva-slevel-function urb_status_to_wire:0,at_most:0
 */
#include "usbfs/pieces.h"

#include "tests/prove/prove.h"

#include <linux/usb/ch9.h>

enum {
	BYTES = 2,		     /* of an isochronous transfer */
	SETUP = 8,
	CUT = 16 << 10,		     /* pieces_cut()'s */
	BEFORE = PIECE_PACKETS - 1,  /* empty packets before two others, which are then of two pieces */
	ANY = 3,		     /* packets of any bytes */
	URB = sizeof(struct usbdevfs_urb),
};

static struct transfer transfer;
static uint8_t extra[2 * (URB + 8) + (BEFORE + 2) * 28], data[3 * CUT], client[BYTES + 1];

/*
 * An isochronous transfer with room for its packets and URBs, and nothing behind them. Behind its
 * data there is a byte if nothing may be moved to there: that is right in C, but not in Frama-C's
 * contracts of memmove() and memset().
 */
static void begin(uint32_t packets, uint32_t length, bool nothing_moved)
{
	transfer.type = USB_ENDPOINT_XFER_ISOC;
	transfer.exists = true;
	transfer.packets = packets;
	transfer.command.endpoint = (uint8_t)any_size(0, 15);
	transfer.command.length = length;
	transfer.extra.data = extra + sizeof(extra) - pieces_size(packets);
	transfer.buffer.data = data + sizeof(data) - length - nothing_moved;
}

void prove_pieces_check(void)
{
	uint32_t packets = (uint32_t)any_size(0, ANY);
	bool fits;

	/*@ split packets; */
	begin(packets, 0, false);
	transfer.command.length = (uint32_t)any_size(0, USBFS_LENGTH_MAX);
	any_bytes(transfer.extra.data, packets * (size_t)URB_PACKET_SIZE);
	fits = pieces_check(&transfer);
	/*@ assert answer: fits == 0 || fits == 1; */
	END();
}

static void put_packet(uint32_t i, uint32_t offset, uint32_t length)
{
	struct urb_packet packet = { .offset = offset, .length = length };

	urb_packet_encode(transfer.extra.data + i * (size_t)URB_PACKET_SIZE, &packet);
}

/* What the kernel may say of all that was submitted. */
static void complete(void)
{
	transfer.submitted = (unsigned)any_size(0, transfer.pieces);
	transfer.error = any_int(-4095, 0);
	for (unsigned i = 0; i < transfer.pieces; i++) {
		struct usbdevfs_urb *urb = piece_urb(&transfer, i);

		urb->status = any_int(-4095, 0);
		urb->actual_length = any_int(INT32_MIN, INT32_MAX);
	}
	for (unsigned i = 0; i < transfer.packets; i++) {
		struct usbdevfs_urb *urb = piece_urb(&transfer, i / PIECE_PACKETS);

		urb->iso_frame_desc[i % PIECE_PACKETS].actual_length =
			(unsigned)any_size(0, UINT32_MAX);
		urb->iso_frame_desc[i % PIECE_PACKETS].status = (unsigned)any_size(0, UINT32_MAX);
	}
}

/* Packets without data, and two more. */
static void packets_there_and_back(uint32_t before, uint32_t length, uint32_t offset)
{
	uint32_t length0 = (uint32_t)any_size(0, BYTES), length1 = (uint32_t)any_size(0, BYTES);
	uint32_t offset0 = (uint32_t)any_size(0, offset), offset1 = (uint32_t)any_size(0, offset);
	struct pieces_result result;
	bool nothing_moved;

	/*@ split offset0; */
	/*@ split length0; */
	/*@ split offset1; */
	/*@ split length1; */
	nothing_moved = before || !length0 || !length1;
	begin(before + 2, length, nothing_moved);
	for (uint32_t i = 0; i < before; i++)
		put_packet(i, 0, 0);
	put_packet(before, offset0, length0);
	put_packet(before + 1, offset1, length1);
	transfer.command.in = any_int(0, 1);
	if (!pieces_check(&transfer))
		return;
	any_bytes(client, sizeof(client));
	any_bytes(transfer.buffer.data, length);
	pieces_lay(&transfer, transfer.scattered ? client + sizeof(client) - length - nothing_moved
						 : transfer.buffer.data);
	/*@ assert pieces: transfer.pieces <= 2; */
	complete();
	result = pieces_result(&transfer);
	/*@ assert actual: result.actual <= length; */
	/*@ assert errors: result.errors <= transfer.packets; */
}

void prove_pieces_packets(void)
{
	uint32_t length = (uint32_t)any_size(0, BYTES);

	/*@ split length; */
	packets_there_and_back(0, length, BYTES);
	END();
}

void prove_pieces_packets_of_two(void)
{
	packets_there_and_back(BEFORE, BYTES, 0);
	END();
}

void prove_pieces_control(void)
{
	uint32_t length = (uint32_t)any_size(0, 3), asked = (uint32_t)any_size(0, 3);
	struct pieces_result result;

	/*@ split length; */
	/*@ split asked; */
	begin(0, SETUP + (length > asked ? length : asked), asked <= length);
	transfer.type = USB_ENDPOINT_XFER_CONTROL;
	transfer.command.length = length;
	transfer.command.in = any_int(0, 1);
	transfer.command.flags = (uint32_t)any_size(0, UINT32_MAX);
	any_bytes(transfer.command.setup, SETUP);
	transfer.command.setup[6] = (uint8_t)asked;
	transfer.command.setup[7] = 0;
	pieces_lay(&transfer, NULL);
	/*@ assert pieces: transfer.pieces == 1; */
	complete();
	result = pieces_result(&transfer);
	/*@ assert actual: result.actual <= length; */
	END();
}

/* A bulk transfer of whole pieces, or a byte less or more. */
void prove_pieces_cut(void)
{
	uint32_t pieces = (uint32_t)any_size(0, 2), more = (uint32_t)any_size(0, 2);
	uint32_t length = pieces * CUT + more;

	/*@ split pieces; */
	/*@ split more; */
	length = pieces || more ? pieces * CUT + more - 1 : 0;
	begin(0, length, false);
	transfer.type = USB_ENDPOINT_XFER_BULK;
	transfer.command.in = any_int(0, 1);
	transfer.command.flags = (uint32_t)any_size(0, UINT32_MAX);
	transfer.extra.data = extra + sizeof(extra) - pieces_cut_size(length);
	pieces_cut(&transfer);
	/*@ assert pieces: transfer.pieces <= 3; */
	complete();
	pieces_result(&transfer);
	END();
}
