/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: for commands that do nothing else meanwhile. */
#ifndef CLIENT_QUERY_H
#define CLIENT_QUERY_H

#include "client/request.h"

struct ask {
	bool ended;
	struct exchange_result result;
	struct loop loop;   /* loop.stopping: it was told to, result is of no use. The signals stay
			       blocked. */
	struct route route; /* what is found out serves the next request, too */
	struct exchange exchange;
};

/*
 * Asks OP_REQ_DEVLIST, or OP_REQ_WATCH and waits for the first list. ask->route.endpoint is set by
 * the caller. record comes for each device, with ctx as exchange->ctx. Returns whether
 * ask->result.outcome is EXCHANGE_OK; else exchange_reason(&ask->exchange, &ask->result) says why.
 */
bool ask_list(struct ask *ask, enum op_code code,
	      void (*record)(struct exchange *exchange, const struct op_device *device,
			     const struct op_interface *interface),
	      void *ctx);

#endif
