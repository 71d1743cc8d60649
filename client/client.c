/* SPDX-License-Identifier: MIT */
/* The client role: every device that a server publishes is attached here, and kept so. */
#include "client/client.h"

#include "client/port_record.h"
#include "client/server.h"
#include "lib/log.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_MS = 10000 /* for all ports to become free */ };

struct client {
	unsigned servers;
	bool adopted; /* the first pass has looked what an earlier daemon left */
	struct daemon daemon;
	struct importer importer;
	struct server server[CLIENT_SERVERS_MAX];
	char record_dir[PATH_MAX];
};

#define EACH_SERVER(client, i)                                                                     \
	for (struct server *i = (client)->server; i < (client)->server + (client)->servers; i++)

static struct server *find_server(struct client *client, const struct record *record)
{
	EACH_SERVER(client, i)
		if (!strcmp(i->target.endpoint->host, record->host) &&
		    !strcmp(i->target.endpoint->port, record->tcp_port))
			return i;
	return NULL;
}

/*
 * What an earlier daemon attached, as its note says. The stock tools' record says the same, or
 * somebody has attached something else there since, or it was killed before it wrote it: then that
 * is made good, or before it removed it. A note that says nothing is of one that was killed at an
 * attach.
 */
static void adopt_port(struct client *client, unsigned port)
{
	struct importer *importer = &client->importer;
	struct record ours, other;
	struct server *server;
	bool noted = record_read(importer->own_dir, port, &ours);
	bool recorded = noted && record_read(importer->record_dir, port, &other);
	bool same = noted && record_matches(importer->record_dir, port, ours.host, ours.tcp_port,
				       ours.busid);
	bool free = importer->vhci.port[port].state <= VHCI_FREE;

	if (free && same)
		record_remove(importer->record_dir, port);
	if (!noted || free || client->daemon.rundir.stale || (recorded && !same)) {
		record_remove(importer->own_dir, port);
		return;
	}
	if (!recorded)
		record_write(importer->record_dir, port, ours.host, ours.tcp_port, ours.busid,
			     NULL);
	server = find_server(client, &ours);
	if (server) {
		server_adopt(server, ours.busid, port);
		return;
	}
	log_info("detaching port %u: %s is no server any more", port, ours.host);
	vhci_detach(importer->sysfs, port);
	record_remove(importer->record_dir, port);
	record_remove(importer->own_dir, port);
}

static void pass(void *ctx)
{
	struct client *client = ctx;
	struct importer *importer = &client->importer;

	if (!daemon_check_driver(&client->daemon, vhci_read(importer->sysfs, &importer->vhci)))
		return;
	for (unsigned i = 0; !client->adopted && i < importer->vhci.ports; i++)
		adopt_port(client, i);
	client->adopted = true;
	daemon_reload(&client->daemon, &importer->rules, &importer->held);
	import_line_begin(importer);
	EACH_SERVER(client, i)
		server_line_up(i);
	EACH_SERVER(client, i)
		server_pass(i);
}

static unsigned attached(struct client *client)
{
	unsigned n = 0;

	EACH_SERVER(client, i)
		n += server_attached(i);
	return n;
}

static bool done(void *ctx)
{
	struct client *client = ctx;

	if (client->daemon.loop.stopping)
		return client->adopted && !attached(client) && !hook_runner_busy(&client->daemon.runner);
	if (!client->daemon.options->once || client->daemon.loop.next <= client->daemon.loop.now)
		return false;
	EACH_SERVER(client, i)
		if (!server_settled(i))
			return false;
	return !hook_runner_busy(&client->daemon.runner);
}

static int exit_status(struct client *client)
{
	bool failing = client->daemon.lost;
	unsigned left = attached(client);

	if (!client->daemon.loop.stopping) {
		EACH_SERVER(client, i)
			failing |= server_failing(i);
	} else if (left) {
		log_warning("%u devices are still attached", left);
		failing = true;
	}
	return failing;
}

/* Whether one of them is behind ssh. */
static bool tunnels(const struct endpoint *server, unsigned servers)
{
	for (; servers; servers--, server++)
		if (*server->through)
			return true;
	return false;
}

int client_run(const struct daemon_options *options, const struct endpoint *server,
	       unsigned servers)
{
	static const struct daemon_role role = {
		.module = VHCI_MODULE,
		.check = vhci_check,
		.name = "client",
		.vhci_events = true,
		.stop_ms = STOP_MS,
		.loop = { .pass = pass, .done = done },
	};
	static struct client client;
	int status;

	status = daemon_open(&client.daemon, options, &role, &client.importer.rules, &client);
	if (status)
		return status;
	client.importer.runner = &client.daemon.runner;
	record_stock_dir(client.record_dir, sizeof(client.record_dir), options->run);
	client.importer.loop = &client.daemon.loop;
	client.importer.sysfs = &client.daemon.sysfs;
	client.importer.record_dir = client.record_dir;
	client.importer.own_dir = options->run;
	client.importer.dead_after = options->dead_after;
	client.importer.watch = !options->once;
	client.servers = servers;
	for (unsigned i = 0; i < servers; i++)
		server_init(&client.server[i], &client.importer, &server[i],
			    keys_own(options->keys));
	mkdir(client.record_dir, 0700);
	daemon_run(&client.daemon, client.record_dir, tunnels(server, servers));
	rmdir(client.record_dir); /* fails while there are records, as it should */
	status = exit_status(&client);
	daemon_close(&client.daemon, attached(&client));
	return status;
}
