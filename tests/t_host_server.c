/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/server and conn, and of sessions in host/export: clients of every kind on loopback, a
 * tree of files where the test plays usbip-host, a clock that the test moves.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=sysfs_write
 * LINK: -Wl,--wrap=log_line,--wrap=send,--wrap=accept4,--wrap=prlimit,--wrap=prlimit64
 * LINK: -Wl,--wrap=setsockopt,--wrap=ktls_has_aes,--wrap=addr_is_same_peer,--wrap=sandbox_enter_guard
 */
#include "host/server.h"

#include "lib/log.h"
#include "lib/str.h"
#include "loop/relay.h"
#include "sysfs/device.h"
#include "tests/clock.h"
#include "tests/files.h"
#include "tests/tcp.h"

#include <arpa/inet.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BUSID "1-1"
#define HOME "devices/pci0000:00/usb1/"

enum { DEVICES = 3, OUTPUT_MAX = 600000, INTERVAL_MS = 10000, GRANULE = 256 };

static char root[TEMP_SIZE];
static struct sysfs sysfs;

static struct {
	struct loop loop;
	struct exports exports;
	struct access access;
	struct rules rules;
	struct host_server server;
	struct sockaddr_in there;
	bool listens; /* on all addresses */
	uint64_t epoch;
	/* written to usbip-host */
	unsigned writes;
	char value[16], file[100];
	int refuses;	  /* -errno of the next write */
	int kernel;	  /* its own reference of the connection */
	size_t sent_then; /* by the server, until the write */
	/* what went out */
	size_t sent;
	unsigned sends;
	size_t send_most; /* of the next one, 0: no limit */
	/* accept4() */
	unsigned accepts;
	int accept_error;
	const char *from; /* the address that accept4() returns; NULL: the real one */
	int accepted;	  /* the next connection; 0: a real one */
	struct sockaddr_in6 accepted_from;
	unsigned aes_asked;
	unsigned lines;
	char line[64][200];
} t;

/* A client, and all bytes that it received. */
struct client {
	int fd;
	bool over; /* the server has closed */
	bool reset;
	size_t len;
	uint8_t *got;
};

static struct client client, second;

ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	ssize_t n;

	CHECK(flags & MSG_NOSIGNAL);
	if (t.send_most && len > t.send_most)
		len = t.send_most;
	n = __real_send(fd, bytes, len, flags);
	t.sends++;
	t.sent += n > 0 ? (size_t)n : 0;
	return n;
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	t.accepts++;
	CHECK(flags & SOCK_CLOEXEC && flags & SOCK_NONBLOCK);
	if (t.accept_error) {
		errno = t.accept_error;
		return -1;
	}
	if (t.accepted) {
		memcpy(address, &t.accepted_from, sizeof(t.accepted_from));
		*len = sizeof(t.accepted_from);
		return t.accepted;
	}
	fd = __real_accept4(fd, address, len, flags);
	if (fd >= 0 && t.from)
		inet_pton(AF_INET, t.from, &((struct sockaddr_in *)(void *)address)->sin_addr);
	return fd;
}

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);

static bool no_kernel_tls;

/* A kernel that has tls, but does nothing; or none. */
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	errno = ENOENT;
	if (level == SOL_TLS || (level == IPPROTO_TCP && option == TCP_ULP))
		return no_kernel_tls ? -1 : 0;
	return __real_setsockopt(fd, level, option, value, len);
}

void __wrap_sandbox_enter_guard(void);

void __wrap_sandbox_enter_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test ends */
}

bool __wrap_ktls_has_aes(void);

/* Each time another answer. */
bool __wrap_ktls_has_aes(void)
{
	return t.aes_asked++ % 2;
}

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
{
	va_list args;

	(void)level;
	(void)error;
	must(t.lines < LENGTH(t.line), "keep the log");
	va_start(args, format);
	str_vformat(t.line[t.lines++], sizeof(t.line[0]), format, args);
	va_end(args);
}

/* How many lines of the log contain text. */
static unsigned logged(const char *what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t.lines; i++)
		n += strstr(t.line[i], what) != NULL;
	return n;
}

static void put_status(const char *busid, const char *status)
{
	char path[100];

	snprintf(path, sizeof(path), HOME "%s/usbip_status", busid);
	put_file(root, path, status);
}

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path);

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path)
{
	char busid[BUSID_SIZE];

	must(fs == &sysfs, "play usbip-host");
	snprintf(t.file, sizeof(t.file), "%s", path);
	snprintf(t.value, sizeof(t.value), "%s", value);
	t.writes++;
	t.sent_then = t.sent;
	if (t.refuses)
		return t.refuses;
	must(sscanf(t.file, DEVICE_DIR "%31[^/]/usbip_sockfd", busid) == 1, t.file);
	must(t.kernel < 0, "have one session at a time");
	t.kernel = dup(atoi(value));
	must(t.kernel >= 0, "take the connection");
	put_status(busid, "2\n");
	return 0;
}

/* usbip-host closes its connection; the test decides when the device has been reset. */
static void kernel_ends(void)
{
	close(t.kernel);
	t.kernel = -1;
}

static void put_attribute(const char *busid, const char *name, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), HOME "%s/%s", busid, name);
	put_file(root, path, text);
}

static void put_tree(const char *busid)
{
	static const uint8_t descriptors[] = {
		18, 1, 0, 3, 0, 0, 0, 9, 0xf4, 0x46, 1, 0, 2, 0, 0, 0, 0, 1,
		9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 80, 0,
	};
	char path[100], target[100];

	put_attribute(busid, "idVendor", "46f4\n");
	put_attribute(busid, "idProduct", "0001\n");
	put_attribute(busid, "bDeviceClass", "00\n");
	put_attribute(busid, "busnum", "1\n");
	put_attribute(busid, "devnum", busid + 2);
	put_attribute(busid, "speed", "480\n");
	put_status(busid, "1\n");
	snprintf(path, sizeof(path), HOME "%s/descriptors", busid);
	put_bytes(root, path, descriptors, sizeof(descriptors));
	snprintf(path, sizeof(path), HOME "%s/driver", busid);
	put_link(root, path, "../../../../bus/usb/drivers/usbip-host");
	snprintf(path, sizeof(path), DEVICE_DIR "%s", busid);
	snprintf(target, sizeof(target), "../../../" HOME "%s", busid);
	put_link(root, path, target);
}

static void add_export(unsigned i)
{
	struct export *export;
	char busid[8];

	snprintf(busid, sizeof(busid), "1-%u", i + 1);
	put_tree(busid);
	export = exports_add(&t.exports, &t.loop, busid, EXPORT_LEFT_ALONE);
	must(export, "have a place for the device");
	export->sysfs = &sysfs;
	export->engine = &engine_kernel;
	must(!device_read(&sysfs, busid, &export->device), "read the device");
	facts_identify(&sysfs, &export->device, NULL, &export->identity, &export->record);
	must(export->identity.described, "describe the device");
	export->allowed = true;
}

/* The first n devices are on offer; those behind DEVICES are only in the list. */
static void offer(unsigned n)
{
	for (unsigned i = t.exports.count; i < n; i++) {
		struct export *export;
		char busid[8];

		snprintf(busid, sizeof(busid), "2-%u", i + 1);
		export = exports_add(&t.exports, &t.loop, busid, EXPORT_LEFT_ALONE);
		must(export, "have a place for the device");
		export->identity.busid = export->device.busid;
		export->record = t.exports.export[0].record;
		strcpy(export->record.device.busid, busid);
	}
	for (unsigned i = 0; i < t.exports.count; i++)
		t.exports.export[i].listed = i < n;
}

/* The list of the devices on offer. */
static size_t make_list(uint8_t *bytes, enum op_code code, unsigned *devices)
{
	size_t len = OP_DEVLIST_HEAD_SIZE;

	*devices = 0;
	EACH_EXPORT(&t.exports, export) {
		int n;

		if (!export->listed)
			continue;
		n = op_record_encode(bytes + len, CONN_LIST_SIZE - len, &export->record.device,
				     export->record.interface);
		must(n > 0, "encode the device");
		len += (size_t)n;
		++*devices;
	}
	op_devlist_head_encode(bytes, CONN_LIST_SIZE, code, *devices);
	return code == OP_REP_WATCH ? len : op_devlist_mark(bytes, len, t.server.identity);
}

static unsigned passes;

static void tick(void *ctx)
{
	(void)ctx;
	EACH_EXPORT(&t.exports, export)
		export_tick(export);
	host_server_tick(&t.server);
}

static void pass(void *ctx)
{
	(void)ctx;
	passes++;
	for (unsigned i = 0; i < DEVICES; i++)
		export_refresh(&t.exports.export[i], 15);
	t.listens = host_server_listen(&t.server);
	host_server_pass(&t.server, false);
}

static void stop(void *ctx)
{
	(void)ctx;
}

/* A port of loopback that is free. */
static void find_port(struct listener_address *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(t.there);
	char text[40];

	t.there = (struct sockaddr_in){ .sin_family = AF_INET };
	t.there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&t.there, len) &&
		     !getsockname(fd, (struct sockaddr *)&t.there, &len),
	     "find a port");
	close(fd);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(t.there.sin_port));
	must(listener_parse(address, text), "parse the address");
}

/* The hard limit of open files, 0: as it is. */
static rlim_t allowed;

int __real_prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);
int __wrap_prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);

int __wrap_prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
{
	if (!allowed)
		return __real_prlimit(pid, resource, new, old);
	if (old)
		old->rlim_cur = old->rlim_max = allowed;
	return 0;
}

static void start_every(uint32_t interval_ms)
{
	static const struct loop_role role = { pass, stop, clock_done };
	struct listener_address address;

	memset(&t, 0, sizeof(t));
	t.kernel = -1;
	temp_make(root);
	must(!sysfs_open(&sysfs, root), "open the tree");
	must(!loop_open(&t.loop, interval_ms, &role, NULL), "open the loop");
	for (unsigned i = 0; i < DEVICES; i++)
		add_export(i);
	find_port(&address);
	t.access.rules = &t.rules;
	host_server_init(&t.server, &t.loop, &t.exports, &t.access, 15, &address, 1);
	offer(2);
	run_quiet(&t.loop);
	CHECK_INT(logged("listening on"), 1);
}

static void start(void)
{
	start_every(INTERVAL_MS);
}

static void end_client(struct client *c)
{
	if (c->fd > 0)
		close(c->fd);
	free(c->got);
	memset(c, 0, sizeof(*c));
}

static void end(void)
{
	end_client(&client);
	end_client(&second);
	host_server_close(&t.server);
	for (unsigned i = 0; i < DEVICES; i++)
		export_drop_session(&t.exports.export[i]);
	if (t.kernel >= 0)
		close(t.kernel);
	loop_close(&t.loop);
	sysfs_close(&sysfs);
	temp_remove(root);
}

