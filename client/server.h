/* SPDX-License-Identifier: MIT */
/*
 * One server. If its list has our mark, the list is watched, and its devices are imported side by
 * side. Any other server is asked for its list every interval, over one connection at a time,
 * because it may not accept more.
 */
#ifndef CLIENT_SERVER_H
#define CLIENT_SERVER_H

#include "client/import.h"

enum {
	/* More devices of one server are ignored, which is logged once. No client kernel as
	 * distributions build it has more ports for one speed. */
	SERVER_IMPORTS_MAX = 128,
	SERVER_REQUESTS_MAX = 4,   /* imports at a time */
	SERVER_REWATCH_MS = 60000, /* from a watch that ended soon to the next */
	/* until one that serves a single connection at a time, and that is ours, is asked again */
	SERVER_ENGAGED_MS = 300000,
};

struct server {
	struct import_context *context;
	struct request_target target;
	bool removed; /* it is no longer configured: the devices of an earlier daemon leave */
	bool second;  /* it is another name of one that is used: it is not asked for devices */

	/* The list. */
	bool answered;	     /* the latest list came */
	bool hurry;	     /* a device went: ask soon, because it may come back */
	struct backoff pace; /* between lists, when they fail, come and go, or in a hurry */
	uint64_t next_list;
	bool marked;	   /* the latest list was: it may be asked for a watch */
	uint64_t identity; /* from the mark; 0: not known */
	uint64_t next_watch;
	bool answers_beside; /* a list came while it had a session of ours */
	uint64_t watched_since;	 /* when its first pushed list came; 0: it does not push */
	uint64_t answered_since; /* when it began to answer again */
	struct log_once failure; /* why it does not answer, until it does for a while */
	struct log_once overflow; /* there are too many imports */
	struct log_once same;	  /* it is another name */
	struct request list_request;
};

#define EACH_IMPORT(server, import)                                                                \
	for (struct import *import = NULL;                                                         \
	     (import = import_next((server)->context, (server)->target.endpoint, import));)

/* The import of its device with that busid, a new one if there is none; NULL: there is no place
 * left, which is logged once. */
struct import *server_import(struct server *server, const char *busid);
/* Whether both have the same address, or the same identity and key, and the first one answers, or
 * is asked just now. Through ssh there are no addresses. */
bool server_is_same(const struct server *first, const struct server *second);
/* In every pass, for all servers in their order, before the pass of any: first, which stands before
 * it, is used instead of it; NULL: no other is. What is attached stays. */
void server_set_first(struct server *server, struct server *first);
/* It has connected: if it did not answer before, it is asked now. */
void server_came(struct server *server);
/* In every pass, after the port table was read. When the loop is stopping, it detaches all. */
void server_pass(struct server *server);
/* Whether it was asked, nothing is under way, and all attached devices have answered. */
bool server_is_settled(struct server *server);
/* Whether its latest list or an import failed, or a device did not stay attached. */
bool server_is_failing(struct server *server);
/* Whether it has answered, and each of its devices that may be attached is; adds their number to
 * attached. Else lacks says what is missing. */
bool server_is_complete(struct server *server, unsigned *attached, struct reason *lacks);

/* server_list.c: server is all zeros; the caller sets target.key before each pass. */
void server_init(struct server *server, struct import_context *context,
		 const struct endpoint *endpoint);
/* Asks for the list, OP_REQ_DEVLIST or OP_REQ_WATCH. The request must not be running. */
void server_list_request(struct server *server, enum op_code code);
/* In every pass: whether the server has answered for long enough to call a failure over. */
void server_list_check_recovery(struct server *server);

#endif
