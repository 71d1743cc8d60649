/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/import: the states and the transitions between them, and failures that are
 * logged once. LINK: -Wl,--wrap=log_line
 */
#include "client/import.h"

#include "tests/said.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATES = IMPORT_DETACHING + 1 };

static struct hook_runner runner = { .source.fd = -1, .config = "." };
static struct loop loop;
static struct import_context context; /* big */
static struct endpoint endpoint;
static struct import import;

static void start(void)
{
	memset(&loop, 0, sizeof(loop));
	memset(&context, 0, sizeof(context));
	loop.now = 1000000;
	loop.next = UINT64_MAX;
	context.loop = &loop;
	context.hooks = &runner;
	must(!endpoint_parse(&endpoint, "pi.lan", "3240"), "parse the name");
	import_init(&import, &context, &endpoint, "1-1.4");
	import.facts.vendor = 0x951;
	import.facts.product = 0x1666;
	said_forget();
}

/* Which states may follow each, by their first two letters; in the order of the enum. */
static const char *const follows[STATES] = {
	"id",
	"un fa du en at",
	"un id du",
	"un id fa du",
	"id fa re",
	"id fa rf en",
	"id fa at cl de",
	"id fa cl de",
	"id fa de",
	"id fa",
};
static const char letters[STATES][3] = {
	"un", "id", "fa", "rf", "du", "re", "en", "at", "cl", "de",
};

/* Whether the assertion lets it pass. */
static bool may_follow(enum import_state from, enum import_state to, int port)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		import.state = from;
		import.port = port;
		import_set_state(&import, to);
		_exit(import.state == to ? 0 : 2);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : !WEXITSTATUS(status));
	return !WIFSIGNALED(status);
}

static bool has_port(unsigned state)
{
	return state >= IMPORT_ENUMERATING; /* in the order of this test's tables */
}

static void transitions(void)
{
	start();
	for (unsigned from = 0; from < STATES; from++)
		for (unsigned to = 0; to < STATES; to++) {
			bool allowed = from == to || strstr(follows[from], letters[to]);

			if (may_follow(from, to, has_port(to) ? 7 : -1) != allowed)
				check_fault(__FILE__, __LINE__, "%s to %s",
					    import_state_text(from), import_state_text(to));
		}
	CHECK(!may_follow(IMPORT_ATTACHED, IMPORT_IDLE, 7)); /* it has the port still */
	CHECK(!may_follow(IMPORT_REQUESTING, IMPORT_ENUMERATING, -1));
}

static void questions(void)
{
	start();
	for (unsigned state = 0; state < STATES; state++) {
		import.state = state;
		import.answered_at = 0;
		CHECK_INT(import_has_port(&import), has_port(state));
		CHECK_INT(import_is_resting(&import),
			  state && state != IMPORT_REQUESTING && !has_port(state));
		CHECK_INT(import_is_pending(&import), state >= IMPORT_DUE);
		import.answered_at = 1;
		CHECK_INT(import_is_pending(&import),
			  state == IMPORT_DUE || state == IMPORT_REQUESTING);
		CHECK_INT(import_is_forgettable(&import),
			  state && state != IMPORT_REQUESTING && !has_port(state));
		import.listed = true;
		CHECK(!import_is_forgettable(&import));
		import.listed = false;
		import.flaps.remember = loop.now + 1;
		CHECK(!import_is_forgettable(&import));
		import.flaps.remember = loop.now;
	}
	CHECK_STR(import_state_text(IMPORT_UNUSED), "unused");
	CHECK_STR(import_state_text(IMPORT_DETACHING), "detaching");
	CHECK_STR(import_name(&import).text, "1-1.4 (0951:1666) at pi.lan:3240");
}

