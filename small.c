/* SPDX-License-Identifier: MIT */
/*
 * For the static binary only: getopt_long() and small things of libc's, at a fraction of the size.
 * The linker takes these instead of the archive's members. Slow for large inputs, which there are
 * none of. Without locale: every byte is a character. For names of hosts see small_resolve.c.
 */
#include "lib/str.h"

#ifdef __x86_64__
#include <asm/prctl.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

char *strstr(const char *haystack, const char *needle)
{
	size_t len = strlen(needle);

	for (; strncmp(haystack, needle, len) != 0; haystack++)
		if (!*haystack)
			return NULL;
	return (char *)haystack;
}

char *strchrnul(const char *s, int c)
{
	while (*s && *s != (char)c)
		s++;
	return (char *)s;
}

char *strchr(const char *s, int c)
{
	s = strchrnul(s, c);
	return *s == (char)c ? (char *)s : NULL;
}

static size_t span(const char *s, const char *set, bool in)
{
	size_t n = 0;

	while (s[n] && (strchr(set, s[n]) != NULL) == in)
		n++;
	return n;
}

size_t strspn(const char *s, const char *set)
{
	return span(s, set, true);
}

size_t strcspn(const char *s, const char *set)
{
	return span(s, set, false);
}

char *strncpy(char *restrict to, const char *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = *from;
		from += *from != '\0';
	}
	return to;
}

size_t strnlen(const char *s, size_t most)
{
	size_t n = 0;

	while (n < most && s[n])
		n++;
	return n;
}

void *memchr(const void *bytes, int c, size_t n)
{
	for (const unsigned char *p = bytes; n; p++, n--)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (; (s = strchr(s, c)); s++)
		last = s;
	return (char *)last;
}

/* Without a loop of its own, which compilers take for a call of itself. */
size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX / 2);
}

int strncmp(const char *a, const char *b, size_t most)
{
	for (; most && *a && *a == *b; most--)
		a++, b++;
	return most ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX / 2);
}

/* libc's own goes by a strchrnul() that is made for long strings. */
char *getenv(const char *name)
{
	size_t len = strlen(name);

	for (char **i = environ; *i; i++)
		if (!strncmp(*i, name, len) && (*i)[len] == '=')
			return *i + len + 1;
	return NULL;
}

#ifdef __x86_64__
/*
 * What begins: there are no constructors, no thread-local variables, and nothing to be written at
 * the end. A thread's own memory, which %fs leads to, has errno and what functions of a libc that
 * was built with stack protection look for.
 */
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv);

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv)
{
	static void *thread[64];
	long call = SYS_arch_prctl;

	*thread = thread;
	/* not by syscall(), which may need it already */
	__asm__ volatile("syscall"
			 : "+a"(call)
			 : "D"(ARCH_SET_FS), "S"(thread)
			 : "rcx", "r11", "memory");
	environ = argv + argc + 1;
	_exit(main(argc, argv, environ));
}
#endif

