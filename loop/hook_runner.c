/* SPDX-License-Identifier: MIT */
/* The process that runs the hooks, and the daemon's way to it. */
#include "loop/hook_runner.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/hooks.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNNER_NAME "usbiphp-hooks"

/* For ps(1) and pidof(1): the name of the process, and argv[0] in its command line. */
static void set_process_name(char *argv0)
{
	size_t len = strlen(argv0);

	prctl(PR_SET_NAME, RUNNER_NAME);
	memset(argv0, 0, len);
	str_format(argv0, len + 1, RUNNER_NAME);
}

/* The main loop of the process: it ends when the daemon has closed the other end of the socket. */
static void serve_events(int fd, const char *config)
{
	struct hook_event event;
	struct hooks hooks;
	ssize_t n;

	signal(SIGHUP, SIG_IGN); /* for the daemon only, also that of a terminal */
	hooks_init(&hooks, config);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* the time of the hooks ends with the daemon */
	for (;;) {
		n = recv(fd, event.text, sizeof(event.text), 0);
		if (n < 0 && errno == ECONNRESET) /* it left answers behind: events follow */
			continue;
		if (n <= 0)
			return;
		event.len = (size_t)n;
		if (hook_event_is_valid(&event))
			hooks_run(&hooks, &event);
		send(fd, "", 1, MSG_NOSIGNAL);
	}
}

static bool has_hooks_dir(const struct hook_runner *runner)
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
	if (!has_hooks_dir(runner))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	runner->pid = fork();
	if (!runner->pid) {
		close(pair[0]);
		set_process_name(name);
		serve_events(pair[1], config);
		_exit(0);
	}
	close(pair[1]);
	if (runner->pid < 0) {
		close(pair[0]);
		return -errno;
	}
	runner->source.fd = pair[0];
	return 0;
}

/* An answer, or the process has ended: the daemon goes on without it. */
static void runner_ready(struct loop_source *source, uint32_t events)
{
	struct hook_runner *runner = container_of(source, struct hook_runner, source);
	char answer;

	(void)events;
	if (recv(source->fd, &answer, sizeof(answer), MSG_DONTWAIT) > 0) {
		assert(runner->waiting > 0);
		if (!--runner->waiting)
			log_once_clear(&runner->late);
		return;
	}
	log_once(&runner->disabled, LOG_LEVEL_WARNING, 0,
		 "the process that runs hooks has ended: restart the daemon to enable hooks");
	loop_drop(runner->loop, source);
	runner->waiting = 0;
}

int hook_runner_watch(struct hook_runner *runner, struct loop *loop)
{
	int error = 0;

	runner->source.ready = runner_ready;
	if (runner->source.fd >= 0)
		error = loop_watch(loop, &runner->source, EPOLLIN);
	if (!error)
		runner->loop = loop;
	return error;
}

void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts)
{
	struct hook_event event;

	if (runner->source.fd < 0) {
		if (!runner->disabled.last && has_hooks_dir(runner))
			log_once(&runner->disabled, LOG_LEVEL_WARNING, 0,
				 "%s" HOOKS_DIR " was created after startup: restart the daemon to "
				 "enable hooks",
				 runner->config);
		return;
	}
	hook_event_make(&event, facts);
	if (runner->waiting == HOOKS_WAITING_MAX)
		log_once(&runner->late, LOG_LEVEL_WARNING, 0,
			 "hooks take too long: more than %d events wait, others are lost",
			 HOOKS_WAITING_MAX);
	else if (send(runner->source.fd, event.text, event.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_once(&runner->late, LOG_LEVEL_WARNING, errno, "hooks miss an event");
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
	if (runner->loop)
		loop_drop(runner->loop, &runner->source);
	else if (runner->source.fd >= 0)
		close(runner->source.fd);
}
