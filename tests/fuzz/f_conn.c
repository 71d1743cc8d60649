/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: a connection of the server. The first byte of the input is the size of the pieces, the
 * second the status of the one device that is exported; the client sends the rest over a real
 * connection. Every byte of the reply must be as the protocol says.
 */
#include "client/reply.h"
#include "host/server.h"
#include "sysfs/device.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sysfs sysfs;
static char root[64];
static struct exports exports;
static struct rules rules;
static struct access access_policy = { .rules = &rules };
static struct host_server server;
static struct loop loop;
static int listener = -1, status_file = -1;
static struct sockaddr_in there;

static void clean(void)
{
	static const char *const names[] = { "d/busnum", "d/devnum", "d/speed", "d/descriptors",
					     "d/usbip_status", "d/usbip_sockfd",
					     "bus/usb/devices/1-1" };
	static const char *const dirs[] = { "d", "bus/usb/devices", "bus/usb", "bus" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(sysfs.root, names[i], 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		unlinkat(sysfs.root, dirs[i], AT_REMOVEDIR);
	rmdir(root);
}

static int make_file(const char *name, const void *bytes, size_t size)
{
	int fd = openat(sysfs.root, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	HOLDS(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	return fd;
}

static void make_tree(void)
{
	static const uint8_t descriptors[] = {
		18, 1, 0, 2, 0, 0, 0, 64, 0x27, 6, 1, 0, 0, 1, 0, 0, 0, 1, /* device */
		9, 2, 27, 0, 2, 1, 0, 0x80, 50,				   /* configuration */
		9, 4, 0, 0, 0, 3, 1, 1, 0, 9, 4, 1, 0, 0, 8, 6, 80, 0,	   /* interfaces */
	};

	snprintf(root, sizeof(root), "%s/usbiphp-fuzz.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	HOLDS(mkdtemp(root) && !sysfs_open(&sysfs, root));
	HOLDS(!mkdirat(sysfs.root, "bus", 0755) && !mkdirat(sysfs.root, "bus/usb", 0755) &&
	      !mkdirat(sysfs.root, "bus/usb/devices", 0755) && !mkdirat(sysfs.root, "d", 0755));
	HOLDS(!symlinkat("../../../d", sysfs.root, "bus/usb/devices/1-1"));
	close(make_file("d/busnum", "1\n", 2));
	close(make_file("d/devnum", "2\n", 2));
	close(make_file("d/speed", "480\n", 4));
	close(make_file("d/descriptors", descriptors, sizeof(descriptors)));
	close(make_file("d/usbip_sockfd", "", 0));
	status_file = make_file("d/usbip_status", "1\n", 2);
	atexit(clean);
}

static void make_export(void)
{
	struct export *export = exports_add(&exports, &loop, "1-1", EXPORT_LEFT_ALONE);
	struct device_record *record = &export->record;

	strcpy(export->device.name, "1-1 (0627:0001)");
	strcpy(export->device.driver, "usbip-host");
	export->sysfs = &sysfs;
	export->engine = &engine_kernel;
	export_set_state(export, EXPORT_AVAILABLE);
	facts_identify(&sysfs, &export->device, NULL, &export->identity, record);
	HOLDS(export->identity.described && record->device.interfaces == 2);
	export->allowed = export->listed = true;
}

static void pass(void *ctx)
{
	(void)ctx;
}

static bool done(void *ctx)
{
	(void)ctx;
	return true;
}

static void set_up(void)
{
	static const struct loop_role role = { pass, pass, done };
	socklen_t size = sizeof(there);

	if (listener >= 0)
		return;
	make_tree();
	HOLDS(!loop_open(&loop, 3600 * 1000, &role, NULL));
	host_server_init(&server, &loop, &exports, &access_policy, 0, NULL, 0);
	make_export();
	there.sin_family = AF_INET;
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	HOLDS(listener >= 0 && !bind(listener, (struct sockaddr *)&there, sizeof(there)) &&
	      !listen(listener, 16) && !getsockname(listener, (struct sockaddr *)&there, &size));
}

/* Runs the server until it has read everything. */
static void run_events(void)
{
	struct epoll_event event;

	while (server.conn[0].state != CONN_FREE && epoll_wait(loop.epoll, &event, 1, 0) > 0) {
		struct loop_source *source = event.data.ptr;

		source->ready(source, event.events);
	}
}

/* All that the server sent must be whole replies to the request. */
static void read_answer(int fd, const uint8_t *request)
{
	static uint8_t bytes[65536];
	static struct reply reply;
	static struct reply_item item;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	unsigned whole = 0;
	int event = 0;

	if (n <= 0)
		return;
	HOLDS(n >= OP_COMMON_SIZE && n < (ssize_t)sizeof(bytes));
	HOLDS(request[2] == (0x80 | bytes[2]) && request[3] == bytes[3]);
	reply_start(&reply, (enum op_code)(0x8000 | bytes[2] << 8 | bytes[3]));
	for (ssize_t at = 0; at < n;) {
		size_t room;
		uint8_t *place = reply_room(&reply, &room);

		room = room < (size_t)(n - at) ? room : (size_t)(n - at);
		memcpy(place, bytes + at, room);
		reply.len += room;
		at += (ssize_t)room;
		while ((event = reply_next(&reply, &item)) > 0 && event != REPLY_IMPORT)
			whole += event == REPLY_END;
		HOLDS(event >= 0);
		if (event == REPLY_IMPORT)
			HOLDS(at == n && (item.status != OP_OK || !strcmp(item.device.busid, "1-1")));
	}
	HOLDS(event == REPLY_IMPORT || (whole && reply.used == reply.len && !reply.in_list));
}

static void converse(int fd, const uint8_t *data, size_t size, size_t piece)
{
	static const struct in6_addr address = IN6ADDR_LOOPBACK_INIT;
	struct conn *conn = &server.conn[0];
	int theirs = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	HOLDS(theirs >= 0);
	conn_open(conn, &server, theirs, &address, NULL);
	while (size && conn->state == CONN_READING) {
		size_t n = piece < size ? piece : size;

		HOLDS(send(fd, data, n, MSG_NOSIGNAL) == (ssize_t)n);
		data += n;
		size -= n;
		run_events();
	}
	conn_announce(conn);
	run_events();
	if (conn->state != CONN_FREE)
		conn_pass(conn);
}

/* libFuzzer's timer interrupts it at times: the second call waits for the same connection. */
static int connect_client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	do
		error = connect(fd, (struct sockaddr *)&there, sizeof(there));
	while (error && errno == EINTR);
	HOLDS(fd >= 0 && !error);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char states[] = "1230";
	struct linger reset = { 1, 0 };
	int fd;

	if (size < 2)
		return 0;
	set_up();
	loop.now = loop_clock();
	HOLDS(pwrite(status_file, &states[data[1] % 4], 1, 0) == 1);
	fd = connect_client();
	converse(fd, data + 2, size - 2, 1 + data[0]);
	read_answer(fd, data + 2);
	if (server.conn[0].state != CONN_FREE)
		conn_drop(&server.conn[0]);
	export_drop_session(&exports.export[0]);
	/* no TIME_WAIT: there are many of these */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	return 0;
}
