/* SPDX-License-Identifier: MIT */
/*
 * Tests of --on-demand in host/: a device is offered, taken for a client, and given back after it. The
 * test plays the client, and the survey in the inspector's process.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=daemon_run,--wrap=uevent_open,--wrap=protect_survey,--wrap=stub_bind
 * LINK: -Wl,--wrap=stub_end,--wrap=stub_release
 */
#include "tests/host.h"

#include <arpa/inet.h>

#define BUSID "1-1"

enum { PASS_MS = 10000, LATER_MS = 500, PAUSE_MS = 200 };

/* Shared with the process of the inspector. */
static struct {
	volatile unsigned asked;
	volatile enum protect_answer answer;
} *played;

static void play_survey(struct protect_survey *survey)
{
	for (unsigned i = 0; i < survey->count; i++) {
		survey->item[i].answer = played->answer;
		if (played->answer == PROTECT_NEEDED)
			str_copy(survey->item[i].reason.text, sizeof(survey->item[i].reason.text),
				 "it is mounted");
	}
	played->asked++;
}

static void begin(void)
{
	start();
	played = share_memory(played, sizeof(*played));
	t.play_survey = play_survey;
	t.on_demand = true;
	plug(BUSID, "usb-storage");
	put_attribute(BUSID, "usbip_sockfd", "");
}

/* A connection that asks to import the device: the client's end. */
static int ask(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct host_server *server = &t.host->server;
	const struct op_request import = { OP_REQ_IMPORT, BUSID };
	uint8_t request[OP_REQ_IMPORT_SIZE];
	struct in6_addr from;
	int accepted;

	must(!bind(listener, (struct sockaddr *)&address, len) && !listen(listener, 1) &&
		     !getsockname(listener, (struct sockaddr *)&address, &len) &&
		     !connect(client, (struct sockaddr *)&address, len),
	     "connect");
	accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	must(accepted >= 0 && addr_parse("127.0.0.1", &from), "accept");
	close(listener);
	must(op_request_encode(request, sizeof(request), &import) == sizeof(request), "encode");
	must(write(client, request, sizeof(request)) == sizeof(request), "write");
	conn_open(&server->conn[server->conns++], server, accepted, &from, NULL);
	return client;
}

static unsigned connections(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t.host->server.conns; i++)
		n += t.host->server.conn[i].state == CONN_WAITING ||
		     t.host->server.conn[i].state == CONN_READING;
	return n;
}

/* As the kernel, which says that the device is used when it has got the socket. */
static void play_kernel(void)
{
	char path[PATH_MAX], *text;

	snprintf(path, sizeof(path), "%s/" HOME BUSID "/usbip_sockfd", root);
	text = file_read(path, NULL);
	if (text && *text) {
		put_attribute(BUSID, "usbip_status", "2\n");
		put_attribute(BUSID, "usbip_sockfd", "");
	}
	free(text);
}

static bool is_answered(void)
{
	play_kernel();
	clock_now++; /* a question may have to wait a little */
	return is_idle() && !connections();
}

