/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/server and import against servers of every kind on loopback, in the same loop, a
 * tree of files where the test plays vhci-hcd, and a clock that the test moves.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=sysfs_write
 * LINK: -Wl,--wrap=log_line,--wrap=rules_judge,--wrap=inspector_ask,--wrap=guard_start,--wrap=shutdown
 */
#include "client/server.h"

#include "client/port_record.h"
#include "lib/str.h"
#include "sysfs/device.h"
#include "tests/clock.h"
#include "tests/files.h"
#include "tests/said.h"

#include <arpa/inet.h>

#define VHCI "devices/platform/vhci_hcd.0/"

enum { PORTS = 16, PEERS = 32, DEVICES = 200, INTERVAL_MS = 10000, WATCH_SETTLES_MS = 10000 };

/* How the server takes a watch. FOREIGN: its lists have no mark. */
enum manner { PUSHES, HANGS_UP, SAYS_NOTHING, TALKS_NONSENSE, FOREIGN };

/* A connection, as the server sees it. */
enum peer_state { ABSENT, ASKING, HELD, ANSWERED, WATCHER, SESSION };

struct peer {
	struct loop_source source;
	enum peer_state state;
	uint8_t request[URB_SIZE]; /* or an import's */
	size_t len;
	char busid[BUSID_SIZE];
};

static struct hook_runner runner = { .source.fd = -1, .config = "." };
static char root[TEMP_SIZE], run_dir[TEMP_SIZE + 8], record_dir[TEMP_SIZE + 8];
static struct sysfs sysfs;
static struct import_context context; /* big */
static struct inspector inspector;
static struct server server;
static struct server second; /* another name of it */
static struct endpoint second_name;

static struct {
	struct loop loop;
	struct endpoint endpoint;
	bool two; /* the second one is there */
	/* the server */
	enum manner manner;
	uint64_t identity;
	bool hold;	 /* no import is answered until release() */
	bool engaged;	 /* nothing else is answered while it has a session */
	uint32_t refuse; /* the status of imports, OP_OK: none is refused */
	struct loop_source listener;
	struct peer peer[PEERS];
	unsigned devices;
	struct op_device device[DEVICES];
	bool lies;		 /* an import is answered with this one: */
	struct op_device other;
	unsigned lists, watches, imports, most; /* most: requests at a time */
	/* its devices */
	const char *serial; /* what they answer, NULL: they say nothing; empty: they have none */
	unsigned asked;	    /* so often */
	/* the rules, while there are any */
	bool by_serial; /* they need it */
	const char *denied; /* this serial number, or with the other rules this busid */
	/* vhci-hcd */
	struct port {
		uint8_t state;
		uint32_t devid, speed;
		int fd; /* its own reference of the connection */
	} port[PORTS];
	bool mute;   /* no device answers the kernel */
	bool broken; /* no attach works */
	bool taken_by_others; /* each port, as soon as it is asked for */
	unsigned detached;
	/* the inspector */
	const char *in_use; /* the bus id here of the one whose disk is in use; NULL: none */
	unsigned questions, syncs;
} t;

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     struct reason *why);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     struct reason *why)
{
	const char *what = t.by_serial ? facts->serial : facts->busid;

	CHECK(rules == &context.rules);
	if (!t.two || strcmp(facts->server, second_name.name) != 0) {
		CHECK_STR(facts->from, t.endpoint.host);
		CHECK_STR(facts->server, t.endpoint.name);
	}
	if (!what)
		return RULE_UNKNOWN;
	if (!t.denied || strcmp(what, t.denied) != 0)
		return RULE_ALLOW;
	str_format(why->text, sizeof(why->text), "denied by --rule 1");
	return RULE_DENY;
}

/* The port table as it is now: the super-speed half is the upper one. */
static void show_ports(void)
{
	char text[PORTS * 80], row[80];

	strcpy(text, "hub port sta spd dev      sockfd local_busid\n");
	for (unsigned i = 0; i < PORTS; i++) {
		bool used = t.port[i].state == VHCI_USED;

		snprintf(row, sizeof(row), "%s  %04u %03u %03u %08x %06d %s%u\n",
			 i < PORTS / 2 ? "hs" : "ss", i, t.port[i].state, 0U,
			 used ? (unsigned)t.port[i].devid : 0, 3, used ? "3-" : "0-",
			 used ? i + 1 : 0);
		strcat(text, row);
	}
	put_file(root, VHCI "status", text);
}

static void port_becomes(unsigned port, uint8_t state)
{
	char name[40];

	t.port[port].state = state;
	snprintf(name, sizeof(name), DEVICE_DIR "3-%u", port + 1);
	if (state == VHCI_USED)
		put_link(root, name, "../../../devices/there");
	else
		take_away(root, name);
	if (state == VHCI_FREE && t.port[port].fd >= 0) {
		close(t.port[port].fd);
		t.port[port].fd = -1;
	}
	show_ports();
}

static int attach(const char *value)
{
	unsigned port, fd, devid, speed;

	must(sscanf(value, "%u %u %u %u", &port, &fd, &devid, &speed) == 4, value);
	must(port < PORTS && (port >= PORTS / 2) == (speed >= 5), "find the half that fits");
	if (t.broken)
		return -EINVAL;
	if (t.taken_by_others) {
		t.port[port].devid = 0x30003;
		port_becomes(port, VHCI_USED);
		return -EBUSY;
	}
	if (t.port[port].state != VHCI_FREE)
		return -EBUSY;
	t.port[port].devid = devid;
	t.port[port].speed = speed;
	t.port[port].fd = dup((int)fd);
	must(t.port[port].fd >= 0, "take the connection");
	port_becomes(port, t.mute ? VHCI_ATTACHING : VHCI_USED);
	return 0;
}

static int detach(const char *value)
{
	unsigned port = (unsigned)atoi(value);

	t.detached++;
	if (t.port[port].state == VHCI_FREE)
		return -EINVAL;
	port_becomes(port, VHCI_FREE);
	return 0;
}

/* A port whose connection the client ends becomes free, too. */
int __wrap_shutdown(int fd, int how)
{
	struct stat its, other;

	for (unsigned i = 0; i < PORTS && !fstat(fd, &its); i++)
		if (!fstat(t.port[i].fd, &other) && its.st_ino == other.st_ino) {
			t.detached++;
			port_becomes(i, VHCI_FREE);
		}
	return __real_shutdown(fd, how);
}

static struct {
	bool wanted, wanted_proven; /* of the client */
	unsigned started, port;
	int error, kernel;
	char name[200], byte[1];
} guards;

int __wrap_guard_start(const char *run, unsigned port, int connection, int kernel, const char *name,
		       uint32_t patience);

int __wrap_guard_start(const char *run, unsigned port, int connection, int kernel, const char *name,
		       uint32_t patience)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	CHECK_INT(patience, 30000); /* twice dead_after */
	CHECK(run == run_dir);
	CHECK(!getpeername(connection, (struct sockaddr *)&peer, &len));
	CHECK(peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
	guards.started++;
	guards.port = port;
	if (guards.kernel)
		close(guards.kernel);
	guards.kernel = dup(kernel);
	snprintf(guards.name, sizeof(guards.name), "%s", name);
	return guards.error;
}

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *name);

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *name)
{
	must(fs == &sysfs, "play vhci-hcd");
	if (!strcmp(name, VHCI "attach"))
		return attach(value);
	must(!strcmp(name, VHCI "detach"), name);
	return detach(value);
}

void __wrap_inspector_ask(struct inspector *asked, unsigned limit_ms);

void __wrap_inspector_ask(struct inspector *asked, unsigned limit_ms)
{
	struct protect_survey *survey = &asked->survey;

	CHECK(asked == &inspector && survey->disks_only && limit_ms);
	t.syncs += survey->sync;
	t.questions += !survey->sync;
	CHECK_INT(survey->count != 0, !survey->sync);
	for (unsigned i = 0; i < survey->count; i++)
		if (t.in_use && !strcmp(survey->item[i].busid, t.in_use))
			protect_need(&survey->item[i], "it holds the file system at /mnt");
	import_context_answered(&context);
}

/* The server's side. */
static struct peer *of_source(struct loop_source *source)
{
	return (struct peer *)(void *)((char *)source - offsetof(struct peer, source));
}

static void hang_up(struct peer *peer)
{
	loop_drop(&t.loop, &peer->source);
	peer->state = ABSENT;
}

static void say(struct peer *peer, const void *bytes, size_t len)
{
	ssize_t n = send(peer->source.fd, bytes, len, MSG_NOSIGNAL);

	CHECK(n == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

static void say_list(struct peer *peer, enum op_code code)
{
	static uint8_t bytes[12 + DEVICES * 312 + OP_MARK_SIZE];
	size_t len = 12;

	op_devlist_head_encode(bytes, 12, code, t.devices);
	for (unsigned i = 0; i < t.devices; i++, len += 312)
		op_record_encode(bytes + len, 312, &t.device[i], NULL);
	if (code == OP_REP_DEVLIST && t.manner != FOREIGN)
		len = op_devlist_mark(bytes, len, t.identity);
	say(peer, bytes, len);
	if (t.manner == FOREIGN) /* so that an empty list has an end */
		shutdown(peer->source.fd, SHUT_WR);
}

static void push(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == WATCHER)
			say_list(&t.peer[i], OP_REP_WATCH);
}

static void answer_import(struct peer *peer)
{
	uint8_t bytes[OP_REP_IMPORT_SIZE];
	int len = op_rep_import_encode(bytes, sizeof(bytes), OP_NODEV, NULL);

	peer->state = ANSWERED;
	for (unsigned i = 0; i < t.devices; i++)
		if (!strcmp(t.device[i].busid, peer->busid)) {
			len = op_rep_import_encode(bytes, sizeof(bytes), t.refuse,
						   t.lies ? &t.other : &t.device[i]);
			peer->state = t.refuse ? ANSWERED : SESSION;
		}
	say(peer, bytes, (size_t)len);
}

static void release(void)
{
	t.hold = false;
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == HELD)
			answer_import(&t.peer[i]);
}

static void take_watch(struct peer *peer)
{
	t.watches++;
	peer->state = WATCHER;
	if (t.manner == PUSHES)
		say_list(peer, OP_REP_WATCH);
	else if (t.manner == HANGS_UP)
		hang_up(peer);
	else if (t.manner == TALKS_NONSENSE)
		say(peer, "no, thanks", 10);
}

static void take_request(struct peer *peer, const struct op_request *request)
{
	unsigned now = 0;

	bool session = false;

	for (unsigned i = 0; i < PEERS; i++) {
		now += t.peer[i].state >= ASKING && t.peer[i].state <= ANSWERED;
		session |= t.peer[i].state == SESSION;
	}
	t.most = now > t.most ? now : t.most;
	if (t.engaged && session) {
		t.lists += request->code == OP_REQ_DEVLIST;
		t.watches += request->code == OP_REQ_WATCH;
		peer->state = ANSWERED; /* in vain */
	} else if (request->code == OP_REQ_WATCH) {
		take_watch(peer);
	} else if (request->code == OP_REQ_IMPORT) {
		t.imports++;
		strcpy(peer->busid, request->busid);
		peer->state = HELD;
		peer->len = 0;
		if (!t.hold)
			answer_import(peer);
	} else {
		t.lists++;
		peer->state = ANSWERED;
		say_list(peer, OP_REP_DEVLIST);
	}
}