/* receive: bytes that the client takes without reading, 0: as usual. */
static void join_with(struct client *c, int receive)
{
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->got = malloc(OUTPUT_MAX);
	must(c->fd >= 0 && c->got, "make a client");
	if (receive) {
		int segment = 536; /* or the sender would wait for room for a large one */

		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
		setsockopt(c->fd, IPPROTO_TCP, 2 /* TCP_MAXSEG */, &segment, sizeof(segment));
	}
	must(!connect(c->fd, (struct sockaddr *)&t.there, sizeof(t.there)), "connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

/* From 127.1.0.0 and that. */
static void join_from(struct client *c, uint16_t host)
{
	struct sockaddr_in from = { .sin_family = AF_INET };

	from.sin_addr.s_addr = htonl(0x7f010000u + host);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->got = malloc(OUTPUT_MAX);
	must(c->fd >= 0 && c->got, "make a client");
	must(!bind(c->fd, (struct sockaddr *)&from, sizeof(from)), "have an address");
	must(!connect(c->fd, (struct sockaddr *)&t.there, sizeof(t.there)), "connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void say(struct client *c, const void *bytes, size_t len)
{
	must(__real_send(c->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void hear(struct client *c)
{
	ssize_t n = 1;

	while (n > 0 && !c->over) {
		must(c->len < OUTPUT_MAX, "keep what came");
		n = recv(c->fd, c->got + c->len, OUTPUT_MAX - c->len, 0);
		if (n > 0)
			c->len += (size_t)n;
		else if (!n || errno != EAGAIN)
			c->over = true;
		c->reset = c->reset || (n < 0 && errno == ECONNRESET);
	}
}

static bool is_over(void)
{
	hear(&client);
	return client.over;
}

static size_t awaited;

static bool so_much_came(void)
{
	hear(&client);
	return client.len >= awaited;
}

static bool all_free(void)
{
	for (unsigned i = 0; i < CONNS_MAX; i++)
		if (t.server.conn[i].state != CONN_FREE)
			return false;
	return true;
}

static void ask(struct client *c, enum op_code code, const char *busid)
{
	struct op_request request = { .code = code };
	uint8_t bytes[OP_REQ_IMPORT_SIZE];
	int len;

	snprintf(request.busid, sizeof(request.busid), "%s", busid ? busid : "");
	len = op_request_encode(bytes, sizeof(bytes), &request);
	join_with(c, 0);
	say(c, bytes, (size_t)len);
}

static void list_is(struct client *c, enum op_code code, size_t at, unsigned devices)
{
	static uint8_t want[CONN_LIST_SIZE];
	unsigned offered;
	size_t len = make_list(want, code, &offered);

	CHECK_INT(devices, offered);
	CHECK(c->len >= at + len);
	if (c->len >= at + len)
		CHECK_BYTES(c->got + at, want, len);
}

/* All that came is this one list. */
static void got_list(struct client *c, enum op_code code, unsigned devices)
{
	CHECK_INT(c->len, 12 + 316 * devices +
			  (devices || code == OP_REP_WATCH ? 0 : OP_MARK_SIZE));
	list_is(c, code, 0, devices);
}

static void got_import(struct client *c, const char *busid)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device, want;
	uint32_t status = 99;

	must(!device_describe(&sysfs, busid, &want, interface), "describe the device");
	memset(&device, 0, sizeof(device));
	CHECK_INT(c->len, OP_REP_IMPORT_SIZE);
	CHECK_INT(op_rep_import_decode(c->got, c->len, &status, &device), OP_REP_IMPORT_SIZE);
	CHECK_INT(status, OP_OK);
	CHECK_BYTES(&device, &want, sizeof(device));
	CHECK_STR(device.busid, busid);
	CHECK_INT(device.speed, 3);
	CHECK_INT(device.interfaces, 1);
}

static void got_status(struct client *c, uint32_t status)
{
	uint8_t want[8] = { 1, 0x11, 0, 3, 0, 0, 0, (uint8_t)status };

	CHECK_INT(c->len, sizeof(want));
	if (c->len == sizeof(want))
		CHECK_BYTES(c->got, want, sizeof(want));
}

/* The reply came, and its end; then it closes, and so does the server. */
static void ends_well(struct client *c)
{
	UNTIL(&t.loop, is_over);
	CHECK(!c->reset);
	CHECK_INT(t.server.conn[0].state, CONN_CLOSING);
	close(c->fd);
	c->fd = -1;
	UNTIL(&t.loop, all_free);
}

static void list(void)
{
	for (unsigned n = 0; n <= 3; n++) {
		start();
		offer(n);
		ask(&client, OP_REQ_DEVLIST, NULL);
		ends_well(&client);
		got_list(&client, OP_REP_DEVLIST, n);
		end();
	}
}

/* Two runs of the server are told apart. */
static void identity(void)
{
	uint64_t first;

	start();
	first = t.server.identity;
	CHECK(first);
	end();
	start();
	CHECK(t.server.identity && t.server.identity != first);
	end();
}

/* The rules deny the client the devices whose bit is not set. */
static void allow_only(unsigned mask, unsigned devices)
{
	static char text[8][40];
	struct rules_source source = { .role = RULE_SERVER };

	for (unsigned i = 0; i < devices; i++) {
		if (mask >> i & 1)
			continue;
		snprintf(text[i], sizeof(text[i]), "deny busid %s to 127.0.0.1",
			 t.exports.export[i].device.busid);
		source.option[source.options++] = text[i];
	}
	must(rules_read(&t.rules, &source), "read the rules");
}

/* Every part of a list: in its order, and the same bytes as a list of these devices alone. */
static void selected(void)
{
	enum { RECORDS = 6 };
	static const uint8_t interfaces[RECORDS] = { 0, 1, 2, 255, 0, 3 };

	start();
	offer(RECORDS);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct device_record *record = &t.exports.export[i].record;

		record->device.interfaces = interfaces[i];
		memset(record->interface, 0x42, sizeof(record->interface));
	}
	for (unsigned mask = 0; mask < 1 << RECORDS; mask++) {
		unsigned devices = 0;

		allow_only(mask, RECORDS);
		ask(&client, OP_REQ_DEVLIST, NULL);
		ends_well(&client);
		for (unsigned i = 0; i < RECORDS; i++) {
			t.exports.export[i].listed = mask >> i & 1;
			devices += mask >> i & 1;
		}
		list_is(&client, OP_REP_DEVLIST, 0, devices);
		offer(RECORDS);
		end_client(&client);
	}
	end();
}

enum { LONG_LIST = 12 + 316 * EXPORTS_MAX };

/* All devices fit; the list goes out in one piece. */
static void long_list(void)
{
	start();
	offer(EXPORTS_MAX);
	ask(&client, OP_REQ_DEVLIST, NULL);
	ends_well(&client);
	got_list(&client, OP_REP_DEVLIST, EXPORTS_MAX);
	CHECK_INT(t.sends, 1);
	CHECK_INT(logged("no room for all devices in the list"), 0);
	end();
}

/* With as many interfaces as there can be they do not, which is said. */
static void too_long_list(void)
{
	uint32_t devices;

	start();
	offer(EXPORTS_MAX);
	EACH_EXPORT(&t.exports, export)
		export->record.device.interfaces = OP_INTERFACES_MAX;
	ask(&client, OP_REQ_DEVLIST, NULL);
	ends_well(&client);
	CHECK_INT(op_devlist_head_decode(client.got, client.len, OP_REP_DEVLIST, &devices), 12);
	CHECK_INT(devices, (CONN_LIST_SIZE - 12) / (312 + 4 * OP_INTERFACES_MAX));
	CHECK_INT(client.len, 12 + devices * (312 + 4 * OP_INTERFACES_MAX));
	CHECK_INT(logged("no room for all devices in the list"), 1);
	end();
}

/* The same for a client that takes little at a time. */
static void long_list_to_the_slow(void)
{
	start();
	offer(EXPORTS_MAX);
	join_with(&client, 4096);
	say(&client, "\1\x11\x80\5\0\0\0\0", 8);
	run_quiet(&t.loop);
	CHECK_INT(t.sent, LONG_LIST);
	CHECK_INT(t.sends, 1);
	ends_well(&client);
	got_list(&client, OP_REP_DEVLIST, EXPORTS_MAX);
	end();
	start();
	offer(EXPORTS_MAX);
	join_with(&client, 4096);
	say(&client, "\1\x11\x80\x60\0\0\0\0", 8);
	run_quiet(&t.loop);
	CHECK_INT(t.sent, LONG_LIST);
	awaited = LONG_LIST;
	UNTIL(&t.loop, so_much_came);
	got_list(&client, OP_REP_WATCH, EXPORTS_MAX);
	end();
}

/* A byte at a time; bytes after the request are not answered. */
static void list_in_pieces(void)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 5, 0, 0, 0, 0 };

	start();
	join_with(&client, 0);
	for (size_t i = 0; i < sizeof(request); i++) {
		CHECK_INT(client.len, 0);
		say(&client, request + i, 1);
		run_quiet(&t.loop);
		hear(&client);
	}
	say(&client, request, sizeof(request));
	say(&client, client.got, 300);
	ends_well(&client);
	got_list(&client, OP_REP_DEVLIST, 2);
	end();
}

/* If a list does not go out at once, the peer is dropped: half a list is of no use. */
static void list_sent_in_part(void)
{
	start();
	t.send_most = 100;
	ask(&client, OP_REQ_DEVLIST, NULL);
	UNTIL(&t.loop, is_over);
	CHECK_INT(client.len, 100);
	CHECK(all_free());
	CHECK_INT(t.sends, 1);
	end();
}

static bool reply_is_there(void)
{
	hear(&client);
	return client.len >= OP_REP_IMPORT_SIZE;
}

static void import_ok(void)
{
	unsigned before = open_files();
	struct export *export = t.exports.export;
	char value[16];

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	run_quiet(&t.loop);
	CHECK(!is_over());
	got_import(&client, BUSID);
	CHECK_INT(t.writes, 1);
	CHECK_STR(t.file, DEVICE_DIR BUSID "/usbip_sockfd");
	CHECK(export->session.socket.fd >= 0);
	snprintf(value, sizeof(value), "%d", export->session.socket.fd);
	CHECK_STR(t.value, value);
	CHECK_INT(t.sent_then, 0); /* the kernel has it before the client knows */
	CHECK(all_free());
	CHECK_INT(export->session.ended, 0);
	CHECK_STR(export->peer, "127.0.0.1");
	CHECK_INT(logged("1-1 (46f4:0001): imported by 127.0.0.1"), 1);
	CHECK_INT(export->state, EXPORT_IN_USE);
	CHECK_INT(export_ask(export, &export->from), OP_BUSY);
	end();
	CHECK_INT(open_files(), before);
}

/* Another device has taken the place since the last pass: the reply describes that one. */
static void import_of_another(void)
{
	start();
	put_attribute(BUSID, "idProduct", "0002\n");
	put_attribute(BUSID, "devnum", "77\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	got_import(&client, BUSID);
	end();
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	getsockopt(fd, level, name, &value, &len);
	return value;
}

static void import_sets_liveness(void)
{
	int fd;

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	fd = t.exports.export[0].session.socket.fd;
	CHECK_INT(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_INT(option(fd, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */), 15000);
	CHECK_INT(option(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */), 1);
	CHECK_INT(option(fd, IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */), 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	end();
}

/* Bytes after an import are the kernel's; the server reads none of them. */
static void import_leaves_the_rest(void)
{
	static const uint8_t extra[] = { 0, 0, 0, 1, 0xde, 0xad };
	uint8_t got[16];

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	say(&client, extra, sizeof(extra));
	run_quiet(&t.loop);
	CHECK_INT(recv(t.kernel, got, sizeof(got), 0), sizeof(extra));
	CHECK_BYTES(got, extra, sizeof(extra));
	end();
}

/* USB requests right after the import: the reply goes out before the kernel can answer them. */
static void import_pipelined(void)
{
	uint8_t request[40 + 48] = { 1, 0x11, 0x80, 3, 0, 0, 0, 0, '1', '-', '1' };
	uint8_t got[64];

	memset(request + 40, 0x77, 48);
	for (int refused = 0; refused < 2; refused++) {
		start();
		t.refuses = refused ? -EINVAL : 0;
		join_with(&client, 0);
		say(&client, request, sizeof(request));
		UNTIL(&t.loop, reply_is_there);
		CHECK_INT(t.writes, 1);
		CHECK_INT(t.sent_then, OP_REP_IMPORT_SIZE);
		CHECK_INT(t.sent, OP_REP_IMPORT_SIZE);
		got_import(&client, BUSID);
		if (refused) {
			UNTIL(&t.loop, is_over);
			CHECK_INT(t.exports.export[0].session.socket.fd, -1);
		} else {
			CHECK_INT(recv(t.kernel, got, sizeof(got), 0), 48);
			CHECK_INT(got[0], 0x77);
		}
		CHECK(all_free());
		end();
	}
}

static void import_refused_as(const char *busid, uint32_t status)
{
	ask(&client, OP_REQ_IMPORT, busid);
	ends_well(&client);
	got_status(&client, status);
	CHECK_INT(t.exports.export[0].session.socket.fd, -1);
}

static void import_refused(void)
{
	static const struct {
		const char *busid, *status; /* of usbip_status, NULL: there is none */
		uint32_t reply;
	} table[] = {
		{ "1-1", "3\n", OP_DEV_ERR }, { "1-1", "0\n", OP_NA }, { "1-1", "\n", OP_NA },
		{ "1-1", NULL, OP_NA },	      { "1-9", "1\n", OP_NODEV }, { "x", "1\n", OP_NODEV },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		start();
		if (table[i].status)
			put_status(BUSID, table[i].status);
		else
			take_away(root, HOME BUSID "/usbip_status");
		import_refused_as(table[i].busid, table[i].reply);
		CHECK_INT(t.writes, 0);
		end();
	}
}

/* By a rule about this client, or by the decision about the device itself. */
static void import_denied(void)
{
	for (int i = 0; i < 2; i++) {
		start();
		if (i)
			t.exports.export[0].allowed = false;
		else
			allow_only(0, 1);
		import_refused_as(BUSID, OP_NODEV);
		CHECK_INT(logged("127.0.0.1: import of 1-1 (46f4:0001) refused by the rules"), 1);
		CHECK_INT(t.writes, 0);
		end();
	}
}

/* A device that usbip-host does not have, or that a job of ours is changing. */
static void import_of_what_is_not_bound(void)
{
	for (int i = 0; i < 4; i++) {
		struct export *export = t.exports.export;

		start();
		if (i == 0)
			strcpy(export->device.driver, "usb");
		else if (i == 1)
			export->device.driver[0] = '\0';
		else if (i == 2)
			export_unplug(export);
		else
			export_set_state(export, EXPORT_RELEASING);
		if (i < 2)
			export_refresh(export, 15);
		import_refused_as(BUSID, OP_NODEV);
		end();
	}
}

static void import_that_fails(void)
{
	start();
	t.refuses = -EINVAL; /* as if it had just been unplugged */
	import_refused_as(BUSID, OP_NA);
	CHECK_INT(t.writes, 1);
	CHECK_INT(logged("imported by"), 0);
	end();
	start();
	take_away(root, HOME BUSID "/speed");
	import_refused_as(BUSID, OP_NA);
	CHECK_INT(t.writes, 0);
	end();
	start(); /* the reply cannot be sent: the session that has begun is ended */
	t.send_most = 10;
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, is_over);
	CHECK(all_free());
	CHECK_INT(t.writes, 1);
	end();
}

/* In use by a session of ours: the import does not wait. */
static void import_busy(void)
{
	start();
	ask(&second, OP_REQ_IMPORT, BUSID);
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, is_over);
	got_status(&client, OP_BUSY);
	CHECK_INT(t.writes, 1);
	CHECK(t.exports.export[0].session.socket.fd >= 0);
	end();
}

static bool one_waits(void)
{
	return t.server.conn[0].state == CONN_WAITING;
}

static void import_waits(void)
{
	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	CHECK(t.loop.next <= clock_now + 20);
	for (unsigned waited = 0; waited < CONN_IMPORT_MS - 20; waited += 20) {
		clock_now += 20;
		if (waited % 500 == 0)
			run_quiet(&t.loop);
	}
	run_quiet(&t.loop);
	hear(&client);
	CHECK(one_waits());
	CHECK(!client.over);
	CHECK_INT(client.len + t.writes, 0);
	put_status(BUSID, "1\n");
	run_after(&t.loop, 19);
	hear(&client);
	CHECK_INT(client.len, 0);
	clock_now++;
	UNTIL(&t.loop, reply_is_there);
	got_import(&client, BUSID);
	CHECK_INT(t.writes, 1);
	CHECK(t.exports.export[0].session.socket.fd >= 0);
	CHECK(all_free());
	end();
}

/* A pass looks at all devices of the host: no client has it make many. */
static void import_waits_without_passes(void)
{
	start();
	t.loop.tick = tick;
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	passes = 0;
	for (unsigned waited = 0; waited < CONN_IMPORT_MS - 20; waited += 20)
		run_after(&t.loop, 20);
	CHECK(one_waits());
	CHECK(passes < 5);
	put_status(BUSID, "1\n");
	run_after(&t.loop, 20);
	UNTIL(&t.loop, reply_is_there);
	got_import(&client, BUSID);
	end();
}

static void import_waits_in_vain(void)
{
	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	run_after(&t.loop, CONN_IMPORT_MS - 1);
	CHECK(one_waits());
	CHECK(!is_over());
	clock_now += 1 + GRANULE;
	ends_well(&client);
	got_status(&client, OP_BUSY);
	CHECK_INT(t.writes, 0);
	end();
}

/* The next status of the device decides; the client may leave meanwhile. */
static void import_waits_for_else(void)
{
	struct linger linger = { 1, 0 };

	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	put_status(BUSID, "3\n");
	clock_now += 20;
	ends_well(&client);
	got_status(&client, OP_DEV_ERR);
	end();
	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	memset(&t.exports.export[0].device, 0, sizeof(t.exports.export[0].device));
	clock_now += 20;
	ends_well(&client);
	got_status(&client, OP_NODEV);
	end();
	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(client.fd);
	client.fd = -1;
	UNTIL(&t.loop, all_free);
	CHECK_INT(t.writes, 0);
	end();
}

/* USB requests that come while an import waits: the reply goes out first. */
static void import_waits_pipelined(void)
{
	uint8_t urb[48] = { 0, 0, 0, 1 };

	start();
	put_status(BUSID, "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	say(&client, urb, sizeof(urb));
	run_quiet(&t.loop);
	put_status(BUSID, "1\n");
	clock_now += 20;
	UNTIL(&t.loop, reply_is_there);
	CHECK_INT(t.sent_then, OP_REP_IMPORT_SIZE);
	CHECK_INT(recv(t.kernel, urb, sizeof(urb), 0), sizeof(urb));
	end();
}

static bool session_is_over(void)
{
	return t.exports.export[0].session.ended != 0;
}

static bool is_back(void)
{
	return !t.exports.export[0].session.ended;
}

static void session_ends(void)
{
	struct export *export = t.exports.export;

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	clock_now += 5000;
	close(client.fd);
	client.fd = -1;
	UNTIL(&t.loop, session_is_over);
	CHECK_INT(export->session.socket.fd, -1);
	CHECK_INT(export->session.ended, clock_now);
	run_quiet(&t.loop);
	CHECK_INT(export->state, EXPORT_RESETTING);
	CHECK_INT(export_ask(export, &export->from), EXPORT_WAIT);
	CHECK(t.loop.next <= clock_now + 20);
	run_after(&t.loop, 20);
	CHECK(session_is_over()); /* the kernel is not done with it */
	CHECK_INT(logged("session with"), 0);
	kernel_ends();
	put_status(BUSID, "1\n");
	clock_now += 20;
	UNTIL(&t.loop, is_back);
	CHECK_INT(logged("1-1 (46f4:0001): session with 127.0.0.1 ended"), 1);
	CHECK_INT(export->state, EXPORT_AVAILABLE);
	CHECK_STR(export->peer, "");
	CHECK_INT(export_ask(export, &export->from), OP_OK);
	end();
}

/* An import that waits for the end of a session gets the device. */
static void session_after_session(void)
{
	unsigned before = open_files();

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	end_client(&client);
	UNTIL(&t.loop, session_is_over);
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	kernel_ends();
	put_status(BUSID, "1\n");
	clock_now += 20;
	UNTIL(&t.loop, reply_is_there);
	got_import(&client, BUSID);
	CHECK_INT(t.writes, 2);
	CHECK(is_back());
	CHECK(t.exports.export[0].session.socket.fd >= 0);
	end();
	CHECK_INT(open_files(), before);
}

/* The client that had it may come back at once: nobody else gets it before. */
static void session_kept(void)
{
	struct export *export = t.exports.export;
	const struct in6_addr other = IN6ADDR_LOOPBACK_INIT;

	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	end_client(&client);
	UNTIL(&t.loop, session_is_over);
	kernel_ends();
	put_status(BUSID, "1\n");
	clock_now += 20;
	UNTIL(&t.loop, is_back);
	CHECK_INT(export->kept_until, t.loop.now + EXPORT_KEPT_MS);
	t.loop.now += 5; /* from the end of its session, not when it is unplugged */
	export_drop_session(export);
	CHECK_INT(export->kept_until, t.loop.now - 5 + EXPORT_KEPT_MS);
	CHECK_INT(export_ask(export, &other), EXPORT_WAIT);
	CHECK_INT(export_ask(export, &export->from), OP_OK);
	/* another one's, who waits for it */
	export->from = other;
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, one_waits);
	run_after(&t.loop, EXPORT_KEPT_MS - 1);
	CHECK(one_waits());
	CHECK_INT(client.len, 0);
	clock_now += 20;
	UNTIL(&t.loop, reply_is_there);
	got_import(&client, BUSID);
	end();
}

/* A device that the kernel never gives back is polled only once an interval. */
static void session_never_ends(void)
{
	start();
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	end_client(&client);
	UNTIL(&t.loop, session_is_over);
	run_after(&t.loop, 4999);
	CHECK_INT(t.loop.next, clock_now + 20);
	run_after(&t.loop, 21);
	CHECK(t.loop.next > clock_now + 1000);
	CHECK(session_is_over());
	end();
}

/* Every hostile request ends the connection without a reply, and with one line in the log; but one
 * for a bus id that cannot be is told that there is no such device. */
static void hostile(const char *path, const char *name)
{
	char *comment;
	size_t len;
	uint8_t *p;

	if (strncmp(name, "req_", 4))
		return;
	p = hex_read(path, &len, &comment);
	check_begin("t_host_server: hostile/%s", name);
	start();
	join_with(&client, 0);
	say(&client, p, len);
	if (strstr(comment, "# expect: INCOMPLETE")) {
		run_quiet(&t.loop);
		CHECK_INT(t.server.conn[0].state, CONN_READING);
	} else if (strstr(comment, "# expect: OK") || strstr(comment, "# expect: EILSEQ")) {
		awaited = 8;
		UNTIL(&t.loop, so_much_came);
		CHECK_INT(logged("refused"), 0);
		CHECK(!strstr(comment, "EILSEQ") || client.got[7] == OP_NODEV);
	} else {
		CHECK_INT(t.writes, 0);
		UNTIL(&t.loop, is_over);
		CHECK_INT(client.len, 0);
		CHECK(all_free());
		CHECK_INT(logged(*p == TLS_FIRST_BYTE ?
				       "127.0.0.1: connection refused: the client speaks TLS" :
				       "127.0.0.1: connection refused: not a USB/IP request"),
			  1);
	}
	end();
	check_end();
	free(comment);
	block_free(p);
}

static void bad_request(void)
{
	join_with(&client, 0);
	say(&client, "GET / HTTP/1.1\r\n\r\n", 18);
	UNTIL(&t.loop, is_over);
	end_client(&client);
}

static void bad_request_logged_once(void)
{
	start();
	for (int i = 0; i < 20; i++)
		bad_request();
	CHECK_INT(logged("not a USB/IP request"), 1);
	clock_now += 59999;
	bad_request();
	CHECK_INT(logged("not a USB/IP request"), 1);
	clock_now++;
	bad_request();
	CHECK_INT(logged("not a USB/IP request"), 2);
	end();
}

/* Only 127.1.0.1 may connect. */
static void start_choosy(void)
{
	static struct cidr_list networks;

	start();
	networks.count = 0;
	must(cidr_list_add(&networks, "127.1.0.1 fd00::/8"), "allow one");
	t.access.networks = &networks;
}

static void refused_from(uint16_t host)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 5, 0, 0, 0, 0 };

	join_from(&client, host);
	say(&client, request, sizeof(request));
	UNTIL(&t.loop, is_over);
	CHECK_INT(client.len, 0);
	end_client(&client);
}

static void strangers(void)
{
	start_choosy();
	refused_from(2);
	CHECK_INT(logged("127.1.0.2: connection refused: --allow does not include this address"), 1);
	refused_from(2);
	refused_from(3);
	CHECK_INT(logged("127.1.0.3: connection refused"), 1);
	clock_now += 3600 * 1000;
	refused_from(2);
	refused_from(3);
	CHECK_INT(logged("does not include"), 2);
	CHECK_INT(t.sends, 0);
	CHECK_INT(t.server.conns, 0);
	join_from(&client, 1);
	say(&client, "\1\x11\x80\5\0\0\0\0", 8);
	ends_well(&client);
	got_list(&client, OP_REP_DEVLIST, 2);
	CHECK_INT(logged("does not include"), 2);
	end();
}

/* Of a crowd a fixed number is logged in a minute; the others are logged later. */
static void many_strangers(void)
{
	uint16_t host = 0;

	start_choosy();
	while (host < 100)
		refused_from(1000 + host++);
	CHECK_INT(logged("does not include"), ACCESS_STRANGERS_MAX);
	clock_now += 59999;
	while (host < 200)
		refused_from(1000 + host++);
	CHECK_INT(logged("does not include"), ACCESS_STRANGERS_MAX);
	refused_from(1000);
	CHECK_INT(logged("does not include"), ACCESS_STRANGERS_MAX);
	clock_now++;
	refused_from(1199);
	CHECK_INT(logged("127.1.4.175: connection refused"), 1);
	CHECK_INT(logged("does not include"), ACCESS_STRANGERS_MAX + 1);
	refused_from(1000); /* the oldest was forgotten */
	CHECK_INT(logged("does not include"), ACCESS_STRANGERS_MAX + 2);
	end();
}

/* The deadline of a request does not move with each byte of it. */
static void request_deadline(void)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 3, 0, 0, 0, 0, '1' };

	for (size_t len = 0; len <= sizeof(request); len += 3) {
		start();
		join_with(&client, 0);
		run_quiet(&t.loop);
		clock_now += CONN_REQUEST_MS - 1;
		say(&client, request, len);
		run_quiet(&t.loop);
		CHECK(!is_over());
		CHECK_INT(t.server.conn[0].state, CONN_READING);
		clock_now += 1 + GRANULE;
		UNTIL(&t.loop, is_over);
		CHECK_INT(client.len, 0);
		CHECK(all_free());
		end();
	}
}

