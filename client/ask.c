/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for. */
#include "client/ask.h"

#include <errno.h>
#include <stddef.h>

static struct ask *of_exchange(struct exchange *exchange)
{
	return (struct ask *)(void *)((char *)exchange - offsetof(struct ask, exchange));
}

/* After the first list of a watch something else may come, which is not asked for any more. */
static void end(struct ask *ask, const struct exchange_result *result)
{
	if (!ask->ended)
		ask->result = *result;
	ask->ended = true;
}

static void whole(struct exchange *exchange)
{
	static const struct exchange_result ok = { EXCHANGE_OK, 0 };

	end(of_exchange(exchange), &ok);
}

static void ended(struct exchange *exchange, const struct exchange_result *result, int fd,
		  const struct op_device *device)
{
	(void)fd;
	(void)device;
	end(of_exchange(exchange), result);
}

static void pass(void *ctx)
{
	struct ask *ask = ctx;

	if (!exchange_running(&ask->exchange) && !ask->ended)
		exchange_start(&ask->exchange, ask->code, NULL);
	exchange_pass(&ask->exchange);
}

static void stop(void *ctx)
{
	static const struct exchange_result stopped = { EXCHANGE_BROKEN, -EINTR };
	struct ask *ask = ctx;

	end(ask, &stopped);
	ask->stopped = true;
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

	ask->result.outcome = EXCHANGE_BROKEN;
	ask->result.error = loop_open(&ask->loop, EXCHANGE_REPLY_MS, &role, ask);
	if (ask->result.error)
		return false;
	exchange_init(&ask->exchange, &ask->loop, &ask->route, ctx);
	ask->exchange.record = record;
	ask->exchange.whole = whole;
	ask->exchange.done = ended;
	ask->code = code;
	ask->ended = ask->stopped = false;
	loop_run(&ask->loop);
	exchange_cancel(&ask->exchange);
	loop_close(&ask->loop);
	return ask->result.outcome == EXCHANGE_OK;
}