/* A device, as far as it is asked what it is: a storage one with a serial number, or without. */
static size_t describe(uint8_t *data, const uint8_t *setup)
{
	static const uint8_t device[] = { 18, 1, 0, 2, 0,  0, 0, 64, 0x27,
					  6,  1, 0, 0, 0, 0, 0, 3, 1 };
	static const uint8_t rest[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50,
					9, 4, 0,  0, 0, 8, 6, 80,   0 };
	size_t len = strlen(t.serial);

	if (setup[3] == URB_QUERY_DEVICE) {
		memcpy(data, device, sizeof(device));
		data[16] = len ? 3 : 0;
		return sizeof(device);
	}
	if (setup[3] == URB_QUERY_CONFIGURATION) {
		memcpy(data, rest, sizeof(rest));
		return sizeof(rest);
	}
	if (!setup[2]) { /* the languages */
		memcpy(data, "\x04\x03\x09\x04", 4);
		return 4;
	}
	CHECK_INT(setup[2], 3);
	data[0] = (uint8_t)(2 + 2 * len);
	data[1] = URB_QUERY_STRING;
	for (size_t i = 0; i < len; i++) {
		data[2 + 2 * i] = (uint8_t)t.serial[i];
		data[3 + 2 * i] = 0;
	}
	return data[0];
}

static void take_urb(struct peer *peer)
{
	uint8_t reply[URB_SIZE + 256] = { 0, 0, 0, 3 };

	CHECK(!memcmp(peer->request, "\0\0\0\1", 4));
	t.asked++;
	peer->len = 0;
	if (!t.serial)
		return;
	memcpy(reply + 4, peer->request + 4, 4);
	reply[0x1b] = (uint8_t)describe(reply + URB_SIZE, peer->request + 0x28);
	say(peer, reply, URB_SIZE + (size_t)reply[0x1b]);
}

static void peer_ready(struct loop_source *source, uint32_t events)
{
	struct peer *peer = of_source(source);
	struct op_request request;
	ssize_t n = recv(source->fd, peer->request + peer->len, sizeof(peer->request) - peer->len,
			 MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		hang_up(peer);
		return;
	}
	CHECK(peer->state == ASKING || peer->state == SESSION); /* it has one request */
	peer->len += (size_t)n;
	if (peer->state == SESSION && peer->len == URB_SIZE)
		take_urb(peer);
	if (peer->state == ASKING && op_request_decode(peer->request, peer->len, &request) > 0)
		take_request(peer, &request);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	unsigned i = 0;

	(void)events;
	while (i < PEERS && t.peer[i].state != ABSENT)
		i++;
	must(i < PEERS, "keep all connections");
	t.peer[i].source.fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	must(t.peer[i].source.fd >= 0, "accept");
	t.peer[i].source.ready = peer_ready;
	t.peer[i].state = ASKING;
	t.peer[i].len = 0;
	must(!loop_watch(&t.loop, &t.peer[i].source, EPOLLIN), "watch");
}

static void listen_again(void)
{
	struct sockaddr_in *there = &server.target.addresses.address[0].sa.v4;
	socklen_t len = sizeof(*there);
	int one = 1;

	t.listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(t.listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(t.listener.fd >= 0 && !bind(t.listener.fd, (struct sockaddr *)there, len) &&
		     !listen(t.listener.fd, 64) &&
		     !getsockname(t.listener.fd, (struct sockaddr *)there, &len),
	     "listen");
	t.listener.ready = listener_ready;
	must(!loop_watch(&t.loop, &t.listener, EPOLLIN), "watch");
}

/* At the same port of all addresses. */
static void listen_everywhere(void)
{
	struct in_addr *address = &server.target.addresses.address[0].sa.v4.sin_addr;
	struct in_addr before = *address;

	loop_drop(&t.loop, &t.listener);
	address->s_addr = htonl(INADDR_ANY);
	listen_again();
	*address = before;
}

static void pass(void *ctx)
{
	(void)ctx;
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	import_context_begin_pass(&context);
	server_set_first(&server, NULL);
	if (t.two)
		server_set_first(&second, server_is_same(&server, &second) ? &server : NULL);
	server_pass(&server);
	if (t.two)
		server_pass(&second);
	import_context_end_pass(&context);
}

static void stop(void *ctx)
{
	(void)ctx;
}

static void set_device(unsigned i, const char *busid, uint16_t vendor)
{
	t.device[i] = (struct op_device){ .path = "/sys/x", .busnum = 1, .devnum = i + 2,
					  .speed = 3, .vendor = vendor, .product = 1 };
	snprintf(t.device[i].busid, BUSID_SIZE, "%s", busid);
}

static void set_devices(unsigned n)
{
	char busid[16];

	t.devices = n;
	for (unsigned i = 0; i < n; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i + 1);
		set_device(i, busid, 0x627);
	}
}

static void make_tree(void)
{
	temp_make(root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	snprintf(record_dir, sizeof(record_dir), "%s/record", root);
	must(!mkdir(run_dir, 0700) && !mkdir(record_dir, 0700), root);
	put_file(root, VHCI "attach", "");
	put_file(root, VHCI "detach", "");
	put_file(root, "bus/platform/drivers/vhci_hcd/uevent", "");
	put_link(root, VHCI "driver", "../../../bus/platform/drivers/vhci_hcd");
	put_file(root, "devices/there/uevent", "");
	for (unsigned i = 0; i < PORTS; i++) {
		t.port[i].state = VHCI_FREE;
		t.port[i].fd = -1;
	}
	show_ports();
	must(!sysfs_open(&sysfs, root), "open the tree");
}

static void prepare(enum manner manner, unsigned devices)
{
	static const struct loop_role role = { pass, stop, clock_done };
	struct addr *address = &server.target.addresses.address[0];
	char text[40];

	memset(&t, 0, sizeof(t));
	said_forget();
	memset(&context, 0, sizeof(context));
	memset(&server, 0, sizeof(server));
	for (unsigned i = 0; i < PEERS; i++)
		t.peer[i].source.fd = -1;
	make_tree();
	must(!loop_open(&t.loop, INTERVAL_MS, &role, NULL), "open the loop");
	t.manner = manner;
	set_devices(devices);
	context.loop = &t.loop;
	context.sysfs = &sysfs;
	context.own_dir = run_dir;
	context.guard_others = guards.wanted;
	context.guard_proven = guards.wanted_proven;
	context.record_dir = record_dir;
	context.dead_after = 15;
	context.watch_lists = true;
	context.hooks = &runner;
	context.inspector = &inspector;
	address->sa.v4 = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address->len = sizeof(address->sa.v4);
	server.target.addresses.count = 1;
	listen_again();
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address->sa.v4.sin_port));
	must(!endpoint_parse(&t.endpoint, text, "3240"), "parse the address");
	server_init(&server, &context, &t.endpoint);
}

static void end(void)
{
	request_cancel(&server.list_request);
	if (t.two)
		request_cancel(&second.list_request);
	for (unsigned i = 0; i < IMPORT_REQUESTS_MAX; i++)
		if (context.request[i].import)
			request_cancel(&context.request[i].request);
	for (unsigned i = 0; i < context.imports; i++)
		if (context.import[i].state)
			session_watch_drop(&context.import[i].session);
	for (unsigned i = 0; i < PEERS; i++)
		loop_drop(&t.loop, &t.peer[i].source);
	for (unsigned i = 0; i < PORTS; i++)
		if (t.port[i].fd >= 0)
			close(t.port[i].fd);
	loop_drop(&t.loop, &t.listener);
	loop_close(&t.loop);
	sysfs_close(&sysfs);
	temp_remove(root);
}

static unsigned attached(void)
{
	unsigned n = 0;

	EACH_IMPORT(&server, import)
		n += import_has_port(import);
	return n;
}

static unsigned peers(enum peer_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS; i++)
		n += t.peer[i].state == state;
	return n;
}

static struct import *import_of(const char *busid)
{
	static struct import none;

	EACH_IMPORT(&server, import)
		if (!strcmp(import->busid, busid))
			return import;
	none.port = -1;
	return &none;
}

static bool is_attached(const char *busid)
{
	return import_of(busid)->port >= 0;
}

static bool all_attached(void)
{
	return attached() == t.devices;
}

static bool is_watched(void)
{
	return server.watched_since && peers(WATCHER);
}

static bool all_watched(void)
{
	return all_attached() && is_watched();
}

/* From the start to where nothing changes any more. */
static void start(enum manner manner, unsigned devices)
{
	prepare(manner, devices);
	if (manner == PUSHES)
		UNTIL(&t.loop, all_watched);
	else
		UNTIL(&t.loop, all_attached);
	run_quiet(&t.loop);
}

/* Time goes by, in steps as small as a pass may want. */
static void go_on(uint64_t ms)
{
	uint64_t until = clock_now + ms;

	run_quiet(&t.loop);
	while (clock_now < until) {
		clock_now = t.loop.next < until ? t.loop.next : until;
		run_quiet(&t.loop);
	}
}

static void end_session(const char *busid)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == SESSION && !strcmp(t.peer[i].busid, busid))
			hang_up(&t.peer[i]);
}

/* The cable is pulled at the server: the kernels on both sides end it. */
static void unplug(const char *busid)
{
	int port = import_of(busid)->port;

	must(port >= 0, "unplug what is attached");
	port_becomes((unsigned)port, VHCI_FREE);
	end_session(busid);
}

static bool none_attached(void)
{
	return !attached();
}

/* A server that serves one connection at a time: while that is our session, it is left in peace. */
static void engaged(void)
{
	unsigned lists;

	prepare(FOREIGN, 1);
	t.engaged = true;
	UNTIL(&t.loop, all_attached);
	go_on(INTERVAL_MS);
	go_on(REQUEST_REPLY_MS);
	lists = t.lists;
	CHECK_INT(lists, 2);
	go_on(SERVER_ENGAGED_MS - 1);
	CHECK_INT(t.lists, lists);
	CHECK_INT(t.watches, 0);
	CHECK(is_attached("1-1"));
	CHECK(!server_is_failing(&server));
	CHECK_INT(said("cannot list"), 0);
	unplug("1-1"); /* the session ends, and it is asked at once */
	go_on(INTERVAL_MS);
	CHECK(t.lists > lists);
	CHECK(is_attached("1-1"));
	end();
	start(FOREIGN, 1); /* one that has answered beside a session does not answer any more */
	go_on(2 * INTERVAL_MS);
	t.engaged = true;
	go_on(2 * INTERVAL_MS);
	CHECK_INT(said("cannot list"), 1);
	end();
}

