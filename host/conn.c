/* SPDX-License-Identifier: MIT */
/* One connection of a client: its request and the answer, or the lists of a watch. */
#include "host/server.h"

#include "lib/addr.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/descriptors.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
	SEND_BUFFER = 4 * LISTING_SIZE, /* a list fits, though the last is not yet acknowledged */
	RETRY_MS = 20,	  /* between looks at a device that is about to be free */
	GRANULE_MS = 256, /* deadlines are rounded up to it, so that many cost one pass */
};

/* A child may still have the connection: the peer shall know at once. */
void peer_drop(struct peer *peer)
{
	shutdown(peer->source.fd, SHUT_RDWR);
	loop_drop(peer->exporter->loop, &peer->source);
	tls_wipe(&peer->tls);
	peer->state = PEER_FREE;
}

static uint64_t deadline(const struct exporter *exporter, uint32_t ms)
{
	return (exporter->loop->now + ms + GRANULE_MS - 1) / GRANULE_MS * GRANULE_MS;
}

/*
 * All of it at once, or the peer is dropped: a message is small against the send buffer, which is
 * empty but for a list that the peer has not yet acknowledged.
 */
static bool send_all(struct peer *peer, const void *bytes, size_t len)
{
	ssize_t n = send(peer->source.fd, bytes, len, MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return true;
	peer_drop(peer);
	return false;
}

static bool may_see(void *ctx, const char *busid)
{
	const struct peer *peer = ctx;
	const struct export *export = exports_find(peer->exporter->exports, busid);

	return export && exporter_allows(peer->exporter, export, &peer->who);
}

static void send_list(struct peer *peer, enum op_code code)
{
	struct exporter *exporter = peer->exporter;
	struct listing *listing = &exporter->listing;

	if (exporter->rules && rules_have_to(exporter->rules)) {
		listing_select(listing, &exporter->part, may_see, peer);
		listing = &exporter->part;
	}
	listing_head(listing, code);
	if (send_all(peer, listing->bytes, listing->len))
		peer->sent = exporter->loop->now;
}

/* Closing at once could destroy what was sent, if the peer has sent more than its request. */
static void close_when_read(struct peer *peer)
{
	if (peer->state == PEER_FREE)
		return;
	shutdown(peer->source.fd, SHUT_WR);
	peer->state = PEER_CLOSING;
	loop_rewatch(peer->exporter->loop, &peer->source, EPOLLIN);
}

/* The list is to go out as soon as the kernel has sent what came before. */
static void make_due(struct peer *peer)
{
	if (peer->deadline)
		return; /* it is due already: it will get the newest */
	peer->deadline = deadline(peer->exporter, PEER_DEAD_MS);
	loop_rewatch(peer->exporter->loop, &peer->source, EPOLLIN | EPOLLOUT);
}

/* With it EPOLLOUT says that all was sent, not that there is room; send(2) obeys it, too. */
static void wait_for_sent(struct peer *peer, bool on)
{
	socket_set(peer->source.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, on);
}

static void watch(struct peer *peer)
{
	peer->state = PEER_WATCHING;
	peer->deadline = 0;
	socket_set(peer->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(peer->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	wait_for_sent(peer, true);
	make_due(peer);
}

static void refuse(struct peer *peer, uint32_t status)
{
	uint8_t reply[OP_COMMON_SIZE];

	op_rep_import_encode(reply, sizeof(reply), status, NULL);
	send_all(peer, reply, sizeof(reply));
	close_when_read(peer);
}

/* A client that sends USB requests before it has the reply would get theirs before it. */
static bool in_a_hurry(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_PEEK) > 0;
}

/* The connection becomes the session of the device. It is watched as that, no more as a peer. */
static void hand_over(struct peer *peer, struct export *export)
{
	struct exporter *exporter = peer->exporter;
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;
	uint8_t reply[OP_REP_IMPORT_SIZE];
	bool early = in_a_hurry(peer->source.fd);
	int fd;

	if (device_describe(export->sysfs, export->device.busid, &device, interface)) {
		refuse(peer, OP_NA);
		return;
	}
	op_rep_import_encode(reply, sizeof(reply), OP_OK, &device);
	if (early && !send_all(peer, reply, sizeof(reply)))
		return;
	fd = loop_unwatch(exporter->loop, &peer->source);
	if (!export_import(export, fd, exporter->dead_after, &peer->who)) {
		peer->state = PEER_FREE;
		if (!early && send(fd, reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			shutdown(fd, SHUT_RDWR);
		return;
	}
	peer->source.fd = fd;
	if (early || loop_watch(exporter->loop, &peer->source, EPOLLIN))
		peer_drop(peer);
	else
		refuse(peer, OP_NA);
}

/* Until the device is free, for a while: EXPORT_WAIT, or what is to be said. */
static uint32_t wait_for(struct peer *peer)
{
	struct loop *loop = peer->exporter->loop;

	if (peer->state != PEER_WAITING)
		peer->deadline = deadline(peer->exporter, PEER_IMPORT_MS);
	peer->state = PEER_WAITING;
	if (loop->now >= peer->deadline)
		return OP_BUSY;
	loop_rewatch(loop, &peer->source, 0); /* what it sends now is for the kernel */
	loop_pass_by(loop, loop->now + RETRY_MS);
	return EXPORT_WAIT;
}

static void import(struct peer *peer)
{
	struct exporter *exporter = peer->exporter;
	struct export *export = NULL;
	struct op_request request;
	uint32_t status;

	if (op_request_decode(peer->request, peer->len, &request) > 0)
		export = exports_find(exporter->exports, request.busid);
	if (export && !exporter_allows(exporter, export, &peer->who)) {
		exporter_complain(exporter, &exporter->denied_said, &peer->who.address,
				  "the rules deny it what it wants");
		export = NULL;
	}
	status = export ? export_ask(export) : OP_NODEV;
	if (status == EXPORT_WAIT)
		status = wait_for(peer);
	if (export && status == OP_OK)
		hand_over(peer, export);
	else if (status != EXPORT_WAIT)
		refuse(peer, status);
}

static void answer(struct peer *peer, const struct op_request *request)
{
	switch (request->code) {
	case OP_REQ_IMPORT:
		import(peer);
		break;
	case OP_REQ_WATCH:
		watch(peer);
		break;
	default:
		socket_set(peer->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
		send_list(peer, OP_REP_DEVLIST);
		close_when_read(peer);
	}
}

static void shake(struct peer *peer)
{
	int result = ktls_step(&peer->tls, peer->source.fd);

	if (result < 0) {
		exporter_complain(peer->exporter, &peer->exporter->tls_said, &peer->who.address,
				  ktls_strerror(result));
		peer_drop(peer);
	} else if (result) {
		peer->who.key = peer->tls.key->identity;
		peer->who.print = peer->tls.key->print;
		peer->state = PEER_READING;
	}
}

/* The first byte tells: TLS, or plain USB/IP, which with keys is for this machine only. */
static bool is_plain(struct peer *peer)
{
	const struct keys *keys = peer->exporter->keys;
	uint8_t first;

	if (recv(peer->source.fd, &first, 1, MSG_PEEK) == 1 && first == TLS_FIRST_BYTE) {
		peer->state = PEER_SHAKING;
		if (ktls_accept(&peer->tls, keys->key, keys->count,
				exporter_has_aes(peer->exporter)))
			peer_drop(peer);
		return false;
	}
	if (exporter_trusts(peer->exporter, &peer->who))
		return true;
	exporter_complain(peer->exporter, &peer->exporter->tls_said, &peer->who.address,
			  "it has no key, which --psk asks for");
	peer_drop(peer);
	return false;
}

static void read_request(struct peer *peer)
{
	/* what follows an import's request is the kernel's */
	size_t end = peer->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REQ_IMPORT_SIZE;
	struct op_request request;
	int complete, n;

	if (peer->exporter->keys && !peer->who.key && !peer->len && !is_plain(peer))
		return;
	n = socket_receive(peer->source.fd, peer->request + peer->len, end - peer->len);
	if (n < 0) {
		peer_drop(peer);
		return;
	}
	peer->len = (uint8_t)(peer->len + n);
	complete = op_request_decode(peer->request, peer->len, &request);
	if (complete > 0) {
		answer(peer, &request);
	} else if (complete < 0) {
		exporter_complain(peer->exporter, &peer->exporter->bad_said, &peer->who.address,
				  peer->request[0] == TLS_FIRST_BYTE ?
					  "it speaks TLS, but here is no --psk" :
					  "it sent no request that is understood here");
		peer_drop(peer);
	}
}

/* A watcher has nothing to say, nor has who got its reply. */
static void read_end(struct peer *peer)
{
	char junk[512];
	int n = socket_receive(peer->source.fd, junk, sizeof(junk));

	if (n < 0 || (n && peer->state == PEER_WATCHING))
		peer_drop(peer);
}

static void send_due(struct peer *peer)
{
	struct loop *loop = peer->exporter->loop;

	peer->deadline = 0;
	wait_for_sent(peer, false);
	send_list(peer, OP_REP_WATCH);
	if (peer->state != PEER_WATCHING)
		return;
	wait_for_sent(peer, true);
	loop_rewatch(loop, &peer->source, EPOLLIN);
	loop_pass_by(loop, loop->now + PEER_ALIVE_MS);
}

static void peer_ready(struct loop_source *source, uint32_t events)
{
	struct peer *peer = container_of(source, struct peer, source);

	if (events & (EPOLLERR | EPOLLHUP))
		peer_drop(peer);
	else if (peer->state == PEER_SHAKING)
		shake(peer);
	else if (peer->state == PEER_READING)
		read_request(peer);
	else if (events & EPOLLIN)
		read_end(peer);
	else if (events & EPOLLOUT)
		send_due(peer);
}

void peer_pass(struct peer *peer)
{
	struct exporter *exporter = peer->exporter;
	struct loop *loop = exporter->loop;

	if (peer->state == PEER_WAITING)
		import(peer);
	else if (peer->deadline && loop->now >= peer->deadline)
		peer_drop(peer);
	else if (peer->state == PEER_WATCHING && !peer->deadline &&
		 loop->now - peer->sent >= PEER_ALIVE_MS)
		make_due(peer);
	if (peer->state == PEER_FREE || peer->state == PEER_WAITING)
		return;
	loop_pass_by(loop, peer->deadline ? peer->deadline : peer->sent + PEER_ALIVE_MS);
}

void peer_announce(struct peer *peer)
{
	if (peer->state == PEER_WATCHING)
		make_due(peer);
}

void peer_open(struct peer *peer, struct exporter *exporter, int fd,
	       const struct in6_addr *address)
{
	memset(peer, 0, sizeof(*peer));
	peer->exporter = exporter;
	peer->who.address = *address;
	peer->state = PEER_READING;
	peer->deadline = deadline(exporter, PEER_REQUEST_MS);
	peer->source.fd = fd;
	peer->source.ready = peer_ready;
	if (loop_watch(exporter->loop, &peer->source, EPOLLIN))
		peer_drop(peer);
	else
		loop_pass_by(exporter->loop, peer->deadline);
}
