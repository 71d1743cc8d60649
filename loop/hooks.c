/* SPDX-License-Identifier: MIT */
/* Hooks: finds, checks and runs the files in CONFIG/hooks.d. */
#include "loop/hooks.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/loop.h"
#include "sysfs/sysfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

void hooks_init(struct hooks *hooks, const char *config)
{
	memset(hooks, 0, sizeof(*hooks));
	hooks->config = config;
	hooks->stop_by = UINT64_MAX;
	sigemptyset(&hooks->signals);
	sigaddset(&hooks->signals, SIGCHLD);
	sigaddset(&hooks->signals, SIGTERM);
	sigaddset(&hooks->signals, SIGINT);
	sigprocmask(SIG_BLOCK, &hooks->signals, NULL);
}

/* Waits until a child ends or the daemon stops, but at most so long. */
static void hooks_wait(struct hooks *hooks, uint64_t ms)
{
	struct timespec timeout = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	int number = sigtimedwait(&hooks->signals, NULL, &timeout);

	if ((number == SIGTERM || number == SIGINT) && hooks->stop_by == UINT64_MAX)
		hooks->stop_by = loop_clock() + HOOKS_MS;
}

static bool hooks_are_over(const struct hooks *hooks)
{
	return loop_clock() >= hooks->stop_by;
}

