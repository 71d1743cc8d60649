/* SPDX-License-Identifier: MIT */
/* The replies to a client: composed, and sent as many as there are at once. */
#include "usbfs/replies.h"

#include "usbfs/slots.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { SEND_PARTS = 128 }; /* at a time; not more than UIO_MAXIOV */

void reply_unlink(struct transfer *transfer, uint32_t seqnum, int status)
{
	struct urb_reply reply = { .code = URB_RET_UNLINK, .seqnum = seqnum };

	reply.status = urb_status_to_wire(status);
	urb_reply_encode(transfer->reply[1], &reply);
	transfer->part[transfer->parts++] = (struct iovec){ transfer->reply[1], URB_SIZE };
}

void reply_submit(struct transfer *transfer, const struct pieces_result *result)
{
	struct urb_reply reply = { .code = URB_RET_SUBMIT,
				   .seqnum = transfer->command.seqnum,
				   .status = urb_status_to_wire(result->status),
				   .length = result->actual,
				   .packets = transfer->packets,
				   .errors = result->errors };
	bool data = transfer->command.in && result->actual;

	urb_reply_encode(transfer->reply[0], &reply);
	transfer->part[transfer->parts++] = (struct iovec){ transfer->reply[0], URB_SIZE };
	if (data && result->actual <= URB_SIZE && !transfer->unlinked) {
		memcpy(transfer->reply[1], transfer_data(transfer), result->actual);
		transfer->part->iov_len += result->actual;
	} else if (data) {
		transfer->part[transfer->parts++] =
			(struct iovec){ transfer_data(transfer), result->actual };
	}
	if (transfer->packets)
		transfer->part[transfer->parts++] =
			(struct iovec){ transfer->extra.data,
					(size_t)transfer->packets * URB_PACKET_SIZE };
}

/* The parts of replies that are done, without those bytes that were sent already. */
static int collect_replies(const struct transfers *transfers, struct iovec part[SEND_PARTS])
{
	const struct transfer *transfer = transfers->done.first;
	size_t skip = transfers->sent;
	int parts = 0;

	for (; transfer && parts + TRANSFER_PARTS <= SEND_PARTS; transfer = transfer->next) {
		for (unsigned i = 0; i < transfer->parts; i++) {
			struct iovec next = transfer->part[i];
			size_t n = skip < next.iov_len ? skip : next.iov_len;

			skip -= n;
			if (n < next.iov_len)
				part[parts++] = (struct iovec){ (uint8_t *)next.iov_base + n,
								next.iov_len - n };
		}
	}
	return parts;
}

static void free_sent(struct transfers *transfers)
{
	struct transfer *transfer;
	size_t size;

	while ((transfer = transfers->done.first)) {
		size = 0;
		for (unsigned i = 0; i < transfer->parts; i++)
			size += transfer->part[i].iov_len;
		if (transfers->sent < size)
			return;
		transfers->sent -= size;
		list_remove(&transfers->done, transfer);
		slot_free(transfers, transfer);
	}
}

static ssize_t send_parts(int socket, struct iovec *part, int parts)
{
	struct msghdr message = { .msg_iov = part };

	if (parts == 1) /* for half the cost */
		return send(socket, part->iov_base, part->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	message.msg_iovlen = (uint16_t)parts; /* an int in musl, a size_t in glibc */
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int send_some(struct transfers *transfers, int socket)
{
	struct iovec part[SEND_PARTS];
	ssize_t n = send_parts(socket, part, collect_replies(transfers, part));

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	transfers->sent += (size_t)n;
	free_sent(transfers);
	return 0;
}

int replies_send(struct transfers *transfers, int socket)
{
	int error = 0;

	while (transfers->done.first && !error)
		error = send_some(transfers, socket);
	return error;
}