/* The reason may come in a buffer that is used again: its text counts, not its address. */
static void failures_by_text(void)
{
	char one[40] = "Connection refused", two[40] = "Connection refused";

	start();
	import_fail(&import, IMPORT_FAILED, one);
	CHECK_INT(said("cannot attach 1-1.4 (0951:1666) at pi.lan:3240: Connection refused"), 1);
	import_fail(&import, IMPORT_FAILED, two); /* the same from another address */
	CHECK_INT(log_kept.lines, 1);
	strcpy(one, "Permission denied (publickey)."); /* another one at the same address */
	import_fail(&import, IMPORT_FAILED, one);
	CHECK_INT(said("cannot attach 1-1.4 (0951:1666) at pi.lan:3240: Permission denied"), 1);
	CHECK_INT(log_kept.lines, 2);
	import_fail(&import, IMPORT_FAILED, one);
	CHECK_INT(log_kept.lines, 2);
	CHECK(import_is_failing(&import));
}

/* Each failure counts, logged or not; another device in its place starts without them. */
static void another_device(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .busnum = 1, .devnum = 2,
				    .speed = 3 };

	start();
	import_list_entry(&import, &device, NULL);
	import_list_complete(&import);
	for (unsigned i = 1; i <= 3; i++) {
		import_fail(&import, IMPORT_FAILED, "no answer");
		CHECK_INT(import.flaps.backoff.delay, 500u << i);
		CHECK_INT(import.flaps.remember, loop.now + FLAP_REMEMBER_MS);
	}
	CHECK_INT(log_kept.lines, 1);
	import_list_entry(&import, &device, NULL); /* the same one */
	import_list_complete(&import);
	CHECK_INT(import.state, IMPORT_FAILED);
	device.devnum = 3; /* or plugged again */
	import_list_entry(&import, &device, NULL);
	import_list_complete(&import);
	CHECK_INT(import.state, IMPORT_FAILED);
	CHECK_INT(import.flaps.backoff.delay, 4000);
	device.product = 2;
	import_list_entry(&import, &device, NULL);
	CHECK_INT(import.state, IMPORT_IDLE);
	CHECK_INT(import.flaps.backoff.delay, 0);
	CHECK(!import_is_failing(&import));
	import_fail(&import, IMPORT_FAILED, "no answer");
	CHECK_INT(log_kept.lines, 2);
}

/* A refusal is no reason to wait once the server lists it again, a few times. */
static void refused_and_listed_again(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .speed = 3 };

	start();
	for (unsigned i = 1; i <= 5; i++) {
		import_list_complete(&import); /* not in this list */
		CHECK(!import.listed);
		import_list_entry(&import, &device, NULL);
		import_list_complete(&import);
		CHECK(import.listed);
		CHECK_INT(import.state, IMPORT_IDLE);
		if (i > 1)
			CHECK_INT(import.flaps.backoff.until != 0, i - 1 > FLAP_FREE);
		import_set_state(&import, IMPORT_DUE);
		import_set_state(&import, IMPORT_REQUESTING);
		import_fail(&import, IMPORT_REFUSED, "it is in use");
		CHECK(import.flaps.backoff.until > loop.now);
		import_list_entry(&import, &device, NULL); /* it was never away */
		import_list_complete(&import);
		CHECK_INT(import.state, IMPORT_REFUSED);
	}
}

/* An entry counts only with its whole list; what is due and leaves the list is due no more. */
static void lists(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .speed = 3 };

	start();
	import_list_entry(&import, &device, NULL);
	CHECK(!import.listed);
	import_list_abandon(&import);
	import_list_complete(&import);
	CHECK(!import.listed);
	import_list_entry(&import, &device, NULL);
	import_list_complete(&import);
	CHECK(import.listed);
	import_list_entry(&import, &device, NULL);
	import_list_abandon(&import);
	CHECK(import.listed);
	import_set_state(&import, IMPORT_DUE);
	import_list_complete(&import);
	CHECK(!import.listed);
	CHECK_INT(import.state, IMPORT_IDLE);
}

int main(void)
{
	RUN("t_import: transitions", transitions);
	RUN("t_import: questions about the state", questions);
	RUN("t_import: a failure is logged once, by its text", failures_by_text);
	RUN("t_import: another device", another_device);
	RUN("t_import: refused, and listed again", refused_and_listed_again);
	RUN("t_import: entries and lists", lists);
	return check_status();
}