/* What the kernel, a peer or a file can be the cause of. The message is libc's. */
#define ERRORS                                                                                     \
	X(EPERM, "Operation not permitted")                                                        \
	X(ENOENT, "No such file or directory")                                                     \
	X(EIO, "I/O error")                                                                        \
	X(ENXIO, "No such device or address")                                                      \
	X(ENOEXEC, "Exec format error")                                                            \
	X(EAGAIN, "Resource temporarily unavailable")                                              \
	X(ENOMEM, "Out of memory")                                                                 \
	X(EACCES, "Permission denied")                                                             \
	X(EBUSY, "Resource busy")                                                                  \
	X(EEXIST, "File exists")                                                                   \
	X(ENODEV, "No such device")                                                                \
	X(ENOTDIR, "Not a directory")                                                              \
	X(EISDIR, "Is a directory")                                                                \
	X(EINVAL, "Invalid argument")                                                              \
	X(ENFILE, "Too many open files in system")                                                 \
	X(EMFILE, "No file descriptors available")                                                 \
	X(ENOSPC, "No space left on device")                                                       \
	X(EROFS, "Read-only file system")                                                          \
	X(EPIPE, "Broken pipe")                                                                    \
	X(ENAMETOOLONG, "Filename too long")                                                       \
	X(ENOSYS, "Function not implemented")                                                      \
	X(ELOOP, "Symbolic link loop")                                                             \
	X(EPROTO, "Protocol error")                                                                \
	X(EBADMSG, "Bad message")                                                                  \
	X(ENOPROTOOPT, "Protocol not available")                                                   \
	X(ENOTSUP, "Not supported")                                                                \
	X(EAFNOSUPPORT, "Address family not supported by protocol")                                \
	X(EADDRINUSE, "Address in use")                                                            \
	X(EADDRNOTAVAIL, "Address not available")                                                  \
	X(ENETDOWN, "Network is down")                                                             \
	X(ENETUNREACH, "Network unreachable")                                                      \
	X(ECONNRESET, "Connection reset by peer")                                                  \
	X(ENOBUFS, "No buffer space available")                                                    \
	X(ETIMEDOUT, "Operation timed out")                                                        \
	X(ECONNREFUSED, "Connection refused")                                                      \
	X(EHOSTUNREACH, "Host is unreachable")                                                     \
	X(ESTALE, "Stale file handle")

char *strerror(int error)
{
#define X(number, message) number,
	static const uint8_t numbers[] = { ERRORS };
#undef X
#define X(number, message) message "\0"
	static const char messages[] = ERRORS;
#undef X
	static char other[sizeof("error 4294967295")];
	const char *message = messages;

	for (size_t i = 0; i < sizeof(numbers); i++, message += strlen(message) + 1)
		if (numbers[i] == error)
			return (char *)message;
	text_format(other, sizeof(other), "error %u", (unsigned)error);
	return other;
}

