/* SPDX-License-Identifier: MIT */
/*
 * TLS without the kernel's: a process "@usbiphp-tls" between a connection and whoever uses it,
 * which has one end of a socketpair instead. It encrypts what comes from there, and decrypts what
 * comes from the connection. What is not a record that the other end has made, in its order, ends
 * the connection; nothing of it is passed on.
 *
 * It has no keys but those of its connection, and what handshakes under way had when it began, and
 * may use nothing but its two sockets and stderr. It ends with either of them, so it outlives a
 * daemon that is killed as long as there is a session.
 */
#ifndef LOOP_RELAY_H
#define LOOP_RELAY_H

#include "tls/handshake.h"

/*
 * For a handshake that ended with KTLS_NONE. connection is still the caller's, too, for
 * its options and to see its end, but not to be read or written. Afterwards tls holds nothing but
 * tls->key. Returns a stream socket that does not block, with the plain text, or -errno.
 */
int relay_start(struct tls *tls, int connection);
/* Ends and closes the connection, and so ends its relay; *connection becomes -1. Does nothing if it
 * is -1. */
void relay_end(int *connection);

#endif