/* Nor does the deadline of a client that has its list, but does not close. */
static void reply_deadline(void)
{
	uint8_t junk[2000] = { 0 };

	start();
	ask(&client, OP_REQ_DEVLIST, NULL);
	UNTIL(&t.loop, is_over);
	for (int i = 0; i < 4; i++) {
		say(&client, junk, sizeof(junk));
		run_after(&t.loop, CONN_REQUEST_MS / 5);
	}
	CHECK_INT(t.server.conn[0].state, CONN_CLOSING);
	clock_now += CONN_REQUEST_MS / 5 + GRANULE;
	UNTIL(&t.loop, all_free);
	end();
}

static void peer_leaves(void)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 3 };
	struct linger linger = { 1, 0 };

	for (int reset = 0; reset < 2; reset++)
		for (size_t len = 0; len <= sizeof(request); len += 4) {
			start();
			join_with(&client, 0);
			say(&client, request, len);
			run_quiet(&t.loop);
			CHECK_INT(t.server.conn[0].state, CONN_READING);
			if (reset)
				setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger,
					   sizeof(linger));
			close(client.fd);
			client.fd = -1;
			UNTIL(&t.loop, all_free);
			CHECK_INT(t.lines, 1);
			end();
		}
}

/* The limits of connections, of one peer and in all. They are copies of one socket. Each comes from
 * another address of the peer's /64. */