static void polled_then_watched(void)
{
	start(PUSHES, 3);
	CHECK_INT(t.lists, 1);
	CHECK_INT(t.watches, 1);
	CHECK_INT(t.imports, 3);
	CHECK_INT(t.most, 1);
	CHECK_INT(peers(SESSION), 3);
	CHECK_INT(said(": attached to port "), 3);
	CHECK(!server_is_failing(&server));
	/* from now on no list is asked for */
	for (int i = 0; i < 12; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(t.lists, 1);
	CHECK_INT(t.watches, 1);
	CHECK_INT(t.imports, 3);
	CHECK_INT(peers(WATCHER), 1);
	end();
}

static void pushes_are_followed(void)
{
	uint64_t then;

	start(PUSHES, 1);
	then = clock_now;
	set_devices(4);
	push();
	UNTIL(&t.loop, all_attached);
	CHECK_INT(clock_now, then);
	CHECK(is_attached("1-4"));
	/* one that is in use is on no list, of some servers, and stays */
	t.devices = 1;
	push();
	run_quiet(&t.loop);
	CHECK_INT(attached(), 4);
	CHECK_INT(t.detached, 0);
	unplug("1-4");
	run_quiet(&t.loop);
	CHECK(!is_attached("1-4"));
	CHECK_INT(attached(), 3);
	CHECK_INT(t.imports, 4); /* it is not listed: nobody asks for it */
	CHECK_INT(said_of("1-4 (0627:0001) at 127.0.0.1:", ": gone from port 3"), 1);
	set_devices(4);
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-4"));
	CHECK_INT(t.lists + t.watches, 2);
	end();
}

/* A server of another kind is never asked for a watch: a list each interval. */
static void foreign(void)
{
	for (unsigned devices = 0; devices < 2; devices++) {
		start(FOREIGN, devices);
		for (unsigned i = 1; i <= 20; i++) {
			CHECK_INT(t.lists, i);
			go_on(INTERVAL_MS);
		}
		CHECK_INT(t.watches, 0);
		CHECK_INT(t.most, 1);
		t.manner = PUSHES; /* one of ours has its place, which is not to be seen before */
		go_on(INTERVAL_MS);
		CHECK_INT(t.watches, 1);
		CHECK(is_watched());
		CHECK_INT(said("cannot"), 0);
		end();
	}
}

/* One of ours without a device pushes the first one. */
static void pushes_the_first(void)
{
	start(PUSHES, 0);
	CHECK_INT(t.lists, 1);
	CHECK_INT(t.watches, 1);
	set_devices(1);
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-1"));
	CHECK_INT(t.lists, 1);
	end();
}

/* One that does not push in the end: a list each interval, and a watch after a while. */
static void watch_refused(enum manner manner)
{
	uint64_t asked;

	start(manner, 2);
	go_on(0);
	CHECK_INT(t.watches, 1);
	CHECK_INT(server.watched_since, 0);
	asked = clock_now;
	if (manner == SAYS_NOTHING) {
		CHECK_INT(peers(WATCHER), 1);
		go_on(REQUEST_REPLY_MS - 1);
		CHECK_INT(peers(WATCHER), 1);
		CHECK_INT(t.lists, 1);
		go_on(1);
		asked = clock_now;
	}
	CHECK_INT(peers(WATCHER), 0);
	CHECK_INT(t.lists, 2); /* at once */
	for (unsigned i = 1; i <= 5; i++) {
		go_on(INTERVAL_MS - 1);
		CHECK_INT(t.lists, 1 + i);
		go_on(1);
		CHECK_INT(t.lists, 2 + i);
	}
	CHECK_INT(t.watches, 1);
	go_on(SERVER_REWATCH_MS - (clock_now - asked) - 1);
	CHECK_INT(t.watches, 1);
	go_on(1);
	CHECK_INT(t.watches, 2);
	CHECK_INT(t.most, 1);
	CHECK_INT(t.imports, 2);
	CHECK_INT(attached(), 2);
	CHECK(!server_is_failing(&server));
	CHECK_INT(said("cannot"), 0); /* that is no failure */
	end();
}

static void watch_closed(void)
{
	watch_refused(HANGS_UP);
}

static void watch_unanswered(void)
{
	watch_refused(SAYS_NOTHING);
}

static void watch_answered_with_nonsense(void)
{
	watch_refused(TALKS_NONSENSE);
}

/* One that has learnt it is watched from then on. */
static void watched_later(void)
{
	start(HANGS_UP, 1);
	t.manner = PUSHES;
	go_on(SERVER_REWATCH_MS);
	CHECK(is_watched());
	CHECK_INT(t.watches, 2);
	end();
}

/* A watch that says nothing for so long is dead: a list, and another watch. */
static void watch_dies(void)
{
	start(PUSHES, 1);
	go_on(REQUEST_SILENT_MS - 1000);
	push();
	go_on(REQUEST_SILENT_MS - 1);
	CHECK_INT(t.lists, 1);
	CHECK_INT(t.watches, 1);
	CHECK_INT(peers(WATCHER), 1);
	clock_now++;
	run_quiet(&t.loop);
	CHECK_INT(t.lists, 2);
	CHECK_INT(t.watches, 2);
	CHECK_INT(peers(WATCHER), 1); /* the new one */
	CHECK(is_watched());
	CHECK_INT(t.most, 1);
	CHECK_INT(attached(), 1);
	end();
}

/* One that ends soon after it began is no good: the next one comes later. */
static void watch_ends(uint64_t after, bool good)
{
	start(PUSHES, 1);
	go_on(after);
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == WATCHER)
			hang_up(&t.peer[i]);
	run_quiet(&t.loop);
	CHECK_INT(t.lists, 2); /* at once, whatever it was */
	CHECK_INT(t.watches, good ? 2 : 1);
	CHECK_INT(is_watched(), good);
	go_on(SERVER_REWATCH_MS);
	CHECK(good || t.watches == 2);
	CHECK_INT(said("cannot"), 0);
	end();
}

static void watch_ends_early_or_late(void)
{
	watch_ends(9999, false);
	watch_ends(10000, true);
}

/* A push that is malformed ends the watch; its devices stay. */
static void push_malformed(void)
{
	start(PUSHES, 2);
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == WATCHER)
			say_list(&t.peer[i], OP_REP_DEVLIST);
	t.devices = 1;
	run_quiet(&t.loop);
	CHECK_INT(peers(WATCHER), 0);
	CHECK_INT(t.lists, 2);
	CHECK_INT(attached(), 2);
	end();
}

/* A record that came in a list that did not become whole is no news. */
static void push_in_part(void)
{
	struct op_device device;
	uint8_t bytes[12 + 312];

	start(PUSHES, 1);
	set_devices(2);
	device = t.device[1];
	op_devlist_head_encode(bytes, 12, OP_REP_WATCH, 2);
	op_record_encode(bytes + 12, 312, &device, NULL);
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == WATCHER) {
			say(&t.peer[i], bytes, sizeof(bytes));
			run_quiet(&t.loop);
			hang_up(&t.peer[i]);
		}
	t.devices = 1;
	run_quiet(&t.loop);
	CHECK_INT(t.lists, 2);
	CHECK_INT(t.imports, 1);
	CHECK(!import_of("1-2")->listed);
	end();
}

static bool one_held(void)
{
	return peers(HELD) == 1;
}

/* One that does not push may serve one connection at a time: nothing is asked beside an import. */
static void one_at_a_time(void)
{
	unsigned watches;

	prepare(HANGS_UP, 5);
	t.hold = true;
	UNTIL(&t.loop, one_held);
	go_on(REQUEST_REPLY_MS - 1);
	CHECK_INT(peers(ASKING) + peers(HELD), 1);
	CHECK_INT(t.imports, 1);
	CHECK_INT(t.lists, 1);
	release();
	UNTIL(&t.loop, all_attached);
	run_quiet(&t.loop);
	CHECK_INT(t.most, 1);
	CHECK_INT(t.imports, 5);
	go_on(SERVER_REWATCH_MS);
	CHECK_INT(t.watches, 2);
	go_on(SERVER_REWATCH_MS - 1);
	CHECK_INT(t.watches, 2);
	go_on(5 * SERVER_REWATCH_MS);
	CHECK_INT(t.most, 1);
	CHECK_INT(t.watches, 7);
	t.manner = PUSHES;
	go_on(2 * SERVER_REWATCH_MS);
	for (unsigned i = 0; i < 2; i++) {
		push();
		go_on(WATCH_SETTLES_MS);
	}
	CHECK(is_watched());
	t.manner = HANGS_UP;
	watches = t.watches;
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == WATCHER)
			hang_up(&t.peer[i]);
	go_on(SERVER_REWATCH_MS);
	CHECK_INT(t.watches, watches + 2); /* at once, and after a minute */
	end();
}

static bool several_held(void)
{
	return peers(HELD) == SERVER_REQUESTS_MAX;
}

static void side_by_side(void)
{
	start(PUSHES, 1);
	t.hold = true;
	set_devices(8);
	push();
	UNTIL(&t.loop, several_held);
	go_on(1000);
	CHECK_INT(t.imports, 1 + SERVER_REQUESTS_MAX);
	release();
	UNTIL(&t.loop, all_attached);
	CHECK_INT(t.imports, 8);
	CHECK_INT(t.most, SERVER_REQUESTS_MAX);
	CHECK_INT(t.lists + t.watches, 2);
	end();
}

/* An import that is not answered keeps no other waiting, and is tried again, later each time. */
static void import_unanswered(void)
{
	start(PUSHES, 1);
	t.hold = true;
	set_devices(2);
	push();
	UNTIL(&t.loop, one_held);
	t.hold = false;
	set_devices(3);
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-3"));
	for (unsigned i = 1; i < 3; i++) { /* a device may have to get another driver first */
		go_on(REQUEST_IMPORT_MS / 3);
		push();
		run_quiet(&t.loop);
	}
	go_on(REQUEST_IMPORT_MS / 3 - 1);
	CHECK_INT(peers(HELD), 1);
	go_on(1);
	CHECK_INT(peers(HELD), 0);
	CHECK_INT(said("cannot attach 1-2 (0627:0001) at 127.0.0.1"), 1);
	CHECK(server_is_failing(&server));
	CHECK(!is_attached("1-2"));
	go_on(1000);
	CHECK(is_attached("1-2"));
	CHECK(!server_is_failing(&server));
	end();
}

/* Refused: after 1 s, 2 s, 4 s ... again, but said once. */
static void refused(void)
{
	unsigned imports;

	start(PUSHES, 0);
	t.refuse = OP_BUSY;
	set_devices(1);
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.imports, 1);
	for (unsigned i = 0; i < 9; i++) {
		uint64_t delay = 1000u << i;

		if (delay > 60000)
			delay = 60000;
		imports = t.imports;
		push();
		while (delay > INTERVAL_MS) { /* or the watch would die */
			go_on(INTERVAL_MS);
			push();
			delay -= INTERVAL_MS;
		}
		go_on(delay - 1);
		CHECK_INT(t.imports, imports);
		go_on(1);
		CHECK_INT(t.imports, imports + 1);
	}
	CHECK_INT(said("cannot attach 1-1 (0627:0001) at 127.0.0.1"), 1);
	CHECK(server_is_failing(&server));
	CHECK_INT(t.lists, 1);
	end();
}

/* For a minute, twice a second, the list without it and, when that has been read, with it. */
static void flap(void)
{
	for (unsigned i = 0; i < 120; i++) {
		t.devices = 0;
		push();
		run_quiet(&t.loop);
		set_devices(1);
		push();
		run_quiet(&t.loop);
		go_on(500);
	}
}

/* A server whose list comes and goes does not make what fails fail any faster, nor say it again. */
static void fails_with_a_list_that_flaps(void)
{
	start(PUSHES, 0);
	t.broken = true;
	flap();
	CHECK_INT(t.imports, 6); /* after 1, 2, 4, 8, 16, 32 s */
	CHECK_INT(said("cannot attach 1-1"), 1);
	CHECK(import_of("1-1")->flaps.backoff.delay >= 32000);
	t.devices = 0;
	for (unsigned i = 0; i < 12; i++) {
		push();
		go_on(INTERVAL_MS / 2);
	}
	CHECK(!import_of("1-1")->state); /* forgotten in the end */
	end();
}

/* What another client had is attached as soon as the server lists it again. */
static void refused_and_free_again(void)
{
	start(PUSHES, 0);
	t.refuse = OP_BUSY;
	set_devices(1);
	push();
	go_on(20000);
	push();
	go_on(1000);
	CHECK(import_of("1-1")->flaps.backoff.until > clock_now + 1000);
	t.devices = 0;
	push();
	go_on(10000);
	t.refuse = OP_OK;
	set_devices(1);
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-1"));
	end();
}

/* A few times. */
static void refused_with_a_list_that_flaps(void)
{
	start(PUSHES, 0);
	t.refuse = OP_BUSY;
	flap();
	CHECK(t.imports >= 6 && t.imports <= 9);
	CHECK_INT(said("cannot attach 1-1"), 1);
	end();
}