/* The status of the reply; UINT32_MAX: there is none. */
static uint32_t reply_of(int client)
{
	uint8_t bytes[OP_COMMON_SIZE];

	if (recv(client, bytes, sizeof(bytes), MSG_DONTWAIT) != sizeof(bytes))
		return UINT32_MAX;
	return (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16 | (uint32_t)bytes[6] << 8 |
	       bytes[7];
}

static void refused_is(uint32_t status)
{
	int client = ask();

	UNTIL(&t.daemon->loop, is_answered);
	CHECK_INT(reply_of(client), status);
	close(client);
	run_quiet(&t.daemon->loop);
}

static int imported(void)
{
	int client = ask();

	UNTIL(&t.daemon->loop, is_answered);
	CHECK_INT(reply_of(client), OP_OK);
	settle();
	CHECK_INT(find(BUSID)->state, EXPORT_IN_USE);
	CHECK(!find(BUSID)->listed);
	return client;
}

static void hang_up(int client)
{
	close(client);
	put_attribute(BUSID, "usbip_status", "1\n");
	run_quiet(&t.daemon->loop);
	settle();
}

static void offered_is(bool offered)
{
	CHECK(find(BUSID)->offered == offered && find(BUSID)->listed == offered);
	file_is(root, "run/offered", offered ? BUSID "\n" : NULL);
}

static void taken_scene(void)
{
	int client;

	settle();
	JOBS_WERE("");
	offered_is(true);
	CHECK_INT(said("1-1 (46f4:0001): offered to clients"), 1);
	CHECK_INT(played->asked, 1);
	later(PASS_MS); /* nothing is asked between two passes */
	settle();
	CHECK_INT(played->asked, 1);
	CHECK_INT(said("offered to clients"), 1);
	client = imported();
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(played->asked, 2); /* anew, for the client */
	offered_is(false);
	hang_up(client);
	JOBS_WERE("release 1-1\n");
	file_is(root, "run/bound", NULL);
	offered_is(true);
	client = imported();
	JOBS_WERE("bind 1-1\n");
	stop_server();
	JOBS_WERE("end 1-1\nrelease 1-1\n");
	close(client);
}

static void is_taken(void)
{
	begin();
	serve(taken_scene, false, 0);
	file_is(root, "run/offered", NULL);
	end();
}

static void busy_scene(void)
{
	int client;

	settle();
	offered_is(true);
	clock_now += PASS_MS;
	played->answer = PROTECT_NEEDED; /* since the last question */
	refused_is(OP_BUSY);
	JOBS_WERE("");
	offered_is(false);
	CHECK_INT(said("1-1 (46f4:0001): left alone: it is mounted"), 1);
	file_is(root, "run/left", "1-1 it is mounted\n");
	played->answer = PROTECT_FREE;
	CHECK_INT(played->asked, 2);
	later(INTERVAL_MS);
	CHECK_INT(played->asked, 3);
	offered_is(true);
	file_is(root, "run/left", NULL);
	clock_now += PAUSE_MS;
	client = imported();
	CHECK_INT(played->asked, 4);
	JOBS_WERE("bind 1-1\n");
	refused_is(OP_BUSY); /* another client has it */
	hang_up(client);
	JOBS_WERE("release 1-1\n");
	stop_server();
	JOBS_WERE("");
}

static void is_busy(void)
{
	begin();
	serve(busy_scene, false, 0);
	end();
}

static void failure_scene(void)
{
	settle();
	t.fails = BUSID;
	t.failure = (struct stub_result){ -EIO, STUB_STEP_BIND };
	refused_is(OP_DEV_ERR);
	JOBS_WERE("bind 1-1\n");
	offered_is(false);
	refused_is(OP_DEV_ERR); /* it is not tried again at once */
	JOBS_WERE("");
	put_file(root, SLOTS, "2-1 2-2 2-3 2-4 2-5 2-6 2-7 2-8 2-9 2-10 2-11 2-12 2-13 2-14 2-15 2-16 ");
	later(INTERVAL_MS);
	offered_is(true); /* whether there is room is seen when there must be */
	refused_is(OP_NA);
	JOBS_WERE("");
	stop_server();
}

static void fails(void)
{
	begin();
	serve(failure_scene, false, 0);
	end();
}

static bool has_no_connection(void)
{
	return !connections();
}

static void patience_scene(void)
{
	int client;

	settle();
	t.slow = "bind";
	client = ask();
	UNTIL(&t.daemon->loop, job_has_begun);
	CHECK_INT(connections(), 1);
	clock_now += CONN_TAKE_MS + 1000;
	UNTIL(&t.daemon->loop, has_no_connection);
	CHECK_INT(reply_of(client), OP_BUSY);
	close(client);
	/* nobody wants it any more */
	put_file(root, "go", "");
	settle();
	JOBS_WERE("bind 1-1\nrelease 1-1\n");
	offered_is(true);
	/* one that leaves while it waits */
	take_away(root, "go");
	client = ask();
	UNTIL(&t.daemon->loop, job_has_begun);
	close(client);
	UNTIL(&t.daemon->loop, has_no_connection);
	put_file(root, "go", "");
	settle();
	JOBS_WERE("bind 1-1\nrelease 1-1\n");
	stop_server();
}

static void patience(void)
{
	begin();
	serve(patience_scene, false, 0);
	end();
}

static bool is_answered_later(void)
{
	const struct export *export = exports_find(&t.host->exports, BUSID);

	return export && !export->need.asked && export->need.item.answer == PROTECT_LATER;
}

static void comes_and_goes_scene(void)
{
	int client;

	settle();
	offered_is(true);
	unplug(BUSID);
	settle();
	file_is(root, "run/offered", NULL);
	refused_is(OP_NODEV);
	plug(BUSID, "usb-storage");
	put_attribute(BUSID, "usbip_sockfd", "");
	played->answer = PROTECT_LATER; /* its disk is not there yet */
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_answered_later);
	offered_is(false);
	client = ask(); /* until then a client waits */
	run_quiet(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_answered_later);
	loop_pass_now(&t.daemon->loop);
	run_quiet(&t.daemon->loop);
	CHECK_INT(connections(), 1);
	played->answer = PROTECT_FREE;
	UNTIL(&t.daemon->loop, is_answered);
	CHECK_INT(reply_of(client), OP_OK);
	JOBS_WERE("bind 1-1\n");
	hang_up(client);
	JOBS_WERE("release 1-1\n");
	offered_is(true);
	change_rules("deny\n");
	settle();
	offered_is(false);
	refused_is(OP_NODEV);
	JOBS_WERE("");
	stop_server();
}

static void comes_and_goes(void)
{
	begin();
	serve(comes_and_goes_scene, false, 0);
	end();
}

static void restart_scene(void)
{
	settle();
	JOBS_WERE("release 1-2\n"); /* no client uses it */
	CHECK_INT(find(BUSID)->state, EXPORT_IN_USE);
	put_attribute(BUSID, "usbip_status", "1\n");
	settle();
	JOBS_WERE("release 1-1\n");
	stop_server();
}

static void restart(void)
{
	begin();
	unplug(BUSID);
	plug_in_use(BUSID);
	plug("1-2", STUB_DRIVER);
	was_bound(BUSID "\n1-2\n");
	serve(restart_scene, false, 0);
	end();
}

static void not_on_demand_scene(void)
{
	settle();
	refused_is(OP_NODEV); /* not that it is busy */
	JOBS_WERE("");
	stop_server();
}

static void not_on_demand(void)
{
	begin();
	t.on_demand = false;
	played->answer = PROTECT_NEEDED;
	serve(not_on_demand_scene, false, 0);
	end();
}

int main(void)
{
	RUN("t_host_demand: taken, and given back", is_taken);
	RUN("t_host_demand: the host needs it", is_busy);
	RUN("t_host_demand: it cannot be taken", fails);
	RUN("t_host_demand: clients that do not wait", patience);
	RUN("t_host_demand: comes and goes", comes_and_goes);
	RUN("t_host_demand: after a restart", restart);
	RUN("t_host_demand: without --on-demand", not_on_demand);
	return check_status();
}