static int spare[2];

static unsigned looks; /* at addresses, for the last connection */

bool __wrap_addr_is_same_peer(const struct in6_addr *a, const struct in6_addr *b);
bool __real_addr_is_same_peer(const struct in6_addr *a, const struct in6_addr *b);
bool __wrap_addr_is_same_peer(const struct in6_addr *a, const struct in6_addr *b)
{
	looks++;
	return __real_addr_is_same_peer(a, b);
}

static bool one_more(uint32_t peer)
{
	static uint32_t host;
	struct loop_source *source = &t.server.listener[0].source;
	struct sockaddr_in6 *from = &t.accepted_from;
	int fd = dup(spare[0]);

	must(fd >= 0, "make a connection");
	peer = htonl(peer);
	host = htonl(ntohl(host) + 1);
	*from = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr.s6_addr = { 0xfd } };
	memcpy(from->sin6_addr.s6_addr + 4, &peer, sizeof(peer));
	memcpy(from->sin6_addr.s6_addr + 12, &host, sizeof(host));
	t.accepted = fd;
	looks = 0;
	source->ready(source, EPOLLIN);
	CHECK(looks <= 4 * CONNS_MAX); /* those who come are many where places are few */
	t.accepted = 0;
	return fcntl(fd, F_GETFD) >= 0; /* else it was closed */
}

static unsigned in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONNS_MAX; i++)
		n += t.server.conn[i].state != CONN_FREE;
	return n;
}

static unsigned of_peer(uint32_t peer)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONNS_MAX; i++)
		n += t.server.conn[i].state != CONN_FREE &&
		     t.server.conn[i].peer.address.s6_addr[7] == (uint8_t)peer &&
		     t.server.conn[i].peer.address.s6_addr[6] == (uint8_t)(peer >> 8);
	return n;
}

static void counts_are_right(void)
{
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		const struct conn *conn = &t.server.conn[i];
		const uint8_t *address = conn->peer.address.s6_addr;

		if (conn->state != CONN_FREE)
			CHECK_INT(conn->of_peer, of_peer((uint32_t)address[6] << 8 | address[7]));
	}
}

static void all_become(enum conn_state state)
{
	for (unsigned i = 0; i < CONNS_MAX; i++)
		if (t.server.conn[i].state != CONN_FREE)
			t.server.conn[i].state = state;
}

/* The newest is told apart by its deadline. */
static void newest_is(unsigned i)
{
	uint64_t latest = 0;

	for (unsigned j = 0; j < CONNS_MAX; j++)
		if (t.server.conn[j].state != CONN_FREE && t.server.conn[j].deadline > latest)
			latest = t.server.conn[j].deadline;
	CHECK_INT(t.server.conn[i].deadline, latest);
	clock_now += 2 * GRANULE;
	t.loop.now = clock_now;
}

static void many_of_one_peer(void)
{
	for (unsigned i = 0; i < CONNS_PER_PEER_MAX; i++) {
		CHECK(one_more(1));
		newest_is(i);
	}
	/* the oldest that have said nothing leave */
	CHECK(one_more(1));
	newest_is(0);
	CHECK(one_more(1));
	newest_is(1);
	CHECK_INT(logged("fd00:0:0:1:0:0:0:1: connection dropped for a new one: too many"), 1);
	CHECK_INT(t.lines, 2); /* with "listening": one in a minute */
	t.server.conn[2].peer.key = "a key";
	CHECK(one_more(1));
	newest_is(3);
	all_become(CONN_WATCHING);
	CHECK(!one_more(1));
	t.server.conn[7].state = CONN_READING;
	t.server.conn[7].peer.key = "a key";
	CHECK(!one_more(1));
	t.server.conn[7].state = CONN_HANDSHAKE;
	CHECK(one_more(1));
	newest_is(7);
	CHECK_INT(in_use(), CONNS_PER_PEER_MAX);
	all_become(CONN_WATCHING);
}

