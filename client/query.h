/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: for commands that do nothing else meanwhile. */
#ifndef CLIENT_QUERY_H
#define CLIENT_QUERY_H

#include "client/request.h"

struct query {
	bool ended;
	struct request_result result;
	struct loop loop; /* loop.stopping: a signal came, and result is of no use. The signals stay
			     blocked. */
	struct request_target target; /* its addresses are kept for the next query */
	struct request request;
};

/*
 * Requests OP_REQ_DEVLIST, or OP_REQ_WATCH and waits for the first list. The caller has set
 * query->target.endpoint and key. record is called for each device, with ctx as request->ctx.
 * Returns whether query->result.outcome is REQUEST_OK; else query->result has the reason.
 */
bool query_list(struct query *query, enum op_code code,
		void (*record)(struct request *request, const struct op_device *device,
			       const struct op_interface *interface),
		void *ctx);

#endif
