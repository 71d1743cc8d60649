/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: a loop that ends with it. */
#include "client/request.h"

#include "lib/sandbox.h"
#include "sysfs/sysfs.h"

#include <string.h>

/* The loop ends with the request. */
static void query_done(struct request *request)
{
	(void)request;
}

static void query_pass(void *ctx)
{
	struct query *query = ctx;

	request_pass(&query->request);
}

static void query_stop(void *ctx)
{
	struct query *query = ctx;

	request_cancel(&query->request);
}

static bool query_has_ended(void *ctx)
{
	const struct query *query = ctx;

	return query->request.state == REQUEST_IDLE;
}

void query_confine(struct ssh *ssh, const struct psk *key, const struct endpoint *server,
		   unsigned servers)
{
	ssh_start(ssh, server, servers);
	if (key)
		modprobe("tls");
	sandbox_enter(-1, "", "", server, servers);
}

bool query_list(struct query *query,
		void (*record)(struct request *request, const struct reply_item *item), void *ctx)
{
	static const struct loop_role role = { query_pass, query_stop, query_has_ended };
	struct request *request = &query->request;
	int error = loop_open(&query->loop, REQUEST_REPLY_MS, &role, query);

	request_init(request, &query->loop, &query->target, ctx);
	if (error) {
		request->outcome = REQUEST_FAILED;
		request->reason = strerror(-error);
		return false;
	}
	request->record = record;
	request->done = query_done;
	request->outcome = REQUEST_FAILED; /* unless it has ended otherwise */
	request_start(request, OP_REQ_DEVLIST, NULL);
	loop_run(&query->loop);
	request_cancel(request);
	loop_close(&query->loop);
	return request->outcome == REQUEST_OK;
}

static void count_device(struct request *request, const struct reply_item *item)
{
	unsigned *devices = request->ctx;

	(void)item;
	++*devices;
}

bool query_count(struct query *query, unsigned *devices)
{
	*devices = 0;
	return query_list(query, count_device, devices);
}
