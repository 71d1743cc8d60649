/* SPDX-License-Identifier: MIT */
/* Hooks: finds, checks and runs the files in CONFIG/hooks.d. */
#include "loop/hooks.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/loop.h"
#include "sysfs/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOOK_VARIABLE "USBIPHP_HOOK="

enum {
	RETRY_MS = 1000, /* after there was no descriptor or memory to look for hooks */
	HOOK_FD = 3,
	STATUS_NOT_RUN = 127, /* as a shell's */
};

struct hook {
	const char *name;
	char path[PATH_MAX];
	int file;
	uint32_t version; /* of the file */
};

/* Waits until a child ends or the daemon stops, but at most so long. */
static void hooks_wait(struct hooks *hooks, uint64_t ms)
{
	struct timespec timeout = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	number = sigtimedwait(&signals, NULL, &timeout);
	if ((number == SIGTERM || number == SIGINT) && hooks->stop_by == UINT64_MAX)
		hooks->stop_by = loop_clock() + HOOKS_MS;
}

#define log_fault(hooks, version, error, ...)                                                      \
	(log_once_add(&(hooks)->faults, version) ? log_warning_errno(error, __VA_ARGS__) : (void)0)

/* Returns the version of the file, which is another one after any change of it, or 0 if another
 * user can change it; logged. */
static uint32_t hooks_check_file(struct hooks *hooks, const struct stat *st, const char *path)
{
	uint32_t stamp = (uint32_t)st->st_ino * 31 + (uint32_t)st->st_ctim.tv_sec;
	uint32_t version = str_hash(stamp * 31 + (uint32_t)st->st_ctim.tv_nsec, path) | 1;
	const char *fault = NULL;

	if (st->st_mode & (S_IWGRP | S_IWOTH))
		fault = "hook not run: others may write %s (chmod go-w %s)";
	else if (st->st_uid && st->st_uid != geteuid())
		fault = "hook not run: %s belongs to another user (chown root %s)";
	if (!fault)
		return version;
	log_fault(hooks, version, 0, fault, path, path);
	return 0;
}

/* Opens hooks.d, if it and CONFIG are safe. Returns a descriptor or -errno. */
static int hooks_open_dir(struct hooks *hooks)
{
	struct stat st, above;
	char path[PATH_MAX];
	int dir, error;

	str_format(path, sizeof(path), "%s" HOOKS_DIR, hooks->config);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	error = dir < 0 ? -errno : -EPERM;
	if (dir < 0 && error != -ENOENT && !error_is_resource(error))
		log_fault(hooks, str_hash(STR_HASH, path) | 1, error, "cannot open %s", path);
	if (dir < 0)
		return error;
	if (!fstat(dir, &st) && !fstatat(dir, "..", &above, 0) &&
	    hooks_check_file(hooks, &st, path) && hooks_check_file(hooks, &above, hooks->config))
		return dir;
	close(dir);
	return error;
}

static bool is_hook_name(const char *name)
{
	static const char left_behind[][7] = { ".bak", ".dpkg-", ".new", ".old", ".orig",
					       ".rpm", ".save",  ".swp", ".tmp", ".ucf-" };

	if (*name == '.')
		return false;
	for (const char *c = name; *c; c++)
		if (!str_is_plain(*c))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(left_behind); i++)
		if (strstr(name, left_behind[i]))
			return false;
	return true;
}

/* The first hook behind a name, in the order of bytes. */
struct name_search {
	const char *after;
	char found[NAME_MAX + 1]; /* empty: none */
};

static bool compare_name(void *ctx, const char *name)
{
	struct name_search *search = ctx;

	if (strcmp(name, search->after) > 0 && is_hook_name(name) &&
	    (!search->found[0] || strcmp(name, search->found) < 0))
		str_copy(search->found, sizeof(search->found), name);
	return false;
}

