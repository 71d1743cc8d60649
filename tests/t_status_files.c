/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/status_files: the files about sessions, and about devices that are left alone.
 * LINK: -Wl,--wrap=renameat,--wrap=log_line,--wrap=loop_clock
 */
#include "host/host.h"

#include "sysfs/stub.h"
#include "tests/said.h"
#include "tests/tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#define LEFT "run/left"

static char run_dir[TEMP_SIZE + 8];

static struct host host; /* big */
static unsigned writes;

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

/* Each file that is written is renamed into its place. */
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	writes++;
	return __real_renameat(from_dir, from, to_dir, to);
}

uint64_t __wrap_loop_clock(void);

/* 5000 s. */
uint64_t __wrap_loop_clock(void)
{
	return 5000999;
}

static void begin(void)
{
	start(NULL);
	memset(&host, 0, sizeof(host));
	host.choice.engine = &engine_kernel;
	host.engine_hash = str_hash(STR_HASH, "usbip-host \n") | 1; /* it is written already */
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	must(!rundir_open(&host.daemon.rundir, run_dir, "server"), "open the run directory");
	writes = 0;
}

static void finish(void)
{
	rundir_close(&host.daemon.rundir, false);
	end();
}

static struct export *add(const char *busid, enum export_state state)
{
	struct export *export = exports_add(&host.exports, NULL, busid, EXPORT_LEFT_ALONE);

	must(export, "have a place for the device");
	export->sysfs = &sysfs;
	export->engine = &engine_kernel;
	export_set_state(export, state);
	return export;
}

/* As the engine reports it. */
static void becomes(const char *busid, enum export_state state)
{
	export_set_state(exports_find(&host.exports, busid), state);
}

static void keep(void)
{
	status_files_update(&host, false);
}

/* A connection over loopback, the server's end in *fd; text becomes the line of its file. */
static int join(int *fd, char *text)
{
	struct sockaddr_in there = { .sin_family = AF_INET }, own;
	socklen_t len = sizeof(there);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(listener, (struct sockaddr *)&there, len) && !listen(listener, 1) &&
		     !getsockname(listener, (struct sockaddr *)&there, &len) &&
		     !connect(client, (struct sockaddr *)&there, len) &&
		     !getsockname(client, (struct sockaddr *)&own, &len),
	     "connect");
	*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(*fd >= 0, "accept");
	close(listener);
	sprintf(text, "5000 127.0.0.1 %u 127.0.0.1 %u\n", ntohs(there.sin_port), ntohs(own.sin_port));
	return client;
}

static void session(void)
{
	struct export *export, *other;
	char text[100], path[TEMP_SIZE + 30];
	struct stat st;
	int client;

	begin();
	export = add("1-1.4", EXPORT_AVAILABLE);
	other = add("1-1", EXPORT_AVAILABLE);
	becomes("1-1.4", EXPORT_IN_USE);
	becomes("1-1", EXPORT_AVAILABLE);
	keep();
	CHECK(!is_there(root, "run/session.1-1.4"));
	CHECK_INT(writes, 0);
	client = join(&export->session.socket.fd, text);
	keep();
	file_is(root, "run/session.1-1.4", text);
	snprintf(path, sizeof(path), "%s/run/session.1-1.4", root);
	CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0600); /* it tells of a key */
	must(!stat(run_dir, &st) && (st.st_mode & 0005) == 0005, "let anybody look");
	CHECK(export->noted && !other->noted);
	CHECK_INT(writes, 1);
	for (int i = 0; i < 3; i++)
		keep();
	CHECK_INT(writes, 1);
	/* the connection ended, the device is not free yet */
	close(export->session.socket.fd);
	export->session.socket.fd = -1;
	keep();
	file_is(root, "run/session.1-1.4", text);
	becomes("1-1.4", EXPORT_AVAILABLE);
	keep();
	CHECK(!is_there(root, "run/session.1-1.4"));
	CHECK(!export->noted);
	close(client);
	finish();
}