/* Another device in the same socket does not wait. */
static void another_device(void)
{
	for (int watched = 0; watched < 2; watched++) {
		start(watched ? PUSHES : HANGS_UP, 0);
		t.refuse = OP_BUSY;
		set_devices(1);
		push();
		go_on(INTERVAL_MS * 5 / 2);
		CHECK(t.imports >= 3);
		CHECK(import_of("1-1")->flaps.backoff.until > clock_now + 1000);
		t.refuse = OP_OK;
		t.device[0].product = 2;
		push();
		go_on(watched ? 0 : INTERVAL_MS);
		CHECK(is_attached("1-1"));
		CHECK_INT(said_of("1-1 (0627:0002) at 127.0.0.1:", ": attached to port "), 1);
		end();
	}
}

/* One that starts again and again, with two ids in turn, is attached later and later. */
static void two_ids_in_turn(void)
{
	start(PUSHES, 1);
	for (unsigned i = 0; i < 60; i++) {
		if (is_attached("1-1"))
			unplug("1-1");
		t.device[0].product = 1 + i % 2;
		t.device[0].devnum++;
		push();
		go_on(500);
	}
	CHECK(t.imports >= 5 && t.imports <= 10); /* with one id: 8 */
	end();
}

/* The first record with a bus id counts. */
static void listed_twice(void)
{
	start(PUSHES, 0);
	t.refuse = OP_BUSY;
	t.devices = 2;
	set_device(0, "1-1", 0x627);
	set_device(1, "1-1", 0x951);
	for (unsigned i = 0; i < 60; i++) {
		push();
		go_on(500);
	}
	CHECK_INT(t.imports, 5); /* after 1, 2, 4, 8 s */
	CHECK_INT(said("cannot attach 1-1 (0627:0001)"), 1);
	CHECK_INT(said("cannot attach"), 1);
	end();
}

/* A record without a valid bus id costs the others nothing. */
static void listed_without_name(void)
{
	for (int pushes = 0; pushes < 2; pushes++) {
		prepare(pushes ? PUSHES : HANGS_UP, 3);
		set_device(1, "001/002", 0x627);
		go_on(3 * INTERVAL_MS);
		CHECK_INT(attached(), 2);
		CHECK(is_attached("1-1") && is_attached("1-3"));
		CHECK_INT(said("lists a device with an invalid bus id"), 1);
		CHECK(!server_is_failing(&server));
		end();
	}
}

/* What was replugged is back at once, three times; then later and later. */
static void lost_quickly(enum manner manner)
{
	start(manner, 1);
	for (unsigned i = 1; i <= 3; i++) {
		unplug("1-1");
		run_quiet(&t.loop);
		CHECK(is_attached("1-1"));
		CHECK_INT(t.imports, 1 + i);
	}
	for (unsigned i = 0; i < 4; i++) {
		uint64_t delay = 1000u << i;

		unplug("1-1");
		run_quiet(&t.loop);
		CHECK(!is_attached("1-1"));
		go_on(delay - 1);
		CHECK(!is_attached("1-1"));
		go_on(1);
		CHECK(is_attached("1-1"));
		push();
	}
	CHECK_INT(t.imports, 8);
	CHECK_INT(said("cannot"), 0);
	end();
}

static void lost_quickly_watched(void)
{
	lost_quickly(PUSHES);
}

static void lost_quickly_polled(void)
{
	lost_quickly(HANGS_UP);
}

/* Sessions of 10 s are good ones. */
static void lost_after_a_while(void)
{
	start(PUSHES, 1);
	for (unsigned i = 1; i <= 8; i++) {
		go_on(10000);
		push();
		run_quiet(&t.loop);
		unplug("1-1");
		run_quiet(&t.loop);
		CHECK(is_attached("1-1"));
		CHECK_INT(t.imports, 1 + i);
	}
	CHECK_INT(t.lists, 1);
	end();
}

/* It is gone there, too: a list at once, after 1, 2, 4, 8 s, then every interval. */
static void lost_and_not_listed(void)
{
	static const unsigned delay[] = { 1, 2, 4, 8, 10, 10 };
	unsigned lists;

	start(HANGS_UP, 1);
	go_on(INTERVAL_MS * 3 / 2);
	lists = t.lists;
	t.devices = 0;
	port_becomes((unsigned)import_of("1-1")->port, VHCI_FREE);
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == SESSION)
			hang_up(&t.peer[i]);
	run_quiet(&t.loop);
	CHECK_INT(t.lists, ++lists);
	CHECK(none_attached());
	for (size_t i = 0; i < LENGTH(delay); i++) {
		go_on(delay[i] * 1000 - 1);
		CHECK_INT(t.lists, lists);
		go_on(1);
		CHECK_INT(t.lists, ++lists);
	}
	CHECK_INT(t.imports, 1);
	CHECK(!import_of("1-1")->state); /* nothing is kept of it */
	end();
}

/* The connection ends, but the kernel keeps the port: it is told to let go. */
static void session_that_lingers(void)
{
	start(PUSHES, 1);
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == SESSION)
			hang_up(&t.peer[i]);
	go_on(IMPORT_TEARDOWN_MS - 1);
	CHECK(is_attached("1-1"));
	CHECK_INT(import_of("1-1")->state, IMPORT_ATTACHED);
	CHECK(import_of("1-1")->session.ended);
	CHECK_INT(t.detached, 0);
	t.devices = 0;
	push();
	go_on(51); /* it is looked at every 50 ms */
	CHECK_INT(t.detached, 1);
	go_on(100);
	CHECK(!is_attached("1-1"));
	CHECK_INT(said_of("1-1 (0627:0001)", ": detached from port "), 1);
	end();
}

/* Its port is free, but its device is still here. */
static void ends_and_stays(const char *busid)
{
	unsigned port = (unsigned)import_of(busid)->port;

	end_session(busid);
	t.port[port].state = VHCI_FREE;
	close(t.port[port].fd);
	t.port[port].fd = -1;
	show_ports();
}

/* All high-speed ports are in use, the port of one is free before its device is gone, and another device
 * has to wait: it does not get that port, not even if it has the same devid. */
static void port_of_one_that_lingers(void)
{
	struct record record;
	int port;

	start(PUSHES, PORTS / 2);
	set_devices(PORTS / 2 + 1);
	t.device[PORTS / 2].devnum = t.device[0].devnum;
	push();
	go_on(100);
	CHECK(!is_attached("1-9"));
	port = import_of("1-1")->port;
	ends_and_stays("1-1");
	go_on(IMPORT_TEARDOWN_MS - 200);
	CHECK_INT(import_of("1-1")->port, port);
	CHECK(!is_attached("1-9"));
	CHECK(record_read(run_dir, (unsigned)port, &record, NULL) && !strcmp(record.busid, "1-1"));
	port_becomes((unsigned)port, VHCI_FREE); /* and now its device is gone */
	go_on(2 * INTERVAL_MS);
	CHECK(is_attached("1-1") != is_attached("1-9"));
	CHECK(record_read(run_dir, (unsigned)port, &record, NULL) &&
	      import_of(record.busid)->port == port);
	CHECK_INT(t.detached, 0);
	end();
}

/* Another process takes each port that is free, before this one does. */
static void ports_are_taken(void)
{
	struct record record;

	prepare(PUSHES, 1);
	t.taken_by_others = true;
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1"));
	CHECK_INT(said("every port of vhci-hcd for its speed is in use"), 1);
	for (unsigned i = 0; i < PORTS; i++) {
		CHECK_INT(t.port[i].state, i < PORTS / 2 ? VHCI_USED : VHCI_FREE);
		CHECK(!record_read(run_dir, i, &record, NULL));
	}
	t.taken_by_others = false;
	port_becomes(5, VHCI_FREE);
	go_on(2 * INTERVAL_MS);
	CHECK(all_attached());
	CHECK_INT(import_of("1-1")->port, 5);
	end();
}

/* Its daemon hangs for a while, though its kernel does not: it has pushed lists beside sessions, so
 * it is not one that serves a connection at a time, and is asked as soon as it answers again. */
static void pusher_that_hangs(void)
{
	start(PUSHES, 1);
	push();
	go_on(2 * INTERVAL_MS);
	t.engaged = true;
	go_on(60000);
	CHECK(!is_watched());
	t.engaged = false;
	set_devices(2);
	go_on(4 * INTERVAL_MS);
	CHECK(is_attached("1-2"));
	end();
}

/* A server that took it but does not answer the kernel. */
static void device_that_is_mute(void)
{
	prepare(PUSHES, 1);
	t.mute = true;
	UNTIL(&t.loop, all_watched);
	go_on(IMPORT_ANSWER_MS - 1);
	CHECK(is_attached("1-1"));
	push();
	go_on(1 + 50);
	CHECK(!is_attached("1-1"));
	CHECK_INT(t.detached, 1);
	CHECK_INT(said("never answered"), 1);
	CHECK_INT(t.imports, 1);
	CHECK_INT(import_of("1-1")->state, IMPORT_IDLE);
	CHECK(log_once_active(&import_of("1-1")->failure));
	t.mute = false;
	push();
	go_on(2 * IMPORT_ANSWER_MS);
	CHECK(is_attached("1-1"));
	CHECK(!server_is_failing(&server));
	end();
}

static void kernel_refuses(void)
{
	prepare(PUSHES, 1);
	t.broken = true;
	UNTIL(&t.loop, is_watched);
	CHECK_INT(t.imports, 1);
	CHECK_INT(said("cannot attach 1-1 (0627:0001)"), 1);
	CHECK_INT(peers(SESSION), 0);
	CHECK(!record_read(run_dir, 0, &(struct record){ 0 }, NULL));
	t.broken = false;
	go_on(1000);
	CHECK(is_attached("1-1"));
	end();
}

/* More devices than ports of their half; a port that becomes free is used. */
static void no_port(void)
{
	start(PUSHES, PORTS / 2);
	set_devices(PORTS / 2 + 1);
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.imports, PORTS / 2); /* no connection for nothing */
	CHECK_INT(said("cannot attach 1-9 (0627:0001)"), 1);
	for (int i = 0; i < 20; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(said("cannot attach 1-9 (0627:0001)"), 1);
	t.devices--; /* one goes, and the port is the next one's at once */
	unplug("1-8");
	strcpy(t.device[PORTS / 2 - 1].busid, "1-9");
	t.device[PORTS / 2 - 1].devnum = t.device[PORTS / 2].devnum;
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-9"));
	CHECK_INT(t.imports, PORTS / 2 + 1);
	end();
	start(PUSHES, PORTS / 2);
	set_devices(PORTS / 2 + 1);
	push();
	run_quiet(&t.loop);
	t.device[PORTS / 2].speed = 5;
	push();
	go_on(1000);
	CHECK(is_attached("1-9")); /* in the other half */
	CHECK_INT(import_of("1-9")->port, PORTS / 2);
	end();
}

/* What the list does not know the import may know; 0 in both is more than the server knows. */
static void no_speed(void)
{
	static const struct {
		uint32_t listed, granted, speed;
	} rows[] = {
		{ 0, 3, 3 }, { 7, 2, 2 }, { UINT32_MAX, 6, 6 }, { 0, 0, 5 }, { 7, 99, 5 },
		{ 3, 0, 3 }, { 5, 3, 3 }, { 3, 6, 6 },		{ 6, 7, 6 },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		start(PUSHES, 0);
		set_devices(1);
		t.device[0].speed = rows[i].listed;
		t.other = t.device[0];
		t.other.speed = rows[i].granted;
		t.lies = true;
		push();
		go_on(1000);
		CHECK(is_attached("1-1"));
		CHECK_INT(import_of("1-1")->port, rows[i].speed >= 5 ? PORTS / 2 : 0);
		CHECK_INT(t.port[import_of("1-1")->port].speed, rows[i].speed);
		CHECK_INT(said("cannot attach"), 0);
		end();
	}
}

