/* SPDX-License-Identifier: MIT */
/*
 * Tests of the command line: the program in $USBIPHP (build/usbiphp), its exit status and its
 * error messages of one line. No test touches devices of this machine.
 */
#include "host/server.h"
#include "policy/rules.h"
#include "proto/op.h"
#include "tests/program.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/utsname.h>

/* stderr is one printable line, which begins with the program's name and contains word. */
static void says(const char *name, const char *word)
{
	size_t len = strlen(got.err);

	CHECK(len > 0 && strchr(got.err, '\n') == got.err + len - 1);
	for (size_t i = 0; i + 1 < len; i++)
		CHECK(got.err[i] >= ' ' && got.err[i] <= '~');
	if (strncmp(got.err, name, strlen(name)) || strncmp(got.err + strlen(name), ": ", 2))
		check_fault(__FILE__, __LINE__, "not from %s", name);
	if (!strstr(got.err, word))
		check_fault(__FILE__, __LINE__, "\"%.*s\" does not name %s",
			    (int)(len ? len - 1 : 0), got.err, word);
	CHECK_STR(got.out, "");
}

#define S "usbiphp-server"
#define C "usbiphp-client"
#define U "usbiphp"

static const struct {
	const char *argv[8];
	const char *name; /* in the message */
	const char *word;
} wrong[] = {
	{ { U }, U, "command" },
	{ { "" }, U, "command" },
	{ { U, "bogus" }, U, "'bogus'" },
	{ { U, "" }, U, "''" },
	{ { U, "serverx" }, U, "'serverx'" },
	{ { U, "-x" }, U, "-x" },
	{ { U, "--bogus" }, U, "--bogus" },
	{ { S, "word" }, S, "'word'" },
	{ { U, "server", "word" }, S, "'word'" },
	{ { "/usr/sbin/" S, "word" }, S, "'word'" },
	{ { S, "--once", "word" }, S, "'word'" },
	{ { S, "word", "--once" }, S, "'word'" },
	{ { S, "--bogus" }, S, "'--bogus'" },
	{ { S, "--bogus=7" }, S, "--bogus" },
	{ { S, "--verbose=7" }, S, "--verbose" },
	{ { S, "-x" }, S, "x'" },
	{ { S, "-vx" }, S, "x'" },
	{ { S, "-xv" }, S, "'-x" },
	{ { S, "-vxv" }, S, "x" },
	{ { S, "--once", "-xv" }, S, "'-x" },
	{ { S, "-p", "1" }, S, "-p" },
	{ { S, "--port", "1" }, S, "--port" },
	{ { S, "-i" }, S, "-i" },
	{ { S, "-vi" }, S, "i'" },
	{ { S, "--interval" }, S, "-i" },
	{ { S, "-i", "0" }, S, "'0'" },
	{ { S, "-i", "86401" }, S, "'86401'" },
	{ { S, "-i", "-1" }, S, "'-1'" },
	{ { S, "-i", "1s" }, S, "'1s'" },
	{ { S, "-i", "" }, S, "''" },
	{ { S, "-ix" }, S, "'x'" },
	{ { S, "--interval=99999999999999999999" }, S, "'99999999999999999999'" },
	{ { S, "-a" }, S, "no value for option '-a'" },
	{ { S, "--allow", "" }, S, "''" },
	{ { S, "--allow", " " }, S, "' '" },
	{ { S, "-a", "10.0.0.0/33" }, S, "'10.0.0.0/33'" },
	{ { S, "-a", "::/129" }, S, "'::/129'" },
	{ { S, "-a", "10.0.0.0/8", "-a", "10.0.0" }, S, "'10.0.0'" },
	{ { S, "--allow=10.0.0.0/8 pi.lan" }, S, "'10.0.0.0/8 pi.lan'" },
	{ { S, "--allow=[::1]" }, S, "'[::1]'" },
	{ { C, "-a", "10.0.0.0/8", "pi" }, C, "unknown option '-a'" },
	{ { C, "ssh://" }, C, "'ssh://'" },
	{ { C, "ssh://-oProxyCommand=x" }, C, "'ssh://-oProxyCommand=x'" },
	{ { C, "ssh://me@pi:x" }, C, "'ssh://me@pi:x'" },
	{ { C, "ssh://pi/" }, C, "'ssh://pi/'" },
	{ { C, "ssh://pi\nx" }, C, "'ssh://pi?x'" },
	{ { U, "list", "ssh://@pi" }, U " list", "'ssh://@pi'" },
	{ { U, "doctor", "ssh://me@" }, U " doctor", "'ssh://me@'" },
	{ { C }, C, C },
	{ { U, "client" }, C, C },
	{ { C, "--once" }, C, C },
	{ { C, "--dead-after", "86401", "pi" }, C, "'86401'" },
	{ { C, "--dead-after", "x", "pi" }, C, "'x'" },
	{ { C, "--dead-after" }, C, "--dead-after" },
	{ { C, "pi", "--bogus" }, C, "'--bogus'" },
	{ { C, "pi", "-vx", "pa" }, C, "x'" },
	{ { C, "pi:x" }, C, "'pi:x'" },
	{ { C, "pi", "pa:0" }, C, "'pa:0'" },
	{ { C, "" }, C, "''" },
	{ { C, "::1" }, C, "'::1'" },
	{ { C, "a b" }, C, "'a b'" },
	{ { C, "p\xc3\xad\n\x1b[2J" }, C, "'p" },
	{ { C, "-p", "0", "pi" }, C, "'0'" },
	{ { C, "-p", "65536", "pi" }, C, "'65536'" },
	{ { C, "--port", "usbip", "pi" }, C, "'usbip'" },
	{ { C, "-p", "", "pi" }, C, "''" },
	{ { U, "list", "pi", "pa" }, U " list", "'pa'" },
	{ { U, "list", "-p", "1" }, U " list", "port" },
	{ { U, "list", "pi", "-r", "deny" }, U " list", "rule" },
	{ { U, "list", "pi", "--rules=x" }, U " list", "rules" },
	{ { U, "list", "--take-all", "pi" }, U " list", "take-all" },
	{ { U, "list", "--sysfs", "/x", "pi" }, U " list", "sysfs" },
	{ { U, "list", "--run", "/x", "pi" }, U " list", "run" },
	{ { U, "list", "--config", "/x", "pi" }, U " list", "config" },
	{ { U, "list", "--watch" }, U " list", "'--watch'" },
	{ { U, "list", "--json=1" }, U " list", "--json" },
	{ { U, "list", "-n" }, U " list", "-n" },
	{ { U, "status", "pi" }, U " status", "'pi'" },
	{ { U, "status", "-r", "deny" }, U " status", "-r" },
	{ { U, "status", "--take-all" }, U " status", "--take-all" },
	{ { U, "status", "-p", "1" }, U " status", "-p" },
	{ { U, "find", "pi" }, U " find", "'pi'" },
	{ { U, "find", "-p", "1" }, U " find", "-p" },
	{ { U, "find", "--psk", "/nonexistent/keys" }, U " find", "/nonexistent/keys" },
	{ { U, "attach", "--force", "x" }, U " attach", "--force" },
	{ { U, "release", "--force", "x" }, U " release", "--force" },
	{ { U, "detach", "--force" }, U " detach", "device" },
	{ { U, "detach", "--force=1", "x" }, U " detach", "--force" },
	{ { S, "--json" }, S, "--json" },
	{ { C, "-n", "pi" }, C, "-n" },
	{ { U, "list", "pi:" }, U " list", "'pi:'" },
	{ { U, "list", "-i", "1", "pi" }, U " list", "-i" },
	{ { U, "list", "--once", "pi" }, U " list", "--once" },
	{ { U, "doctor", "pi:x" }, U " doctor", "'pi:x'" },
	{ { U, "doctor", "pi", "" }, U " doctor", "''" },
	{ { U, "doctor", "-p", "0" }, U " doctor", "'0'" },
	{ { U, "doctor", "--sysfs" }, U " doctor", "--sysfs" },
	{ { U, "doctor", "-i", "1" }, U " doctor", "-i" },
	{ { U, "doctor", "--json" }, U " doctor", "--json" },
	/* abbreviations, with the value in the word, behind it, and missing */
	{ { S, "--int", "0" }, S, "'0'" },
	{ { S, "--interval=0" }, S, "'0'" },
	{ { S, "--inte=0" }, S, "'0'" },
	{ { S, "--interval=" }, S, "''" },
	{ { S, "--int=1=2" }, S, "'1=2'" },
	{ { S, "--int" }, S, "no value for option" },
	{ { C, "pi", "--dead", "x" }, C, "'x'" },
	{ { C, "pi", "--po", "x" }, C, "'x'" },
	{ { S, "--onc=1" }, S, "takes no value" },
	{ { S, "--once=" }, S, "takes no value" },
	{ { C, "--once", "--wait", "0", "pi" }, C, "--wait takes 1 to 86400, not '0'" },
	{ { C, "--once", "--wait", "86401", "pi" }, C, "'86401'" },
	{ { C, "--wait", "1", "pi" }, C, "--wait needs --once" },
	{ { S, "--once", "--wait", "1" }, S, "unknown option '--wait'" },
	{ { U, "detach", "--wait", "1", "0" }, U " detach", "unknown option '--wait'" },
	{ { S, "--once", "--int", "0" }, S, "'0'" },
	/* ambiguous: run, rule and rules; version and verbose */
	{ { S, "--r", "0" }, S, "unknown option '--r'" },
	{ { S, "--ru=0" }, S, "unknown option '--ru=0'" },
	{ { S, "--ver" }, S, "unknown option '--ver'" },
	{ { S, "--v" }, S, "unknown option '--v'" },
	{ { S, "--=0" }, S, "unknown option '--=0'" },
	{ { S, "--intervals", "0" }, S, "unknown option '--intervals'" },
	{ { S, "--INTERVAL", "0" }, S, "unknown option" },
	/* a whole word is none of the longer ones */
	{ { S, "--run" }, S, "no value for option '--run'" },
	{ { S, "--rule" }, S, "no value for option" },
	/* behind --, all are arguments; - is always one */
	{ { S, "--", "--once" }, S, "unexpected argument '--once'" },
	{ { S, "--once", "--", "-i" }, S, "unexpected argument '-i'" },
	{ { S, "--", "--" }, S, "unexpected argument '--'" },
	{ { S, "-" }, S, "unexpected argument '-'" },
	{ { S, "-i", "--", "word" }, S, "'--'" }, /* it is the value */
	{ { C, "--" }, C, "no HOST" },
	{ { C, "pi:x", "--", "pa" }, C, "'pi:x'" }, /* the order stays */
	{ { C, "pi", "--", "pa:x", "pu:x" }, C, "'pa:x'" },
	/* options behind arguments, and values that look like options */
	{ { S, "word", "-i", "1", "other" }, S, "unexpected argument 'word'" },
	{ { C, "pi:x", "-v", "pa:x", "--once" }, C, "'pi:x'" },
	{ { C, "pi", "-i", "0", "pa" }, C, "'0'" },
	{ { C, "pi", "pa", "--int", "0" }, C, "'0'" },
	{ { C, "pi", "-i", "-v" }, C, "'-v'" },
	{ { C, "pi", "--interval", "--once" }, C, "'--once'" },
	{ { C, "pi", "-i" }, C, "no value for option '-i'" },
	{ { C, "pi", "--interval" }, C, "no value for option" },
	/* letters in one word, the last with a value in it or behind it */
	{ { S, "-vi0" }, S, "'0'" },
	{ { S, "-vvi", "0" }, S, "'0'" },
	{ { S, "-iv" }, S, "'v'" },
	{ { C, "pi", "-vi", "0" }, C, "'0'" },
	{ { C, "pi", "pa", "-vvi", "0", "pu" }, C, "'0'" },
	{ { C, "pi", "-vi" }, C, "no value for option '-i'" },
	{ { C, "pi", "-v:" }, C, "unknown option '-:'" },
	{ { C, "pi", "-v-" }, C, "unknown option '--'" },
	{ { C, "pi:x", "-vi", "1", "pa" }, C, "'pi:x'" },
};

