/* SPDX-License-Identifier: MIT */
/* usbiphp find: the servers that are announced in the network (DNS-SD, RFC 6763). */
#include "client/client.h"
#include "client/request.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "loop/multicast.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TRIES = 4, TRY_MS = 500 };

/* The columns but the last. */
#define ROW "%-20s  %-20s  %-5s  %-7s  "

/* An announced server. */
struct found {
	struct mdns_name instance;
	struct mdns_name host; /* none: it is not known yet */
	uint16_t port;
	struct addresses addresses;
};

struct find {
	struct mdns_name service;
	unsigned tries, count;
	struct found server[CLIENT_SERVERS_MAX];
};

#define EACH_FOUND(find, s)                                                                        \
	for (struct found *s = (find)->server; s < (find)->server + (find)->count; s++)

/* For the servers, and for what a server has not told with its name. */
static void find_ask(void *ctx, struct mdns_query *query)
{
	struct find *find = ctx;

	if (find->tries++ % 2 == 0) /* once a second: RFC 6762 5.2 */
		mdns_query_add(query, &find->service, MDNS_PTR);
	EACH_FOUND(find, server) {
		if (!server->host.len) {
			mdns_query_add(query, &server->instance, MDNS_SRV);
		} else if (!server->addresses.count) {
			mdns_query_add(query, &server->host, MDNS_A);
			mdns_query_add(query, &server->host, MDNS_AAAA);
		}
	}
}

static void find_add(struct find *find, const struct mdns_name *instance)
{
	EACH_FOUND(find, server)
		if (mdns_name_equal(&server->instance, instance))
			return;
	if (find->count < CLIENT_SERVERS_MAX)
		find->server[find->count++].instance = *instance;
}

static bool find_take(void *ctx, const struct mdns_record *record, unsigned interface)
{
	struct find *find = ctx;

	if (record->type == MDNS_PTR && mdns_name_equal(&record->name, &find->service))
		find_add(find, &record->target);
	EACH_FOUND(find, server) {
		if (record->type == MDNS_SRV && !server->host.len &&
		    mdns_name_equal(&record->name, &server->instance)) {
			server->host = record->target;
			server->port = record->port;
		} else if ((record->type == MDNS_A || record->type == MDNS_AAAA) &&
			   server->host.len && mdns_name_equal(&record->name, &server->host)) {
			multicast_add_address(&server->addresses, record, interface, server->port);
		}
	}
	return false; /* there may be one more */
}

/* In a process of its own, with the client's sandbox: anybody may answer. */
static void find_servers(struct find *find)
{
	const struct multicast multicast = { find, TRIES, TRY_MS, find_ask, find_take };
	struct ssh ssh;
	int ends[2];
	pid_t pid;

	memset(find, 0, sizeof(*find));
	mdns_name_parse(&find->service, "_usbip._tcp.local");
	if (pipe2(ends, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid) {
		query_confine(&ssh, NULL, NULL, 0);
		multicast_ask(&multicast);
		_exit(write(ends[1], find, sizeof(*find)) < 0);
	}
	close(ends[1]);
	if (pid > 0)
		file_read_all(ends[0], find, sizeof(*find));
	close(ends[0]);
	if (find->count > CLIENT_SERVERS_MAX)
		find->count = 0;
}

/* Returns false if that is no server to connect to. */
static bool found_endpoint(const struct found *server, struct endpoint *endpoint)
{
	char host[MDNS_NAME_MAX], port[ENDPOINT_PORT_SIZE];

	mdns_name_text(&server->host, false, host);
	for (const char *c = host; *c; c++)
		if (!str_is_plain(*c)) /* ssh://, for example */
			return false;
	str_format(port, sizeof(port), "%u", server->port);
	return server->addresses.count && server->addresses.count <= ADDRESSES_MAX &&
	       !endpoint_parse(endpoint, host, port);
}

/* "10.0.0.7" or "fe80:0:0:0:0:0:0:7%eth0". */
static void address_text(const struct addr *address, char *text, size_t size)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in6_addr bytes;
	struct ifreq request;
	size_t len;

	addr_split(address, &bytes);
	addr_text(&bytes, text);
	len = strlen(text);
	request.ifr_ifindex = (int)address->sa.v6.sin6_scope_id;
	if (address->sa.any.sa_family == AF_INET6 && request.ifr_ifindex &&
	    !ioctl(fd, SIOCGIFNAME, &request))
		str_format(text + len, size - len, "%%%s", request.ifr_name);
	close(fd);
}

/* devices is a number or empty. */
static void found_print(struct table *table, const struct found *server,
			const struct endpoint *endpoint, const char *devices)
{
	char name[MDNS_NAME_MAX], text[ADDR_TEXT_SIZE + IF_NAMESIZE];
	const char *before = table->json ? "[" : "";

	mdns_name_text(&server->instance, true, name);
	if (table->json) {
		table_put(table, "{\"name\":");
		table_put_json_string(table, name);
		table_format(table, ",\"host\":\"%s\",\"port\":%s,\"devices\":%s,\"addresses\":",
			     endpoint->host, endpoint->port, *devices ? devices : "null");
	} else {
		str_printable(name);
		table_format(table, ROW, name, endpoint->host, endpoint->port,
			     *devices ? devices : "-");
	}
	for (unsigned i = 0; i < server->addresses.count; i++) {
		address_text(&server->addresses.address[i], text, sizeof(text));
		table_format(table, table->json ? "%s\"%s\"" : "%s%s", before, text);
		before = table->json ? "," : ", ";
	}
	table_put(table, table->json ? "]}" : "\n");
}

/* Asks each server for its devices. */
static void find_print(const struct daemon_options *options, const struct find *find,
		       const struct endpoint *endpoint, struct ssh *ssh, bool json)
{
	static struct table table;
	static struct query query;
	const char *before = "[";
	unsigned devices;
	char text[12];

	table.json = json;
	if (json)
		table_put(&table, "{\"version\":1,\"servers\":");
	else if (find->count)
		table_format(&table, ROW "ADDRESSES\n", "NAME", "HOST", "PORT", "DEVICES");
	for (unsigned i = 0; i < find->count && !query.loop.stopping; i++) {
		query.target = (struct request_target){
			.endpoint = &endpoint[i],
			.key = keys_for(options->keys, endpoint[i].host),
			.ssh = ssh,
			.addresses = find->server[i].addresses,
		};
		*text = '\0';
		if (query_count(&query, &devices))
			str_format(text, sizeof(text), "%u", devices);
		if (json)
			table_put(&table, before);
		before = ",";
		found_print(&table, &find->server[i], &endpoint[i], text);
		table_flush(&table);
	}
	if (json)
		table_put(&table, find->count ? "]}\n" : "[]}\n");
	table_flush(&table);
}

int cmd_find(const struct daemon_options *options, struct endpoint *endpoint, bool json)
{
	static struct find find;
	unsigned kept = 0;
	struct ssh ssh;

	find_servers(&find);
	EACH_FOUND(&find, server)
		if (found_endpoint(server, &endpoint[kept]))
			find.server[kept++] = *server;
	find.count = kept;
	query_confine(&ssh, keys_for(options->keys, ""), endpoint, kept);
	find_print(options, &find, endpoint, &ssh, json);
	if (kept)
		return 0;
	log_error("found no server: ask for one in another network, or one that is not announced, "
		  "by its name or address: usbiphp list HOST");
	return 1;
}