/* A server that hangs up at once, with --once: nothing is attached, and that is a failure. */
static void lost_with_once(void)
{
	prepare(FOREIGN, 1);
	context.watch_lists = false;
	UNTIL(&t.loop, all_attached);
	run_quiet(&t.loop);
	CHECK(!server_is_failing(&server));
	for (unsigned i = 0; i < 4; i++) {
		unplug("1-1");
		run_quiet(&t.loop);
	}
	CHECK(!is_attached("1-1"));
	CHECK(server_is_settled(&server) && server_is_failing(&server));
	t.devices = 0; /* it is not on offer any more */
	go_on(INTERVAL_MS);
	CHECK(!server_is_failing(&server));
	end();
}

/* No server: said once, asked after 1, 2, 4, 8, 10 s, and once it is there, watched at once. */
static void unreachable(void)
{
	unsigned rounds = 0;

	prepare(PUSHES, 1);
	loop_drop(&t.loop, &t.listener);
	go_on(0);
	CHECK_INT(said("cannot reach 127.0.0.1"), 1);
	CHECK(server_is_failing(&server));
	CHECK_INT(server.next_list, clock_now + 1000);
	for (uint64_t delay = 1000; delay < 32000; delay *= 2, rounds++) {
		go_on(server.next_list - clock_now);
		CHECK_INT(server.next_list - clock_now,
			  delay * 2 < INTERVAL_MS ? delay * 2 : INTERVAL_MS);
	}
	CHECK_INT(said("cannot"), 1);
	listen_again();
	go_on(INTERVAL_MS);
	CHECK(all_watched());
	CHECK(!server_is_failing(&server));
	CHECK_INT(said("answers again"), 0);
	for (int i = 0; i < 3; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(said("answers again"), 1);
	end();
}

static void accept_and_close(struct loop_source *source, uint32_t events)
{
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	must(fd >= 0, "accept");
	close(fd);
}

/* Each failure is logged once, and again when it has changed. */
static void fails_in_other_ways(void)
{
	prepare(PUSHES, 1);
	loop_drop(&t.loop, &t.listener);
	go_on(3 * INTERVAL_MS);
	CHECK_INT(said("cannot reach 127.0.0.1"), 1);
	listen_again();
	t.listener.ready = accept_and_close;
	go_on(3 * INTERVAL_MS);
	CHECK_INT(said("cannot list devices of 127.0.0.1"), 1);
	CHECK_INT(said("cannot reach 127.0.0.1"), 1);
	loop_drop(&t.loop, &t.listener);
	go_on(3 * INTERVAL_MS);
	CHECK_INT(said("cannot list devices of 127.0.0.1"), 1);
	CHECK_INT(said("cannot reach 127.0.0.1"), 2);
	CHECK(server_is_failing(&server));
	end();
}

/* A link that comes and goes: said once, asked ever later, and once it is over that is said. */
static void flapping_link(void)
{
	start(PUSHES, 1);
	t.lists = 0;
	for (unsigned i = 0; i < 60; i++) {
		loop_drop(&t.loop, &t.listener);
		for (unsigned p = 0; p < PEERS; p++)
			if (t.peer[p].state != ABSENT && t.peer[p].state != SESSION)
				hang_up(&t.peer[p]);
		go_on(1500);
		listen_again();
		go_on(1500);
	}
	CHECK_INT(said("cannot reach 127.0.0.1"), 1);
	CHECK_INT(said("answers again"), 0);
	CHECK_INT(t.lists, 9); /* of 60 */
	CHECK_INT(attached(), 1);
	CHECK_INT(t.imports, 1);
	for (unsigned i = 0; i < 3; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(said("answers again"), 1);
	CHECK(is_watched());
	loop_drop(&t.loop, &t.listener);
	for (unsigned p = 0; p < PEERS; p++)
		if (t.peer[p].state == WATCHER)
			hang_up(&t.peer[p]);
	go_on(1000);
	CHECK_INT(said("cannot reach 127.0.0.1"), 2); /* that is news */
	end();
}

/* A stock server that was away may be another when it is back. */
static void back_as_another(void)
{
	start(HANGS_UP, 1);
	loop_drop(&t.loop, &t.listener);
	go_on(INTERVAL_MS + 1000);
	CHECK(server_is_failing(&server));
	CHECK_INT(t.watches, 1);
	CHECK_INT(attached(), 1); /* the kernel's connection is its own */
	t.manner = PUSHES;
	listen_again();
	go_on(INTERVAL_MS);
	CHECK_INT(t.watches, 2);
	CHECK(is_watched());
	end();
}

static void too_many(void)
{
	prepare(PUSHES, 0);
	set_devices(SERVER_IMPORTS_MAX + 10);
	UNTIL(&t.loop, is_watched);
	push();
	run_quiet(&t.loop);
	CHECK_INT(attached(), PORTS / 2);
	CHECK(said("lists more than 128 devices, or all servers more than 2048") <= 1);
	CHECK(log_once_active(&server.overflow));
	end();
}

/* Other servers have filled the table, and then there is room again. */
static void no_place(void)
{
	static struct endpoint other;

	prepare(PUSHES, 1);
	must(!endpoint_parse(&other, "other", "3240"), "parse the name");
	while (import_add(&context, &other, "1-1"))
		;
	UNTIL(&t.loop, is_watched);
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.imports, 0);
	CHECK_INT(said("or all servers more than 2048"), 1);
	import_set_state(&context.import[7], IMPORT_UNUSED);
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-1"));
	CHECK(import_of("1-1") == &context.import[7]);
	end();
}

/* Requests for other servers' devices are running, as many as may; when one ends there is room. */
static void no_request_left(void)
{
	static struct import other;

	prepare(PUSHES, 2);
	for (unsigned i = 0; i < IMPORT_REQUESTS_MAX; i++)
		context.request[i].import = &other;
	UNTIL(&t.loop, is_watched);
	go_on(1000);
	CHECK_INT(t.imports, 0);
	CHECK(!server_is_failing(&server));
	context.request[5].import = NULL;
	loop_pass_now(&t.loop);
	run_quiet(&t.loop);
	CHECK_INT(t.imports, 2);
	CHECK_INT(t.most, 1);
	CHECK(all_attached());
	for (unsigned i = 0; i < IMPORT_REQUESTS_MAX; i++)
		context.request[i].import = NULL;
	end();
}

/* With --once nobody is watched. */
static void once(void)
{
	prepare(PUSHES, 2);
	context.watch_lists = false;
	UNTIL(&t.loop, all_attached);
	go_on(SERVER_REWATCH_MS * 2);
	CHECK_INT(t.watches, 0);
	CHECK(t.lists >= 12);
	CHECK(server_is_settled(&server));
	end();
}

static void settled(void)
{
	prepare(HANGS_UP, 1);
	context.watch_lists = false;
	CHECK(!server_is_settled(&server)); /* it was never asked */
	t.hold = true;
	UNTIL(&t.loop, one_held);
	CHECK(!server_is_settled(&server));
	release();
	UNTIL(&t.loop, all_attached);
	run_quiet(&t.loop);
	CHECK(server_is_settled(&server));
	end();
	prepare(HANGS_UP, 1);
	context.watch_lists = false;
	t.mute = true;
	UNTIL(&t.loop, all_attached);
	go_on(IMPORT_ANSWER_MS - 1);
	CHECK(!server_is_settled(&server)); /* it cannot be used yet */
	go_on(1 + 50);
	CHECK(server_is_settled(&server)); /* nor will it be now */
	CHECK(server_is_failing(&server));
	end();
}

/* --wait: what is still missing, or how many are attached when nothing is. */
static void complete_is(struct server *which, bool complete, unsigned number, const char *missing)
{
	struct reason lacks = { "" };
	unsigned n = 0;

	CHECK_INT(server_is_complete(which, &n, &lacks), complete);
	if (complete)
		CHECK_INT(n, number);
	else
		CHECK_STR(lacks.text, missing);
}

static void complete(void)
{
	char name[ENDPOINT_NAME_SIZE + 40], no_list[sizeof(name)];

	prepare(PUSHES, 2);
	snprintf(name, sizeof(name), "1-1 (0627:0001) at %s is not attached", t.endpoint.name);
	snprintf(no_list, sizeof(no_list), "no list of devices from %s", t.endpoint.name);
	complete_is(&server, false, 0, no_list);
	t.hold = true;
	UNTIL(&t.loop, one_held);
	complete_is(&server, false, 0, name);
	t.hold = false;
	release();
	UNTIL(&t.loop, all_attached);
	run_quiet(&t.loop);
	complete_is(&server, true, 2, "");
	context.rules.count = 1; /* one of them is not wanted, but a disk of it is in use */
	t.denied = "1-1";
	t.in_use = "3-1";
	loop_pass_now(&t.loop);
	go_on(100);
	CHECK_INT(import_of("1-1")->state, IMPORT_KEPT);
	complete_is(&server, true, 1, "");
	t.in_use = NULL;
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1"));
	complete_is(&server, true, 1, "");
	t.denied = NULL; /* it is wanted again */
	t.mute = true;
	loop_pass_now(&t.loop);
	go_on(100);
	CHECK(is_attached("1-1"));
	complete_is(&server, false, 0, name); /* the kernel does not have it yet */
	server.second = true;
	complete_is(&server, true, 0, "");
	server.second = false;
	server.removed = true;
	complete_is(&server, true, 0, "");
	end();
	start(FOREIGN, 1); /* it is not there any more, though not forgotten */
	unplug("1-1");
	t.devices = 0;
	go_on(INTERVAL_MS);
	CHECK(import_of("1-1"));
	complete_is(&server, true, 0, "");
	end();
}

static void stopping(void)
{
	start(PUSHES, 3);
	t.hold = true;
	set_devices(4);
	push();
	UNTIL(&t.loop, one_held);
	t.loop.stopping = true;
	loop_pass_now(&t.loop);
	go_on(100);
	CHECK(none_attached());
	CHECK_INT(t.detached, 3);
	CHECK_INT(peers(WATCHER) + peers(HELD) + peers(SESSION) + peers(ASKING), 0);
	CHECK_INT(said(": detached from port "), 3);
	CHECK_INT(t.lists, 1);
	end();
}

/* What is in use stays, and is asked about once, also if it was kept before. */
static void stopping_in_use(bool kept_before)
{
	start(PUSHES, 3);
	t.in_use = "3-2";
	if (kept_before) {
		context.rules.count = 1;
		t.denied = "1-2";
		loop_pass_now(&t.loop);
		go_on(100);
		CHECK_INT(import_of("1-2")->state, IMPORT_KEPT);
	}
	t.loop.stopping = true;
	import_context_stop(&context);
	loop_pass_now(&t.loop);
	go_on(5 * INTERVAL_MS);
	CHECK_INT(t.detached, 2);
	CHECK_INT(import_of("1-2")->state, IMPORT_KEPT);
	CHECK_INT(said_of("1-2 (0627:0001) at 127.0.0.1:", ": stays attached: it holds the file "),
		  1);
	CHECK_INT(t.questions, 1 + kept_before);
	CHECK_INT(t.syncs, 1 + kept_before); /* there may be more to write by now */
	CHECK_INT(context.sync, IMPORT_SYNC_DONE);
	CHECK(record_matches(run_dir, 1, &t.endpoint, "1-2"));
	CHECK(record_matches(record_dir, 1, &t.endpoint, "1-2"));
	end();
}

static void stopping_with_disks(void)
{
	stopping_in_use(false);
	stopping_in_use(true);
}

/* The devices of a server that is not configured any more leave, and nothing is asked for. */
static void removed(void)
{
	prepare(PUSHES, 2);
	server.removed = true;
	t.in_use = "3-1";
	for (unsigned i = 0; i < 2; i++) {
		t.port[i].devid = 1 << 16 | (i + 2);
		port_becomes(i, VHCI_USED);
	}
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	import_adopt(server_import(&server, "1-1"), 0);
	import_adopt(server_import(&server, "1-2"), 1);
	CHECK(server_is_settled(&server));
	go_on(100);
	CHECK(is_attached("1-1") && !is_attached("1-2"));
	CHECK(server_is_settled(&server) && !server_is_failing(&server));
	t.in_use = NULL;
	go_on(INTERVAL_MS);
	CHECK(none_attached());
	go_on(5 * INTERVAL_MS);
	CHECK_INT(t.lists + t.watches + t.imports, 0);
	end();
}

/* What an earlier daemon attached is not attached again. */
static void adopted(void)
{
	prepare(PUSHES, 2);
	t.port[0].devid = 1 << 16 | 2;
	port_becomes(0, VHCI_USED);
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	import_adopt(server_import(&server, "1-1"), 0);
	UNTIL(&t.loop, all_watched);
	CHECK_INT(t.imports, 1);
	CHECK_INT(import_of("1-1")->port, 0);
	CHECK_INT(import_of("1-2")->port, 1);
	port_becomes(0, VHCI_FREE);
	go_on(INTERVAL_MS); /* of its connection nothing is heard */
	CHECK(is_attached("1-1"));
	CHECK_INT(t.imports, 2);
	end();
}

/* It was killed before its device had answered: nobody else frees the port. */
static void adopted_too_early(void)
{
	prepare(PUSHES, 1);
	port_becomes(0, VHCI_ATTACHING);
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	import_adopt(server_import(&server, "1-1"), 0);
	UNTIL(&t.loop, is_watched);
	go_on(IMPORT_ANSWER_MS - 1000);
	CHECK_INT(t.detached, 0);
	go_on(2000);
	CHECK_INT(t.detached, 1);
	CHECK_INT(said("it never answered") + said("never answered"), 1);
	end();
}

/* Its records, as the stock tools write them, and ours. */
static void recorded(void)
{
	start(PUSHES, 2);
	for (unsigned port = 0; port < 2; port++) {
		const char *busid = port ? "1-2" : "1-1";

		CHECK(record_matches(run_dir, port, &t.endpoint, busid));
		CHECK(record_matches(record_dir, port, &t.endpoint, busid));
	}
	t.devices = 0;
	push();
	run_quiet(&t.loop);
	unplug("1-2");
	run_quiet(&t.loop);
	CHECK(!record_read(run_dir, 1, &(struct record){ 0 }, NULL));
	CHECK(!record_read(record_dir, 1, &(struct record){ 0 }, NULL));
	CHECK(record_matches(run_dir, 0, &t.endpoint, "1-1"));
	end();
}

/* One that somebody else has attached here is left to him. */
static void elsewhere(void)
{
	prepare(PUSHES, 2);
	port_becomes(3, VHCI_USED);
	must(!record_write(record_dir, 3, &t.endpoint, "1-1", NULL), "record");
	UNTIL(&t.loop, is_watched);
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1"));
	CHECK(is_attached("1-2"));
	CHECK_INT(t.imports, 1);
	port_becomes(3, VHCI_FREE);
	push();
	go_on(INTERVAL_MS);
	CHECK(is_attached("1-1"));
	end();
}

/* With a second name for the same server. */
static void prepare_two(enum manner manner, unsigned devices)
{
	char text[40];

	prepare(manner, devices);
	memset(&second, 0, sizeof(second));
	snprintf(text, sizeof(text), "pi.lan:%s", t.endpoint.port);
	must(!endpoint_parse(&second_name, text, "3240"), "parse the name");
	server_init(&second, &context, &second_name);
	second.target.addresses = server.target.addresses;
	t.two = true;
}

/* The first one is asked, at every time; the second one is not, and that is said once. */
static void two_names(void)
{
	for (int manner = PUSHES; manner <= HANGS_UP; manner++) {
		prepare_two(manner, 2);
		UNTIL(&t.loop, all_attached);
		CHECK(server_is_settled(&second) && !server_is_failing(&second));
		go_on(2 * INTERVAL_MS);
		CHECK_INT(t.imports, 2);
		CHECK_INT(t.most, 1);
		CHECK_INT(t.watches, 1);
		CHECK_INT(t.lists, manner == PUSHES ? 1 : 4);
		CHECK(!import_next(&context, &second_name, NULL));
		CHECK_INT(said("pi.lan:"), 1);
		CHECK_INT(said("is the same server as 127.0.0.1:"), 1);
		CHECK_INT(said("cannot"), 0);
		end();
	}
}

/* What is held by its place is held under either name: it does not come back under the other. */
static void two_names_and_held(void)
{
	prepare_two(PUSHES, 2);
	UNTIL(&t.loop, all_watched);
	must(!holds_add(&context.holds, "0627:0001@pi.lan/1-1"), "hold");
	loop_pass_now(&t.loop);
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1") && is_attached("1-2"));
	push();
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1"));
	CHECK_INT(said("is held, until 'usbiphp attach 0627:0001@pi.lan/1-1'"), 1);
	CHECK_INT(t.imports, 2);
	/* that name leads elsewhere: the device there is another one */
	second.target.addresses.address[0].sa.v4.sin_port = htons(1);
	loop_pass_now(&t.loop);
	go_on(INTERVAL_MS);
	CHECK(is_attached("1-1"));
	end();
}

static bool second_has_all(void)
{
	unsigned n = 0;

	EACH_IMPORT(&second, import)
		n += import_has_port(import);
	return n == t.devices;
}

/* The second one is used while the first one fails, as its name may lead elsewhere; what it has
 * attached then stays. */
static void first_name_fails(void)
{
	prepare_two(PUSHES, 2);
	server.target.addresses.address[0].sa.v4.sin_port = htons(1);
	UNTIL(&t.loop, second_has_all);
	CHECK_INT(said("cannot reach 127.0.0.1:"), 1);
	CHECK_INT(said("is the same server"), 0);
	server.target.addresses = second.target.addresses;
	t.refuse = OP_BUSY;
	go_on(2 * INTERVAL_MS);
	CHECK(server.answered);
	CHECK_INT(said("is the same server as 127.0.0.1:"), 1);
	CHECK(second_has_all());
	CHECK_INT(said("cannot"), 1); /* not that they are in use: they are ours */
	CHECK_INT(peers(WATCHER), 1);
	end();
}

static void other_servers(void)
{
	struct addr *address = second.target.addresses.address;

	prepare_two(PUSHES, 0);
	CHECK(server_is_same(&server, &second));
	address->sa.v4.sin_port ^= 1;
	CHECK(!server_is_same(&server, &second));
	address->sa.v4.sin_port ^= 1;
	address->sa.v4.sin_addr.s_addr ^= 1;
	CHECK(!server_is_same(&server, &second));
	second.target.addresses.count = 2; /* the one that works counts */
	second.target.addresses.address[1] = server.target.addresses.address[0];
	CHECK(!server_is_same(&server, &second));
	second.target.good = 3;
	CHECK(server_is_same(&server, &second));
	second.target.addresses.count = 0; /* not looked up yet, or through ssh */
	CHECK(!server_is_same(&server, &second));
	CHECK(!server_is_same(&second, &server));
	second.target.addresses.count = 2;
	log_once(&server.failure, LOG_LEVEL_WARNING, 0, "it fails");
	CHECK(!server_is_same(&server, &second));
	server.answered = true; /* it comes and goes */
	CHECK(server_is_same(&server, &second));
	server.answered = false;
	end();
}

static bool second_is_known(void)
{
	return second.identity && is_watched();
}

/* Other addresses, and the lists tell that it is one server. */
static void two_addresses(void)
{
	static struct psk key;

	prepare_two(PUSHES, 0);
	t.identity = 0x0102030405060708;
	second.target.addresses.address[0].sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	listen_everywhere();
	UNTIL(&t.loop, second_is_known);
	run_quiet(&t.loop);
	CHECK_INT(t.lists, 2);
	CHECK(server_is_same(&server, &second));
	CHECK_INT(said("is the same server as 127.0.0.1:"), 1);
	set_devices(2);
	push();
	go_on(2 * INTERVAL_MS);
	CHECK_INT(attached(), 2);
	CHECK(!import_next(&context, &second_name, NULL));
	CHECK_INT(t.lists, 2);
	second.target.key = &key; /* another proof of who it is */
	CHECK(!server_is_same(&server, &second));
	second.target.key = NULL;
	strcpy(second_name.through, "3240"); /* ssh */
	CHECK(!server_is_same(&server, &second));
	second_name.through[0] = 0;
	second.identity++;
	CHECK(!server_is_same(&server, &second));
	server.identity = second.identity = 0;
	CHECK(!server_is_same(&server, &second));
	server.identity = second.identity = 5;
	CHECK(server_is_same(&server, &second));
	server.answered = false;
	log_once(&server.failure, LOG_LEVEL_WARNING, 0, "it fails");
	CHECK(!server_is_same(&server, &second));
	end();
}

static unsigned ports_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PORTS; i++)
		n += t.port[i].state != VHCI_FREE;
	return n;
}

