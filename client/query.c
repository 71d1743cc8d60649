/* SPDX-License-Identifier: MIT */
/* One request for a server's list, waited for: a loop that ends with it. */
#include "client/request.h"

#include "lib/sandbox.h"
#include "lib/util.h"
#include "sysfs/sysfs.h"

#include <string.h>

/* The first list of a watch, which goes on, or the end of the request. */
static void query_take_list(struct request *request)
{
	if (request->state != REQUEST_IDLE || request->outcome == REQUEST_OK)
		container_of(request, struct query, request)->listed = true;
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

	return query->listed || query->request.state == REQUEST_IDLE;
}

void query_confine(struct ssh *ssh, char *name, const struct psk *key,
		   const struct endpoint *server, unsigned servers)
{
	ssh_start(ssh, name, server, servers);
	if (key)
		modprobe("tls");
	sandbox_enter(-1, "", "", server, servers);
}

bool query_list(struct query *query, enum op_code code,
		void (*record)(struct request *request, const struct reply_item *item), void *ctx)
{
	static const struct loop_role role = { query_pass, query_stop, query_has_ended };
	struct request *request = &query->request;
	int error = loop_open(&query->loop, REQUEST_REPLY_MS, &role, query);

	query->listed = false;
	request_init(request, &query->loop, &query->target, ctx);
	if (error) {
		request->outcome = REQUEST_FAILED;
		request->reason = strerror(-error);
		return false;
	}
	request->record = record;
	request->whole = request->done = query_take_list;
	request_start(request, code, NULL);
	loop_run(&query->loop);
	request_cancel(request);
	loop_close(&query->loop);
	return query->listed;
}
