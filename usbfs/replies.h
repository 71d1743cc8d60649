/* SPDX-License-Identifier: MIT */
/* The replies to a client: composed, and sent as many as there are at once. */
#ifndef USBFS_REPLIES_H
#define USBFS_REPLIES_H

#include "usbfs/pieces.h"

/* A transfer's reply is the first, the second, or one behind the other. seqnum is that of the
 * request to unlink it. */
void reply_submit(struct transfer *transfer, const struct pieces_result *result);
void reply_unlink(struct transfer *transfer, uint32_t seqnum, int status);

/* Sends what is done, and frees it. 0; -EAGAIN if the socket does not take more now; -errno. */
int replies_send(struct transfers *transfers, int socket);

#endif
