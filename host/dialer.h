/* SPDX-License-Identifier: MIT */
/*
 * Clients that the server connects to, as they cannot connect to it: --to. One connection to each
 * is always spare: the client takes it for a request, and then the next one is made. Who has
 * connected makes no difference to what follows: client/callers.h.
 *
 * A process "usbiphp-dialer" for each client looks up its name and connects, as the server may not
 * connect to anybody (sandbox_enter()). It knows no keys, and ends with the server.
 */
#ifndef HOST_DIALER_H
#define HOST_DIALER_H

#include "lib/addr.h"
#include "lib/log.h"
#include "loop/loop.h"
#include "tls/keys.h"

enum { DIALER_CONNECT_MS = 5000 /* for each address */ };

struct host_server;

struct dialer {
	struct loop_source process; /* -1: it has ended */
	struct host_server *server;
	const struct endpoint *client;
	struct log_once fault;
};

/* To the process: a connection is wanted. It sends "" back, with the connection. */
struct dialer_order {
	bool failed; /* the one before was of no use: after a delay, which grows */
	char identity[PSK_IDENTITY_SIZE];
};

/* dialer is all zeros. Starts the process, before the server's sandbox. 0 or -errno. */
int dialer_start(struct dialer *dialer, struct host_server *server, const struct endpoint *client);
/* Orders a connection. */
void dialer_order(struct dialer *dialer, bool failed);
/* Ends the process, if there is one. */
void dialer_close(struct dialer *dialer);
/* The spare connection has ended. unheard: the client has not even begun a handshake. */
void dialer_lost(struct dialer *dialer, bool unheard);

#endif