static void usage_errors(void)
{
	for (size_t i = 0; i < LENGTH(wrong); i++) {
		char words[100] = "";

		for (const char *const *word = wrong[i].argv; *word; word++)
			strncat(strncat(words, " ", 2), *word, 30);
		check_begin("t_cli: wrong:%s", words);
		run(wrong[i].argv);
		CHECK_INT(got.status, 2);
		says(wrong[i].name, wrong[i].word);
		check_end();
	}
}

static void too_many_servers(void)
{
	static char host[70][8];
	const char *argv[72] = { C };

	for (unsigned i = 0; i < 65; i++) {
		snprintf(host[i], sizeof(host[i]), "h%u", i);
		argv[i + 1] = host[i];
	}
	run(argv);
	CHECK_INT(got.status, 2);
	says(C, "'h64'");
}

/* So many words "OPTION VALUE", the last of them one too many. */
static void too_many(const char *option, const char *value, unsigned limit)
{
	const char *argv[2 * 70 + 2] = { S };
	char word[80];

	for (unsigned i = 0; i <= limit; i++) {
		argv[2 * i + 1] = option;
		argv[2 * i + 2] = i < limit ? value : "excess";
	}
	run(argv);
	CHECK_INT(got.status, 2);
	snprintf(word, sizeof(word), "more than %u %s options: 'excess' (see --help)", limit,
		 option);
	says(S, word);
}

