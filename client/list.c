/* SPDX-License-Identifier: MIT */
/* `usbiphp list HOST`: requests the list of the devices that a server exports. */
#include "client/client.h"
#include "client/query.h"

struct list_query {
	struct query query;
	client_show *show;
	void *ctx;
};

static void list_query_record(struct request *request, const struct op_device *device,
			      const struct op_interface *interface)
{
	const struct list_query *list = request->ctx;

	list->show(list->ctx, device, interface);
}

int client_list(const struct endpoint *server, const struct psk *key, client_show *show, void *ctx)
{
	static struct list_query list;
	struct query *query = &list.query;
	struct log_once once = { 0 };

	list.show = show;
	list.ctx = ctx;
	query->target.endpoint = server;
	query->target.key = key;
	if (query_list(query, OP_REQ_DEVLIST, list_query_record, &list))
		return 0;
	if (!query->loop.stopping)
		request_log_failure(&query->request, &query->result, &once);
	return 1;
}
