/* SPDX-License-Identifier: MIT */
/* The process that runs the hooks, and the daemon's way to it. */
#include "loop/hooks.h"

#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/child.h"
#include "policy/holds.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNNER_NAME "usbiphp-hooks"
#define PREFIX "USBIPHP_"

enum { VARIABLE_ROOM_MIN = 32 /* no variable begins where less is left */ };

/* In this order, the first one in every event; the values that may be long come last. */
static const char variable_name[HOOK_VARIABLES_MAX][8] = {
	"EVENT", "BUSID", "ID", "NAME", "PORT", "DEVICE", "SERVER", "REASON",
};

static bool is_variable(const char *text, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(text, PREFIX, strlen(PREFIX)) &&
	       !strncmp(text + strlen(PREFIX), name, len) && text[strlen(PREFIX) + len] == '=';
}

bool hook_runner_parse(struct hook_event *event, size_t len)
{
	/* cppcheck-suppress ctuuninitvar ; the caller has received the text */
	char *text = event->text, *end = text + len;
	size_t n = 0, i = 0;

	if (!len || end[-1])
		return false;
	for (; text < end; text += strlen(text) + 1) {
		while (i < HOOK_VARIABLES_MAX && !is_variable(text, variable_name[i]))
			i++;
		if (i == HOOK_VARIABLES_MAX || (i && !n))
			return false;
		i++;
		str_printable(text);
		event->variable[n++] = text;
	}
	event->variable[n] = NULL;
	return true;
}

/* The main loop of the process: it ends when the daemon has closed the other end of the socket. */
static void serve_events(int fd, const char *config)
{
	struct hooks hooks = { .config = config, .stop_by = UINT64_MAX };
	struct hook_event event;
	ssize_t n;

	sandbox_enter_hooks();
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* the time of the hooks ends with the daemon */
	for (;;) {
		n = recv(fd, event.text, sizeof(event.text), 0);
		if (n < 0 && errno == ECONNRESET) /* it left answers behind: events follow */
			continue;
		if (n <= 0)
			return;
		if (hook_runner_parse(&event, (size_t)n))
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

/* An answer, or the process has ended: the daemon goes on without it. */
static void runner_ready(struct loop_source *source, uint32_t events)
{
	struct hook_runner *runner = container_of(source, struct hook_runner, source);
	char answer;

	(void)events;
	if (recv(source->fd, &answer, sizeof(answer), MSG_DONTWAIT) > 0) {
		if (!--runner->waiting)
			log_once_clear(&runner->late);
		return;
	}
	log_once(&runner->disabled, LOG_LEVEL_WARNING, 0,
		 "the process that runs hooks has ended: restart the daemon to enable hooks");
	loop_drop(runner->loop, source);
	runner->waiting = 0;
}

int hook_runner_start(struct hook_runner *runner, struct loop *loop, const char *config)
{
	int fd, error;

	*runner = (struct hook_runner){ { -1, runner_ready }, .loop = loop, .config = config };
	if (!has_hooks_dir(runner))
		return 0;
	runner->pid = child_start_helper(RUNNER_NAME, &(struct child_files){ 0 }, &fd);
	if (runner->pid < 0)
		return runner->pid;
	if (!runner->pid) {
		serve_events(fd, config);
		_exit(0);
	}
	runner->source.fd = fd;
	error = loop_watch(loop, &runner->source, EPOLLIN);
	if (error)
		loop_drop(loop, &runner->source);
	return error;
}

static size_t make_event(char *event, const struct hook_facts *facts)
{
	char id[10], name[DEVICE_NAME_SIZE], port[11];
	const char *busid = facts->busid;
	const char *const value[HOOK_VARIABLES_MAX] = {
		facts->event,
		busid,
		busid ? id : NULL,
		busid ? name : NULL,
		facts->port < 0 ? NULL : port,
		facts->device,
		facts->server,
		facts->reason,
	};
	size_t len = 0;

	str_format(id, sizeof(id), "%04x:%04x", facts->vendor, facts->product);
	name_of_place(name, facts->vendor, facts->product, facts->host, busid ? busid : "");
	str_format(port, sizeof(port), "%d", facts->port);
	for (size_t i = 0; i < HOOK_VARIABLES_MAX; i++) {
		if (!value[i] || HOOK_EVENT_SIZE - len < VARIABLE_ROOM_MIN)
			continue;
		len += str_format(event + len, HOOK_EVENT_SIZE - len, PREFIX "%s=%s",
				  variable_name[i], value[i]) + 1;
	}
	return len;
}

void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts)
{
	char event[HOOK_EVENT_SIZE];
	size_t len = make_event(event, facts);

	if (runner->source.fd < 0) {
		if (!runner->disabled.last && has_hooks_dir(runner))
			log_once(&runner->disabled, LOG_LEVEL_WARNING, 0,
				 "%s" HOOKS_DIR " was created after startup: restart the daemon to "
				 "enable hooks", runner->config);
	} else if (runner->waiting == HOOKS_WAITING_MAX) {
		log_once(&runner->late, LOG_LEVEL_WARNING, 0,
			 "hooks take too long: more than %d events wait, others are lost",
			 HOOKS_WAITING_MAX);
	} else if (send(runner->source.fd, event, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		log_once(&runner->late, LOG_LEVEL_WARNING, errno, "hooks miss an event");
	} else {
		runner->waiting++;
	}
}

void hook_runner_stop(const struct hook_runner *runner)
{
	if (runner->source.fd >= 0)
		kill(runner->pid, SIGTERM);
}
