/* SPDX-License-Identifier: MIT */
/* main: picks the role by its own name or by the first word, and reads the command line. */
#include "client/client.h"
#include "host/host.h"
#include "loop/held.h"
#include "loop/liveness.h"
#include "loop/log.h"
#include "loop/state.h"
#include "proto/op.h"
#include "proto/text.h"
#include "show/doctor.h"
#include "show/hold.h"
#include "show/show.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { INTERVAL_MOST = 86400 };
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
	ROLES = SERVER | CLIENT,
	OTHERS = STATUS | DETACH | ATTACH | RELEASE | BIND | DOCTOR,
	ALL = ROLES | LIST | OTHERS,
	HERE = LIST | 0x4000,  /* of a list without a HOST only */
	THERE = LIST | 0x8000, /* of a list with one */
};

struct settings {
	const struct command *command;
	struct daemon_options daemon;
	const char *port;
	unsigned listeners;
	struct listener_address listen[LISTENERS_MAX];
	bool take_all;
	bool dry_run;
	bool json;
	bool watch;
	bool verbose;
	bool given[128]; /* which options, by their letter */
};

static int run_server(const struct settings *settings, char **arguments);
static int run_client(const struct settings *settings, char **arguments);
static int run_list(const struct settings *settings, char **arguments);
static int run_hold(const struct settings *settings, char **arguments);
static int run_status(const struct settings *settings, char **arguments);
static int run_doctor(const struct settings *settings, char **arguments);

