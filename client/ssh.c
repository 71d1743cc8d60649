/* SPDX-License-Identifier: MIT */
/* A connection through the system's ssh. */
#include "client/request.h"

#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Finds OpenSSH's or dropbear's client, which have different options. */
static const char script[] =
	"for s in ssh dbclient ssh;do command -v $s>/dev/null&&break;done;"
	"case $($s -V 2>&1) in Drop*)exec $s -K5 -B \"$@\";esac;"
	"exec $s -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=5 "
	"-oServerAliveCountMax=3 -Snone -W \"$@\"";

/* In the child. Without a terminal ssh asks for no password, and gets no Ctrl-C. */
static void ssh_exec(const struct endpoint *endpoint, int fd, int errors)
{
	char forward[ENDPOINT_PORT_SIZE + 10];
	const char *argv[] = { "sh", "-c", script, "sh", forward, endpoint->host, "-p",
			       endpoint->port, NULL };
	sigset_t none;

	setsid();
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(errors, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	str_format(forward, sizeof(forward), "127.0.0.1:%s", endpoint->through);
	if (!strcmp(endpoint->port, ENDPOINT_SSH))
		argv[6] = NULL;
	execv("/bin/sh", (char *const *)argv);
	_exit(127); /* as a shell that finds no program */
}

int ssh_tunnel_open(struct ssh_tunnel *tunnel, const struct endpoint *endpoint)
{
	int pair[2], pipes[2] = { -1, -1 }, error = 0;

	/* ssh itself does not block on its end either */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	tunnel->pid = 0;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) || (tunnel->pid = fork()) < 0)
		error = -errno;
	else if (!tunnel->pid)
		ssh_exec(endpoint, pair[1], pipes[1]);
	tunnel->pipe = pipes[0];
	close(pair[1]);
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (!error)
		return pair[0];
	close(pair[0]);
	ssh_tunnel_close(tunnel);
	return error;
}

/* Reads all that ssh wrote. What does not fit is cut off in front: the end tells most. */
static void ssh_read_errors(struct ssh_tunnel *tunnel)
{
	char chunk[64], *text = tunnel->text;
	size_t len = 0;
	ssize_t n;

	while ((n = read(tunnel->pipe, chunk, sizeof(chunk))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (len == sizeof(tunnel->text) - 1)
				memmove(text, text + 1, --len);
			if (chunk[i] != '\r')
				text[len++] = chunk[i] == '\n' ? ' ' : chunk[i];
		}
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	str_printable(text);
}

void ssh_tunnel_close(struct ssh_tunnel *tunnel)
{
	if (tunnel->pipe < 0)
		return;
	if (tunnel->pid > 0)
		kill(tunnel->pid, SIGTERM);
	ssh_read_errors(tunnel);
	close(tunnel->pipe);
	tunnel->pipe = -1;
}