/* A file that is changed, or another one of the same name, has another version. Never 0. */
static uint32_t file_version(const char *path, const struct stat *st)
{
	char stamp[64];

	str_format(stamp, sizeof(stamp), "%ju %jd %ld ", (uintmax_t)st->st_ino,
		   (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	return str_hash(str_hash(STR_HASH, stamp), path) | 1;
}

#define log_fault(hooks, version, error, ...)                                                      \
	(log_once_add(&(hooks)->faults, version) ? log_warning_errno(error, __VA_ARGS__) : (void)0)

/* Returns 0, or -EPERM if another user can change the file; logged. */
static int hooks_check_file(struct hooks *hooks, const struct stat *st, const char *path)
{
	uint32_t version = file_version(path, st);

	if (st->st_mode & (S_IWGRP | S_IWOTH))
		log_fault(hooks, version, 0, "hook not run: others may write %s (chmod go-w %s)",
			  path, path);
	else if (st->st_uid && st->st_uid != geteuid())
		log_fault(hooks, version, 0,
			  "hook not run: %s belongs to another user (chown root %s)", path, path);
	else
		return 0;
	return -EPERM;
}

/* Opens hooks.d, if it and CONFIG are safe. Returns a descriptor or -errno. */
static int hooks_open_dir(struct hooks *hooks, const char *path)
{
	struct stat st;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error;

	if (dir < 0) {
		error = -errno;
		if (error != -ENOENT && !error_is_resource(error))
			log_fault(hooks, str_hash(STR_HASH, path) | 1, error, "cannot open %s",
				  path);
		return error;
	}
	error = fstat(dir, &st) ? -errno : hooks_check_file(hooks, &st, path);
	if (!error)
		error = fstatat(dir, "..", &st, 0) ? -errno
						   : hooks_check_file(hooks, &st, hooks->config);
	if (!error)
		return dir;
	close(dir);
	return error;
}

static bool is_hook_name(const char *name)
{
	static const char *const left_behind[] = { ".bak", ".dpkg-", ".new", ".old", ".orig",
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
		str_format(search->found, sizeof(search->found), "%s", name);
	return false;
}

/* The daemon blocks some signals, and its supervisor may have ignored others. */
static void reset_signals(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The hook gets these four only. An interpreter opens the script by its descriptor. */
static void set_descriptors(int file)
{
	dup2(dup(file), HOOK_FD); /* a copy, as dup2(3, 3) would leave it close-on-exec */
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
#ifdef SYS_close_range
	/* before Linux 5.9 that copy stays open, and what the daemon's parent left open */
	syscall(SYS_close_range, HOOK_FD + 1, ~0U, 0); /* musl has no function for it */
#endif
}

/* In the child: returns only if the hook cannot be run. */
static void hook_exec(const struct hook *hook, struct hook_event *event)
{
	static char search_path[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char own[sizeof(HOOK_VARIABLE) + PATH_MAX];
	char *argv[] = { own + strlen(HOOK_VARIABLE), hook_event_name(event), NULL };
	char *envp[HOOK_VARIABLES_MAX + 3] = { search_path, own };

	str_format(own, sizeof(own), HOOK_VARIABLE "%s", hook->path);
	*hook_event_variables(event, envp + 2) = NULL;
	setsid();
	reset_signals();
	set_descriptors(hook->file);
	if (!chdir("/"))
		execve("/proc/self/fd/3", argv, envp);
}

/* Returns false if the hook has not ended when its time is over. */
static bool hooks_wait_child(struct hooks *hooks, pid_t pid, int *status)
{
	uint64_t by = loop_clock() + HOOKS_MS, until, now;
	pid_t ended;

	for (;;) {
		while ((ended = waitpid(-1, status, WNOHANG)) > 0)
			if (ended == pid)
				return true;
		now = loop_clock();
		until = by < hooks->stop_by ? by : hooks->stop_by;
		if (now >= until)
			return false;
		hooks_wait(hooks, until - now);
	}
}

static void hooks_run_one(struct hooks *hooks, const struct hook *hook, struct hook_event *event)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		hook_exec(hook, event);
	if (pid <= 0)
		log_fault(hooks, hook->version, errno, "cannot run hook %s", hook->name);
	if (!pid)
		_exit(STATUS_NOT_RUN);
	if (pid < 0)
		return;
	if (!hooks_wait_child(hooks, pid, &status)) {
		/* a process that is stuck in the kernel survives this: it is not waited for */
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* if it does not lead a group yet */
		log_fault(hooks, hook->version, 0, "hook %s took too long: killed", hook->name);
	} else if (WIFSIGNALED(status)) {
		log_fault(hooks, hook->version, 0, "hook %s failed: signal %d", hook->name,
			  WTERMSIG(status));
	} else if (status) {
		log_fault(hooks, hook->version, 0, "hook %s failed: exit status %d", hook->name,
			  WEXITSTATUS(status));
	} else {
		log_once_remove(&hooks->faults, hook->version);
	}
}

/* Runs the file of that name in hooks.d if it is executable, and safe. */
static void hooks_try(struct hooks *hooks, int dir, const char *name, struct hook_event *event)
{
	struct hook hook = { .name = name, .file = openat(dir, name, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (hook.file < 0)
		return;
	str_format(hook.path, sizeof(hook.path), "%s" HOOKS_DIR "/%s", hooks->config, name);
	if (!fstat(hook.file, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111 &&
	    !hooks_check_file(hooks, &st, hook.path)) {
		hook.version = file_version(hook.path, &st);
		hooks_run_one(hooks, &hook, event);
	}
	close(hook.file);
}

/* Goes on behind the hook of that name, and leaves the name of the last one that was tried. Returns
 * 0, or -errno if hooks.d cannot be read. */
static int hooks_run_after(struct hooks *hooks, char *name, struct hook_event *event)
{
	struct name_search search = { .after = name };
	char path[PATH_MAX];
	int dir, error;

	str_format(path, sizeof(path), "%s" HOOKS_DIR, hooks->config);
	dir = hooks_open_dir(hooks, path);
	if (dir < 0)
		return dir;
	while (!(error = sysfs_each_entry(dir, ".", compare_name, &search)) && search.found[0] &&
	       !hooks_are_over(hooks)) {
		memcpy(name, search.found, sizeof(search.found));
		search.found[0] = '\0';
		hooks_try(hooks, dir, name, event);
	}
	close(dir);
	return error;
}

void hooks_run(struct hooks *hooks, struct hook_event *event)
{
	char name[NAME_MAX + 1] = "";

	assert(hook_event_is_valid(event));
	hooks_wait(hooks, 0); /* for a signal that came meanwhile */
	while (!hooks_are_over(hooks) && error_is_resource(hooks_run_after(hooks, name, event)))
		hooks_wait(hooks, RETRY_MS);
	if (hooks_are_over(hooks))
		log_once(&hooks->late, LOG_LEVEL_WARNING, 0,
			 "hooks took too long: events are lost");
}