static void too_many_options(void)
{
	too_many("--listen", "127.0.0.1", LISTENERS_MAX);
	too_many("--rule", "allow", RULE_OPTIONS_MAX);
	RUN_IT(S, "-f", "a", "-f", "b");
	CHECK_INT(got.status, 2);
	says(S, "more than one --rules option: 'b'");
}

/* A line "IDENTITY:KEY" with a new key each time. */
static void psk(void)
{
	static const char digits[] = "0123456789abcdef\n";
	struct utsname system;
	char first[200];

	RUN_IT(U, "psk", "pi-4_a.b@c");
	CHECK_INT(got.status, 0);
	CHECK_STR(got.err, "");
	CHECK(!strncmp(got.out, "pi-4_a.b@c:", 11));
	CHECK_INT(strlen(got.out), 11 + 64 + 1);
	CHECK_INT(strspn(got.out + 11, digits), 64 + 1);
	CHECK(got.out[11 + 64] == '\n');
	snprintf(first, sizeof(first), "%s", got.out);
	RUN_IT(U, "psk", "pi-4_a.b@c");
	CHECK(strcmp(got.out, first) != 0);
	must(!uname(&system), "uname");
	RUN_IT(U, "psk");
	CHECK_INT(got.status, 0);
	CHECK(!strncmp(got.out, system.nodename, strlen(system.nodename)));
	CHECK(got.out[strlen(system.nodename)] == ':');
	RUN_IT(U, "psk", "a b");
	CHECK_INT(got.status, 2);
	says(U " psk", "'a b'");
	RUN_IT(U, "psk", "");
	CHECK_INT(got.status, 2);
	RUN_IT(U, "psk", "a", "b");
	CHECK_INT(got.status, 2);
	says(U " psk", "unexpected argument 'b'");
}

