/* SPDX-License-Identifier: MIT */
/* One server: asked for its list every interval, its devices imported one after the other. */
#ifndef CLIENT_SERVER_H
#define CLIENT_SERVER_H

#include "client/exchange.h"
#include "client/import.h"

/* A server that lists more is told so once; what is beyond is left alone. No client kernel as
 * distributions build it has more ports for one speed. */
enum { SERVER_IMPORTS_MAX = 128 };

struct server {
	struct importer *importer;
	struct exchange exchange;
	struct import *importing; /* whose import runs; NULL: the exchange is for the list */
	struct import import[SERVER_IMPORTS_MAX];
	bool full;	     /* said that it lists too many */
	bool answered;	     /* the latest list came, or none was asked for yet */
	bool asked;	     /* at least one list came or failed */
	bool hurry;	     /* a device went: ask soon, as it may come back */
	struct backoff pace; /* between lists, when it fails or in a hurry */
	uint64_t next_list;
	struct exchange_result said; /* the failure that was logged, so that it is said once */
};

/* server is all zeros. */
void server_init(struct server *server, struct importer *importer,
		 const struct endpoint *endpoint);
/* An earlier daemon attached this device of the server; it is ours now. */
void server_adopt(struct server *server, const char *busid, unsigned port);
/* In every pass, before server_pass() of any: see import_line_up(). */
void server_line_up(struct server *server);
/* In every pass, after the port table was read. When the loop is stopping, it detaches all. */
void server_pass(struct server *server);
/* How many of its devices are attached. */
unsigned server_attached(const struct server *server);
/* Whether it was asked, nothing runs, and nothing is left to be attached now. */
bool server_settled(struct server *server);
/* Whether its latest list or an import failed. */
bool server_failing(const struct server *server);

#endif