static void many_peers(void)
{
	const unsigned first = CONNS_PER_PEER_MAX, others = CONNS_MAX - first;

	for (unsigned i = 0; i < others; i++) {
		CHECK(one_more(2 + i));
		newest_is(first + i);
	}
	CHECK_INT(in_use(), CONNS_MAX);
	CHECK(!one_more(1)); /* it has most */
	CHECK(one_more(1000));
	newest_is(first); /* the oldest that has said nothing */
	CHECK_INT(of_peer(2), 0);
	counts_are_right();
	all_become(CONN_WATCHING);
	CHECK(!one_more(1));
	CHECK(one_more(1001));
	CHECK_INT(of_peer(1), first - 1);
	CHECK_INT(of_peer(1000), 1);
	CHECK_INT(in_use(), CONNS_MAX);
	counts_are_right();
	all_become(CONN_WATCHING);
	for (unsigned i = 0; of_peer(1) > 2; i++) {
		uint8_t *address = t.server.conn[i].peer.address.s6_addr;

		if (!address[6] && address[7] == 1) {
			address[6] = 0x70;
			address[7] = (uint8_t)i;
			t.server.conn[i].of_peer = 1;
		}
	}
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		const uint8_t *address = t.server.conn[i].peer.address.s6_addr;

		if (!address[6] && address[7] == 1)
			t.server.conn[i].of_peer = 2;
	}
	CHECK(one_more(2000)); /* it has fewer then than peer 1 */
	CHECK_INT(of_peer(1), 1);
	all_become(CONN_WATCHING);
	CHECK(!one_more(2001));
	clock_now += 60000;
	t.loop.now = clock_now;
	CHECK(!one_more(2001));
	CHECK_INT(logged(": connection refused: too many connections; there may be 256 of one "), 2);
}

static void all_leave(void)
{
	for (unsigned i = 0; i < CONNS_MAX; i++)
		if (t.server.conn[i].state != CONN_FREE)
			conn_drop(&t.server.conn[i]);
}

/* Who leaves where several could. Peers come with some of the places, one after the other. */
static void who_leaves(void)
{
	enum { HALF = CONNS_PER_PEER_MAX };

	for (unsigned i = 0; i < HALF; i++)
		CHECK(one_more(1));
	conn_drop(&t.server.conn[3]); /* a place that is free has nobody */
	CHECK(one_more(1));
	newest_is(3);
	CHECK_INT(of_peer(1), HALF);
	for (unsigned i = 0; i < HALF; i++)
		CHECK(one_more(2));
	CHECK(one_more(2)); /* one of its own, not the oldest */
	CHECK_INT(of_peer(1), HALF);
	CHECK_INT(of_peer(2), HALF);
	counts_are_right();
	all_leave();
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		CHECK(one_more(i > HALF + 20 ? 1 : 2 + i));
		newest_is(i);
	}
	CHECK(one_more(1000)); /* for the oldest of those who are many */
	CHECK(one_more(1001));
	newest_is(HALF + 22);
	CHECK_INT(of_peer(2), 1);
	all_become(CONN_WATCHING);
	t.server.conn[20].state = CONN_READING;
	CHECK(!one_more(1)); /* it has more than the one that is idle */
	CHECK_INT(of_peer(22), 1);
	CHECK(one_more(1002));
	newest_is(20);
	counts_are_right();
}

static void caps(void)
{
	unsigned before = open_files();

	start();
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, spare), "make a connection");
	many_of_one_peer();
	many_peers();
	all_leave();
	who_leaves();
	all_leave();
	run_after(&t.loop, INTERVAL_MS);
	CHECK_INT(t.server.conns, 0);
	CHECK(one_more(1));
	run_after(&t.loop, 60000);
	t.server.fds_max = spare[0];
	CHECK(!one_more(2)); /* the remaining descriptors are for other uses */
	CHECK_INT(logged("connection refused: too many open files"), 1);
	CHECK_INT(logged("connection refused: too many"), 3);
	close(spare[0]);
	close(spare[1]);
	end();
	CHECK_INT(open_files(), before);
}

/* The soft limit is raised as far as needed, with a reserve for sessions and sysfs. */
static void descriptors(void)
{
	struct rlimit was, limit;

	must(!getrlimit(RLIMIT_NOFILE, &was), "read the limit");
	limit = was;
	limit.rlim_cur = 256;
	must(!setrlimit(RLIMIT_NOFILE, &limit), "set the limit");
	start();
	CHECK(was.rlim_max < 856 || t.server.fds_max >= CONNS_MAX + EXPORTS_MAX);
	must(!getrlimit(RLIMIT_NOFILE, &limit), "read the limit");
	CHECK((rlim_t)t.server.fds_max < limit.rlim_cur);
	CHECK_INT(limit.rlim_max, was.rlim_max);
	end();
	must(!setrlimit(RLIMIT_NOFILE, &was), "set the limit");
}

/* A low limit leaves few places; a very low one is logged. */
static void few_descriptors(void)
{
	static const struct {
		rlim_t limit;
		int max;
	} row[] = { { 1024, 856 - 24 }, { 96, 72 }, { 64, 48 }, { 24, 18 }, { 23, 18 } };

	for (size_t i = 0; i < LENGTH(row); i++) {
		allowed = row[i].limit;
		start();
		CHECK_INT(t.server.fds_max, row[i].max);
		CHECK_INT(logged("only 23 open files are allowed"), allowed < 24);
		end();
	}
	allowed = 0;
}

static void watch_with(int receive)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 0x60, 0, 0, 0, 0 };

	join_with(&client, receive);
	say(&client, request, sizeof(request));
}

/* Exactly one more list comes. */
static void one_list(unsigned devices)
{
	size_t at = client.len;

	awaited = at + 12 + 316 * devices;
	UNTIL(&t.loop, so_much_came);
	run_quiet(&t.loop);
	hear(&client);
	CHECK_INT(client.len, awaited);
	list_is(&client, OP_REP_WATCH, at, devices);
}

static void change(unsigned devices)
{
	offer(devices);
	host_server_pass(&t.server, true);
}

static void no_more_came(void)
{
	size_t was = client.len;

	run_quiet(&t.loop);
	hear(&client);
	CHECK_INT(client.len, was);
	CHECK(!client.over);
}

static void watch(void)
{
	start();
	watch_with(0);
	one_list(2);
	CHECK_INT(t.server.conn[0].state, CONN_WATCHING);
	no_more_came();
	change(3);
	one_list(3);
	change(0);
	one_list(0);
	change(1);
	one_list(1);
	CHECK_INT(t.lines, 1);
	end();
}

/* Several changes before the last list was sent: one list, the newest. */
static void watch_coalesced(void)
{
	start();
	watch_with(0);
	one_list(2);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 7; i++)
			change(i);
		one_list(6);
	}
	end();
}

static void ask_for_list(void)
{
	ask(&second, OP_REQ_DEVLIST, NULL);
}

static bool second_is_over(void)
{
	hear(&second);
	return second.over;
}

/* The reply to another client has another head than the list of a watch. */
static void watch_beside_list(void)
{
	start();
	watch_with(0);
	one_list(2);
	ask_for_list();
	UNTIL(&t.loop, second_is_over);
	got_list(&second, OP_REP_DEVLIST, 2);
	change(3);
	one_list(3);
	end();
}

/* Several watchers get the same list. */
static void watch_by_many(void)
{
	start();
	watch_with(0);
	second = client;
	memset(&client, 0, sizeof(client));
	watch_with(0);
	one_list(2);
	hear(&second);
	CHECK_INT(second.len, client.len);
	change(3);
	one_list(3);
	hear(&second);
	CHECK_INT(second.len, client.len);
	CHECK_BYTES(second.got, client.got, client.len);
	end();
}

static bool is_blocked(void)
{
	return t.server.conn[0].list_due;
}

/* A watcher with a small receive buffer that reads nothing, until lists stay in our kernel. */
static size_t block_watcher(void)
{
	size_t lists = 1;

	watch_with(8192);
	awaited = 12 + 316 * 2;
	UNTIL(&t.loop, so_much_came);
	for (int i = 0; i < 200; i++, lists++) {
		change(20);
		run_quiet(&t.loop);
		if (!is_blocked())
			continue;
		/* the kernel fills the rest of the window when its timer, 200 ms at least, expires */
		for (int ms = 0; ms < 500 && is_blocked(); ms += 50) {
			usleep(50000);
			run_quiet(&t.loop);
		}
		if (is_blocked())
			return lists;
	}
	check_fault(__FILE__, __LINE__, "it is never too much");
	return 0;
}

static unsigned lists_came(unsigned *last)
{
	unsigned n = 0;
	size_t at = 0;

	while (at + 12 <= client.len) {
		uint32_t devices = 0;

		must(op_devlist_head_decode(client.got + at, client.len - at, OP_REP_WATCH,
					    &devices) == 12,
		     "find a list in what came");
		at += 12 + 316 * devices;
		if (at > client.len)
			break;
		*last = devices;
		n++;
	}
	return n;
}

static bool newest_came(void)
{
	unsigned last = 0;

	hear(&client);
	if (is_blocked())
		return false;
	lists_came(&last);
	return last == 3;
}

static void watcher_that_reads_late(void)
{
	unsigned last = 0, before;
	size_t sends;

	start();
	before = (unsigned)block_watcher();
	CHECK(before < 10); /* lists that the kernel has yet to send are old */
	sends = t.sends;
	for (unsigned i = 0; i < 50; i++)
		change(i % 20);
	change(3);
	run_quiet(&t.loop);
	CHECK(is_blocked());
	CHECK_INT(t.sends, sends);
	UNTIL(&t.loop, newest_came);
	CHECK_INT(lists_came(&last), before + 1);
	CHECK_INT(last, 3);
	end();
}

static void watcher_that_is_dead(void)
{
	start();
	block_watcher();
	run_after(&t.loop, CONN_SEND_LIST_MS - 1);
	CHECK_INT(t.server.conn[0].state, CONN_WATCHING);
	change(3); /* further changes do not move the deadline */
	run_after(&t.loop, 1 + GRANULE);
	CHECK(all_free());
	end();
}

/* A watcher that reads again has the full time for the next list. */
static void watcher_that_lives_again(void)
{
	start();
	block_watcher();
	run_after(&t.loop, CONN_SEND_LIST_MS - 1000);
	change(3);
	UNTIL(&t.loop, newest_came);
	run_after(&t.loop, 2000);
	hear(&client);
	CHECK(!client.over);
	CHECK_INT(t.server.conn[0].state, CONN_WATCHING);
	end();
}

/* The time between two lists does not depend on the interval: clients wait 25 s at most. */
static void signs_of_life(uint32_t interval_ms)
{
	start_every(interval_ms);
	watch_with(0);
	one_list(2);
	for (int i = 0; i < 5; i++) {
		uint64_t due = clock_now + CONN_LIST_EVERY_MS;

		run_after(&t.loop, CONN_LIST_EVERY_MS - 1);
		no_more_came();
		CHECK(t.loop.next <= due);
		clock_now = t.loop.next < due ? due : t.loop.next;
		one_list(2);
	}
	end();
}

static void sign_of_life(void)
{
	signs_of_life(INTERVAL_MS);
	signs_of_life(1000);
}

/* A long interval does not delay the lists of a watch. */
static void sign_of_life_between_passes(void)
{
	signs_of_life(3600 * 1000);
}

