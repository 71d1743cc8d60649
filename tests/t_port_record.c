/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/port_record: the stock tools' notes on what is attached.
 * LINK: -Wl,--wrap=time,--wrap=loop_clock
 */
#include "client/port_record.h"

#include "loop/loop.h"
#include "tests/files.h"

#include <signal.h>

static time_t system_clock = 1800000000;

time_t __wrap_time(time_t *t);
uint64_t __wrap_loop_clock(void);

time_t __wrap_time(time_t *t)
{
	must(!t, "return the time");
	return system_clock;
}

/* 5000 s. */
uint64_t __wrap_loop_clock(void)
{
	return 5000999;
}

static char root[TEMP_SIZE], dir[TEMP_SIZE + 20];

static void start(void)
{
	temp_make(root);
	snprintf(dir, sizeof(dir), "%s/vhci_hcd", root);
	must(!mkdir(dir, 0700), "make the directory");
}

static void end(void)
{
	temp_remove(root);
}

static struct endpoint *endpoint_of(const char *host, const char *port)
{
	static struct endpoint endpoint;

	snprintf(endpoint.host, sizeof(endpoint.host), "%s", host);
	snprintf(endpoint.port, sizeof(endpoint.port), "%s", port);
	return &endpoint;
}

static int write_record(unsigned port, const char *host, const char *tcp_port, const char *busid,
			const char *more)
{
	return record_write(dir, port, endpoint_of(host, tcp_port), busid, more);
}

static bool matches(unsigned port, const char *host, const char *tcp_port, const char *busid)
{
	return record_matches(dir, port, endpoint_of(host, tcp_port), busid);
}