/* A session begins before a pass has seen the device free: the file is that of the new one. */
static void session_after_session(void)
{
	struct export *export;
	char text[100];
	int client[2];

	begin();
	export = add("1-1", EXPORT_AVAILABLE);
	becomes("1-1", EXPORT_IN_USE);
	client[0] = join(&export->session.socket.fd, text);
	keep();
	close(export->session.socket.fd);
	client[1] = join(&export->session.socket.fd, text);
	export->noted = false; /* as export_import() does */
	keep();
	file_is(root, "run/session.1-1", text);
	CHECK_INT(writes, 2);
	for (int i = 0; i < 2; i++)
		close(client[i]);
	close(export->session.socket.fd);
	finish();
}

/* A socket that is no TCP connection has no file, nor does the file of an old session stay. */
static void session_without_peer(void)
{
	struct export *export;
	int pair[2];

	begin();
	export = add("1-1", EXPORT_AVAILABLE);
	becomes("1-1", EXPORT_IN_USE);
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "make a pair");
	put_file(root, "run/session.1-1", "1 10.0.0.1 1 10.0.0.2 2\n");
	export->session.socket.fd = pair[0];
	keep();
	CHECK(!is_there(root, "run/session.1-1"));
	CHECK(export->noted);
	CHECK_INT(writes, 0);
	close(pair[0]);
	close(pair[1]);
	finish();
}

static void gone(void)
{
	struct export *export;
	char text[100];
	int client;

	begin();
	export = add("1-1", EXPORT_AVAILABLE);
	client = join(&export->session.socket.fd, text);
	keep();
	CHECK(is_there(root, "run/session.1-1"));
	status_files_remove_session(&host.daemon.rundir, export);
	CHECK(!is_there(root, "run/session.1-1"));
	CHECK(!export->noted);
	status_files_remove_session(&host.daemon.rundir, export); /* it need not be there */
	close(client);
	close(export->session.socket.fd);
	finish();
}

/* At the end the files of sessions that go on stay, for the next run. */
static void at_the_end(void)
{
	struct export *used, *free_;
	char text[100];
	int client[2];

	begin();
	used = add("1-1", EXPORT_AVAILABLE);
	free_ = add("1-2", EXPORT_AVAILABLE);
	strcpy(add("1-3", EXPORT_LEFT_ALONE)->reason.text, "it is a hub");
	becomes("1-1", EXPORT_IN_USE);
	becomes("1-2", EXPORT_IN_USE);
	client[0] = join(&free_->session.socket.fd, text);
	client[1] = join(&used->session.socket.fd, text);
	keep();
	CHECK(is_there(root, LEFT));
	close(used->session.socket.fd);
	close(free_->session.socket.fd);
	used->session.socket.fd = free_->session.socket.fd = -1;
	becomes("1-2", EXPORT_AVAILABLE);
	status_files_update(&host, true);
	CHECK(!is_there(root, LEFT));
	CHECK(!is_there(root, "run/session.1-2"));
	file_is(root, "run/session.1-1", text);
	for (int i = 0; i < 2; i++)
		close(client[i]);
	finish();
}

static void choose(const struct engine *engine, int error, const char *why)
{
	host.choice = (struct engine_choice){ .engine = engine, .error = error };
	str_copy(host.choice.why.text, sizeof(host.choice.why.text), why);
	keep();
}

/* The engine of further devices: the log has each reason once, for as long as it lasts. */
static void engine(void)
{
	begin();
	said_forget();
	choose(&engine_usbfs, 0, "usbip-host is not loaded");
	file_is(root, "run/engine", "usbfs usbip-host is not loaded\n");
	for (int i = 0; i < 3; i++)
		keep();
	CHECK_INT(writes, 1);
	CHECK_INT(said("further devices are exported by usbfs: usbip-host is not loaded"), 1);
	choose(&engine_kernel, 0, "");
	file_is(root, "run/engine", "usbip-host \n");
	CHECK_INT(log_kept.lines, 1);
	choose(&engine_usbfs, 0, "usbip-host is not loaded");
	CHECK_INT(said("further devices are exported by usbfs: usbip-host is not loaded"), 2);
	choose(&engine_kernel, -ENOSPC, "usbip-host knows at most 16 bus ids, none of a bus newer than the server");
	file_is(root, "run/engine", "none usbip-host knows at most 16 bus ids, none of a bus newer than the server\n");
	CHECK_INT(log_kept.lines, 2); /* each device that has no room is logged */
	status_files_update(&host, true);
	CHECK(!is_there(root, "run/engine"));
	finish();
}