/* Some servers do not repeat what they have listed: as with the stock client, the bus id counts. */
static void another_than_listed(void)
{
	for (unsigned what = 0; what < 5; what++) {
		start(FOREIGN, 0);
		set_devices(1);
		t.other = t.device[0];
		t.other.vendor ^= what == 0 ? 0x100 : 0;
		t.other.product = what == 1 ? 0 : 1;
		t.other.bcd_device ^= what == 2 ? 0x100 : 0;
		t.other.devnum += what == 3;
		t.other.busnum += what == 4;
		t.lies = true;
		go_on(INTERVAL_MS);
		CHECK(is_attached("1-1"));
		CHECK_INT(t.port[0].devid, op_devid(&t.other));
		go_on(9 * INTERVAL_MS);
		CHECK(is_attached("1-1"));
		CHECK_INT(t.imports, 1);
		CHECK_INT(t.asked, 0);
		CHECK_INT(said("cannot"), 0);
		CHECK(!server_is_failing(&server));
		end();
	}
}

/* Another bus id is another device. */
static void another_name_than_asked_for(void)
{
	start(PUSHES, 0);
	set_devices(1);
	t.other = t.device[0];
	strcpy(t.other.busid, "1-2");
	t.lies = true;
	push();
	go_on(9000);
	CHECK_INT(t.imports, 4); /* after 1, 2, 4 s */
	CHECK_INT(ports_in_use(), 0);
	CHECK_INT(peers(SESSION), 0);
	CHECK_INT(said("cannot attach 1-1 (0627:0001) at 127.0.0.1"), 1);
	CHECK(server_is_failing(&server));
	end();
}

