/* SPDX-License-Identifier: MIT */
/* main: picks the role by its own name or by the first word, and reads the command line. */
#include "client/client.h"
#include "cmd/cmd.h"
#include "cmd/doctor.h"
#include "cmd/hold.h"
#include "host/host.h"
#include "lib/log.h"
#include "lib/str.h"
#include "loop/rundir.h"
#include "loop/session.h"
#include "policy/holds.h"
#include "proto/op.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { INTERVAL_MAX = 86400 };
enum { EXIT_USAGE = 2, EXIT_NOW = -1 /* successfully, all is done */ };

enum {
	SERVER = 1,
	CLIENT = 2,
	LIST = 4,
	STATUS = 8,
	DETACH = 16,
	ATTACH = 32,
	RELEASE = 64,
	BIND = 128,
	DOCTOR = 256,
	PSK = 512,
	ROLES = SERVER | CLIENT,
	OTHERS = STATUS | DETACH | ATTACH | RELEASE | BIND | DOCTOR,
	ALL = ROLES | LIST | OTHERS | PSK,
	HERE = LIST | 0x4000,  /* of a list without a HOST only */
	THERE = LIST | 0x8000, /* of a list with one */
};

struct settings {
	const struct command *command;
	struct daemon_options daemon;
	const char *port;
	unsigned listeners;
	bool given[128]; /* which options, by their letter */
	struct listener_address listen[LISTENERS_MAX];
	struct cidr_list allow;
	struct endpoint server[CLIENT_SERVERS_MAX];
};

static int run_server(struct settings *settings, char **arguments);
static int run_client(struct settings *settings, char **arguments);
static int run_list(struct settings *settings, char **arguments);
static int run_hold(struct settings *settings, char **arguments);
static int run_status(struct settings *settings, char **arguments);
static int run_doctor(struct settings *settings, char **arguments);
static int run_psk(struct settings *settings, char **arguments);

