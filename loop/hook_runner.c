/* SPDX-License-Identifier: MIT */
/* The process that runs the hooks, and the daemon's way to it. */
#include "loop/hook_runner.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RUNNER_NAME "usbiphp-hooks"

enum { LOOK_MS = 24 * 3600 * 1000 }; /* it has nothing to do by itself */

/* What that process has. */
struct helper {
	struct loop loop;
	struct loop_source source;
	unsigned owed; /* events that are not answered */
	struct hooks hooks;
};

static void event_ready(struct loop_source *source, uint32_t events)
{
	struct helper *helper = container_of(source, struct helper, source);
	struct hook_event event;
	ssize_t n = recv(source->fd, event.text, sizeof(event.text), 0);

	(void)events;
	if (n <= 0) {
		loop_drop(&helper->loop, source);
		helper->loop.stopping = true;
		loop_pass_now(&helper->loop);
		return;
	}
	event.len = (size_t)n;
	helper->owed++;
	hooks_take(&helper->hooks, &event);
}

static void helper_pass(void *ctx)
{
	struct helper *helper = ctx;

	hooks_pass(&helper->hooks);
}

static bool helper_done(void *ctx)
{
	struct helper *helper = ctx;

	for (; helper->owed > helper->hooks.waiting; helper->owed--)
		send(helper->source.fd, "", 1, 0);
	return helper->source.fd < 0 && !hooks_busy(&helper->hooks);
}

static void help(int fd, const char *config, char *name)
{
	static const struct loop_role role = { helper_pass, helper_pass, helper_done };
	static struct helper helper;
	size_t len = strlen(name);

	syscall(SYS_prctl, PR_SET_NAME, RUNNER_NAME, 0, 0, 0);
	memset(name, 0, len);
	str_format(name, len + 1, RUNNER_NAME);
	if (loop_open(&helper.loop, LOOK_MS, &role, &helper))
		return;
	hooks_init(&helper.hooks, &helper.loop, config);
	helper.source.fd = fd;
	helper.source.ready = event_ready;
	if (!loop_watch(&helper.loop, &helper.source, EPOLLIN))
		loop_run(&helper.loop);
}

static bool has_hooks(const struct hook_runner *runner)
{
	char path[PATH_MAX];

	str_format(path, sizeof(path), "%s" HOOKS_DIR, runner->config);
	return !access(path, F_OK);
}

int hook_runner_start(struct hook_runner *runner, const char *config, char *name)
{
	int pair[2];

	memset(runner, 0, sizeof(*runner));
	runner->config = config;
	runner->source.fd = -1;
	if (!has_hooks(runner))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	runner->source.fd = pair[0];
	runner->pid = fork();
	if (!runner->pid) {
		close(pair[0]);
		help(pair[1], config, name);
		_exit(0);
	}
	close(pair[1]);
	if (runner->pid >= 0)
		return 0;
	close(pair[0]);
	return -errno;
}

/* The daemon goes on without it. */
static void say_not_run(struct hook_runner *runner, const char *why)
{
	if (!runner->said)
		log_warning("hooks are not run until the next start, as %s", why);
	runner->said = true;
}

static void answer_ready(struct loop_source *source, uint32_t events)
{
	struct hook_runner *runner = container_of(source, struct hook_runner, source);
	char told;

	(void)events;
	if (recv(source->fd, &told, sizeof(told), 0) > 0) {
		runner->waiting--;
		return;
	}
	say_not_run(runner, "their process has ended");
	loop_drop(runner->loop, source);
	runner->waiting = 0;
}

int hook_runner_watch(struct hook_runner *runner, struct loop *loop)
{
	runner->loop = loop;
	runner->source.ready = answer_ready;
	return runner->source.fd < 0 ? 0 : loop_watch(loop, &runner->source, EPOLLIN);
}

void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts)
{
	struct hook_event event;

	if (runner->source.fd < 0) {
		if (has_hooks(runner))
			say_not_run(runner, "they are new");
		return;
	}
	hook_event_make(&event, facts);
	if (send(runner->source.fd, event.text, event.len, 0) < 0)
		log_warning_errno(errno, "hooks miss an event");
	else
		runner->waiting++;
}

bool hook_runner_busy(const struct hook_runner *runner)
{
	return runner->waiting != 0;
}

void hook_runner_stop(const struct hook_runner *runner)
{
	if (runner->source.fd >= 0)
		kill(runner->pid, SIGTERM);
}

void hook_runner_close(struct hook_runner *runner)
{
	loop_drop(runner->loop, &runner->source);
}