static char *text_of(const char *name)
{
	char path[TEMP_SIZE + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_read(path, NULL);
}

static void there_and_back(void)
{
	struct record record;
	char *text;

	start();
	CHECK_INT(write_record(0, "pi.lan", "3240", "1-1.4", NULL), 0);
	text = text_of("port0");
	CHECK_STR(text, "pi.lan 3240 1-1.4\n");
	free(text);
	CHECK(record_read(dir, 0, &record, NULL));
	CHECK_STR(record.host, "pi.lan");
	CHECK_STR(record.tcp_port, "3240");
	CHECK_STR(record.busid, "1-1.4");
	CHECK(matches(0, "pi.lan", "3240", "1-1.4"));
	CHECK(!matches(0, "pi.la", "3240", "1-1.4"));
	CHECK(!matches(0, "pi.lan", "3241", "1-1.4"));
	CHECK(!matches(0, "pi.lan", "3240", "1-1"));
	CHECK(!matches(1, "pi.lan", "3240", "1-1.4"));
	end();
}

static unsigned mode_of(const char *name)
{
	char path[TEMP_SIZE + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(!stat(path, &st), path);
	return st.st_mode & 0777;
}

/* More words, for anybody; the three are read as before. */
static void more_words(void)
{
	static const struct {
		const char *more, *line;
	} rows[] = {
		{ NULL, "pi 3240 1-1\n" },
		{ "", "pi 3240 1-1\n" },
		{ "10.0.0.1 40000 10.0.0.2 3240", "pi 3240 1-1 10.0.0.1 40000 10.0.0.2 3240\n" },
	};
	mode_t before = umask(022);

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char *text;

		start();
		CHECK_INT(write_record(0, "pi", "3240", "1-1", rows[i].more), 0);
		text = text_of("port0");
		CHECK_STR(text, rows[i].line);
		free(text);
		CHECK_INT(mode_of("port0"), 0644);
		CHECK(matches(0, "pi", "3240", "1-1"));
		CHECK(!matches(0, "pi", "3240", "1-2"));
		end();
	}
	umask(before);
}

/* The longest words of each kind come whole. */
static void longest_more(void)
{
	char more[2 * (CONNECTION_ADDR_SIZE + ENDPOINT_PORT_SIZE)], *text;
	char host[ENDPOINT_HOST_SIZE], busid[BUSID_SIZE];

	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	memset(busid, 'b', sizeof(busid) - 1);
	busid[sizeof(busid) - 1] = '\0';
	memset(more, 'm', sizeof(more) - 1);
	more[sizeof(more) - 1] = '\0';
	start();
	CHECK_INT(write_record(7, host, "65535", busid, more), 0);
	CHECK(matches(7, host, "65535", busid));
	text = text_of("port7");
	CHECK_INT(text[strlen(text) - 1], '\n');
	CHECK_INT(strlen(text), strlen(host) + 7 + strlen(busid) + 1 + strlen(more) + 1);
	free(text);
	end();
}

static void replaced(void)
{
	char *text;

	start();
	CHECK_INT(write_record(3839, "a-rather-long-name.example", "65535", "1-1.2.3.4", NULL), 0);
	CHECK_INT(write_record(3839, "b", "1", "2-2", NULL), 0);
	CHECK(matches(3839, "b", "1", "2-2"));
	text = text_of("port3839");
	CHECK_STR(text, "b 1 2-2\n");
	free(text);
	end();
}

static void longest(void)
{
	char host[ENDPOINT_HOST_SIZE], busid[BUSID_SIZE];

	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	memset(busid, 'b', sizeof(busid) - 1);
	busid[sizeof(busid) - 1] = '\0';
	start();
	CHECK_INT(write_record(7, host, "65535", busid, NULL), 0);
	CHECK(matches(7, host, "65535", busid));
	end();
}

/* As the stock tools write it. */
static void captured(const char *path, const char *name)
{
	char *text = file_read(path, NULL);
	struct record record;

	check_begin("t_port_record: captured %s", name);
	start();
	put_file(root, "vhci_hcd/port0", text);
	CHECK(record_read(dir, 0, &record, NULL));
	CHECK_STR(record.host, "host");
	CHECK_STR(record.tcp_port, "3240");
	CHECK_STR(record.busid, "1-3");
	end();
	check_end();
	free(text);
}

static void garbage(void)
{
	static const char *const texts[] = {
		"", "\n", " ", "pi", "pi 3240", "pi 3240\n", "pi 324000 1-1\n",
		"pi 3240 1234567890-123456789012345678901\n",
	};
	char host[400];
	struct record record;

	start();
	for (size_t i = 0; i < LENGTH(texts); i++) {
		put_file(root, "vhci_hcd/port0", texts[i]);
		if (record_read(dir, 0, &record, NULL))
			check_fault(__FILE__, __LINE__, "understood #%zu", i);
	}
	memset(host, 'x', sizeof(host));
	for (size_t len = 250; len <= sizeof(host); len++) {
		put_bytes(root, "vhci_hcd/port0", host, len);
		CHECK(!record_read(dir, 0, &record, NULL));
	}
	put_bytes(root, "vhci_hcd/port0", "a\0b\0c", 5);
	CHECK(!record_read(dir, 0, &record, NULL));
	end();
}

static void none(void)
{
	struct record record;

	start();
	CHECK(!record_read(dir, 0, &record, NULL));
	CHECK(!matches(0, "a", "b", "c"));
	record_remove(dir, 0);
	put_file(root, "vhci_hcd/port1/file", "a directory in its place");
	CHECK(!record_read(dir, 1, &record, NULL));
	CHECK(write_record(1, "a", "1", "1-1", NULL) < 0);
	end();
}

static void unwritable(void)
{
	start();
	take_away(root, "vhci_hcd");
	put_file(root, "vhci_hcd", "a file in the directory's place");
	CHECK_INT(write_record(0, "a", "1", "1-1", NULL), -ENOTDIR);
	record_remove(dir, 0);
	CHECK(is_there(root, "vhci_hcd"));
	end();
	start();
	snprintf(dir, sizeof(dir), "%s/no/parent", root);
	CHECK_INT(write_record(0, "a", "1", "1-1", NULL), -ENOENT);
	end();
}

/* What could not be written leaves nothing behind, and nothing of others is taken away. */
static void short_of(void)
{
	struct rlimit was, none = { 0, RLIM_INFINITY };

	must(!getrlimit(RLIMIT_FSIZE, &was) && signal(SIGXFSZ, SIG_IGN) != SIG_ERR, "read");
	none.rlim_max = was.rlim_max;
	for (int others = 0; others < 2; others++) {
		start();
		if (others)
			write_record(7, "b", "1", "1-2", NULL);
		spare_files(0);
		CHECK_INT(write_record(0, "a", "1", "1-1", NULL), -EMFILE);
		spare_files(-1);
		CHECK_INT(is_there(root, "vhci_hcd/port7"), others);
		must(!setrlimit(RLIMIT_FSIZE, &none), "limit");
		CHECK_INT(write_record(0, "a", "1", "1-1", NULL), -EFBIG);
		must(!setrlimit(RLIMIT_FSIZE, &was), "lift the limit");
		CHECK(!is_there(root, "vhci_hcd/port0"));
		CHECK_INT(is_there(root, "vhci_hcd/port7"), others);
		end();
	}
}

/* A link that somebody put there is not followed. */
static void planted_link(void)
{
	struct record record;

	start();
	put_file(root, "victim", "a 1 1-1\n");
	put_link(root, "vhci_hcd/port0", "../victim");
	CHECK(!record_read(dir, 0, &record, NULL));
	CHECK_INT(write_record(0, "b", "2", "2-2", NULL), 0);
	CHECK(record_read(dir, 0, &record, NULL));
	CHECK_STR(record.host, "b");
	take_away(root, "vhci_hcd/port0");
	put_link(root, "vhci_hcd/port0", "../victim");
	CHECK(!record_read(dir, 0, &record, NULL));
	CHECK(is_there(root, "victim"));
	end();
}

static void removed(void)
{
	start();
	write_record(1, "a", "1", "1-1", NULL);
	write_record(2, "b", "1", "1-2", NULL);
	record_remove(dir, 1);
	CHECK(is_there(root, "vhci_hcd/port2"));
	CHECK(!is_there(root, "vhci_hcd/port1"));
	record_remove(dir, 1);
	CHECK(is_there(root, "vhci_hcd/port2"));
	record_remove(dir, 2);
	CHECK(!is_there(root, "vhci_hcd/port2"));
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	there_and_back();
	garbage();
	none();
	unwritable();
	short_of();
	CHECK_INT(open_files(), before);
}

/* What is noted behind the record, or alone by the server. */
static void sessions(void)
{
	struct connection_addr connection = { .since = -1 };
	struct record record;

	start();
	put_file(root, "vhci_hcd/port4", "pi.lan 3240 1-1.4 1 fe80::1%eth0 40000 fe80::2%eth0 3240\n");
	CHECK(matches(4, "pi.lan", "3240", "1-1.4"));
	CHECK(record_read(dir, 4, &record, &connection));
	CHECK_STR(record.host, "pi.lan");
	CHECK_STR(record.busid, "1-1.4");
	CHECK_STR(connection.local, "fe80::1%eth0");
	CHECK_STR(connection.local_port, "40000");
	CHECK_STR(connection.peer, "fe80::2%eth0");
	CHECK_STR(connection.peer_port, "3240");
	CHECK(connection.since > 1000000000);
	put_file(root, "vhci_hcd/port4", "pi.lan 3240 1-1.4\n");
	CHECK(record_read(dir, 4, &record, &connection));
	CHECK_STR(connection.peer, "");
	put_file(root, "vhci_hcd/port4", "pi.lan 3240 1-1.4 1 10.0.0.1 1 10.0.0.2\n");
	CHECK(record_read(dir, 4, &record, &connection));
	CHECK_STR(connection.peer, "");
	put_file(root, "vhci_hcd/port4", "pi.lan 3240\n");
	CHECK(!record_read(dir, 4, &record, &connection));
	CHECK(!record_read(dir, 5, &record, &connection));

	put_file(root, "vhci_hcd/session.1-1.4", "1 10.0.0.1 3240 10.0.0.7 40000\n");
	connection.since = -1;
	CHECK(connection_read(dir, "1-1.4", &connection));
	CHECK_STR(connection.local, "10.0.0.1");
	CHECK_STR(connection.local_port, "3240");
	CHECK_STR(connection.peer, "10.0.0.7");
	CHECK_STR(connection.peer_port, "40000");
	CHECK(connection.since > 1000000000);
	CHECK(!connection_read(dir, "1-1", &connection));
	put_file(root, "vhci_hcd/session.1-1", "1 10.0.0.1 3240 10.0.0.8 40001 laptop\n");
	CHECK(connection_read(dir, "1-1", &connection));
	CHECK_STR(connection.peer_port, "40001");
	end();
}

/* The age of a session is what it is, wherever the system's clock is set. */
static void clock_is_set(void)
{
	static const time_t clocks[] = { 1800000000, 1900000000, 5000, 4000000000 };
	struct connection_addr connection;
	struct record record;

	start();
	put_file(root, "vhci_hcd/session.1-1", "4900 10.0.0.1 3240 10.0.0.7 40000\n");
	must(!record_write(dir, 4, endpoint_of("pi", "3240"), "1-1", "4900 "), "write a record");
	for (size_t i = 0; i < LENGTH(clocks); i++) {
		system_clock = clocks[i];
		CHECK(connection_read(dir, "1-1", &connection));
		CHECK_INT(connection.since, clocks[i] - 100);
		connection.since = -1;
		CHECK(record_read(dir, 4, &record, &connection));
		CHECK_INT(connection.since, clocks[i] - 100);
		CHECK_STR(connection.peer, ""); /* such as through ssh */
	}
	put_file(root, "vhci_hcd/port4", "pi 3240 1-1\n"); /* the stock tools': the file's time */
	CHECK(record_read(dir, 4, &record, &connection));
	CHECK(connection.since > 1600000000 && connection.since < 4000000000 - 5000);
	end();
}

/* The longest there can be, and one byte more. */
static void long_sessions(void)
{
	char line[2 * CONNECTION_ADDR_SIZE + 40], address[CONNECTION_ADDR_SIZE + 1];
	struct connection_addr connection;

	start();
	memset(address, 'a', CONNECTION_ADDR_SIZE);
	for (size_t len = CONNECTION_ADDR_SIZE - 1; len <= CONNECTION_ADDR_SIZE; len++) {
		bool fits = len < CONNECTION_ADDR_SIZE;

		address[len] = '\0';
		snprintf(line, sizeof(line), "1 %s 65535 %s 65534\n", address, address);
		put_file(root, "vhci_hcd/session.1-1", line);
		CHECK_INT(connection_read(dir, "1-1", &connection), fits);
		CHECK_STR(connection.peer, fits ? address : "");
		CHECK_STR(connection.peer_port, fits ? "65534" : "");
		address[len] = 'a';
	}
	end();
}

static void stock_dir(void)
{
	static const struct {
		const char *run, *dir;
	} rows[] = {
		{ "/var/run/usbiphp", "/var/run/vhci_hcd" },
		{ "/var/run/usbiphp/", "/var/run/vhci_hcd" },
		{ "/var/run/usbiphp///", "/var/run/vhci_hcd" },
		{ "/run", "/vhci_hcd" },
		{ "run", "vhci_hcd" },
		{ "a/run", "a/vhci_hcd" },
		{ "", "vhci_hcd" },
	};
	char text[32];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		record_stock_dir(text, sizeof(text), rows[i].run);
		CHECK_STR(text, rows[i].dir);
	}
	record_stock_dir(text, 6, "/var/run");
	CHECK_STR(text, "/var/");
}

int main(void)
{
	RUN("t_port_record: the stock tools' directory", stock_dir);
	RUN("t_port_record: written and read", there_and_back);
	RUN("t_port_record: more words", more_words);
	RUN("t_port_record: the longest of more words", longest_more);
	RUN("t_port_record: replaced by a shorter one", replaced);
	RUN("t_port_record: the longest names", longest);
	RUN("t_port_record: sessions", sessions);
	RUN("t_port_record: the longest sessions", long_sessions);
	RUN("t_port_record: the system's clock is set", clock_is_set);
	CHECK(each_file(FIXTURES "vhci", "-record.txt", captured) >= 2);
	RUN("t_port_record: garbage", garbage);
	RUN("t_port_record: none", none);
	RUN("t_port_record: a place that cannot be written", unwritable);
	RUN("t_port_record: no room, no descriptor", short_of);
	RUN("t_port_record: a link in its place", planted_link);
	RUN("t_port_record: one goes, the others stay", removed);
	RUN("t_port_record: no descriptor is left open", no_leak);
	return check_status();
}