static const struct command {
	uint16_t bit; /* in option_row.commands */
	uint16_t most; /* arguments; servers are counted by parse_servers() */
	char program[16]; /* as it is named in messages, ends in the command's word */
	const char *arguments;
	const char *help;
	int (*run)(struct settings *settings, char **arguments);
} commands[] = {
	{ SERVER, 0, "usbiphp-server", "", "export the USB devices of this machine", run_server },
	{ CLIENT, UINT16_MAX, "usbiphp-client", " [ssh://]HOST[:PORT]...",
	  "attach the USB devices that these servers export", run_client },
	{ LIST, 1, "usbiphp list", " [[ssh://]HOST[:PORT]]",
	  "print the USB devices of this machine, or those a server exports", run_list },
	{ STATUS, 0, "usbiphp status", "", "print the exported, imported and held devices",
	  run_status },
	{ DETACH, 1, "usbiphp detach", " PORT|NAME",
	  "detach a device, and keep it detached until 'usbiphp attach'", run_hold },
	{ ATTACH, 1, "usbiphp attach", " NAME", "let the client attach a detached device again",
	  run_hold },
	{ RELEASE, 1, "usbiphp release", " BUSID|NAME",
	  "stop exporting a device until 'usbiphp bind'", run_hold },
	{ BIND, 1, "usbiphp bind", " BUSID|NAME", "let the server export a released device again",
	  run_hold },
	{ DOCTOR, UINT16_MAX, "usbiphp doctor", " [[ssh://]HOST[:PORT]...]",
	  "check this machine and these servers, and print what to do", run_doctor },
	{ PSK, 1, "usbiphp psk", " [NAME]", "print a new key, one line of a file for --psk",
	  run_psk },
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* Options that have no letter. */
enum { DEAD_AFTER = 1, TAKE_ALL, JSON, CONFIG, SYSFS, RUN, WATCH, KEYS, ONCE };

static const struct option_row {
	uint8_t letter;
	uint16_t commands;
	char name[12];
	const char *argument; /* NULL: it has none */
	const char *help;
} table[] = {
	{ 'i', ROLES, "interval", "SECONDS", "time between passes (default 10)" },
	{ 'l', SERVER, "listen", "ADDR[:PORT]",
	  "where to listen (default all addresses, port " OP_PORT ")" },
	{ 'p', CLIENT | THERE | DOCTOR, "port", "PORT",
	  "port of a HOST without one (default " OP_PORT ")" },
	{ DEAD_AFTER, ROLES, "dead-after", "SECONDS",
	  "drop a silent peer (default 15, min. 10, 0 = never)" },
	{ 'r', ROLES | HERE, "rule", "RULE",
	  "such as 'deny class hid'; the first match decides" },
	{ 'f', ROLES | HERE, "rules", "FILE", "read more rules from FILE, again on SIGHUP" },
	{ 'a', SERVER, "allow", "CIDR", "who may connect (default local, private addresses)" },
	{ KEYS, ROLES | THERE | DOCTOR, "psk", "FILE",
	  "encrypt and authenticate with the keys in FILE" },
	{ TAKE_ALL, SERVER | HERE, "take-all", NULL,
	  "include devices that this machine itself needs" },
	{ 'n', SERVER, "dry-run", NULL, "print which devices would be exported, then exit" },
	{ JSON, LIST | STATUS, "json", NULL, "print JSON, see usbiphp(1)" },
	{ WATCH, STATUS, "watch", NULL, "print again whenever something changes" },
	{ ONCE, ROLES, "once", NULL, "make one pass, then exit" },
	{ SYSFS, ROLES | HERE | OTHERS, "sysfs", "DIR",
	  "directory of the kernel's files (default /sys)" },
	{ RUN, ROLES | HERE | OTHERS, "run", "DIR",
	  "directory of status files (default " STATE_DIR ")" },
	{ CONFIG, ROLES | HERE | OTHERS, "config", "DIR",
	  "directory of hooks and holds (default " CONFIG_DIR ")" },
	{ 'v', ALL, "verbose", NULL, "log debug messages" },
	{ 'h', ALL, "help", NULL, "print this help and exit" },
	{ 'V', ALL, "version", NULL, "print the version and exit" },
};
enum { OPTIONS = sizeof(table) / sizeof(*table) };

static void print_command(const struct command *command)
{
	dprintf(STDOUT_FILENO, "usage: %s [OPTION]...%s\n       %s\n", command->program,
		command->arguments, command->help);
}

static void print_help(const struct command *command)
{
	print_command(command);
	for (const struct option_row *row = table; row < table + OPTIONS; row++) {
		char letter[] = "-x,", name[32];

		if (!(row->commands & command->bit))
			continue;
		letter[1] = (char)row->letter;
		str_format(name, sizeof(name), "--%s %s", row->name,
			   row->argument ? row->argument : "");
		dprintf(STDOUT_FILENO, "  %-3s %-21s %s\n", row->letter > ONCE ? letter : "", name,
			row->help);
	}
}

static int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int usage_error(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	str_vformat(text, sizeof(text), format, args);
	va_end(args);
	log_error("%s (see --help)", text);
	return EXIT_USAGE;
}

static int parse_number(const char *value, const char *name, uint32_t min, uint32_t max,
			uint32_t *number)
{
	if (!str_decimal(value, max, number) && *number >= min)
		return 0;
	return usage_error("--%s takes %u to %u, not '%s'", name, min, max, value);
}

static int print_version(void)
{
	dprintf(STDOUT_FILENO, "usbiphp %s\n", VERSION);
	return EXIT_NOW;
}

/* Flags are only noted in settings.given. */
static int take_option(struct settings *settings, int option, const char *value)
{
	struct daemon_options *daemon = &settings->daemon;
	uint32_t port;

	switch (option) {
	case 'i':
		return parse_number(value, "interval", 1, INTERVAL_MAX, &daemon->interval);
	case DEAD_AFTER:
		return parse_number(value, "dead-after", 0, DEAD_AFTER_MAX, &daemon->dead_after);
	case 'p':
		settings->port = value;
		return parse_number(value, "port", 1, 65535, &port);
	case 'l':
		if (settings->listeners == LISTENERS_MAX)
			return usage_error("more than %u --listen options: '%s'", LISTENERS_MAX,
					   value);
		if (!listener_parse(&settings->listen[settings->listeners++], value))
			return usage_error("--listen takes ADDR[:PORT], not '%s'", value);
		break;
	case 'r':
		if (daemon->rules.options == RULE_OPTIONS_MAX)
			return usage_error("more than %u --rule options: '%s'", RULE_OPTIONS_MAX,
					   value);
		daemon->rules.option[daemon->rules.options++] = value;
		break;
	case 'f':
		if (daemon->rules.file)
			return usage_error("more than one --rules option: '%s'", value);
		daemon->rules.file = value;
		break;
	case 'a':
		if (!cidr_list_add(&settings->allow, value))
			return usage_error("--allow takes ADDRESS or ADDRESS/BITS, at most %u in "
					   "all, not '%s'",
					   CIDR_LIST_MAX, value);
		break;
	case KEYS:
		daemon->psk = value;
		break;
	case CONFIG:
		daemon->config = value;
		break;
	case SYSFS:
		daemon->sysfs = value;
		break;
	case RUN:
		daemon->run = value;
		break;
	case 'h':
		print_help(settings->command);
		return EXIT_NOW;
	case 'V':
		return print_version();
	}
	return 0;
}

/* What getopt_long() refused. One letter of several in a word is named alone. */
static int wrong_option(const struct command *command, int why, const char *word)
{
	char letter[] = "-x";
	const char *name = optopt > ONCE ? letter : word;

	letter[1] = (char)optopt;
	if (why == ':')
		return usage_error("no value for option '%s'", name);
	for (const struct option_row *row = table; row < table + OPTIONS; row++)
		if (row->letter == optopt && row->commands & command->bit)
			return usage_error("option takes no value: '%s'", word);
	return usage_error("unknown option '%s'", name);
}

static int parse_options(struct settings *settings, int argc, char **argv)
{
	char letters[2 * OPTIONS + 2] = ":", *letter = letters + 1;
	struct option names[OPTIONS + 1] = { 0 }, *name = names;
	int option, status = 0;

	for (const struct option_row *row = table; row < table + OPTIONS; row++) {
		if (!(row->commands & settings->command->bit))
			continue;
		name->name = row->name;
		name->has_arg = row->argument != NULL;
		name++->val = row->letter;
		*letter++ = (char)row->letter;
		if (row->argument)
			*letter++ = ':';
	}
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (option == '?' || option == ':')
			return wrong_option(settings->command, option, argv[optind - 1]);
		settings->given[option] = true;
		status = take_option(settings, option, optarg);
	}
	return status;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return !strcmp(a->name, b->name);
}

