/* SPDX-License-Identifier: MIT */
/*
 * The usbfs URBs that a transfer is made of: one; or several, where an isochronous one has more
 * packets than usbfs takes, or usbfs has no memory for a bulk one as a whole. Pure functions.
 */
#ifndef USBFS_PIECES_H
#define USBFS_PIECES_H

#include "usbfs/transfer.h"

enum { PIECE_PACKETS = 128 }; /* USBFS's limit: devio.c proc_do_submiturb() */

/* Bytes of transfer->extra for that many packets, and for a bulk transfer cut into pieces. */
size_t pieces_size(uint32_t packets);
size_t pieces_cut_size(uint32_t length);

struct usbdevfs_urb *piece_urb(struct transfer *transfer, unsigned i);

/* Where the data are. */
uint8_t *transfer_data(const struct transfer *transfer);

/* False if the packets, as on the wire, do not lie in the buffer. Sets transfer->scattered. */
bool pieces_check(struct transfer *transfer);
/* Sets the pieces up; the buffer, what follows the request, and room for the pieces are there. An
 * isochronous transfer without packets has none. data is where the client's data are: the buffer
 * itself, unless the transfer is scattered. */
void pieces_lay(struct transfer *transfer, const uint8_t *data);
/* The same for a bulk transfer that is cut into pieces, to be submitted one at a time. */
void pieces_cut(struct transfer *transfer);

/* What became of it, after all that were submitted were reaped. Data of isochronous packets are
 * closed up, and their results are in the packets. status is that of usbfs. */
struct pieces_result {
	int status;
	uint32_t actual, errors;
};
struct pieces_result pieces_result(struct transfer *transfer);

#endif