static void long_word(void)
{
	static char word[100000];

	memset(word, 'w', sizeof(word) - 1);
	RUN_IT(S, word);
	CHECK_INT(got.status, 2);
	says(S, "www");
	RUN_IT(C, word);
	CHECK_INT(got.status, 2);
	says(C, "www");
	memset(word, '-', 2);
	RUN_IT(S, word);
	CHECK_INT(got.status, 2);
	says(S, "www");
	RUN_IT(word);
	CHECK_INT(got.status, 2);
}

/* execve(2) may pass no argv[0] at all. */
static void no_words(void)
{
	run((const char *const[]){ NULL });
	CHECK_INT(got.status, 2);
	says(U, "command");
}

/* Options that each command must have; it may have more. */
static const struct {
	const char *name, *letter;
	bool argument, server, client, list, status, doctor;
} options[] = {
	{ "--interval", "-i", true, true, true, false, false, false },
	{ "--dead-after", NULL, true, false, true, false, false, false },
	{ "--once", NULL, false, true, true, false, false, false },
	{ "--sysfs", NULL, true, true, true, true, true, true },
	{ "--run", NULL, true, true, true, true, true, true },
	{ "--config", NULL, true, true, true, true, true, true },
	{ "--rule", "-r", true, true, true, true, false, false },
	{ "--rules", "-f", true, true, true, true, false, false },
	{ "--take-all", NULL, false, true, false, true, false, false },
	{ "--dry-run", "-n", false, true, false, false, false, false },
	{ "--json", NULL, false, false, false, true, true, false },
	{ "--watch", NULL, false, false, false, false, true, false },
	{ "--port", "-p", true, false, true, true, false, true },
	{ "--verbose", "-v", false, true, true, true, true, true },
	{ "--help", "-h", false, true, true, true, true, true },
	{ "--version", "-V", false, true, true, true, true, true },
};

