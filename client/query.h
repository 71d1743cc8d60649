/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: for commands that do nothing else meanwhile. */
#ifndef CLIENT_QUERY_H
#define CLIENT_QUERY_H

#include "client/request.h"

struct query {
	bool ended;
	struct request_result result;
	struct loop loop;   /* loop.stopping: it was told to, result is of no use. The signals stay
			       blocked. */
	struct request_target target; /* what is found out serves the next request, too */
	struct request request;
};

/*
 * Asks OP_REQ_DEVLIST, or OP_REQ_WATCH and waits for the first list. query->target.endpoint is set
 * by the caller. record comes for each device, with ctx as request->ctx. Returns whether
 * query->result.outcome is REQUEST_OK; else request_reason(&query->request, &query->result) says
 * why.
 */
bool query_list(struct query *query, enum op_code code,
	      void (*record)(struct request *request, const struct op_device *device,
			     const struct op_interface *interface),
	      void *ctx);

#endif
