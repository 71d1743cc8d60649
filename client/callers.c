/* SPDX-License-Identifier: MIT */
/* Servers that connect to the client: the listener, and a fixed table of connections. */
#include "client/callers.h"

#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/relay.h"
#include "loop/session.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static_assert((int)OP_IDENTITY_SIZE >= (int)PSK_IDENTITY_SIZE, "each identity has room");

#define EACH_CALLER(callers_, caller_)                                                             \
	for (struct caller *caller_ = (callers_)->caller;                                          \
	     caller_ < (callers_)->caller + CALLERS_MAX; caller_++)

static void caller_set_state(struct caller *caller, enum caller_state state)
{
	caller->state = state;
	caller->since = caller->callers->loop->now;
	if (state == CALLER_NAMING || state == CALLER_HANDSHAKE)
		loop_pass_by(caller->callers->loop, caller->since + CALLER_MS);
}

static void caller_drop(struct caller *caller)
{
	loop_drop(caller->callers->loop, &caller->source);
	relay_end(&caller->encrypted);
	explicit_bzero(&caller->tls, sizeof(caller->tls));
	caller_set_state(caller, CALLER_FREE);
}

static void caller_refuse(struct caller *caller, enum caller_refusal kind, const char *why,
			  const char *name)
{
	uint64_t *logged = &caller->callers->logged[kind], now = caller->callers->loop->now;
	char address[ADDR_TEXT_SIZE];

	if (!*logged || now - *logged >= CALLERS_LOG_MS) {
		*logged = now;
		addr_text(&caller->address, address);
		log_warning("%s: connection refused: %s%s", address, why, name);
	}
	caller_drop(caller);
}

/* Of more than CALLERS_SPARE of one server the oldest leaves: it may be dead and not know it. */
static void caller_ready(struct caller *caller)
{
	struct callers *callers = caller->callers;
	struct caller *oldest = NULL;
	unsigned spare = 0;

	session_set_timeouts(caller->encrypted < 0 ? caller->source.fd : caller->encrypted,
			     callers->dead_after);
	caller_set_state(caller, CALLER_READY);
	EACH_CALLER(callers, other) {
		if (other->state != CALLER_READY || strcmp(other->name, caller->name) != 0)
			continue;
		if (!oldest || other->since < oldest->since)
			oldest = other;
		spare++;
	}
	if (spare > CALLERS_SPARE)
		caller_drop(oldest);
	callers->ready(callers, caller->name, caller->tls.key);
}

static void caller_step_handshake(struct caller *caller)
{
	int result = relay_step(caller->callers->loop, &caller->source, &caller->tls,
				&caller->encrypted);

	if (result < 0)
		caller_refuse(caller, CALLER_NO_KEY, ktls_strerror(result), "");
	else if (result)
		caller_ready(caller);
}

/* In an identity: what is behind its last @, or all of it. */
static const char *caller_name(const char *identity)
{
	const char *at = strrchr(identity, '@');

	return at && at[1] ? at + 1 : identity;
}

bool callers_expect(const struct callers *callers, const char *name)
{
	for (unsigned i = 0; i < callers->keys->count; i++)
		if (!strcmp(caller_name(callers->keys->key[i].identity), name))
			return true;
	return false;
}

static void caller_read_name(struct caller *caller)
{
	const struct psk *key;
	int n = socket_receive(caller->source.fd, caller->bytes + caller->len,
			       sizeof(caller->bytes) - caller->len, 0);

	if (n < 0) {
		caller_drop(caller);
		return;
	}
	caller->len = (uint8_t)(caller->len + n);
	n = op_call_decode(caller->bytes, caller->len, caller->identity);
	if (n < 0) {
		caller_refuse(caller, CALLER_NO_NAME, "not a server that has --to", "");
	} else if (n) {
		key = keys_find(caller->callers->keys, caller->identity, strlen(caller->identity));
		caller->name = caller_name(caller->identity);
		caller_set_state(caller, CALLER_HANDSHAKE);
		if (!key)
			caller_refuse(caller, CALLER_NO_KEY, "there is no key ", caller->identity);
		else if (ktls_connect(&caller->tls, caller->source.fd, key))
			caller_drop(caller);
	}
}

/* In READY it must not send anything; it may have left. */
static void caller_io(struct loop_source *source, uint32_t events)
{
	struct caller *caller = container_of(source, struct caller, source);

	(void)events;
	if (caller->state == CALLER_NAMING)
		caller_read_name(caller);
	else if (caller->state == CALLER_HANDSHAKE)
		caller_step_handshake(caller);
	else
		caller_drop(caller);
}