/* Where rules or holds decide, the device is asked what it is, unless the list is repeated. */
static void another_than_listed_and_rules(void)
{
	static const struct {
		uint16_t listed, granted; /* vendors; the device has 0627 */
		const char *hold;
		bool listed_class, asked, attached;
	} rows[] = {
		{ 0x627, 0x627, "0627:0001@127.0.0.1/1-1", false, false, false },
		{ 0x627, 0x627, "0951:0001@127.0.0.1/1-1", false, false, true },
		{ 0x627, 0x2706, "0951:0001@127.0.0.1/1-1", false, true, true }, /* swapped ids */
		{ 0x627, 0, "0951:0001@127.0.0.1/1-1", false, true, true },
		/* the list told lies, or the device was swapped */
		{ 0x951, 0, "0627:0001@127.0.0.1/1-1", false, true, false },
		{ 0x951, 0x627, "0627:0001@127.0.0.1/1-1", true, true, false },
		{ 0x951, 0x627, "0003:0003@127.0.0.1/1-1", true, true, true },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		start(FOREIGN, 0);
		t.serial = "";
		must(!holds_add(&context.holds, rows[i].hold), "hold");
		set_devices(1);
		t.device[0].vendor = rows[i].listed;
		t.device[0].class = rows[i].listed_class ? 3 : 0;
		t.other = t.device[0];
		t.other.vendor = rows[i].granted;
		t.lies = true;
		go_on(10 * INTERVAL_MS);
		CHECK_INT(is_attached("1-1"), rows[i].attached);
		CHECK_INT(t.asked, rows[i].asked ? 2 : 0);
		CHECK_INT(t.imports, rows[i].asked || rows[i].attached);
		CHECK_INT(peers(SESSION), rows[i].attached);
		CHECK_INT(said_of("1-1 (0627:0001) at ", ": left alone: "), !rows[i].attached);
		CHECK_INT(said("cannot"), 0);
		if (rows[i].asked) { /* it has told all */
			CHECK_INT(import_of("1-1")->facts.vendor, 0x627);
			CHECK_INT(import_of("1-1")->facts.class[0], 1); /* not the list's 3 */
			CHECK_INT(import_of("1-1")->facts.class[1], 1); /* storage */
		}
		if (!rows[i].attached && rows[i].asked) { /* another one in its place */
			t.device[0].devnum++;
			t.lies = false;
			go_on(INTERVAL_MS);
			CHECK(is_attached("1-1"));
			CHECK_INT(t.asked, 2);
		}
		end();
	}
}

/* One that does not tell what it is is not attached in the name of what is listed. */
static void another_than_listed_and_mute(void)
{
	start(FOREIGN, 0);
	must(!holds_add(&context.holds, "0951:0001@127.0.0.1/1-1"), "hold");
	set_devices(1);
	t.other = t.device[0];
	t.other.devnum++;
	t.lies = true;
	go_on(5 * INTERVAL_MS);
	CHECK(!is_attached("1-1"));
	CHECK_INT(ports_in_use(), 0);
	CHECK(t.asked >= 2);
	CHECK_INT(said("cannot attach 1-1 (0627:0001) at 127.0.0.1"), 1);
	CHECK(server_is_failing(&server));
	t.serial = "";
	go_on(6 * INTERVAL_MS);
	CHECK(is_attached("1-1"));
	end();
}

/* The class, the speed and the like may have become known since. */
static void same_as_listed(void)
{
	start(PUSHES, 0);
	set_devices(1);
	t.other = t.device[0];
	t.other.class = 3;
	t.other.configuration = 1;
	t.other.interfaces = 2;
	strcpy(t.other.path, "/sys/elsewhere");
	t.lies = true;
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-1"));
	end();
}

/* A device that is replugged has the port that it had, though others came in between. */
static void same_port_again(void)
{
	start(PUSHES, 3);
	CHECK_INT(import_of("1-2")->port, 1);
	unplug("1-2");
	run_quiet(&t.loop);
	CHECK_INT(import_of("1-2")->port, 1);
	/* one comes while it is away */
	set_device(1, "1-7", 0x627);
	push();
	unplug("1-2");
	run_quiet(&t.loop);
	CHECK_INT(import_of("1-7")->port, 3); /* one that nobody had */
	CHECK(!is_attached("1-2"));
	set_device(3, "1-2", 0x627);
	t.devices = 4;
	push();
	go_on(1000);
	CHECK_INT(import_of("1-2")->port, 1);
	/* another device in its place is given its port, too */
	go_on(INTERVAL_MS);
	t.device[3].vendor = 0x951;
	t.device[3].devnum = 77;
	push();
	unplug("1-2");
	go_on(1000);
	CHECK_INT(import_of("1-2")->port, 1);
	CHECK_INT(said_of("1-2 (0951:0001) at 127.0.0.1:", ": attached to port 1"), 1);
	end();
}

/* vhci-hcd's socket is that of the guard, and not the connection; the file is removed later. */
static void with_guard(void)
{
	struct record record;
	char path[PATH_MAX];

	guards.wanted = true;
	start(PUSHES, 2);
	CHECK_INT(guards.started, 2);
	CHECK_INT(peers(SESSION), 2);
	CHECK(is_attached("1-1") && is_attached("1-2"));
	CHECK(!strncmp(guards.name, "1-2 (", 5));
	CHECK_INT(write(t.port[guards.port].fd, "x", 1), 1);
	CHECK_INT(recv(guards.kernel, guards.byte, 1, MSG_DONTWAIT), 1);
	put_file(run_dir, "guard.1", "");
	snprintf(path, sizeof(path), "%s/guard.1", run_dir);
	unplug("1-2");
	go_on(1000);
	CHECK(access(path, F_OK));
	close(guards.kernel);
	end();
	/* without it nothing is attached */
	guards.error = -EAGAIN;
	prepare(PUSHES, 1);
	go_on(100);
	CHECK_INT(said(": attached to port "), 0);
	CHECK_INT(said("Resource temporarily unavailable"), 1);
	CHECK(!import_has_port(import_of("1-1")));
	CHECK(!record_read(run_dir, 0, &record, NULL));
	end();
	/* with a key there may be none; here there is no key */
	memset(&guards, 0, sizeof(guards));
	guards.wanted_proven = true;
	start(PUSHES, 1);
	CHECK_INT(guards.started, 0);
	CHECK(is_attached("1-1"));
	end();
	memset(&guards, 0, sizeof(guards));
}

/* When there is no other left, one that another had is taken. */
static void port_of_another(void)
{
	start(PUSHES, PORTS / 2);
	unplug("1-1");
	set_device(0, "1-77", 0x627);
	push();
	run_quiet(&t.loop);
	CHECK_INT(import_of("1-77")->port, 0);
	end();
}

static void hold(const char *name)
{
	must(!holds_add(&context.holds, name), "hold");
	loop_pass_now(&t.loop);
	go_on(100); /* a detach is looked at after 50 ms */
}

static void let(const char *name)
{
	holds_remove(&context.holds, name);
	loop_pass_now(&t.loop);
	go_on(100);
}

#define BY_PLACE "0627:0001@127.0.0.1/1-1"

/* What is held is detached, not asked for, and attached when that is over. */
static void held_by_place(void)
{
	start(PUSHES, 2);
	for (unsigned round = 1; round <= 2; round++) {
		unsigned imports = t.imports;

		hold(BY_PLACE);
		CHECK(!is_attached("1-1") && is_attached("1-2"));
		CHECK_INT(t.detached, round);
		CHECK_INT(said_of("1-1 (0627:0001) at 127.0.0.1:", ": left alone: "), round);
		CHECK_INT(said_of("1-1 (0627:0001)", ": detached from port "), round);
		for (unsigned i = 0; i < 3; i++) {
			go_on(INTERVAL_MS);
			push();
		}
		CHECK_INT(t.imports, imports);
		CHECK(!server_is_failing(&server));
		let(BY_PLACE);
		CHECK_INT(import_of("1-1")->port, 0);
		CHECK_INT(t.imports, imports + 1);
		go_on(INTERVAL_MS); /* a good session */
		push();
	}
	CHECK_INT(said(": left alone: "), 2);
	CHECK_INT(t.asked, 0); /* no device was asked */
	end();
}

#define KEPT "1-1 (0627:0001) at 127.0.0.1:"
#define IN_USE ": stays attached: it holds the file system at /mnt"

/* What is held while its disk is in use is detached when that ends: it is asked every interval. */
static void held_in_use(void)
{
	start(PUSHES, 2);
	t.in_use = "3-1";
	hold(BY_PLACE);
	CHECK(is_attached("1-1") && is_attached("1-2"));
	CHECK_INT(said_of(KEPT, IN_USE), 1);
	CHECK_INT(t.questions, 1);
	CHECK_INT(t.syncs, 1);
	for (unsigned i = 1; i <= 3; i++) {
		push();
		go_on(INTERVAL_MS);
		CHECK_INT(t.questions, 1 + i);
	}
	CHECK_INT(said(IN_USE), 1);
	CHECK_INT(t.syncs, 1);
	CHECK_INT(t.detached, 0);
	let(BY_PLACE); /* it may stay */
	CHECK_INT(import_of("1-1")->state, IMPORT_ATTACHED);
	go_on(2 * INTERVAL_MS);
	CHECK_INT(t.questions, 4);
	hold(BY_PLACE);
	CHECK_INT(said(IN_USE), 2);
	t.in_use = NULL;
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1") && is_attached("1-2"));
	CHECK_INT(t.detached, 1);
	CHECK_INT(said_of(KEPT, ": detached from port 0"), 1);
	CHECK_INT(t.imports, 2);
	end();
}

/* A device without a connection is not kept: nothing is written to its disk any more. */
static void held_and_closed(void)
{
	start(PUSHES, 1);
	t.in_use = "3-1";
	hold(BY_PLACE);
	CHECK(is_attached("1-1"));
	for (unsigned i = 0; i < PEERS; i++)
		if (t.peer[i].state == SESSION)
			hang_up(&t.peer[i]);
	go_on(100);
	CHECK(!is_attached("1-1"));
	CHECK_INT(said(IN_USE), 1);
	end();
}

/* One that is held before it comes is left alone, and that is said once. */
static void held_before(void)
{
	start(PUSHES, 0);
	hold(BY_PLACE);
	set_devices(2);
	for (unsigned i = 0; i < 3; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK(!is_attached("1-1") && is_attached("1-2"));
	CHECK_INT(t.imports, 1);
	CHECK_INT(said_of("1-1 (0627:0001) at 127.0.0.1:", ": left alone: "), 1);
	CHECK_INT(said(": left alone: "), 1);
	/* another device in its place is not held */
	t.device[0].vendor = 0x951;
	push();
	run_quiet(&t.loop);
	CHECK(is_attached("1-1"));
	end();
}

/* A port that is somebody else's by now is not detached in the name of what was there. */
static void held_and_replaced(void)
{
	start(PUSHES, 1);
	t.port[0].devid = 0x00050006;
	show_ports();
	t.devices = 0;
	push();
	hold(BY_PLACE);
	CHECK_INT(t.detached, 0);
	CHECK(!is_attached("1-1"));
	CHECK_INT(t.port[0].state, VHCI_USED);
	end();
}

/* Held by its serial number, which only the device knows. */
static void held_by_serial(void)
{
	start(PUSHES, 0);
	t.serial = "A 1";
	hold("0627:0001/A_1");
	set_devices(1);
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.asked, 4);
	CHECK_INT(t.imports, 1);
	CHECK_INT(ports_in_use(), 0);
	CHECK_INT(peers(SESSION), 0);
	CHECK_INT(said_of("1-1 ", ": left alone: "), 1);
	for (unsigned i = 0; i < 3; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(t.imports, 1); /* it is known now */
	CHECK(!server_is_failing(&server));
	/* another plug, another device, maybe */
	t.serial = "B";
	t.device[0].devnum++;
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.asked, 8);
	CHECK(is_attached("1-1"));
	CHECK_INT(import_of("1-1")->port, 0);
	end();
}