/* The help has a line for the option, with its letter and argument. */
static void help_has(size_t i)
{
	char word[32], *at, line[200];

	snprintf(word, sizeof(word), "%s ", options[i].name);
	at = strstr(got.out, word);
	if (!at) {
		check_fault(__FILE__, __LINE__, "no %s in the help", options[i].name);
		return;
	}
	while (at > got.out && at[-1] != '\n')
		at--;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	if (options[i].letter)
		CHECK(strstr(line, options[i].letter));
	at = strstr(line, options[i].name) + strlen(options[i].name);
	CHECK_INT(at[0] == ' ' && at[1] >= 'A' && at[1] <= 'Z', options[i].argument);
}

static void help_of(const char *word, size_t column)
{
	static const char *const asks[] = { "-h", "--help", "-vh" };

	for (size_t i = 0; i < LENGTH(asks); i++) {
		RUN_IT(U, word, asks[i]);
		CHECK_INT(got.status, 0);
		CHECK_STR(got.err, "");
		CHECK(!strncmp(got.out, "usage: ", 7));
		for (size_t j = 0; j < LENGTH(options); j++)
			if (*(&options[j].server + column))
				help_has(j);
	}
}

/* The option is known: the error is its missing value, or the wrong option behind it. */
static void is_option(const char *word, const char *option, bool argument)
{
	if (argument)
		RUN_IT(U, word, option);
	else
		RUN_IT(U, word, option, "--bogus");
	CHECK_INT(got.status, 2);
	CHECK(strstr(got.err, argument ? "no value" : "'--bogus'"));
}

/* The command takes every option in its help. */
static void help_is_true(const char *word)
{
	char *help, *line, *next, name[64];
	unsigned n = 0;
	bool argument;

	RUN_IT(U, word, "-h");
	help = strdup(got.out);
	for (line = help; line && *line; line = next) {
		char *at = strstr(line, "--");
		char letter[] = "-x";

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, "  ", 2) || !at)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, " "), at);
		n++;
		if (!strcmp(name, "--help") || !strcmp(name, "--version"))
			continue;
		argument = at[strlen(name)] == ' ' && at[strlen(name) + 1] != ' ';
		is_option(word, name, argument);
		letter[1] = line[3];
		if (line[2] == '-' && line[3] != '-')
			is_option(word, letter, argument);
	}
	CHECK(n >= 4);
	free(help);
}

static void help(void)
{
	help_of("server", 0);
	help_of("client", 1);
	help_of("list", 2);
	help_of("status", 3);
	help_of("doctor", 4);
	help_is_true("server");
	help_is_true("client");
	help_is_true("list");
	help_is_true("status");
	help_is_true("doctor");
	RUN_IT(U, "--help");
	CHECK_INT(got.status, 0);
	CHECK(strstr(got.out, S) && strstr(got.out, C) && strstr(got.out, U " list") &&
	      strstr(got.out, U " status"));
	RUN_IT(U, "-h");
	CHECK_INT(got.status, 0);
	RUN_IT(S, "-h");
	CHECK_INT(got.status, 0);
	CHECK(strstr(got.out, S));
}