/* NULL: all places are in use. */
static struct caller *callers_find_free(struct callers *callers)
{
	EACH_CALLER(callers, caller)
		if (caller->state == CALLER_FREE)
			return caller;
	return NULL;
}

/* How many that have proved nothing come from where this one comes from. */
static unsigned callers_of_peer(struct callers *callers, const struct caller *caller)
{
	unsigned n = 0;

	EACH_CALLER(callers, other)
		n += other->state != CALLER_READY &&
		     addr_is_same_peer(&other->address, &caller->address);
	return n;
}

/* While all places are in use. NULL: by servers that are READY. */
static struct caller *callers_find_leaver(struct callers *callers)
{
	struct caller *leaver = NULL;
	unsigned most = 0, n;

	EACH_CALLER(callers, caller) {
		if (caller->state == CALLER_READY)
			continue;
		n = callers_of_peer(callers, caller);
		if (leaver && (n < most || (n == most && caller->since >= leaver->since)))
			continue;
		most = n;
		leaver = caller;
	}
	return leaver;
}

static struct caller *callers_make_room(struct callers *callers)
{
	struct caller *caller = callers_find_free(callers);

	if (caller)
		return caller;
	caller = callers_find_leaver(callers);
	if (caller)
		caller_refuse(caller, CALLER_TOO_MANY, "too many connections", "");
	return caller;
}

static void callers_accept(struct loop_source *source, uint32_t events)
{
	struct callers *callers = container_of(source, struct callers, listener);
	struct in6_addr address;
	int fd = loop_accept(callers->loop, source, &address);
	struct caller *caller;

	(void)events;
	if (fd < 0)
		return;
	caller = callers_make_room(callers);
	if (!caller) {
		close(fd);
		return;
	}
	memset(caller, 0, sizeof(*caller));
	caller->callers = callers;
	caller->source = (struct loop_source){ fd, caller_io };
	caller->encrypted = -1;
	caller->address = address;
	caller_set_state(caller, CALLER_NAMING);
	if (loop_watch(callers->loop, &caller->source, EPOLLIN))
		caller_drop(caller);
}

/* As it is, or [::] as that of IPv4, if this kernel has no IPv6. Returns the socket or -errno. */
static int callers_socket(struct addr *address)
{
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(address->sa.any.sa_family, type, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && IN6_IS_ADDR_UNSPECIFIED(&address->sa.v6.sin6_addr)) {
		address->len = sizeof(address->sa.v4);
		address->sa.any.sa_family = AF_INET; /* the port is in the same place */
		address->sa.v4.sin_addr.s_addr = INADDR_ANY;
		fd = socket(AF_INET, type, 0);
	}
	return fd < 0 ? -errno : fd;
}

int callers_open(struct callers *callers, struct loop *loop, struct addr *address)
{
	int fd = callers_socket(address);

	if (fd < 0)
		return fd;
	callers->loop = loop;
	callers->listener = (struct loop_source){ fd, callers_accept };
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	socket_set(fd, IPPROTO_IP, IP_FREEBIND, 1); /* of IPv6, too */
	if (address->sa.any.sa_family == AF_INET6)
		socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(fd, &address->sa.any, address->len) || listen(fd, BACKLOG))
		return -errno;
	return loop_watch(loop, &callers->listener, EPOLLIN);
}

void callers_pass(struct callers *callers)
{
	struct loop *loop = callers->loop;

	if (!loop)
		return;
	loop_watch(loop, &callers->listener, EPOLLIN); /* ends a pause */
	EACH_CALLER(callers, caller) {
		if (caller->state == CALLER_FREE || caller->state == CALLER_READY)
			continue;
		if (loop->now - caller->since >= CALLER_MS)
			caller_refuse(caller, CALLER_NO_NAME, "it is silent", "");
		else
			loop_pass_by(loop, caller->since + CALLER_MS);
	}
}

int callers_take(struct callers *callers, const char *name, int *encrypted)
{
	struct caller *latest = NULL;
	int fd;

	EACH_CALLER(callers, caller)
		if (caller->state == CALLER_READY && !strcmp(caller->name, name) &&
		    (!latest || caller->since > latest->since))
			latest = caller;
	if (!latest)
		return -EAGAIN;
	fd = loop_unwatch(callers->loop, &latest->source);
	*encrypted = latest->encrypted;
	caller_set_state(latest, CALLER_FREE);
	return fd;
}

void callers_drop(struct callers *callers)
{
	if (!callers->loop)
		return;
	EACH_CALLER(callers, caller)
		if (caller->state != CALLER_FREE)
			caller_drop(caller);
}

void callers_close(struct callers *callers)
{
	callers_drop(callers);
	if (callers->loop)
		loop_drop(callers->loop, &callers->listener);
	callers->loop = NULL;
}