/* The peer that uses a device since an earlier run. */
static void peer(void)
{
	static const struct {
		const char *text, *peer;
	} rows[] = {
		{ "1 10.0.0.1 3240 10.0.0.2 40000\n", "10.0.0.2" },
		{ "1 ::1 3240 fe80:0:0:0:0:0:0:2 40000\n", "fe80:0:0:0:0:0:0:2" },
		{ "1 10.0.0.1 3240 ::ffff:10.0.0.2 1\n", "10.0.0.2" },
		{ "1 10.0.0.1 3240 10.0.0.2", "10.0.0.2" },
		{ "", "" }, { "\n", "" }, { "1 10.0.0.1 3240", "" }, { "1 10.0.0.1 3240 \n", "" },
		{ "1 10.0.0.1 3240 pi.lan 1\n", "" }, { "1 10.0.0.1 3240 \x1b[2J 1\n", "" },
		{ NULL, "" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct export *export;
		struct in6_addr none = IN6ADDR_ANY_INIT;

		begin();
		export = add("1-1", EXPORT_AVAILABLE);
		if (rows[i].text)
			put_file(root, "run/session.1-1", rows[i].text);
		status_files_load_session(&host.daemon.rundir, export);
		CHECK_STR(export->peer, rows[i].peer);
		CHECK_INT(!memcmp(&export->from, &none, sizeof(none)), !*rows[i].peer);
		CHECK(export->noted); /* the file is removed when the device is free */
		becomes("1-1", EXPORT_AVAILABLE);
		keep();
		CHECK(!is_there(root, "run/session.1-1"));
		finish();
	}
}

/* The next run reads back the file. */
static void back(const char *key, uint32_t print)
{
	struct export *export;
	char text[200];
	int client;

	begin();
	export = add("1-1", EXPORT_AVAILABLE);
	client = join(&export->session.socket.fd, text);
	snprintf(export->key, sizeof(export->key), "%s", key);
	export->print = print;
	if (*key)
		sprintf(text + strlen(text) - 1, " %s %x\n", key, print);
	becomes("1-1", EXPORT_IN_USE);
	keep();
	file_is(root, "run/session.1-1", text);
	close(export->session.socket.fd);
	memset(&host.exports, 0, sizeof(host.exports));
	export = add("1-1", EXPORT_IN_USE);
	status_files_load_session(&host.daemon.rundir, export);
	CHECK_STR(export->peer, "127.0.0.1");
	CHECK_STR(export->key, key);
	CHECK_INT(export->print, print);
	keep();
	file_is(root, "run/session.1-1", text);
	close(client);
	finish();
}

/* A file without the print of the key does not count as a proved key. */
static void no_print(void)
{
	static const char *const rows[] = { "laptop", "laptop x", "laptop 123456789" };

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct export *export;
		char text[100];

		begin();
		export = add("1-1", EXPORT_AVAILABLE);
		snprintf(text, sizeof(text), "1 10.0.0.1 3240 10.0.0.2 1 %s\n", rows[i]);
		put_file(root, "run/session.1-1", text);
		status_files_load_session(&host.daemon.rundir, export);
		CHECK_STR(export->peer, "10.0.0.2");
		CHECK_STR(export->key, "");
		finish();
	}
}

static void there_and_back(void)
{
	back("", 0);
	back("laptop", 7);
	back("0123456789012345678901234567890123456789012345678901234567890123", 0xfedcba98);
}

