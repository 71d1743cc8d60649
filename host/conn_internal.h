/* SPDX-License-Identifier: MIT */
/* Functions that the files of a connection (conn.c, conn_import.c, conn_list.c) share. */
#ifndef HOST_CONN_INTERNAL_H
#define HOST_CONN_INTERNAL_H

#include "host/conn.h"

/* The only place where the state changes. The transition must be one of those in conn.h. */
void conn_set_state(struct conn *conn, enum conn_state state);
/* When ms from now have passed, or a little later. */
uint64_t conn_deadline(const struct conn *conn, uint32_t ms);
/*
 * Sends the one reply of this connection, which is CLOSING then, or FREE if that failed. The reply
 * must be small against the send buffer.
 */
void conn_reply(struct conn *conn, const void *bytes, size_t len);

/*
 * In READING with the request for an import, or in WAITING: hands the connection over to the
 * kernel, refuses the import, or waits for the device.
 */
void conn_import(struct conn *conn);

/* In READING: replies with the list of the devices that the peer may see. */
void conn_reply_list(struct conn *conn);
/* In READING: the connection is WATCHING then, and the first list is due. */
void conn_start_watch(struct conn *conn);
/* In WATCHING, when the socket has room for the list that is due. */
void conn_send_due_list(struct conn *conn);
/* In WATCHING, in every pass: a list is due if the last one is old. */
void conn_pass_watch(struct conn *conn);

#endif