/* The servers among the arguments, each once. Returns how many, or 0 after an error message. */
static unsigned parse_servers(struct settings *settings, char **argv)
{
	struct endpoint *server = settings->server;
	unsigned count = 0, i;
	const char *wrong;

	for (; *argv; argv++) {
		if (count == CLIENT_SERVERS_MAX) {
			usage_error("more than %u HOSTs: '%s'", CLIENT_SERVERS_MAX, *argv);
			return 0;
		}
		wrong = endpoint_parse(&server[count], *argv, settings->port);
		if (wrong) {
			usage_error("%s '%s'", wrong, *argv);
			return 0;
		}
		for (i = 0; i < count && !same(&server[i], &server[count]); i++)
			;
		if (i == count)
			count++;
	}
	if (!count)
		usage_error("no HOST given");
	return count;
}

static int run_server(struct settings *settings, char **arguments)
{
	bool take_all = settings->given[TAKE_ALL];

	(void)arguments;
	if (settings->given['n'])
		return show_dry_run(&settings->daemon, take_all);
	if (!settings->listeners) {
		listener_parse(&settings->listen[0], "0.0.0.0");
		listener_parse(&settings->listen[1], "[::]");
		settings->listeners = 2;
	}
	if (!settings->allow.count)
		cidr_list_add(&settings->allow, NETWORKS_NEAR);
	return host_run(&settings->daemon, settings->listen, settings->listeners, &settings->allow,
			take_all);
}

static int run_client(struct settings *settings, char **arguments)
{
	unsigned servers = parse_servers(settings, arguments);

	return servers ? client_run(&settings->daemon, settings->server, servers) : EXIT_USAGE;
}

/* An option that was given though it is for a list of the other kind, or NULL. */
static const char *misplaced(const struct settings *settings, unsigned kind)
{
	for (const struct option_row *row = table; row < table + OPTIONS; row++)
		if (settings->given[row->letter] && (row->commands & kind) == kind)
			return row->name;
	return NULL;
}