static void left(void)
{
	struct export *export;

	begin();
	strcpy(add("1-1", EXPORT_LEFT_ALONE)->reason.text, "it holds the file system at /");
	add("1-2", EXPORT_LEFT_ALONE); /* about to be bound */
	strcpy(add("1-3", EXPORT_AVAILABLE)->reason.text, "it is a hub"); /* bound by another program */
	export = add("1-4", EXPORT_LEFT_ALONE);
	export->failed = EXPORT_BINDING;
	export->result.step = STUB_STEP_ADD;
	export = add("1-5", EXPORT_LEFT_ALONE);
	export->flaps.backoff.delay = 1000;
	strcpy(add("1-6", EXPORT_UNPLUGGED)->reason.text, "it is a hub");
	strcpy(add("1-7", EXPORT_RELEASING)->reason.text, "it is a hub");
	export = add("1-8", EXPORT_LEFT_ALONE);
	export->failed = EXPORT_RELEASING;
	keep();
	{
		char want[300];

		snprintf(want, sizeof(want),
			 "1-1 it holds the file system at /\n1-4 %s\n1-5 it comes and goes\n",
			 stub_step_text(STUB_STEP_ADD));
		file_is(root, LEFT, want);
	}
	CHECK_INT(writes, 1);
	for (int i = 0; i < 3; i++)
		keep();
	CHECK_INT(writes, 1);
	strcpy(host.exports.export[0].reason.text, "it holds the file system at /x");
	keep();
	CHECK_INT(writes, 2);
	memset(&host.exports, 0, sizeof(host.exports));
	for (int i = 0; i < 3; i++)
		keep();
	CHECK(!is_there(root, LEFT)); /* an empty file is removed */
	CHECK_INT(writes, 2);
	strcpy(add("1-1", EXPORT_LEFT_ALONE)->reason.text, "it is a hub");
	keep();
	file_is(root, LEFT, "1-1 it is a hub\n");
	finish();
}

/* The file of a killed daemon is replaced. */
static void left_by_another(void)
{
	begin();
	put_file(root, LEFT, "1-1 it is a hub\n");
	keep();
	CHECK(!is_there(root, LEFT));
	finish();
}

/* The greatest number of devices, with the longest reasons. */
static void left_all(void)
{
	size_t len = 0;
	char *text, path[TEMP_SIZE + 20];

	begin();
	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		struct export *export = add("1-1.2.3.4.5.6", EXPORT_LEFT_ALONE);

		memset(export->reason.text, 'r', sizeof(export->reason.text) - 1);
		len += strlen(export->device.busid) + 1 + sizeof(export->reason.text);
	}
	keep();
	snprintf(path, sizeof(path), "%s/" LEFT, root);
	text = file_read(path, NULL);
	CHECK(text && strlen(text) == len);
	free(text);
	finish();
}

/* A write that fails is tried again in the next pass. */
static void cannot_write(void)
{
	begin();
	strcpy(add("1-1", EXPORT_LEFT_ALONE)->reason.text, "it is a hub");
	put_file(root, LEFT "/file", "");
	keep();
	take_away(root, LEFT);
	keep();
	file_is(root, LEFT, "1-1 it is a hub\n");
	finish();
}

static void no_leak(void)
{
	unsigned before = open_files();

	session();
	there_and_back();
	left();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_status_files: a session", session);
	RUN("t_status_files: session after session", session_after_session);
	RUN("t_status_files: a session without a peer", session_without_peer);
	RUN("t_status_files: the device is gone", gone);
	RUN("t_status_files: at the end", at_the_end);
	RUN("t_status_files: the engine of further devices", engine);
	RUN("t_status_files: the peer of an earlier run", peer);
	RUN("t_status_files: there and back", there_and_back);
	RUN("t_status_files: a key without its print", no_print);
	RUN("t_status_files: devices that are left alone", left);
	RUN("t_status_files: the file of a killed daemon", left_by_another);
	RUN("t_status_files: all devices are left alone", left_all);
	RUN("t_status_files: it cannot be written", cannot_write);
	RUN("t_status_files: no descriptor is left open", no_leak);
	return check_status();
}