/* The daemon blocks some signals, and its supervisor may have ignored others. */
static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: returns only if the hook cannot be run. */
static void hook_exec(const struct hook *hook, const struct hook_event *event)
{
	static char search_path[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char own[sizeof(HOOK_VARIABLE) + PATH_MAX], *name = strchr(event->variable[0], '=') + 1;
	char *argv[] = { own + strlen(HOOK_VARIABLE), name, NULL };
	char *envp[2 + ARRAY_SIZE(event->variable)] = { search_path, own };

	str_format(own, sizeof(own), HOOK_VARIABLE "%s", hook->path);
	memcpy(envp + 2, event->variable, sizeof(event->variable));
	setsid();
	reset_signals();
	/* four descriptors, and no more; an interpreter opens the script by its own */
	dup2(dup(hook->file), HOOK_FD); /* a copy, as dup2(3, 3) would leave it close-on-exec */
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
#ifdef SYS_close_range
	/* before Linux 5.9 that copy stays open, and what the daemon's parent left open */
	syscall(SYS_close_range, HOOK_FD + 1, ~0U, 0); /* musl has no function for it */
#endif
	if (!chdir("/"))
		execve("/proc/self/fd/3", argv, envp);
}

/* Returns the hook's status, or -1 if it has not ended when its time is over. */
static int hooks_wait_child(struct hooks *hooks, pid_t pid)
{
	uint64_t by = loop_clock() + HOOKS_MS, until, now;
	pid_t ended;
	int status;

	for (;;) {
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == pid)
				return status;
		now = loop_clock();
		until = by < hooks->stop_by ? by : hooks->stop_by;
		if (now >= until)
			return -1;
		hooks_wait(hooks, until - now);
	}
}

static void hooks_run_file(struct hooks *hooks, const struct hook *hook,
			   const struct hook_event *event)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		hook_exec(hook, event);
	if (pid <= 0)
		log_fault(hooks, hook->version, errno, "cannot run hook %s", hook->name);
	if (!pid)
		_exit(STATUS_NOT_RUN);
	if (pid < 0)
		return;
	status = hooks_wait_child(hooks, pid);
	if (status < 0) {
		/* a process that is stuck in the kernel survives this: it is not waited for */
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* if it does not lead a group yet */
		log_fault(hooks, hook->version, 0, "hook %s took too long: killed", hook->name);
	} else if (status) {
		log_fault(hooks, hook->version, 0, "hook %s failed: %s %d", hook->name,
			  WIFSIGNALED(status) ? "signal" : "exit status",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	} else {
		log_once_remove(&hooks->faults, hook->version);
	}
}

/* Runs the file if it is executable, and safe. Returns 0, or -errno if it cannot be opened. */
static int hooks_try(struct hooks *hooks, int dir, const char *name, const struct hook_event *event)
{
	struct hook hook = { .name = name, .file = openat(dir, name, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (hook.file < 0)
		return -errno;
	str_format(hook.path, sizeof(hook.path), "%s" HOOKS_DIR "/%s", hooks->config, name);
	if (!fstat(hook.file, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111)
		hook.version = hooks_check_file(hooks, &st, hook.path);
	if (hook.version)
		hooks_run_file(hooks, &hook, event);
	close(hook.file);
	return 0;
}

/* Tries the hook behind that name, and leaves its own name there. Returns whether to go on: after
 * a second if there was no descriptor or memory. */
static bool hooks_run_next(struct hooks *hooks, char *name, const struct hook_event *event)
{
	struct name_search search = { .after = name };
	int dir = hooks_open_dir(hooks), error = dir;

	if (dir >= 0) {
		error = sysfs_each_entry(dir, ".", compare_name, &search);
		if (error)
			search.found[0] = '\0';
		else if (search.found[0])
			error = hooks_try(hooks, dir, search.found, event);
		close(dir);
	}
	if (error_is_resource(error)) {
		hooks_wait(hooks, RETRY_MS);
		return true;
	}
	memcpy(name, search.found, sizeof(search.found));
	return *name;
}

void hooks_run(struct hooks *hooks, const struct hook_event *event)
{
	char name[NAME_MAX + 1] = "";

	hooks_wait(hooks, 0); /* for a signal that came meanwhile */
	while (loop_clock() < hooks->stop_by && hooks_run_next(hooks, name, event))
		;
	if (loop_clock() >= hooks->stop_by)
		log_once(&hooks->late, LOG_LEVEL_WARNING, 0,
			 "hooks took too long: events are lost");
}