static const struct command {
	unsigned bit; /* in option_row.commands */
	const char *program; /* as it is named in messages, ends in the command's word */
	const char *arguments;
	const char *help;
	int (*run)(const struct settings *settings, char **arguments);
} commands[] = {
	{ SERVER, "usbiphp-server", "", "exports every USB device of this machine", run_server },
	{ CLIENT, "usbiphp-client", " HOST[:PORT]...",
	  "attaches every USB device of those machines", run_client },
	{ LIST, "usbiphp list", " [HOST[:PORT]]",
	  "prints the USB devices of this machine, or those that one exports", run_list },
	{ STATUS, "usbiphp status", "", "prints what is exported, imported and held", run_status },
	{ DETACH, "usbiphp detach", " PORT|NAME", "detaches a device, and it stays so", run_hold },
	{ ATTACH, "usbiphp attach", " NAME", "undoes that", run_hold },
	{ RELEASE, "usbiphp release", " BUSID|NAME", "exports a device no more, and it stays so",
	  run_hold },
	{ BIND, "usbiphp bind", " BUSID|NAME", "undoes that", run_hold },
	{ DOCTOR, "usbiphp doctor", " [HOST[:PORT]...]",
	  "says what is wrong here, and what mends it", run_doctor },
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* Options that have no letter. */
enum { DEAD_AFTER = 1, TAKE_ALL, JSON, CONFIG, SYSFS, RUN, WATCH, ONCE };

static const struct option_row {
	uint8_t letter;
	uint16_t commands;
	const char *name;
	const char *argument; /* NULL: it has none */
	const char *help;
} table[] = {
	{ 'i', ROLES, "interval", "SECONDS", "between two looks at the world (10)" },
	{ 'l', SERVER, "listen", "ADDR[:PORT]", "where to serve (all addresses, " OP_PORT ")" },
	{ 'p', CLIENT | THERE | DOCTOR, "port", "PORT", "of a HOST given without (" OP_PORT ")" },
	{ DEAD_AFTER, ROLES, "dead-after", "SECONDS",
	  "of silence until the other end is gone (15; 0 = never; least 10)" },
	{ 'r', ROLES | HERE, "rule", "RULE",
	  "'deny class hid', ...: the first that matches decides" },
	{ 'f', ROLES | HERE, "rules", "FILE", "more of them, a line each; SIGHUP reads it again" },
	{ TAKE_ALL, SERVER | HERE, "take-all", NULL,
	  "also what this machine needs: its disks, its network, its keyboard" },
	{ 'n', SERVER, "dry-run", NULL, "say what would be done and why, and exit" },
	{ JSON, LIST | STATUS, "json", NULL, "for programs, see usbiphp(1)" },
	{ WATCH, STATUS, "watch", NULL, "again and again, whenever something has changed" },
	{ ONCE, ROLES, "once", NULL, "do what is to be done now, leave it so and exit" },
	{ SYSFS, ROLES | HERE | OTHERS, "sysfs", "DIR", "of the kernel's files (/sys)" },
	{ RUN, ROLES | HERE | OTHERS, "run", "DIR", "of the daemon's notes (" STATE_DIR ")" },
	{ CONFIG, ROLES | HERE | OTHERS, "config", "DIR",
	  "of hooks and of what is held (" CONFIG_DIR ")" },
	{ 'v', ALL, "verbose", NULL, "say more" },
	{ 'h', ALL, "help", NULL, "print this and exit" },
	{ 'V', ALL, "version", NULL, "print the version and exit" },
};
enum { OPTIONS = sizeof(table) / sizeof(*table) };

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void print(const char *format, ...)
{
	char buf[256];
	va_list args;
	size_t len;

	va_start(args, format);
	len = text_vformat(buf, sizeof(buf), format, args);
	va_end(args);
	if (write(STDOUT_FILENO, buf, len) < 0)
		return; /* nobody reads it */
}

static void print_command(const struct command *command)
{
	print("usage: %s [OPTION]...%s\n       %s\n", command->program, command->arguments,
	      command->help);
}

static void print_help(const struct command *command)
{
	print_command(command);
	for (const struct option_row *row = table; row < table + OPTIONS; row++) {
		char letter[] = "-x,", name[32];

		if (!(row->commands & command->bit))
			continue;
		letter[1] = (char)row->letter;
		text_format(name, sizeof(name), "--%s %s", row->name,
			    row->argument ? row->argument : "");
		print("  %-3s %-21s %s\n", row->letter > ONCE ? letter : "", name, row->help);
	}
}

/* What is wrong, and with which word of the command line. */
static int usage(const char *wrong, const char *word)
{
	log_warnx("%s '%s' (see --help)", wrong, word);
	return EXIT_USAGE;
}

static int take_option(struct settings *settings, int option, const char *value)
{
	uint32_t port;

	switch (option) {
	case 'i':
		if (text_decimal(value, INTERVAL_MOST, &settings->daemon.interval) ||
		    !settings->daemon.interval)
			return usage("--interval takes 1 to 86400 seconds, not", value);
		break;
	case DEAD_AFTER:
		if (text_decimal(value, LIVENESS_MOST, &settings->daemon.dead_after))
			return usage("--dead-after takes 0 to 86400 seconds, not", value);
		break;
	case 'l':
		if (settings->listeners == LISTENERS_MAX)
			return usage("one --listen too many:", value);
		if (!listener_parse(&settings->listen[settings->listeners], value))
			return usage("--listen takes an address of this machine, not", value);
		settings->listeners++;
		break;
	case 'p':
		if (text_decimal(value, 65535, &port) || !port)
			return usage("--port takes 1 to 65535, not", value);
		settings->port = value;
		break;
	case 'r':
		if (settings->daemon.rules.options == RULE_OPTIONS_MAX)
			return usage("one --rule too many:", value);
		settings->daemon.rules.option[settings->daemon.rules.options++] = value;
		break;
	case 'f':
		if (settings->daemon.rules.file)
			return usage("one --rules too many:", value);
		settings->daemon.rules.file = value;
		break;
	case TAKE_ALL:
		settings->take_all = true;
		break;
	case 'n':
		settings->dry_run = true;
		break;
	case JSON:
		settings->json = true;
		break;
	case WATCH:
		settings->watch = true;
		break;
	case CONFIG:
		settings->daemon.config = value;
		break;
	case ONCE:
		settings->daemon.once = true;
		break;
	case SYSFS:
		settings->daemon.sysfs = value;
		break;
	case RUN:
		settings->daemon.run = value;
		break;
	case 'v':
		settings->verbose = true;
		break;
	case 'h':
		print_help(settings->command);
		return EXIT_NOW;
	case 'V':
		print("usbiphp %s\n", VERSION);
		return EXIT_NOW;
	}
	return 0;
}

/* What getopt_long() refused. One letter of several in a word is named alone. */
static int wrong_option(const struct command *command, int why, const char *word)
{
	char letter[] = "-x";

	letter[1] = (char)optopt;
	if (why == ':')
		return usage("no value for option", optopt > ONCE ? letter : word);
	for (const struct option_row *row = table; row < table + OPTIONS; row++)
		if (row->letter == optopt && row->commands & command->bit)
			return usage("option takes no value:", word);
	return usage("unknown option", optopt > ONCE ? letter : word);
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
	return !strcmp(a->host, b->host) && !strcmp(a->port, b->port);
}

/* The servers among the arguments, each once: how many, or 0 and what is wrong is said. */
static unsigned parse_servers(const struct settings *settings, char **argv,
			      struct endpoint *server, unsigned max)
{
	unsigned n = 0, i;

	for (; *argv; argv++) {
		const char *wrong = n == max ? "one HOST too many:" : NULL;

		if (!wrong)
			wrong = endpoint_parse(&server[n], *argv, settings->port);
		if (wrong) {
			usage(wrong, *argv);
			return 0;
		}
		for (i = 0; i < n && !same(&server[i], &server[n]); i++)
			;
		n += i == n;
	}
	if (!n)
		usage("no HOST given to", settings->command->program);
	return n;
}

static int run_server(const struct settings *settings, char **arguments)
{
	struct listener_address all[2];

	if (*arguments)
		return usage("unexpected argument", *arguments);
	if (settings->dry_run)
		return show_dry_run(&settings->daemon, settings->take_all);
	if (settings->listeners)
		return host_run(&settings->daemon, settings->listen, settings->listeners,
				settings->take_all);
	listener_parse(&all[0], "0.0.0.0");
	listener_parse(&all[1], "[::]");
	return host_run(&settings->daemon, all, 2, settings->take_all);
}

static int run_client(const struct settings *settings, char **arguments)
{
	static struct endpoint server[CLIENT_SERVERS_MAX];
	unsigned servers = parse_servers(settings, arguments, server, CLIENT_SERVERS_MAX);

	return servers ? client_run(&settings->daemon, server, servers) : EXIT_USAGE;
}

/* An option that was given though it is for a list of the other kind, or NULL. */
static const char *misplaced(const struct settings *settings, unsigned kind)
{
	for (const struct option_row *row = table; row < table + OPTIONS; row++)
		if (settings->given[row->letter] && (row->commands & kind) == kind)
			return row->name;
	return NULL;
}

static int run_list(const struct settings *settings, char **arguments)
{
	const char *wrong = misplaced(settings, *arguments ? HERE : THERE);
	struct endpoint server;

	if (wrong)
		return usage(*arguments ? "not with a HOST: option" : "no HOST for option",
			     wrong);
	if (!*arguments)
		return show_list(&settings->daemon,
				 settings->daemon.rules.options || settings->daemon.rules.file ||
					 settings->take_all,
				 settings->take_all, settings->json);
	return parse_servers(settings, arguments, &server, 1) ?
		       show_remote(&server, settings->json) :
		       EXIT_USAGE;
}

static int run_status(const struct settings *settings, char **arguments)
{
	if (*arguments)
		return usage("unexpected argument", *arguments);
	return show_status(&settings->daemon, settings->json, settings->watch);
}

static int run_hold(const struct settings *settings, char **arguments)
{
	unsigned command = settings->command->bit;

	if (!arguments[0])
		return usage("no device given to", settings->command->program);
	if (arguments[1])
		return usage("unexpected argument", arguments[1]);
	return show_hold(&settings->daemon, command & (DETACH | ATTACH),
			 command & (DETACH | RELEASE), arguments[0]);
}

static int run_doctor(const struct settings *settings, char **arguments)
{
	static struct endpoint server[CLIENT_SERVERS_MAX];
	unsigned servers = 0;

	if (*arguments) {
		servers = parse_servers(settings, arguments, server, CLIENT_SERVERS_MAX);
		if (!servers)
			return EXIT_USAGE;
	}
	return doctor_run(&settings->daemon, settings->port, server, servers);
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
static int no_command(struct settings *settings, const char *word)
{
	if (!strcmp(word, "-V") || !strcmp(word, "--version"))
		return take_option(settings, 'V', NULL);
	if (strcmp(word, "-h") != 0 && strcmp(word, "--help") != 0)
		return usage("unknown command", word);
	for (const struct command *i = commands; i < commands + COMMANDS; i++)
		print_command(i);
	return EXIT_NOW;
}

static int run(struct settings *settings, const char *name, int argc, char **argv)
{
	int status;

	if (!strncmp(name, "usbiphp-", 8))
		settings->command = find_command(name + 8);
	if (!settings->command) {
		argv++;
		if (--argc < 1)
			return usage("no command given to", "usbiphp");
		settings->command = find_command(*argv);
	}
	if (!settings->command)
		return no_command(settings, *argv);
	log_open(settings->command->program, false);
	settings->daemon.rules.role = settings->command->bit == CLIENT ? RULE_CLIENT : RULE_SERVER;
	status = parse_options(settings, argc, argv);
	if (status)
		return status;
	log_open(settings->command->program, settings->verbose);
	return settings->command->run(settings, argv + optind);
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.daemon = {
			.sysfs = "/sys",
			.run = STATE_DIR,
			.config = CONFIG_DIR,
			.interval = 10,
			.dead_after = LIVENESS_DEFAULT,
		},
		.port = OP_PORT,
	};
	const char *name = argc ? argv[0] : "", *slash = strrchr(name, '/');
	int status = run(&settings, slash ? slash + 1 : name, argc, argv);

	return status == EXIT_NOW ? 0 : status;
}
