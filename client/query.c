/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for. */
#include "client/query.h"
#include "lib/util.h"


static struct query *of_exchange(struct request *request)
{
	return container_of(request, struct query, request);
}

/* After the first list of a watch something else may come, which is not asked for any more. */
static void whole(struct request *request)
{
	of_exchange(request)->ended = true;
}

static void ended(struct request *request, const struct request_result *result, int fd,
		  const struct op_device *device)
{
	struct query *query = of_exchange(request);

	(void)fd;
	(void)device;
	if (!query->ended)
		query->result = *result;
	query->ended = true;
}

static void pass(void *ctx)
{
	struct query *query = ctx;

	request_pass(&query->request);
}

static void stop(void *ctx)
{
	struct query *query = ctx;

	query->result.outcome = REQUEST_BROKEN;
	query->ended = true;
}

static bool done(void *ctx)
{
	const struct query *query = ctx;

	return query->ended;
}

bool query_list(struct query *query, enum op_code code,
	      void (*record)(struct request *request, const struct op_device *device,
			     const struct op_interface *interface),
	      void *ctx)
{
	static const struct loop_role role = { pass, stop, done };

	query->ended = false;
	query->result.outcome = REQUEST_BROKEN;
	query->result.error = loop_open(&query->loop, REQUEST_REPLY_MS, &role, query);
	if (query->result.error)
		return false;
	query->result.outcome = REQUEST_OK;
	request_init(&query->request, &query->loop, &query->target, ctx);
	query->request.record = record;
	query->request.whole = whole;
	query->request.done = ended;
	request_start(&query->request, code, NULL);
	loop_run(&query->loop);
	request_cancel(&query->request);
	loop_close(&query->loop);
	return query->result.outcome == REQUEST_OK;
}