static void news_are_signs_of_life(void)
{
	start();
	watch_with(0);
	one_list(2);
	run_after(&t.loop, CONN_LIST_EVERY_MS - 1000);
	change(3);
	one_list(3);
	run_after(&t.loop, 1000);
	no_more_came();
	run_after(&t.loop, CONN_LIST_EVERY_MS - 1001);
	no_more_came();
	clock_now++;
	one_list(3);
	end();
}

static void watcher_that_talks(void)
{
	start();
	watch_with(0);
	one_list(2);
	say(&client, "x", 1);
	UNTIL(&t.loop, is_over);
	CHECK(all_free());
	end();
	start(); /* with its request */
	join_with(&client, 0);
	say(&client, "\1\x11\x80\x60\0\0\0\0\1\x11\x80\5\0\0\0\0", 16);
	UNTIL(&t.loop, is_over);
	CHECK(all_free());
	end();
}

/* A child of ours may hold a copy of the socket: the connection ends all the same. */
static void end_with_a_copy(void)
{
	int copy;

	start();
	watch_with(0);
	one_list(2);
	copy = dup(t.server.conn[0].source.fd);
	say(&client, "x", 1);
	UNTIL(&t.loop, is_over);
	close(copy);
	end();
}

static void watcher_that_leaves(void)
{
	start();
	watch_with(0);
	one_list(2);
	close(client.fd);
	client.fd = -1;
	UNTIL(&t.loop, all_free);
	change(3);
	run_quiet(&t.loop);
	end();
}

static void watcher_that_gets_a_part(void)
{
	start();
	watch_with(0);
	one_list(2);
	t.send_most = 40;
	change(3);
	UNTIL(&t.loop, is_over);
	CHECK(all_free());
	end();
}

static bool has_place(void)
{
	return t.server.conn[0].state != CONN_FREE;
}

static void port_in_use(void)
{
	static struct listener *listener = &t.server.listener[0];
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	start();
	loop_drop(&t.loop, &listener->source);
	setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(!bind(other, (struct sockaddr *)&t.there, sizeof(t.there)) && !listen(other, 1),
	     "listen in its place");
	for (int i = 0; i < 4; i++) {
		run_after(&t.loop, INTERVAL_MS);
		CHECK_INT(listener->source.fd, -1);
		CHECK(!t.listens);
		CHECK_INT(logged("is in use"), 1);
		CHECK_INT(logged("without --allow"), 1);
	}
	t.server.alone = true;
	run_after(&t.loop, INTERVAL_MS);
	CHECK_INT(logged("is in use"), 1);
	log_once_clear(&t.server.port_in_use);
	listener->error = 0;
	run_after(&t.loop, INTERVAL_MS);
	CHECK_INT(logged("until it ends, no device is exported"), 1);
	CHECK_INT(logged("listening"), 1);
	close(other);
	run_after(&t.loop, INTERVAL_MS);
	CHECK(listener->source.fd >= 0);
	CHECK(t.listens);
	CHECK_INT(logged("listening"), 2);
	run_after(&t.loop, INTERVAL_MS);
	CHECK_INT(logged("listening"), 2);
	join_with(&client, 0);
	UNTIL(&t.loop, has_place);
	end();
}

/* An address whose interface is not there yet. */
static void interface_comes(void)
{
	struct listener *listener = &t.server.listener[0];
	char here[sizeof(listener->address.name)];

	start();
	loop_drop(&t.loop, &listener->source);
	memcpy(here, listener->address.name, sizeof(here));
	CHECK(listener_parse(&listener->address, "[fe80::1%nosuchif]"));
	for (int i = 0; i < 3; i++) {
		run_after(&t.loop, INTERVAL_MS);
		CHECK_INT(listener->source.fd, -1);
		CHECK_INT(logged("cannot listen on [fe80::1%nosuchif]:3240"), 1);
		CHECK(!t.listens);
	}
	memcpy(listener->address.name, here, sizeof(here)); /* now it is there */
	run_after(&t.loop, INTERVAL_MS);
	CHECK(listener->source.fd >= 0);
	CHECK_INT(logged("listening on"), 2);
	join_with(&client, 0);
	UNTIL(&t.loop, has_place);
	end();
}

/* Of the same port as the first, and another. */
static void all_and_one(void)
{
	struct listener_address address[4];
	char text[32];

	start();
	for (unsigned i = 0; i < t.server.listeners; i++)
		loop_drop(&t.loop, &t.server.listener[i].source);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const format[] = { "127.0.0.1:%u", "0.0.0.0:%u", "[::1]:%u",
						      "127.0.0.2:%u" };

		snprintf(text, sizeof(text), format[i], (unsigned)ntohs(t.there.sin_port));
		CHECK(listener_parse(&address[i], text));
	}
	memset(&t.server, 0, sizeof(t.server));
	host_server_init(&t.server, &t.loop, &t.exports, &t.access, 15, address, 4);
	run_after(&t.loop, INTERVAL_MS);
	CHECK_INT(logged("is in use"), 0);
	CHECK_INT(logged("listening on 0.0.0.0"), 1);
	CHECK_INT(logged("listening on [::1]"), 1);
	CHECK_INT(logged("listening on"), 3); /* with that of start() */
	CHECK(t.listens);
	join_with(&client, 0);
	UNTIL(&t.loop, has_place);
	end();
}

/* The loop does not spin, and the client that waits is served a second later. */
static void no_descriptor_left(void)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EINVAL };

	for (size_t i = 0; i < LENGTH(errors); i++) {
		start();
		t.accept_error = errors[i];
		ask(&client, OP_REQ_DEVLIST, NULL);
		run_quiet(&t.loop);
		run_quiet(&t.loop);
		CHECK_INT(t.accepts, 1);
		CHECK(t.loop.next <= clock_now + 1000);
		run_after(&t.loop, 999);
		CHECK_INT(t.accepts, 1);
		run_after(&t.loop, 1);
		CHECK_INT(t.accepts, 2);
		t.accept_error = 0;
		clock_now += 1000;
		ends_well(&client);
		got_list(&client, OP_REP_DEVLIST, 2);
		end();
	}
}

static void client_gone_before_accept(void)
{
	start();
	t.accept_error = ECONNABORTED;
	join_with(&client, 0);
	clock_until = NULL;
	for (int i = 0; i < 3; i++) /* other connections are accepted all the same */
		t.server.listener[0].source.ready(&t.server.listener[0].source, EPOLLIN);
	t.accept_error = 0;
	UNTIL(&t.loop, has_place);
	end();
}

static void addresses(void)
{
	static const struct {
		const char *text, *name;
	} good[] = {
		{ "127.0.0.1", "127.0.0.1:3240" },   { "0.0.0.0:1", "0.0.0.0:1" },
		{ "[::1]", "[::1]:3240" },	     { "[::]:65535", "[::]:65535" },
		{ "[fe80::1%nosuchif]", "[fe80::1%nosuchif]:3240" },
		{ "[fe80::1%lo]:5", "[fe80::1%lo]:5" },
	};
	static const char *const bad[] = {
		"", "pi.lan", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0", "[::1", "[::g]", ":3240",
		"[127.0.0.1]x", "1.2.3.4.5", "127.0.0.1:x",
	};
	struct listener_address address;

	for (size_t i = 0; i < LENGTH(good); i++) {
		CHECK(listener_parse(&address, good[i].text));
		CHECK_STR(address.name, good[i].name);
	}
	CHECK_INT(address.addr.sa.v6.sin6_port, htons(5));
	CHECK(address.addr.sa.v6.sin6_scope_id != 0);
	for (size_t i = 0; i < LENGTH(bad); i++)
		if (listener_parse(&address, bad[i]))
			check_fault(__FILE__, __LINE__, "%s is an address", bad[i]);
}

static void names(void)
{
	struct in6_addr a;
	char *text = block(NULL, ADDR_TEXT_SIZE);

	inet_pton(AF_INET6, "::ffff:192.168.100.255", &a);
	addr_text(&a, text);
	CHECK_STR(text, "192.168.100.255");
	inet_pton(AF_INET6, "fe80::1234:0:abcd", &a);
	addr_text(&a, text);
	CHECK_STR(text, "fe80:0:0:0:0:1234:0:abcd");
	memset(&a, 0xfe, sizeof(a));
	addr_text(&a, text);
	CHECK_STR(text, "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe");
	block_free(text);
}

static struct keys keys;
static struct tls tls; /* of the client */
static int shaken;

static void add_key(const char *line)
{
	must(!psk_parse(&keys.key[keys.count++], line), "make a key");
}

/* The server has keys, and clients come from another machine; those on this one need none. */
static void start_with_keys(void)
{
	static struct cidr_list networks;

	start();
	memset(&keys, 0, sizeof(keys));
	add_key("phone:ffeeddccbbaa99887766554433221100");
	add_key("laptop:00112233445566778899aabbccddeeff");
	t.access.keys = &keys;
	networks.count = 0;
	must(cidr_list_add(&networks, "127.0.0.0/8 ::1 10.0.0.2"), "allow this machine");
	t.access.networks = &networks;
	t.access.named = true;
	t.from = "10.0.0.2";
}

static bool has_shaken(void)
{
	if (!shaken)
		shaken = ktls_step(&tls, client.fd);
	return shaken;
}

/* Makes the handshake of a client: the result of ktls_step(). */
static int shake_hands(const struct psk *key)
{
	shaken = 0;
	join_with(&client, 0);
	must(!ktls_connect(&tls, client.fd, key), "say hello");
	UNTIL(&t.loop, has_shaken);
	return shaken;
}

static void keyless(void)
{
	start_with_keys();
	t.from = NULL;
	ask(&client, OP_REQ_DEVLIST, NULL);
	UNTIL(&t.loop, is_over);
	got_list(&client, OP_REP_DEVLIST, 2);
	end_client(&client);
	for (int i = 0; i < 3; i++) {
		t.from = "10.0.0.2";
		ask(&client, OP_REQ_DEVLIST, NULL);
		UNTIL(&t.loop, is_over);
		CHECK_INT(client.len, 0);
		end_client(&client);
	}
	CHECK_INT(logged("10.0.0.2: connection refused: the client has no key, which --psk requires"), 1);
	CHECK_INT(t.lines, 2);
	end();
}

static void keyed(void)
{
	start_with_keys();
	CHECK_INT(shake_hands(&keys.key[1]), 1);
	run_quiet(&t.loop);
	CHECK_INT(t.server.conn[0].state, CONN_READING);
	CHECK_STR(t.server.conn[0].peer.key, "laptop");
	for (size_t i = offsetof(struct tls, aead); i < sizeof(tls); i++)
		CHECK(!((uint8_t *)&t.server.tls[0])[i]);
	say(&client, (uint8_t[]){ 1, 0x11, 0x80, 5, 0, 0, 0, 0 }, 8);
	UNTIL(&t.loop, is_over);
	got_list(&client, OP_REP_DEVLIST, 2);
	end_client(&client);
	CHECK_INT(shake_hands(&keys.key[1]), 1);
	{
		uint8_t request[OP_REQ_IMPORT_SIZE] = { 1, 0x11, 0x80, 3, 0, 0, 0, 0, '1', '-', '1' };

		say(&client, request, sizeof(request));
	}
	run_long_quiet(&t.loop);
	CHECK_INT(logged("imported by laptop (10.0.0.2)"), 1);
	CHECK_STR(t.exports.export[0].key, "laptop");
	CHECK_INT(t.exports.export[0].print, keys.key[1].print);
	CHECK(all_free());
	end();
}

static int family_of(int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	return family;
}

static bool session_has_ended(void)
{
	return t.exports.export[0].session.ended;
}

/* A handshake where neither kernel has tls; returns the connection itself. */
static int shake_hands_in_user_space(void)
{
	int connection;

	CHECK_INT(shake_hands(&keys.key[1]), KTLS_NONE);
	connection = client.fd;
	client.fd = relay_start(&tls, connection);
	must(client.fd >= 0, "start a relay");
	return connection;
}

static struct endpoint dialled;
static struct dialer_order order;

/* The latest order of the server's, or false. */
static bool ordered(int process)
{
	ssize_t n, got = 0;

	while ((n = recv(process, &order, sizeof(order), MSG_DONTWAIT)) > 0)
		got = n;
	return got == sizeof(order);
}

/* A connection that the server has made, and that ends with the client; returns the dialer's end. */
static int dialled_connection(void)
{
	struct dialer *dialer = &t.server.dialer[0];
	struct addr peer = { .len = sizeof(peer.sa) };
	struct in6_addr address;
	int pair[2], fd;

	start_with_keys();
	t.access.named = false;
	must(!endpoint_parse(&dialled, "10.0.0.2", OP_PORT) &&
		     !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "have a process");
	*dialer = (struct dialer){ { pair[0], NULL }, &t.server, &dialled, { 0 } };
	tcp_pair(&fd, &client.fd);
	client.got = malloc(OUTPUT_MAX);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &address); /* which could not connect itself */
	CHECK(host_server_take(&t.server, fd, &address, dialer));
	return pair[1];
}