/* There are no threads, whose locks and lists would have to be taken along. */
pid_t fork(void)
{
#ifdef SYS_fork
	return (pid_t)syscall(SYS_fork);
#else
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

/* The mode is there when a file may be made. */
static int open_below(int dir, const char *path, int flags, va_list args)
{
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;

	return (int)syscall(SYS_openat, dir, path, flags | O_LARGEFILE, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_below(dir, path, flags, args);
	va_end(args);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_below(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

/* As the kernel has them: libc's also know what to do where it is older than these calls. */
int pipe2(int fd[2], int flags)
{
	return (int)syscall(SYS_pipe2, fd, flags);
}

int inotify_init1(int flags)
{
	return (int)syscall(SYS_inotify_init1, flags);
}

int inotify_add_watch(int fd, const char *path, uint32_t events)
{
	return (int)syscall(SYS_inotify_add_watch, fd, path, events);
}

#ifdef SYS_socket
int socket(int family, int type, int protocol)
{
	return (int)syscall(SYS_socket, family, type, protocol);
}
#endif

/* libc's asks a local socket, which a daemon may not have any more. */
unsigned if_nametoindex(const char *name)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), index = 0;

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (!syscall(SYS_ioctl, fd, SIOCGIFINDEX, &request))
		index = request.ifr_ifindex;
	close(fd);
	return (unsigned)index;
}

int socketpair(int family, int type, int protocol, int pair[2])
{
	return (int)syscall(SYS_socketpair, family, type, protocol, pair);
}

ssize_t readlinkat(int dir, const char *restrict path, char *restrict to, size_t size)
{
	return syscall(SYS_readlinkat, dir, path, to, size);
}

/* Nobody here locks files with it, nor asks who is told of signals. */
int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

/* There is no thread that could be cancelled in one of these. */
ssize_t read(int fd, void *to, size_t size)
{
	return syscall(SYS_read, fd, to, size);
}

ssize_t write(int fd, const void *from, size_t size)
{
	return syscall(SYS_write, fd, from, size);
}

int close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict was)
{
	return (int)syscall(SYS_rt_sigprocmask, how, set, was, NSIG / 8);
}

int signalfd(int fd, const sigset_t *set, int flags)
{
	return (int)syscall(SYS_signalfd4, fd, set, NSIG / 8, flags);
}

int epoll_create1(int flags)
{
	return (int)syscall(SYS_epoll_create1, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	return (int)syscall(SYS_epoll_pwait, epoll, events, max, timeout, NULL, NSIG / 8);
}

#if defined(SYS_accept4) && !defined(SYS_socketcall) /* kernels with that one got this one late */
int accept4(int fd, struct sockaddr *restrict from, socklen_t *restrict len, int flags)
{
	return (int)syscall(SYS_accept4, fd, from, len, flags);
}
#endif

#if defined(__x86_64__) || defined(__aarch64__) /* libc's struct stat is the kernel's there */
int fstatat(int dir, const char *restrict path, struct stat *restrict st, int flags)
{
	return (int)syscall(SYS_newfstatat, dir, path, st, flags);
}

int stat(const char *restrict path, struct stat *restrict st)
{
	return fstatat(AT_FDCWD, path, st, 0);
}

int fstat(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}
#endif

#ifdef __LP64__ /* elsewhere the kernel's time is not libc's */
int clock_gettime(clockid_t clock, struct timespec *t)
{
	return (int)syscall(SYS_clock_gettime, clock, t);
}

/* The name libc's own parts use. */
int __clock_gettime(clockid_t clock, struct timespec *t)
	__attribute__((alias("clock_gettime")));

time_t time(time_t *seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (seconds)
		*seconds = t.tv_sec;
	return t.tv_sec;
}
#endif

char *optarg;
int optind = 1, opterr, optopt;

/* What a word of several letters has left. */
static char *letters_left;
/* Where the option's value is, if it is the next word: behind the latest with options. */
static int value_at;

/* Takes the word at from to the place of the next one that is looked at. */
static char *pull(char **argv, int from)
{
	char *word = argv[from];

	memmove(argv + optind + 1, argv + optind, (size_t)(from - optind) * sizeof(*argv));
	argv[optind++] = word;
	return word;
}

static int take_value(int argc, char **argv, char *value, int option)
{
	optarg = value;
	if (!value && value_at < argc)
		optarg = pull(argv, value_at);
	optopt = option;
	return optarg ? option : ':';
}

static int long_option(int argc, char **argv, char *word, const struct option *options)
{
	size_t len = strcspn(word, "=");
	const struct option *found = NULL;

	for (const struct option *i = options; i->name; i++) {
		if (strncmp(i->name, word, len) != 0)
			continue;
		optopt = 0;
		if (found && i->name[len])
			return '?';
		found = i;
		if (!i->name[len])
			break;
	}
	optopt = found ? found->val : 0;
	if (!found || (!found->has_arg && word[len]))
		return '?';
	if (found->has_arg)
		return take_value(argc, argv, word[len] ? word + len + 1 : NULL, found->val);
	return found->val;
}

static int letter_option(int argc, char **argv, const char *letters)
{
	int letter = (unsigned char)*letters_left++;
	char *rest = *letters_left ? letters_left : NULL;
	const char *known = letter == ':' ? NULL : strchr(letters, letter);

	optopt = letter;
	if (!rest || (known && known[1] == ':'))
		letters_left = NULL;
	if (!known)
		return '?';
	return known[1] == ':' ? take_value(argc, argv, rest, letter) : letter;
}

/* Without messages, "index", "flag", optional values and POSIXLY_CORRECT. */
int getopt_long(int argc, char *const *words, const char *letters, const struct option *options,
		int *index)
{
	char **argv = (char **)words, *word;
	int at = optind;

	(void)index;
	optarg = NULL;
	if (letters_left)
		return letter_option(argc, argv, letters);
	while (at < argc && (argv[at][0] != '-' || !argv[at][1]))
		at++;
	if (at == argc)
		return -1;
	word = pull(argv, at);
	value_at = at + 1;
	if (word[1] != '-') {
		letters_left = word + 1;
		return letter_option(argc, argv, letters);
	}
	return word[2] ? long_option(argc, argv, word + 2, options) : -1;
}
