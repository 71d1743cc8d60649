/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: for commands that do nothing else meanwhile. */
#ifndef CLIENT_QUERY_H
#define CLIENT_QUERY_H

#include "client/request.h"

struct query {
	bool listed;
	struct loop loop; /* stopping: a signal came. The signals stay blocked. */
	struct request_target target; /* its addresses are kept for the next query */
	struct request request;	      /* ctx and record are the caller's */
};

/*
 * Requests OP_REQ_DEVLIST, or OP_REQ_WATCH and waits for the first list. The caller has set
 * query->target.endpoint and key. record is called for each device, with ctx as request->ctx.
 * Returns false if there is no list: then query->request has the outcome and the reason, unless a
 * signal came.
 */
bool query_list(struct query *query, enum op_code code,
		void (*record)(struct request *request, const struct reply_item *item), void *ctx);

#endif