static void version(void)
{
	static const char *const programs[] = { U, S, C };

	for (size_t i = 0; i < LENGTH(programs); i++) {
		RUN_IT(programs[i], "--version");
		CHECK_INT(got.status, 0);
		CHECK_STR(got.err, "");
		CHECK(!strncmp(got.out, "usbiphp ", 8));
		CHECK(strchr(got.out, '\n') == got.out + strlen(got.out) - 1);
		RUN_IT(programs[i], "-V");
		CHECK_INT(got.status, 0);
	}
}

static void no_sysfs(void)
{
	char root[TEMP_SIZE];

	temp_make(root);
	RUN_IT(S, "--once", "--sysfs", "/nonexistent/sys", "--run", root);
	CHECK_INT(got.status, 1);
	says(S, "/nonexistent/sys: No such file or directory");
	RUN_IT(C, "--once", "--sysfs", "/nonexistent/sys", "--run", root, "127.0.0.1");
	CHECK_INT(got.status, 1);
	says(C, "/nonexistent/sys: No such file or directory");
	RUN_IT(U, "doctor", "--sysfs", "/nonexistent/sys");
	CHECK_INT(got.status, 1);
	says(U " doctor", "/nonexistent/sys: No such file or directory");
	temp_remove(root);
}

/* A TCP port on loopback, listening or not. */
static int loopback(bool listening, char *name)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		     !getsockname(fd, (struct sockaddr *)&address, &len) &&
		     (!listening || !listen(fd, 1)),
	     "listen");
	snprintf(name, 32, "127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

static void list_refused(void)
{
	char name[32], want[80];
	int fd = loopback(false, name);

	RUN_IT(U, "list", name);
	CHECK_INT(got.status, 1);
	snprintf(want, sizeof(want), "cannot reach %s: Connection refused", name);
	says(U " list", want);
	RUN_IT(U, "list", "-p", strchr(name, ':') + 1, "127.0.0.1");
	CHECK_INT(got.status, 1);
	says(U " list", want);
	close(fd);
}

/* A server in a child process, which answers one request. */
static pid_t serve(int fd, const uint8_t *reply, size_t len)
{
	pid_t pid = fork();
	uint8_t request[OP_COMMON_SIZE];
	int peer;

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	alarm(TIMEOUT_S);
	peer = accept(fd, NULL, NULL);
	if (recv(peer, request, sizeof(request), MSG_WAITALL) != sizeof(request) ||
	    send(peer, reply, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(1);
	_exit(0);
}

static void list_fixture(const char *path)
{
	char name[32];
	size_t len;
	uint8_t *p = hex_read(path, &len, NULL);
	int fd = loopback(true, name), status;
	pid_t pid = serve(fd, p, len);

	RUN_IT(U, "list", name);
	must(waitpid(pid, &status, 0) == pid, "wait for the server");
	CHECK_INT(status, 0);
	close(fd);
	block_free(p);
}

static void list(void)
{
	list_fixture(FIXTURES "packets/rep_devlist_several.hex");
	CHECK_INT(got.status, 0);
	CHECK(strstr(got.out, "\n2-1 "));
	CHECK(strstr(got.out, "46f4:0001"));
	CHECK_STR(got.err, "");
	list_fixture(FIXTURES "packets/made_rep_devlist_most_interfaces.hex");
	CHECK_INT(got.status, 0);
	list_fixture(FIXTURES "packets/rep_devlist_empty.hex");
	CHECK_INT(got.status, 0);
	CHECK_STR(got.out, "");
}

static void list_hostile(const char *path, const char *name)
{
	char *comment;
	bool odd; /* a record without a valid bus id is left out, another path is nothing to it */
	size_t len;

	if (strncmp(name, "rep_devlist", 11) || strstr(name, "junk"))
		return;
	check_begin("t_cli: list of hostile/%s", name);
	block_free(hex_read(path, &len, &comment));
	odd = strstr(comment, "# expect: ODD");
	free(comment);
	list_fixture(path);
	CHECK_INT(got.status, !odd);
	/* what came before the fault may be printed, but nothing that a terminal obeys */
	for (const char *c = got.out; *c; c++)
		CHECK((*c >= ' ' && *c <= '~') || *c == '\n');
	if (!odd)
		CHECK(strchr(got.err, '\n') == got.err + strlen(got.err) - 1);
	if (odd && !strstr(name, "unterminated_path"))
		CHECK(strstr(got.err, "lists a device with an invalid bus id"));
	check_end();
}

/* The number of the doctor's lines with that level. All lines must have a level. */
static unsigned findings(const char *level)
{
	unsigned n = 0;

	CHECK_STR(got.err, "");
	for (const char *line = got.out; *line; line = strchr(line, '\n') + 1) {
		CHECK(!strncmp(line, "ok      ", 8) || !strncmp(line, "warn    ", 8) ||
		      !strncmp(line, "BAD     ", 8));
		CHECK(line[8] > ' ');
		n += !strncmp(line, level, strlen(level));
	}
	return n;
}

/* Runs the doctor on a machine with that tree as /sys, and with that server or NULL. */
static void examine(const char *tree, const char *host)
{
	char root[TEMP_SIZE], sys[TEMP_SIZE + 8], notes[TEMP_SIZE + 8];

	temp_make(root);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	snprintf(notes, sizeof(notes), "%s/notes", root);
	must(!mkdir(sys, 0755), "make /sys");
	if (tree)
		tree_unpack(sys, tree);
	RUN_IT(U, "doctor", "--sysfs", sys, "--run", notes, "--config", notes, host);
	temp_remove(root);
}

static void doctor(void)
{
	char name[32], want[80];
	int fd;

	examine(FIXTURES "sysfs/host-6.12.tree", NULL);
	CHECK_INT(got.status, 0);
	CHECK(findings("ok") >= 2);
	CHECK_INT(findings("BAD"), 0);
	examine(NULL, NULL);
	CHECK_INT(got.status, 1);
	CHECK_INT(findings("BAD"), 2); /* neither usbip-host nor /dev/bus/usb */
	fd = loopback(false, name);
	examine(FIXTURES "sysfs/client-6.12.tree", name);
	CHECK_INT(got.status, 1);
	CHECK_INT(findings("BAD"), 1);
	snprintf(want, sizeof(want), "BAD     %s: Connection refused: is it running?", name);
	CHECK(strstr(got.out, want));
	close(fd);
}

/* A server in a child process, which hears nothing but one request for a list. */
static pid_t serve_list(int fd, uint8_t *reply, size_t len)
{
	pid_t pid = fork();
	uint8_t request[OP_COMMON_SIZE];
	int peer;

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	alarm(TIMEOUT_S);
	peer = accept(fd, NULL, NULL);
	if (recv(peer, request, sizeof(request), MSG_WAITALL) != sizeof(request) ||
	    request[3] != (OP_REQ_DEVLIST & 0xff) ||
	    send(peer, reply, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(1);
	_exit(recv(peer, request, 1, 0) > 0);
}

static void doctor_asks(void)
{
	char name[32], want[120];
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_devlist_several.hex", &len, NULL);
	int fd = loopback(true, name), status;

	for (unsigned mark = 0; mark < 2; mark++) {
		pid_t pid;

		if (mark)
			op_devlist_mark(p, len, 5);
		pid = serve_list(fd, p, len);
		examine(FIXTURES "sysfs/client-6.12.tree", name);
		must(waitpid(pid, &status, 0) == pid, "wait for the server");
		CHECK_INT(status, 0);
		CHECK_INT(got.status, 0);
		CHECK_INT(findings("BAD"), 0);
		snprintf(want, sizeof(want), "ok      %s: exports %u devices, %s\n", name, p[11],
			 mark ? "reports changes" : "has to be polled");
		CHECK(strstr(got.out, want));
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && accept(fd, NULL, NULL) < 0);
		fcntl(fd, F_SETFL, 0);
	}
	close(fd);
	block_free(p);
}

static pid_t *running; /* the program, in memory that all share */

static void note_pid(void)
{
	*running = getpid();
}

/* Whether the program that connects has given up all rights. */
static bool is_confined(int fd)
{
	char path[32], *status;
	bool confined;

	alarm(TIMEOUT_S);
	must(accept(fd, NULL, NULL) >= 0, "accept");
	snprintf(path, sizeof(path), "/proc/%d/status", (int)*running);
	status = file_read(path, NULL);
	confined = status && strstr(status, "\nCapPrm:\t0000000000000000\n") &&
		   strstr(status, "\nNoNewPrivs:\t1\n") && strstr(status, "\nSeccomp:\t2\n");
	free(status);
	return confined;
}

/* What a stranger answers is read without rights. */
static void confined(void)
{
	static const char *const command[] = { "list", "doctor" };
	char name[32];
	int status;

	running = mmap(NULL, sizeof(*running), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	must(running != MAP_FAILED, "have memory");
	before_exec = note_pid;
	for (size_t i = 0; i < LENGTH(command); i++) {
		int fd = loopback(true, name);
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(!is_confined(fd));
		close(fd);
		RUN_IT(U, command[i], name);
		CHECK_INT(got.status, 1);
		must(waitpid(pid, &status, 0) == pid, "wait for the server");
		CHECK_INT(status, 0);
	}
	before_exec = NULL;
	munmap(running, sizeof(*running));
}

/* Whether the peer's first message has that name, which is sent in clear, and hangs up. */
static bool hears_name(int fd, const char *name)
{
	char hello[1024];
	ssize_t n;
	int peer;

	alarm(TIMEOUT_S);
	peer = accept(fd, NULL, NULL);
	n = recv(peer, hello, sizeof(hello), 0);
	return n > 0 && memmem(hello, (size_t)n, name, strlen(name));
}

/* Of the keys in its file a client uses the one that is for the server. */
static void key_of_pair(void)
{
	static const char *const command[] = { "list", "doctor", "client" };
	char root[TEMP_SIZE], sys[TEMP_SIZE + 8], file[TEMP_SIZE + 8], name[32];
	int status;

	temp_make(root);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	snprintf(file, sizeof(file), "%s/key", root);
	must(!mkdir(sys, 0755), "make /sys");
	tree_unpack(sys, FIXTURES "sysfs/client-6.12.tree");
	put_file(root, "key", "first:00112233445566778899aabbccddeeff\n"
			      "me@127.0.0.1:ffeeddccbbaa99887766554433221100\n");
	must(!chmod(file, 0600), "make it private");
	for (size_t i = 0; i < LENGTH(command); i++) {
		int fd = loopback(true, name);
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(!hears_name(fd, "me@127.0.0.1"));
		close(fd);
		if (i)
			RUN_IT(U, command[i], "--psk", file, "--sysfs", sys, "--run", root,
			       "--config", root, i == 2 ? "--once" : name, i == 2 ? name : NULL);
		else
			RUN_IT(U, command[i], "--psk", file, name);
		CHECK_INT(got.status, 1);
		must(waitpid(pid, &status, 0) == pid, "wait for the server");
		CHECK_INT(status, 0);
	}
	temp_remove(root);
}

int main(void)
{
	program_begin();
	usage_errors();
	RUN("t_cli: more servers than it takes", too_many_servers);
	RUN("t_cli: more options than it takes", too_many_options);
	RUN("t_cli: psk", psk);
	RUN("t_cli: words that are too long", long_word);
	RUN("t_cli: no words at all", no_words);
	RUN("t_cli: help", help);
	RUN("t_cli: version", version);
	RUN("t_cli: no sysfs", no_sysfs);
	RUN("t_cli: list of a server that is not there", list_refused);
	RUN("t_cli: list", list);
	RUN("t_cli: doctor", doctor);
	RUN("t_cli: doctor asks a server", doctor_asks);
	RUN("t_cli: the key of a server", key_of_pair);
	RUN("t_cli: list and doctor are confined before they ask", confined);
	each_file(FIXTURES "hostile", ".hex", list_hostile);
	return program_end();
}