static void rule_by_serial(const char *serial, bool denied)
{
	start(PUSHES, 0);
	context.rules.count = 1;
	context.rules.file = "/etc/rules";
	t.by_serial = true;
	t.denied = "A 1";
	t.serial = serial;
	set_devices(1);
	push();
	run_quiet(&t.loop);
	CHECK_INT(t.asked, *serial ? 4 : 2);
	CHECK_INT(is_attached("1-1"), !denied);
	CHECK_INT(peers(SESSION), !denied);
	CHECK_INT(ports_in_use(), !denied);
	CHECK_INT(said_of("1-1 (0627:0001) at 127.0.0.1:", ": left alone: "), denied);
	for (unsigned i = 0; i < 3; i++) {
		push();
		go_on(INTERVAL_MS);
	}
	CHECK_INT(t.imports, 1);
	CHECK_INT(said("denied by "), denied);
	/* other rules */
	t.denied = denied ? NULL : serial;
	loop_pass_now(&t.loop);
	go_on(100);
	CHECK_INT(is_attached("1-1"), denied);
	/* one that was not taken is known, one that was may be another one afterwards */
	CHECK_INT(t.asked, (*serial ? 4 : 2) * (denied ? 1 : 2));
	CHECK_INT(said_of("1-1 ", ": left alone: "), 1);
	end();
}

static void rules_by_serial(void)
{
	rule_by_serial("A 1", true);
	rule_by_serial("B", false);
	rule_by_serial("", false);
}

/* Nothing is attached in ignorance: a device that does not answer is asked again, later. */
static void asked_in_vain(void)
{
	start(PUSHES, 0);
	context.rules.count = 1;
	t.by_serial = true;
	set_devices(1);
	push();
	go_on(REQUEST_REPLY_MS - 1);
	CHECK_INT(t.asked, 1);
	CHECK_INT(peers(SESSION), 1);
	go_on(1);
	CHECK_INT(peers(SESSION), 0);
	CHECK_INT(ports_in_use(), 0);
	CHECK_INT(said("cannot attach 1-1"), 1);
	CHECK(server_is_failing(&server));
	t.serial = "B";
	go_on(1000);
	CHECK(is_attached("1-1"));
	CHECK(!server_is_failing(&server));
	end();
}

/* What is denied without its strings is not asked for at all. */
static void denied(void)
{
	start(HANGS_UP, 0);
	context.rules.count = 1;
	context.rules.file = "/etc/rules";
	t.denied = "1-2";
	set_devices(3);
	go_on(2 * INTERVAL_MS);
	CHECK(is_attached("1-1") && !is_attached("1-2") && is_attached("1-3"));
	go_on(3 * INTERVAL_MS);
	CHECK_INT(t.imports, 2);
	CHECK_INT(t.asked, 0);
	CHECK_INT(said_of("1-2 (0627:0001) at 127.0.0.1:", ": left alone: "), 1);
	CHECK_INT(said("denied by "), 1);
	CHECK(!server_is_failing(&server));
	t.denied = "1-1"; /* other rules */
	loop_pass_now(&t.loop);
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-1") && is_attached("1-2") && is_attached("1-3"));
	CHECK_INT(said_of("1-1 ", ": left alone: "), 1);
	end();
}

/* Those of a server that lists them; one that a rule names is attached. */
static void hub(void)
{
	start(HANGS_UP, 0);
	set_devices(3);
	t.device[1].class = 9;
	go_on(3 * INTERVAL_MS);
	CHECK(is_attached("1-1") && !is_attached("1-2") && is_attached("1-3"));
	CHECK_INT(t.imports, 2);
	CHECK_INT(said_of("1-2 (0627:0001) at 127.0.0.1:", ": left alone: it is a hub"), 1);
	CHECK(!server_is_failing(&server));
	context.rules.count = 1;
	context.rules.rule[0].glob[RULE_BUSID] = "1-?";
	go_on(INTERVAL_MS);
	CHECK(!is_attached("1-2"));
	context.rules.rule[0].glob[RULE_BUSID] = "1-2";
	go_on(INTERVAL_MS);
	CHECK(is_attached("1-2"));
	end();
}

/* The first list is another reason to look at it anew, which is not done at once: time goes by. */
static bool first_is_free(void)
{
	clock_now += 2;
	return is_watched() && t.port[0].state == VHCI_FREE;
}

static bool strings_are_known(void)
{
	clock_now += 2;
	return is_watched() && import_of("1-1")->facts.serial != NULL;
}

/* Of one that an earlier daemon attached, this machine knows the strings. */
static void adopted_and_denied(bool deny)
{
	prepare(PUSHES, 1);
	context.rules.count = 1;
	context.rules.file = "/etc/rules";
	t.by_serial = true;
	t.denied = deny ? "A 1" : "B";
	put_file(root, "devices/there/serial", "A 1\n");
	put_file(root, "devices/there/product", "Stick\n");
	t.port[0].devid = 1 << 16 | 2;
	port_becomes(0, VHCI_USED);
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	import_adopt(server_import(&server, "1-1"), 0);
	UNTIL(&t.loop, deny ? first_is_free : strings_are_known);
	go_on(100);
	CHECK_INT(is_attached("1-1"), !deny);
	CHECK_INT(t.detached, deny);
	CHECK_INT(t.imports, deny); /* once it was let go it is asked itself */
	CHECK(deny || !t.asked);
	end();
}

static bool all_are_known(void)
{
	unsigned n = 0;

	clock_now += 2;
	EACH_IMPORT(&server, import)
		n += import->answered && import->facts.serial;
	return is_watched() && n == t.devices;
}

/* More than are read at a time. */
static void many_adopted(void)
{
	char busid[BUSID_SIZE];

	prepare(PUSHES, IDENTITY_READERS + 2);
	context.rules.count = 1;
	t.by_serial = true;
	put_file(root, "devices/there/serial", "A 1\n");
	for (unsigned i = 0; i < t.devices; i++) {
		t.port[i].devid = 1 << 16 | (i + 2);
		port_becomes(i, VHCI_USED);
	}
	must(!vhci_read(&sysfs, &context.vhci), "read the ports");
	for (unsigned i = 0; i < t.devices; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i + 1);
		import_adopt(server_import(&server, busid), i);
	}
	UNTIL(&t.loop, all_are_known);
	CHECK_INT(t.detached + t.imports, 0);
	for (unsigned i = 0; i < t.devices; i++)
		CHECK_STR(context.import[i].facts.serial, "A 1");
	for (unsigned i = 0; i < IDENTITY_READERS; i++)
		CHECK(!context.identity_reader[i].import);
	end();
}

static void adopted_and_judged(void)
{
	adopted_and_denied(true);
	adopted_and_denied(false);
}

static void no_leak(void)
{
	unsigned before = open_files();

	another_than_listed_and_rules();
	another_than_listed_and_mute();
	held_by_serial();
	rules_by_serial();
	asked_in_vain();
	adopted_and_judged();
	many_adopted();
	pushes_are_followed();
	watch_unanswered();
	watch_dies();
	side_by_side();
	import_unanswered();
	kernel_refuses();
	lost_quickly_polled();
	unreachable();
	stopping();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_server: polled, then watched", polled_then_watched);
	RUN("t_server: pushes are followed", pushes_are_followed);
	RUN("t_server: a server of another kind", foreign);
	RUN("t_server: the first device is pushed", pushes_the_first);
	RUN("t_server: a watch that is closed", watch_closed);
	RUN("t_server: a watch without an answer", watch_unanswered);
	RUN("t_server: a watch that is answered with nonsense", watch_answered_with_nonsense);
	RUN("t_server: one that pushes later", watched_later);
	RUN("t_server: a watch that dies", watch_dies);
	RUN("t_server: a watch that ends early, or late", watch_ends_early_or_late);
	RUN("t_server: a push that is malformed", push_malformed);
	RUN("t_server: a push of which a part came", push_in_part);
	RUN("t_server: one connection at a time", one_at_a_time);
	RUN("t_server: one connection, which is the session", engaged);
	RUN("t_server: imports side by side", side_by_side);
	RUN("t_server: an import without an answer", import_unanswered);
	RUN("t_server: an import that is refused", refused);
	RUN("t_server: a failure, and a list that flaps", fails_with_a_list_that_flaps);
	RUN("t_server: refused, and free again", refused_and_free_again);
	RUN("t_server: refused, and a list that flaps", refused_with_a_list_that_flaps);
	RUN("t_server: another device in the same place", another_device);
	RUN("t_server: a device with two ids in turn", two_ids_in_turn);
	RUN("t_server: a bus id that is listed twice", listed_twice);
	RUN("t_server: a record without a bus id", listed_without_name);
	RUN("t_server: lost quickly, watched", lost_quickly_watched);
	RUN("t_server: lost quickly, polled", lost_quickly_polled);
	RUN("t_server: lost after a while", lost_after_a_while);
	RUN("t_server: lost and not listed", lost_and_not_listed);
	RUN("t_server: a session that lingers", session_that_lingers);
	RUN("t_server: the port of a device that lingers", port_of_one_that_lingers);
	RUN("t_server: ports that others take first", ports_are_taken);
	RUN("t_server: a server that pushes, and hangs for a while", pusher_that_hangs);
	RUN("t_server: a device that does not answer", device_that_is_mute);
	RUN("t_server: the kernel refuses", kernel_refuses);
	RUN("t_server: no port is free", no_port);
	RUN("t_server: a device without a speed", no_speed);
	RUN("t_server: a server that cannot be reached", unreachable);
	RUN("t_server: a server that fails in other ways", fails_in_other_ways);
	RUN("t_server: a link that comes and goes", flapping_link);
	RUN("t_server: a server that is back as another", back_as_another);
	RUN("t_server: too many devices", too_many);
	RUN("t_server: no place for a device", no_place);
	RUN("t_server: no request left", no_request_left);
	RUN("t_server: once", once);
	RUN("t_server: settled", settled);
	RUN("t_server: complete", complete);
	RUN("t_server: stopping", stopping);
	RUN("t_server: stopping, a disk is in use", stopping_with_disks);
	RUN("t_server: a server that is removed", removed);
	RUN("t_server: what an earlier daemon attached", adopted);
	RUN("t_server: what an earlier daemon attached in vain", adopted_too_early);
	RUN("t_server: records", recorded);
	RUN("t_server: attached by somebody else", elsewhere);
	RUN("t_server: two names of one server", two_names);
	RUN("t_server: two names of one server, and a device that is held", two_names_and_held);
	RUN("t_server: two names of one server, and the first one fails", first_name_fails);
	RUN("t_server: two addresses of one server", two_addresses);
	RUN("t_server: two names of other servers", other_servers);
	RUN("t_server: lost again and again, with --once", lost_with_once);
	RUN("t_server: another device than was listed", another_than_listed);
	RUN("t_server: another device than was asked for", another_name_than_asked_for);
	RUN("t_server: another device than was listed, and rules", another_than_listed_and_rules);
	RUN("t_server: another device than was listed, which is mute", another_than_listed_and_mute);
	RUN("t_server: the device that was listed", same_as_listed);
	RUN("t_server: the same port again", same_port_again);
	RUN("t_server: a device with a guard", with_guard);
	RUN("t_server: the port of another", port_of_another);
	RUN("t_server: held by its place", held_by_place);
	RUN("t_server: held, and its disk is in use", held_in_use);
	RUN("t_server: held, in use, and its connection ends", held_and_closed);
	RUN("t_server: held before it comes", held_before);
	RUN("t_server: held, and its port is another's", held_and_replaced);
	RUN("t_server: held by its serial number", held_by_serial);
	RUN("t_server: a rule for serial numbers", rules_by_serial);
	RUN("t_server: a device that does not say what it is", asked_in_vain);
	RUN("t_server: denied", denied);
	RUN("t_server: a hub", hub);
	RUN("t_server: an earlier daemon's, and the rules", adopted_and_judged);
	RUN("t_server: many devices of an earlier daemon's, and the rules", many_adopted);
	RUN("t_server: no descriptor is left open", no_leak);
	return check_status();
}