static int run_list(struct settings *settings, char **arguments)
{
	const char *wrong = misplaced(settings, *arguments ? HERE : THERE);
	const bool *given = settings->given;

	if (wrong)
		return usage_error(*arguments ? "option --%s has no effect with a HOST" :
						"option --%s needs a HOST",
				   wrong);
	if (!*arguments)
		return show_list(&settings->daemon, given['r'] || given['f'] || given[TAKE_ALL],
				 given[TAKE_ALL], given[JSON]);
	if (!parse_servers(settings, arguments))
		return EXIT_USAGE;
	return show_remote(settings->server, keys_own(settings->daemon.keys), given[JSON]);
}

static int run_status(struct settings *settings, char **arguments)
{
	(void)arguments;
	return show_status(&settings->daemon, settings->given[JSON], settings->given[WATCH]);
}

static int run_hold(struct settings *settings, char **arguments)
{
	unsigned command = settings->command->bit;

	if (!*arguments)
		return usage_error("no device given");
	return show_hold(&settings->daemon, command & (DETACH | ATTACH),
			 command & (DETACH | RELEASE), *arguments);
}

static int run_doctor(struct settings *settings, char **arguments)
{
	unsigned servers = *arguments ? parse_servers(settings, arguments) : 0;

	if (*arguments && !servers)
		return EXIT_USAGE;
	return doctor_run(&settings->daemon, settings->port, settings->server, servers);
}

static int run_psk(struct settings *settings, char **arguments)
{
	char line[PSK_LINE_SIZE];
	uint8_t key[SHA256_SIZE];
	struct utsname system;
	const char *wrong;

	(void)settings;
	if (uname(&system) || getrandom(key, sizeof(key), 0) != sizeof(key))
		return 1;
	wrong = psk_text(line, *arguments ? *arguments : system.nodename, key);
	if (wrong)
		return usage_error("%s '%s'", wrong, *arguments ? *arguments : system.nodename);
	dprintf(STDOUT_FILENO, "%s\n", line);
	return 0;
}

/* The command of that word: "usbiphp-server" and "usbiphp server" end in it. */
static const struct command *find_command(const char *word)
{
	for (const struct command *i = commands; i < commands + COMMANDS; i++)
		if (!strcmp(word, i->program + sizeof("usbiphp")))
			return i;
	return NULL;
}

/* What "usbiphp" does without a command. */
static int no_command(const char *word)
{
	if (!strcmp(word, "-V") || !strcmp(word, "--version"))
		return print_version();
	if (strcmp(word, "-h") != 0 && strcmp(word, "--help") != 0)
		return usage_error("unknown command '%s'", word);
	for (const struct command *i = commands; i < commands + COMMANDS; i++)
		print_command(i);
	return EXIT_NOW;
}

static int run(struct settings *settings, const char *name, int argc, char **argv)
{
	static struct keys keys;
	int status;

	if (!strncmp(name, "usbiphp-", 8))
		settings->command = find_command(name + 8);
	if (!settings->command) {
		argv++;
		if (--argc < 1)
			return usage_error("no command given");
		settings->command = find_command(*argv);
	}
	if (!settings->command)
		return no_command(*argv);
	log_open(settings->command->program, false);
	settings->daemon.rules.role = settings->command->bit == CLIENT ? RULE_CLIENT : RULE_SERVER;
	status = parse_options(settings, argc, argv);
	if (status)
		return status;
	log_open(settings->command->program, settings->given['v']);
	settings->daemon.once = settings->given[ONCE];
	if (argc - optind > settings->command->most)
		return usage_error("unexpected argument '%s'",
				   argv[optind + settings->command->most]);
	if (settings->daemon.psk && !keys_read(&keys, settings->daemon.psk))
		return EXIT_USAGE;
	settings->daemon.keys = settings->daemon.psk ? &keys : NULL;
	return settings->command->run(settings, argv + optind);
}

int main(int argc, char **argv)
{
	char nameless[] = "", *name = argc ? *argv : nameless, *slash = strrchr(name, '/');
	struct settings settings = {
		.daemon = {
			.name = name,
			.sysfs = "/sys",
			.run = STATE_DIR,
			.config = CONFIG_DIR,
			.interval = 10,
			.dead_after = DEAD_AFTER_DEFAULT,
		},
		.port = OP_PORT,
	};
	int status = run(&settings, slash ? slash + 1 : name, argc, argv);

	return status == EXIT_NOW ? 0 : status;
}
