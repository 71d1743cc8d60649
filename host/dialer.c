/* SPDX-License-Identifier: MIT */
/* Clients that the server connects to: the process that connects, and the server's way to it. */
#include "host/dialer.h"

#include "host/server.h"
#include "lib/backoff.h"
#include "lib/sandbox.h"
#include "lib/socket.h"
#include "lib/util.h"
#include "loop/child.h"
#include "loop/resolve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define DIALER_NAME "usbiphp-dialer"

/* Connects, within DIALER_CONNECT_MS, and calls. The socket or -errno. */
static int dial_address(const struct addr *to, const uint8_t call[OP_CALL_SIZE])
{
	int fd = socket_connect(to), error = -ETIMEDOUT;

	if (fd < 0)
		return fd;
	if (socket_wait(fd, POLLOUT, DIALER_CONNECT_MS))
		error = socket_error(fd);
	if (!error)
		error = socket_send_all(fd, call, OP_CALL_SIZE);
	if (!error)
		return fd;
	close(fd);
	return error;
}

/* The socket, or -1 after a line, unless it is the same as the one before. */
static int dial(const struct endpoint *client, const char *identity, struct log_once *fault)
{
	struct addresses addresses = { 0 };
	uint8_t call[OP_CALL_SIZE];
	const char *why = "";
	int fd;

	if (!resolve_address(client, &addresses))
		resolve_name(client, &addresses);
	if (addresses.error)
		why = resolve_strerror(addresses.error);
	op_call_encode(call, sizeof(call), identity);
	for (unsigned i = 0; i < addresses.count; i++) {
		fd = dial_address(&addresses.address[i], call);
		if (fd >= 0)
			return fd;
		why = strerror(-fd);
	}
	log_once(fault, LOG_LEVEL_WARNING, 0, "cannot reach %s: %s", client->name, why);
	return -1;
}

/* Orders come one at a time: what is readable meanwhile is the end. */
static void dialer_main(int server, const struct endpoint *client)
{
	struct log_once fault = { 0 };
	struct backoff delay = { 0 };
	struct dialer_order order;
	int fd;

	sandbox_enter(-1, "", "", client, 1);
	while (recv(server, &order, sizeof(order), 0) == sizeof(order)) {
		if (!order.failed)
			delay = (struct backoff){ 0 };
		for (fd = -1; fd < 0;) {
			if (order.failed) {
				backoff_fail(&delay, 0, RETRY_LIMIT_MS);
				if (socket_wait(server, POLLIN, (int)delay.delay))
					return;
			}
			fd = dial(client, order.identity, &fault);
			order.failed = true;
		}
		if (log_once_active(&fault))
			log_info("%s: is reached", client->name);
		log_once_clear(&fault);
		socket_send_fds(server, "", 1, &fd, 1);
		close(fd);
	}
}

static void dialer_ready(struct loop_source *source, uint32_t events)
{
	struct dialer *dialer = container_of(source, struct dialer, process);
	struct addr peer = { .len = sizeof(peer.sa) };
	struct in6_addr address;
	char byte = 0;
	int fd;

	(void)events;
	if (socket_receive_fds(source->fd, &byte, 1, &fd, 1) <= 0) {
		loop_drop(dialer->server->loop, source);
		log_error(DIALER_NAME " for %s has ended: restart the server",
			  dialer->client->name);
		return;
	}
	getpeername(fd, &peer.sa.any, &peer.len); /* if it has left already, all zeros */
	addr_split(&peer, &address);
	if (fd < 0 || !host_server_take(dialer->server, fd, &address, dialer))
		dialer_order(dialer, true);
}

int dialer_start(struct dialer *dialer, struct host_server *server, const struct endpoint *client)
{
	int fd;
	pid_t pid = child_start_helper(DIALER_NAME, &(struct child_files){ 0 }, &fd);

	if (!pid) {
		dialer_main(fd, client);
		_exit(0);
	}
	if (pid < 0)
		return pid;
	dialer->process = (struct loop_source){ fd, dialer_ready };
	dialer->server = server;
	dialer->client = client;
	dialer_order(dialer, false);
	return loop_watch(server->loop, &dialer->process, EPOLLIN);
}

void dialer_order(struct dialer *dialer, bool failed)
{
	struct dialer_order order = { .failed = failed };
	const struct psk *key = keys_for(dialer->server->access->keys, dialer->client->host);

	str_copy(order.identity, sizeof(order.identity), key->identity);
	if (!failed)
		log_once_clear(&dialer->fault);
	if (dialer->process.fd >= 0)
		socket_send_fds(dialer->process.fd, &order, sizeof(order), NULL, 0);
}

void dialer_close(struct dialer *dialer)
{
	if (dialer->client)
		loop_drop(dialer->server->loop, &dialer->process);
}

void dialer_lost(struct dialer *dialer, bool unheard)
{
	if (dialer->process.fd < 0)
		return;
	if (unheard)
		log_once(&dialer->fault, LOG_LEVEL_WARNING, 0,
			 "%s: does not take the connection: has it --accept, and this key?",
			 dialer->client->name);
	dialer_order(dialer, true);
}
