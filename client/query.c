/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for. */
#include "client/query.h"
#include "lib/util.h"


static struct ask *of_exchange(struct exchange *exchange)
{
	return container_of(exchange, struct ask, exchange);
}

/* After the first list of a watch something else may come, which is not asked for any more. */
static void whole(struct exchange *exchange)
{
	of_exchange(exchange)->ended = true;
}

static void ended(struct exchange *exchange, const struct exchange_result *result, int fd,
		  const struct op_device *device)
{
	struct ask *ask = of_exchange(exchange);

	(void)fd;
	(void)device;
	if (!ask->ended)
		ask->result = *result;
	ask->ended = true;
}

static void pass(void *ctx)
{
	struct ask *ask = ctx;

	exchange_pass(&ask->exchange);
}

static void stop(void *ctx)
{
	struct ask *ask = ctx;

	ask->result.outcome = EXCHANGE_BROKEN;
	ask->ended = true;
}

static bool done(void *ctx)
{
	const struct ask *ask = ctx;

	return ask->ended;
}

bool ask_list(struct ask *ask, enum op_code code,
	      void (*record)(struct exchange *exchange, const struct op_device *device,
			     const struct op_interface *interface),
	      void *ctx)
{
	static const struct loop_role role = { pass, stop, done };

	ask->ended = false;
	ask->result.outcome = EXCHANGE_BROKEN;
	ask->result.error = loop_open(&ask->loop, EXCHANGE_REPLY_MS, &role, ask);
	if (ask->result.error)
		return false;
	ask->result.outcome = EXCHANGE_OK;
	exchange_init(&ask->exchange, &ask->loop, &ask->route, ctx);
	ask->exchange.record = record;
	ask->exchange.whole = whole;
	ask->exchange.done = ended;
	exchange_start(&ask->exchange, code, NULL);
	loop_run(&ask->loop);
	exchange_cancel(&ask->exchange);
	loop_close(&ask->loop);
	return ask->result.outcome == EXCHANGE_OK;
}
