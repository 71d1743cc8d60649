/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: a loop that ends with it. */
#include "client/query.h"

#include "lib/str.h"
#include "lib/util.h"

#include <string.h>

static struct query *of_exchange(struct request *request)
{
	return container_of(request, struct query, request);
}

/* The first list of a watch is the result; events behind it are ignored. */
static void query_list_complete(struct request *request)
{
	of_exchange(request)->ended = true;
}

static void query_request_done(struct request *request, const struct request_result *result, int fd,
			       const struct op_device *device)
{
	struct query *query = of_exchange(request);

	(void)fd;
	(void)device;
	if (!query->ended)
		query->result = *result;
	query->ended = true;
}

static void query_pass(void *ctx)
{
	struct query *query = ctx;

	request_pass(&query->request);
}

static void query_stop(void *ctx)
{
	struct query *query = ctx;

	query->result.outcome = REQUEST_BROKEN;
	query->ended = true;
}

static bool query_has_ended(void *ctx)
{
	const struct query *query = ctx;

	return query->ended;
}

bool query_list(struct query *query, enum op_code code,
		void (*record)(struct request *request, const struct op_device *device,
			       const struct op_interface *interface),
		void *ctx)
{
	static const struct loop_role role = { query_pass, query_stop, query_has_ended };
	int error = loop_open(&query->loop, REQUEST_REPLY_MS, &role, query);

	query->ended = false;
	memset(&query->result, 0, sizeof(query->result));
	if (error) {
		query->result.outcome = REQUEST_BROKEN;
		query->result.error = error;
		str_format(query->result.reason, sizeof(query->result.reason), "%s",
			   strerror(-error));
		return false;
	}
	request_init(&query->request, &query->loop, &query->target, ctx);
	query->request.record = record;
	query->request.whole = query_list_complete;
	query->request.done = query_request_done;
	request_start(&query->request, code, NULL);
	loop_run(&query->loop);
	request_cancel(&query->request);
	loop_close(&query->loop);
	return query->result.outcome == REQUEST_OK;
}
