/* SPDX-License-Identifier: MIT */
/* A connection through the system's ssh. */
#include "client/tunnel.h"

#include "proto/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NO_SSH = 127, ARGUMENTS_MAX = 16 };

static const char *const programs[] = { "/usr/bin/ssh", "/bin/ssh", "/usr/local/bin/ssh",
					"/usr/bin/dbclient" };

/* dropbear's client, which may be installed as ssh, has other options. */
static bool is_dropbear(const char *program)
{
	char target[256] = "";

	if (readlink(program, target, sizeof(target) - 1) < 0)
		target[0] = '\0';
	return strstr(program, "dbclient") || strstr(target, "dbclient") ||
	       strstr(target, "dropbear");
}

static void execute(const char *program, const struct endpoint *endpoint)
{
	static const char *const openssh[] = { "ssh", "-oBatchMode=yes", "-oConnectTimeout=10",
					       "-oServerAliveInterval=5",
					       "-oServerAliveCountMax=3", "-Snone", "-W" };
	static const char *const dropbear[] = { "dbclient", "-K5", "-B" };
	bool small = is_dropbear(program);
	size_t n = small ? sizeof(dropbear) / sizeof(*dropbear) : sizeof(openssh) / sizeof(*openssh);
	const char *argv[ARGUMENTS_MAX] = { NULL };
	char there[ENDPOINT_PORT_SIZE + 10];

	memcpy(argv, small ? dropbear : openssh, n * sizeof(*argv));
	text_format(there, sizeof(there), "127.0.0.1:%s", endpoint->through);
	argv[n++] = there;
	if (strcmp(endpoint->port, ENDPOINT_SSH) != 0) {
		argv[n++] = "-p";
		argv[n++] = endpoint->port;
	}
	argv[n++] = endpoint->host;
	execv(program, (char *const *)argv);
}

/* In the child. Without a terminal there is nobody to ask for a password, and no Ctrl-C. */
static void run(const struct endpoint *endpoint, int fd, int words)
{
	static const char missing[] = "no ssh is installed here\n";
	sigset_t none;

	setsid();
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(words, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		execute(programs[i], endpoint);
	if (write(2, missing, sizeof(missing) - 1) < 0)
		_exit(1);
	_exit(NO_SSH);
}

int tunnel_open(struct tunnel *tunnel, const struct endpoint *endpoint)
{
	int pair[2], pipes[2], error = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		error = -errno;
		goto close_pair;
	}
	tunnel->pid = fork();
	if (!tunnel->pid)
		run(endpoint, pair[1], pipes[1]);
	if (tunnel->pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK))
		error = -errno;
	close(pipes[1]);
	tunnel->pipe = pipes[0];
	if (error)
		tunnel_close(tunnel);
close_pair:
	close(pair[1]);
	if (!error)
		return pair[0];
	close(pair[0]);
	return error;
}

void tunnel_close(struct tunnel *tunnel)
{
	char chunk[64], *text = tunnel->words;
	size_t len = 0;
	ssize_t n;

	if (tunnel->pipe < 0)
		return;
	if (tunnel->pid > 0)
		kill(tunnel->pid, SIGTERM);
	while ((n = read(tunnel->pipe, chunk, sizeof(chunk))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (len == TUNNEL_WORDS_SIZE - 1)
				memmove(text, text + 1, --len); /* the end says most */
			if (chunk[i] != '\r')
				text[len++] = chunk[i] == '\n' ? ' ' : chunk[i];
		}
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	text_printable(text);
	close(tunnel->pipe);
	tunnel->pipe = -1;
}
