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

#include "loop/loop.h"
#include "tls/handshake.h"

/*
 * For a handshake that ended with KTLS_NONE. connection is still the caller's, too, for
 * its options and to see its end, but not to be read or written. Afterwards tls holds nothing but
 * tls->key. Returns a stream socket that does not block, with the plain text, or -errno.
 */
int relay_start(struct tls *tls, int connection);
/*
 * As ktls_step(), for a socket that the loop watches, but KTLS_NONE is not returned: then source
 * gets the socket of a relay instead, and *encrypted the connection. What has failed is for the
 * caller to close.
 */
int relay_step(struct loop *loop, struct loop_source *source, struct tls *tls, int *encrypted);
/* Ends and closes the connection, and so ends its relay; *connection becomes -1. Does nothing if it
 * is -1. */
void relay_end(int *connection);

#endif