static int shake_hands_dialled(void)
{
	shaken = 0;
	must(!ktls_connect(&tls, client.fd, &keys.key[1]), "say hello");
	UNTIL(&t.loop, has_shaken);
	run_quiet(&t.loop);
	return shaken;
}

static void dialled_and_taken(void)
{
	int process = dialled_connection(), value = 0;
	socklen_t len = sizeof(value);

	CHECK_INT(shake_hands_dialled(), KTLS_DONE);
	run_after(&t.loop, 3600 * 1000); /* it may wait for as long as it likes */
	CHECK_INT(t.server.conn[0].state, CONN_READING);
	CHECK(!ordered(process));
	getsockopt(t.server.conn[0].source.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len);
	CHECK_INT(value, 1);
	say(&client, (uint8_t[]){ 1, 0x11, 0x80 }, 3);
	run_quiet(&t.loop);
	CHECK(ordered(process) && !order.failed);
	CHECK_STR(order.identity, "phone");
	CHECK(!t.server.conn[0].dialer);
	CHECK(t.server.conn[0].deadline <= t.loop.now + CONN_REQUEST_MS + GRANULE);
	say(&client, (uint8_t[]){ 5, 0, 0, 0, 0 }, 5);
	UNTIL(&t.loop, is_over);
	got_list(&client, OP_REP_DEVLIST, 2);
	end_client(&client);
	run_quiet(&t.loop);
	CHECK(all_free());
	CHECK(!ordered(process));
	CHECK_INT(logged("10.0.0.2") + logged("192.0.2.7"), 0);
	end();
	close(process);
}

static void dialled_and_left(void)
{
	int process = dialled_connection();

	/* one that does not even begin */
	end_client(&client);
	run_quiet(&t.loop);
	CHECK(ordered(process) && order.failed);
	CHECK_INT(logged("10.0.0.2:3240: does not take the connection: has it --accept"), 1);
	end();
	close(process);
	process = dialled_connection();
	run_after(&t.loop, CONN_REQUEST_MS + GRANULE);
	CHECK(ordered(process) && order.failed);
	CHECK_INT(logged("10.0.0.2:3240: does not take the connection"), 1);
	end();
	close(process);
	/* one that fails, which is said as of any */
	process = dialled_connection();
	add_key("other:00112233445566778899aabbccddeef0");
	keys.count--;
	shaken = 0;
	must(!ktls_connect(&tls, client.fd, &keys.key[2]), "say hello");
	run_quiet(&t.loop);
	CHECK(ordered(process) && order.failed);
	CHECK_INT(logged("192.0.2.7: connection refused: "), 1);
	CHECK_INT(logged("10.0.0.2"), 0);
	end();
	close(process);
	/* one that has a key, and goes: nothing to say */
	process = dialled_connection();
	CHECK_INT(shake_hands_dialled(), KTLS_DONE);
	end_client(&client);
	run_quiet(&t.loop);
	CHECK(ordered(process) && order.failed);
	CHECK_INT(logged("10.0.0.2") + logged("192.0.2.7"), 0);
	/* there is no room for it */
	t.server.fds_max = 3;
	{
		struct in6_addr address = in6addr_loopback;
		int pair[2];

		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "have a socket");
		CHECK(!host_server_take(&t.server, pair[0], &address, &t.server.dialer[0]));
		close(pair[1]);
	}
	end();
	close(process);
	/* at the end nothing is ordered or said */
	process = dialled_connection();
	host_server_close(&t.server);
	CHECK(!ordered(process));
	CHECK_INT(logged("10.0.0.2"), 0);
	end();
	close(process);
}

/* The kernel gets plain text, and the connection is watched. The end of either ends all. */
static void keyed_in_user_space(void)
{
	const uint8_t request[OP_REQ_IMPORT_SIZE] = { 1, 0x11, 0x80, 3, 0, 0, 0, 0, '1', '-', '1' };
	const struct export *export = t.exports.export;
	unsigned before;
	int connection;

	no_kernel_tls = true;
	for (int kernel_first = 0; kernel_first < 2; kernel_first++) {
		start_with_keys();
		before = open_files();
		connection = shake_hands_in_user_space();
		say(&client, (uint8_t[]){ 1, 0x11, 0x80, 5, 0, 0, 0, 0 }, 8);
		UNTIL(&t.loop, is_over);
		got_list(&client, OP_REP_DEVLIST, 2);
		end_client(&client);
		close(connection);
		UNTIL(&t.loop, all_free);
		CHECK_INT(open_files(), before);
		connection = shake_hands_in_user_space();
		say(&client, request, sizeof(request));
		UNTIL(&t.loop, reply_is_there);
		got_import(&client, BUSID);
		CHECK_INT(logged("imported by laptop (10.0.0.2)"), 1);
		CHECK_INT(family_of(t.kernel), AF_UNIX);
		CHECK_INT(family_of(export->session.socket.fd), AF_INET);
		CHECK_INT(option(export->session.socket.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 15000);
		CHECK(all_free());
		CHECK_INT(open_files(), before + 4); /* two of the client's, the kernel's, the session */
		if (kernel_first) {
			must(__real_send(t.kernel, "x", 1, MSG_NOSIGNAL) == 1, "send");
			kernel_ends();
			UNTIL(&t.loop, is_over);
			CHECK_INT(client.len, OP_REP_IMPORT_SIZE + 1);
		} else {
			close(client.fd);
			client.fd = -1;
		}
		UNTIL(&t.loop, session_has_ended);
		close(connection);
		end();
	}
	no_kernel_tls = false;
}

/* There is a descriptor for the client, but none for a relay. */
static void no_relay(void)
{
	int free_file;

	no_kernel_tls = true;
	start_with_keys();
	free_file = dup(0);
	close(free_file);
	t.server.fds_max = free_file + 2;
	CHECK_INT(shake_hands(&keys.key[1]), KTLS_NONE);
	UNTIL(&t.loop, is_over);
	CHECK(all_free());
	CHECK_INT(logged("10.0.0.2: connection refused: Too many open files"), 1);
	end();
	no_kernel_tls = false;
}

static void watcher_in_user_space(void)
{
	int connection;

	no_kernel_tls = true;
	start_with_keys();
	connection = shake_hands_in_user_space();
	say(&client, (uint8_t[]){ 1, 0x11, 0x80, 0x60, 0, 0, 0, 0 }, 8);
	awaited = 12 + 316 * 2;
	UNTIL(&t.loop, so_much_came);
	list_is(&client, OP_REP_WATCH, 0, 2);
	offer(1);
	conn_announce(&t.server.conn[0]);
	awaited += 12 + 316;
	UNTIL(&t.loop, so_much_came);
	conn_drop(&t.server.conn[0]);
	UNTIL(&t.loop, is_over);
	close(connection);
	end();
	no_kernel_tls = false;
}

/* After the handshake only a request may come. */
static void second_handshake(void)
{
	start_with_keys();
	CHECK_INT(shake_hands(&keys.key[1]), 1);
	run_quiet(&t.loop);
	say(&client, (uint8_t[]){ TLS_FIRST_BYTE, 3, 1, 0, 200, 1, 0, 0 }, 8);
	UNTIL(&t.loop, is_over);
	CHECK_INT(logged("10.0.0.2: connection refused: not a USB/IP request"), 1);
	CHECK(all_free());
	end();
}

static void wrong_key(void)
{
	struct psk key;

	start_with_keys();
	key = keys.key[1];
	key.secret[3] ^= 1;
	CHECK_INT(shake_hands(&key), -EACCES);
	run_quiet(&t.loop);
	CHECK(all_free());
	end_client(&client);
	t.from = NULL; /* a client on this machine, too, if it uses a key */
	CHECK_INT(shake_hands(&key), -EACCES);
	CHECK_INT(logged("10.0.0.2: connection refused: both ends need the same key"), 1);
	CHECK_INT(t.lines, 2);
	end();
	start_with_keys();
	strcpy(key.identity, "tablet"); /* the client gets the same alert */
	CHECK_INT(shake_hands(&key), -EACCES);
	CHECK_INT(logged("10.0.0.2: connection refused: unknown key name: it is not in the file of --psk"), 1);
	end();
}

/* Neither TLS nor USB/IP; and TLS to a server that has no keys. */
static void first_bytes(void)
{
	static const uint8_t bytes[] = { 0, 20, 21, 23, 0x80, 0xff };

	for (size_t i = 0; i < sizeof(bytes); i++) {
		start_with_keys();
		join_with(&client, 0);
		say(&client, &bytes[i], 1);
		UNTIL(&t.loop, is_over);
		CHECK_INT(logged("no key, which --psk requires"), 1);
		end();
	}
	start_with_keys();
	t.access.keys = NULL;
	CHECK_INT(shake_hands(&keys.key[1]), -ECONNRESET);
	CHECK_INT(logged("10.0.0.2: connection refused: the client speaks TLS, but this server has no --psk"), 1);
	end();
}

static void shaking_deadline(void)
{
	static const uint8_t begin[] = { 22, 3, 1, 0, 200, 1, 0 };

	for (size_t len = 0; len <= sizeof(begin); len++) {
		start_with_keys();
		join_with(&client, 0);
		run_quiet(&t.loop);
		clock_now += CONN_REQUEST_MS - 1;
		say(&client, begin, len);
		run_quiet(&t.loop);
		CHECK(!is_over());
		CHECK_INT(t.server.conn[0].state, len ? CONN_HANDSHAKE : CONN_READING);
		clock_now += 1 + GRANULE;
		UNTIL(&t.loop, is_over);
		CHECK_INT(client.len, 0);
		CHECK(all_free());
		for (size_t i = 0; i < sizeof(tls); i++)
			CHECK(!((uint8_t *)&t.server.tls[0])[i]);
		end();
	}
	/* the end of the handshake does not move the deadline */
	start_with_keys();
	join_with(&client, 0);
	run_quiet(&t.loop);
	clock_now += CONN_REQUEST_MS - 1;
	must(!ktls_connect(&tls, client.fd, &keys.key[0]), "say hello");
	shaken = 0;
	UNTIL(&t.loop, has_shaken);
	CHECK_INT(shaken, 1);
	clock_now += 1 + GRANULE;
	UNTIL(&t.loop, is_over);
	end();
}

/* /proc/crypto is read once in an interval, however many clients connect. */
static void aes_once(void)
{
	start_with_keys();
	for (unsigned i = 0; i < 9; i++) {
		join_with(&client, 0);
		say(&client, (uint8_t[]){ TLS_FIRST_BYTE }, 1);
		run_quiet(&t.loop);
		CHECK_INT(t.server.conn[0].state, CONN_HANDSHAKE);
		CHECK_INT(t.server.tls[0].aes, i >= 3 && i < 6 && aes_is_there());
		CHECK_INT(t.aes_asked, 1 + i / 3);
		end_client(&client);
		UNTIL(&t.loop, all_free);
		if (i % 3 == 1)
			run_after(&t.loop, INTERVAL_MS - 1);
		else if (i % 3 == 2)
			run_after(&t.loop, 1);
	}
	end();
}

static void new_keys(void)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 0x60, 0, 0, 0, 0 };
	struct peer_id who = { .key = "laptop" };

	start_with_keys();
	who.print = keys.key[1].print;
	CHECK_INT(shake_hands(&keys.key[1]), 1);
	say(&client, request, sizeof(request));
	t.from = NULL;
	second = client;
	memset(&client, 0, sizeof(client));
	watch_with(0);
	one_list(2);
	host_server_keys_changed(&t.server);
	UNTIL(&t.loop, second_is_over);
	no_more_came();
	CHECK(access_allows_peer(&t.access, &who));
	who.print = keys.key[0].print; /* the same name, another key */
	CHECK(!access_allows_peer(&t.access, &who));
	who.key = "phone";
	CHECK(access_allows_peer(&t.access, &who));
	who.key = "tablet";
	CHECK(!access_allows_peer(&t.access, &who));
	who.key = NULL;
	CHECK(!access_allows_peer(&t.access, &who));
	who.address = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	CHECK(access_allows_peer(&t.access, &who));
	t.access.keys = NULL;
	who.address.s6_addr[0] = 0x20;
	CHECK(access_allows_peer(&t.access, &who));
	end();
}

