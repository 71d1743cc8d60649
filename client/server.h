/* SPDX-License-Identifier: MIT */
/*
 * One server. One that pushes its list is watched, and its devices are imported side by side.
 * Another one is asked for its list every interval, over one connection at a time, as that may be
 * all it can take.
 */
#ifndef CLIENT_SERVER_H
#define CLIENT_SERVER_H

#include "client/import.h"
#include "client/request.h"
#include "loop/backoff.h"

enum {
	/* A server that lists more is told so once; what is beyond is left alone. No client kernel
	 * as distributions build it has more ports for one speed. */
	SERVER_IMPORTS_MAX = 128,
	SERVER_IMPORTS_AT_ONCE = 4,
	SERVER_REWATCH_MS = 60000, /* until one that does not push is asked for it again */
};

struct server {
	struct importer *importer;
	bool full;	     /* said that it lists too many */
	bool answered;	     /* the latest list came, or none was asked for yet */
	bool asked;	     /* at least one list came or failed */
	bool hurry;	     /* a device went: ask soon, as it may come back */
	unsigned imports;    /* places that are or were in use */
	struct backoff pace; /* between lists, when it fails, comes and goes, or in a hurry */
	uint64_t next_list;
	uint64_t next_watch;
	uint64_t watched; /* since when its list is pushed, 0: it is not */
	uint64_t answers; /* since when, after it did not */
	struct request_result said; /* the failure that was logged and is not over for good */
	struct request_target target;
	/* The first asks for its list once, or watches it. ctx of the others is the import that
	 * runs, NULL: none. */
	struct request request[1 + SERVER_IMPORTS_AT_ONCE];
	struct import import[SERVER_IMPORTS_MAX];
};

/* server is all zeros. */
void server_init(struct server *server, struct importer *importer,
		 const struct endpoint *endpoint, const struct psk *key);
/* An earlier daemon attached this device of the server; it is ours now. */
void server_adopt(struct server *server, const char *busid, unsigned port);
/* In every pass, before server_pass() of any: see import_line_up(). */
void server_line_up(struct server *server);
/* In every pass, after the port table was read. When the loop is stopping, it detaches all. */
void server_pass(struct server *server);
/* How many of its devices are attached. */
unsigned server_attached(struct server *server);
/* Whether it was asked, nothing runs, what is attached can be used, and all is that can be. */
bool server_settled(struct server *server);
/* Whether its latest list or an import failed. */
bool server_failing(struct server *server);

#endif
