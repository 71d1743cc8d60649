/* SPDX-License-Identifier: MIT */
/* Stream sockets that do not block: send, receive, options, and the two ends of a connection. */
#ifndef LIB_SOCKET_H
#define LIB_SOCKET_H

#include "lib/addr.h"

#include <stddef.h>
#include <sys/types.h>

enum { SOCKET_PAIR_SIZE = 2 * (ADDR_TEXT_SIZE + 6) };

/* setsockopt(2) with an int. 0 or -errno. */
int socket_set(int fd, int level, int option, int value);
/* Begins to connect: a TCP socket, which is writable when socket_error() tells how that went, or
 * -errno. */
int socket_connect(const struct addr *to);
/* SO_ERROR of socket(7): 0 or -errno. */
int socket_error(int fd);
/* Waits for events of poll(2) at one descriptor, up to so many ms. Returns those that are there; 0:
 * none, or a signal came. */
int socket_wait(int fd, short events, int ms);
/* Reads and forgets what comes, until it ends or nothing has come for a tenth of a second. Only for
 * a peer that sends but so much without an answer. */
void socket_drain(int fd);
/* recv(2): returns how many bytes came; 0 if none has come yet; else -errno, which is -ECONNRESET
 * at the end of the stream, too. size is at least 1. */
int socket_receive(int fd, void *buf, size_t size, int flags);
/* send(2) of a whole message at once, without SIGPIPE. 0, or -errno: -EIO if the socket took only a
 * part, which cannot be undone. For messages that are small against the send buffer. */
int socket_send_all(int fd, const void *bytes, size_t len);
/* Writes "ADDRESS PORT ADDRESS PORT" of a TCP connection, its own end first, into text, which has
 * SOCKET_PAIR_SIZE bytes. Returns its length: 0, and an empty text, if fd is not connected. */
size_t socket_pair_text(int fd, char *text);

/* A message on a local socket with up to SOCKET_FDS_MAX descriptors, SCM_RIGHTS of unix(7). */
enum { SOCKET_FDS_MAX = 2 };
/* Sends it without blocking: 0 or -errno. */
int socket_send_fds(int fd, const void *message, size_t len, const int *fds, unsigned count);
/* Receives one, as recv(2) does; -errno. All of fds are set, to -1 if there is none; those that are
 * not asked for are closed. */
ssize_t socket_receive_fds(int fd, void *message, size_t size, int *fds, unsigned count);

#endif