/* The states of the one connection, as the debug log has them. */
static void went(const char *states)
{
	char text[200] = "free", was[20], is[20];

	for (unsigned i = 0; i < t.lines; i++) {
		if (sscanf(t.line[i], "127.0.0.1: connection: %19s -> %19s", was, is) != 2)
			continue;
		CHECK_STR(strrchr(text, ' ') ? strrchr(text, ' ') + 1 : text, was);
		strcat(strcat(text, " "), is);
	}
	CHECK_STR(text, states);
}

static void states(void)
{
	enum { LIST = 5, WATCH = 0x60, IMPORT = 3 };
	static const struct {
		uint8_t code;
		size_t len; /* of the request */
		const char *busid, *status, *states;
	} row[] = {
		{ LIST, 8, "", "1\n", "free reading closing free" },
		{ LIST, 7, "", "1\n", "free reading free" },
		{ WATCH, 8, "", "1\n", "free reading watching free" },
		{ 0x77, 8, "", "1\n", "free reading free" },
		{ IMPORT, 40, BUSID, "1\n", "free reading free" },
		{ IMPORT, 40, BUSID, "2\n", "free reading waiting closing free" },
		{ IMPORT, 40, BUSID, "3\n", "free reading closing free" },
		{ IMPORT, 40, "1-9", "1\n", "free reading closing free" },
		{ TLS_FIRST_BYTE, 1, "", "1\n", "free reading handshake free" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		uint8_t request[OP_REQ_IMPORT_SIZE] = { 1, 0x11, 0x80, row[i].code };
		struct linger linger = { 1, 0 };

		start_with_keys();
		t.from = NULL;
		log_open("test", true);
		t.lines = 0;
		put_status(BUSID, row[i].status);
		strcpy((char *)request + OP_COMMON_SIZE, row[i].busid);
		if (row[i].len == 1)
			request[0] = row[i].code;
		join_with(&client, 0);
		say(&client, request, row[i].len);
		run_quiet(&t.loop);
		run_after(&t.loop, CONN_IMPORT_MS + GRANULE);
		setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(client.fd);
		client.fd = -1;
		UNTIL(&t.loop, all_free);
		went(row[i].states);
		log_open("test", false);
		end();
	}
}

/* One of each kind, and no descriptor is left open. */
static void no_leak(void)
{
	unsigned before = open_files();

	import_refused();
	import_that_fails();
	import_pipelined();
	import_waits_for_else();
	peer_leaves();
	watch();
	watcher_that_is_dead();
	port_in_use();
	session_ends();
	start(); /* one of each kind is open at the end */
	put_status("1-2", "2\n");
	ask(&client, OP_REQ_IMPORT, BUSID);
	UNTIL(&t.loop, reply_is_there);
	end_client(&client);
	watch_with(0);
	one_list(2);
	ask(&second, OP_REQ_IMPORT, "1-2");
	run_quiet(&t.loop);
	end();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_host_server: a list", list);
	RUN("t_host_server: its identity", identity);
	RUN("t_host_server: a part of a list", selected);
	RUN("t_host_server: a long list", long_list);
	RUN("t_host_server: a list that is too long", too_long_list);
	RUN("t_host_server: a long list for a slow client", long_list_to_the_slow);
	RUN("t_host_server: a request in pieces", list_in_pieces);
	RUN("t_host_server: a list that is sent in part", list_sent_in_part);
	RUN("t_host_server: an import", import_ok);
	RUN("t_host_server: an import of another device than listed", import_of_another);
	RUN("t_host_server: an import whose client will be silent", import_sets_liveness);
	RUN("t_host_server: an import leaves what is the kernel's", import_leaves_the_rest);
	RUN("t_host_server: an import whose client does not wait for the reply", import_pipelined);
	RUN("t_host_server: imports that are refused", import_refused);
	RUN("t_host_server: imports that the rules refuse", import_denied);
	RUN("t_host_server: an import of a device that is not bound", import_of_what_is_not_bound);
	RUN("t_host_server: imports that fail", import_that_fails);
	RUN("t_host_server: an import of a device in use", import_busy);
	RUN("t_host_server: an import waits for the end of a session", import_waits);
	RUN("t_host_server: an import waits, without passes", import_waits_without_passes);
	RUN("t_host_server: an import waits in vain", import_waits_in_vain);
	RUN("t_host_server: an import waits, and something else comes", import_waits_for_else);
	RUN("t_host_server: an import waits, its client does not", import_waits_pipelined);
	RUN("t_host_server: a session ends", session_ends);
	RUN("t_host_server: one session after the other", session_after_session);
	RUN("t_host_server: a session's client may come back", session_kept);
	RUN("t_host_server: a session that never ends", session_never_ends);
	each_file(FIXTURES "hostile", ".hex", hostile);
	RUN("t_host_server: bad requests are logged once in a minute", bad_request_logged_once);
	RUN("t_host_server: strangers are refused and logged once", strangers);
	RUN("t_host_server: many strangers do not fill the log", many_strangers);
	RUN("t_host_server: a request has a deadline", request_deadline);
	RUN("t_host_server: a reply has a deadline", reply_deadline);
	RUN("t_host_server: peers that leave", peer_leaves);
	RUN("t_host_server: too many connections", caps);
	RUN("t_host_server: descriptors for all", descriptors);
	RUN("t_host_server: few descriptors", few_descriptors);
	RUN("t_host_server: a watch", watch);
	RUN("t_host_server: changes that come at once", watch_coalesced);
	RUN("t_host_server: a watch beside a list", watch_beside_list);
	RUN("t_host_server: two watches", watch_by_many);
	RUN("t_host_server: a watcher that reads late gets the newest", watcher_that_reads_late);
	RUN("t_host_server: a watcher that is dead", watcher_that_is_dead);
	RUN("t_host_server: a watcher that lives again", watcher_that_lives_again);
	RUN("t_host_server: signs of life", sign_of_life);
	RUN("t_host_server: signs of life with a long interval", sign_of_life_between_passes);
	RUN("t_host_server: changes are signs of life", news_are_signs_of_life);
	RUN("t_host_server: a watcher that talks", watcher_that_talks);
	RUN("t_host_server: a connection of which a child has a copy", end_with_a_copy);
	RUN("t_host_server: a watcher that leaves", watcher_that_leaves);
	RUN("t_host_server: a watcher that gets a part", watcher_that_gets_a_part);
	RUN("t_host_server: the port is in use", port_in_use);
	RUN("t_host_server: an interface that comes later", interface_comes);
	RUN("t_host_server: all addresses, and one of them", all_and_one);
	RUN("t_host_server: no descriptor for a connection", no_descriptor_left);
	RUN("t_host_server: a client that was gone before it was accepted", client_gone_before_accept);
	RUN("t_host_server: addresses to listen on", addresses);
	RUN("t_host_server: addresses as text", names);
	RUN("t_host_server: keys, and a client without", keyless);
	RUN("t_host_server: keys, and a client that has one", keyed);
	RUN("t_host_server: keys, and kernels without tls", keyed_in_user_space);
	RUN("t_host_server: a connection of the server's that is taken", dialled_and_taken);
	RUN("t_host_server: a connection of the server's that is left", dialled_and_left);
	RUN("t_host_server: keys, and a watch without tls in the kernel", watcher_in_user_space);
	RUN("t_host_server: keys, and no room for a relay", no_relay);
	RUN("t_host_server: keys, and a second handshake", second_handshake);
	RUN("t_host_server: keys, and a client that has another", wrong_key);
	RUN("t_host_server: keys, and other first bytes", first_bytes);
	RUN("t_host_server: keys, and a handshake's deadline", shaking_deadline);
	RUN("t_host_server: keys, and whether AES is fast", aes_once);
	RUN("t_host_server: keys that have changed", new_keys);
	RUN("t_host_server: the states of a connection", states);
	RUN("t_host_server: no descriptor is left open", no_leak);
	return check_status();
}
