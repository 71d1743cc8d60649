/* SPDX-License-Identifier: MIT */
/* main: finds the command in argv, reads its options, and runs it. */
#include "client/client.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "host/host.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/child.h"
#include "loop/session.h"
#include "policy/holds.h"
#include "proto/op.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { INTERVAL_MAX = 86400, EXIT_USAGE = 2 };
enum { EXIT_DONE = -1 /* parsing ends, with status 0: --help, --version */ };

/* Commands, as bits in option_row.commands. */
enum {
	SERVER = 1, CLIENT = 2, LIST = 4, STATUS = 8, DOCTOR = 16, PSK = 32,
	DETACH = 64, ATTACH = 128, RELEASE = 256, BIND = 512, FIND = 1024,
	ROLES = SERVER | CLIENT,
	OTHERS = STATUS | DETACH | ATTACH | RELEASE | BIND | DOCTOR,
	ALL = ROLES | LIST | OTHERS | FIND | PSK,
	LIST_LOCAL = LIST | 0x4000,  /* only without a HOST */
	LIST_REMOTE = LIST | 0x8000, /* only with one */
	RULED = ROLES | LIST_LOCAL,
	LOCAL = RULED | OTHERS,
	REMOTE = LIST_REMOTE | DOCTOR,
};

/* The command line. */
struct settings {
	const struct command *command;
	struct daemon_options daemon;
	char **arguments; /* behind the options */
	const char *port;
	struct endpoint accept; /* its name is empty: none */
	bool given[128]; /* options that were given, by their letter */
	unsigned servers;
	struct endpoint server[CLIENT_SERVERS_MAX];
	struct host_options host;
	enum guard_mode guard;
	struct inventory *inventory;
	struct table output; /* of --help and --version */
};

struct command {
	uint16_t bit;
	uint16_t arguments_max; /* parse_servers() checks the number of HOSTs */
	char program[16];	/* its name in messages, which ends in the word for it */
	char arguments[26];	/* in the usage line */
	char help[65];
	int (*run)(struct settings *settings);
};

/* Options without a letter have these numbers instead. */
enum {
	DEAD_AFTER = 1, TAKE_ALL, JSON, CONFIG, SYSFS, RUN, WATCH, KEYS, ONCE, FORCE, ENGINE,
	ON_DEMAND, GUARD, WAIT, TO, ACCEPT,
};
enum { LAST_LETTERLESS = ACCEPT };

static const struct option_row {
	uint16_t commands; /* that take it, as bits */
	uint8_t letter;
	char name[11];
	char argument[14]; /* empty: it takes none */
	char help[53];
} option_rows[] = {
	{ ROLES, 'i', "interval", "SECONDS", "time between passes (default 10)" },
	{ SERVER, 'l', "listen", "ADDR[:PORT]",
	  "where to listen (default all addresses, port " OP_PORT ")" },
	{ CLIENT | REMOTE, 'p', "port", "PORT",
	  "port of a HOST without one (default " OP_PORT ")" },
	{ ROLES, DEAD_AFTER, "dead-after", "SECONDS",
	  "drop a silent peer (default 15, min. 10, 0 = never)" },
	{ RULED, 'r', "rule", "RULE", "such as 'deny class hid'; the first match decides" },
	{ RULED, 'f', "rules", "FILE", "read more rules from FILE, again on SIGHUP" },
	{ SERVER, 'a', "allow", "CIDR", "who may connect (default local, private addresses)" },
	{ ROLES | REMOTE | FIND, KEYS, "psk", "FILE",
	  "encrypt and authenticate with the keys in FILE" },
	{ SERVER | LIST_LOCAL, TAKE_ALL, "take-all", "",
	  "include devices that this machine itself needs" },
	{ SERVER, ENGINE, "engine", "ENGINE",
	  "driver of the devices: auto (default), kernel, usbfs" },
	{ SERVER, ON_DEMAND, "on-demand", "",
	  "take a device only while a client uses it" },
	{ CLIENT, GUARD, "guard", "WHEN",
	  "check what a server sends: auto (default), on, off" },
	{ SERVER, TO, "to", "CLIENT[:PORT]",
	  "connect to a client that has --accept" },
	{ CLIENT, ACCEPT, "accept", "[ADDR:]PORT",
	  "let servers connect that have --to" },
	{ SERVER, 'n', "dry-run", "", "print which devices would be exported, then exit" },
	{ LIST | FIND | STATUS, JSON, "json", "", "print JSON, see usbiphp(1)" },
	{ STATUS, WATCH, "watch", "", "print again whenever something changes" },
	{ ROLES, ONCE, "once", "", "make one pass, then exit" },
	{ CLIENT | ATTACH, WAIT, "wait", "SECONDS",
	  "wait until all can be used (client: with --once)" },
	{ DETACH, FORCE, "force", "", "detach it though a disk of it is in use" },
	{ LOCAL, SYSFS, "sysfs", "DIR", "directory of the kernel's files (default /sys)" },
	{ LOCAL, RUN, "run", "DIR", "directory of status files (default " STATE_DIR ")" },
	{ LOCAL, CONFIG, "config", "DIR", "directory of hooks and holds (default " CONFIG_DIR ")" },
	{ ALL, 'v', "verbose", "", "log debug messages" },
	{ ALL, 'h', "help", "", "print this help and exit" },
	{ ALL, 'V', "version", "", "print the version and exit" },
};

#define EACH_OPTION(row)                                                                           \
	for (const struct option_row *row = option_rows;                                           \
	     row < option_rows + ARRAY_SIZE(option_rows); row++)

static void print_usage(struct table *table, const struct command *command)
{
	table_format(table, "usage: %s [OPTION]...%s\n       %s\n", command->program,
		     command->arguments, command->help);
}

static void print_help(struct table *table, const struct command *command)
{
	print_usage(table, command);
	EACH_OPTION(row) {
		const char letter[] = { '-', (char)row->letter, ',', '\0' };
		char name[32];

		if (!(row->commands & command->bit))
			continue;
		str_format(name, sizeof(name), "--%s %s", row->name, row->argument);
		table_format(table, "  %-3s %-21s %s\n",
			     row->letter > LAST_LETTERLESS ? letter : "", name, row->help);
	}
}

static int __attribute__((format(printf, 1, 2))) usage_error(const char *format, ...)
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

static int parse_engine(const char *value, const struct engine **engine)
{
	*engine = !strcmp(value, "kernel") ? &engine_kernel :
		  !strcmp(value, "usbfs")  ? &engine_usbfs :
					     NULL;
	if (*engine || !strcmp(value, "auto"))
		return 0;
	return usage_error("--engine takes auto, kernel or usbfs, not '%s'", value);
}

static int parse_guard(const char *value, enum guard_mode *mode)
{
	*mode = !strcmp(value, "on") ? GUARD_ON : !strcmp(value, "off") ? GUARD_OFF : GUARD_AUTO;
	if (*mode != GUARD_AUTO || !strcmp(value, "auto"))
		return 0;
	return usage_error("--guard takes auto, on or off, not '%s'", value);
}

static int parse_accept(const char *value, struct endpoint *accept)
{
	char text[ENDPOINT_NAME_SIZE];

	if (!strchr(value, '/') &&
	    str_format(text, sizeof(text), strchr(value, ':') ? "%s" : "[::]:%s", value) &&
	    !endpoint_parse(accept, text, "") && endpoint_is_address(accept))
		return 0;
	return usage_error("--accept takes PORT or ADDR:PORT, not '%s'", value);
}

static int parse_client(const char *value, const char *port, struct host_options *host)
{
	const char *wrong;

	if (host->clients == DIALERS_MAX)
		return usage_error("more than %u --to options: '%s'", DIALERS_MAX, value);
	wrong = strchr(value, '/') ? "not a host name:" :
				     endpoint_parse(&host->client[host->clients++], value, port);
	return wrong ? usage_error("--to: %s '%s'", wrong, value) : 0;
}

static int print_version(struct table *table)
{
	table_put(table, "usbiphp " VERSION "\n");
	return EXIT_DONE;
}

/* value is NULL for a flag, which is recorded in settings->given only. */
static int take_option(struct settings *settings, int option, const char *value)
{
	struct daemon_options *daemon = &settings->daemon;
	struct host_options *host = &settings->host;
	const char **const place[128] = { ['p'] = &settings->port, [KEYS] = &daemon->psk,
					  [CONFIG] = &daemon->config, [SYSFS] = &daemon->sysfs,
					  [RUN] = &daemon->run };
	uint32_t port, seconds;

	if (place[option])
		*place[option] = value;
	switch (option) {
	case 'i':
		return parse_number(value, "interval", 1, INTERVAL_MAX, &daemon->interval);
	case DEAD_AFTER:
		return parse_number(value, "dead-after", 0, DEAD_AFTER_MAX, &daemon->dead_after);
	case 'p':
		return parse_number(value, "port", 1, 65535, &port);
	case 'l':
		if (host->listeners == LISTENERS_MAX)
			return usage_error("more than %u --listen options: '%s'", LISTENERS_MAX,
					   value);
		if (!listener_parse(&host->listen[host->listeners++], value))
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
		if (!cidr_list_add(&host->networks, value))
			return usage_error("--allow takes ADDRESS or ADDRESS/BITS, at most %u in "
					   "all, not '%s'", CIDR_LIST_MAX, value);
		break;
	case WAIT:
		if (parse_number(value, "wait", 1, INTERVAL_MAX, &seconds))
			return EXIT_USAGE;
		daemon->wait_until = loop_clock() + seconds * UINT64_C(1000);
		break;
	case ACCEPT:
		return parse_accept(value, &settings->accept);
	case TO:
		return parse_client(value, settings->port, host);
	case ENGINE:
		return parse_engine(value, &host->engine);
	case GUARD:
		return parse_guard(value, &settings->guard);
	case 'h':
		print_help(&settings->output, settings->command);
		return EXIT_DONE;
	case 'V':
		return print_version(&settings->output);
	}
	return 0;
}

/* getopt_long() returned why, '?' or ':', at word. Of several letters in a word, one is wrong. */
static int option_error(const struct command *command, int why, const char *word)
{
	const char letter[] = { '-', (char)optopt, '\0' };
	const char *name = optopt > LAST_LETTERLESS ? letter : word;

	if (why == ':')
		return usage_error("no value for option '%s'", name);
	EACH_OPTION(row)
		if (row->letter == optopt && row->commands & command->bit)
			return usage_error("option takes no value: '%s'", word);
	return usage_error("unknown option '%s'", name);
}

static int parse_options(struct settings *settings, int argc, char **argv)
{
	char letters[2 * ARRAY_SIZE(option_rows) + 2] = ":", *letter = letters + 1;
	struct option names[ARRAY_SIZE(option_rows) + 1] = { 0 }, *name = names;
	int option, status = 0;

	EACH_OPTION(row) {
		if (!(row->commands & settings->command->bit))
			continue;
		name->name = row->name;
		name->has_arg = *row->argument != '\0';
		name->val = row->letter;
		name++;
		*letter++ = (char)row->letter;
		if (*row->argument)
			*letter++ = ':';
	}
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (option == '?' || option == ':')
			return option_error(settings->command, option, argv[optind - 1]);
		settings->given[option] = true;
		status = take_option(settings, option, optarg);
	}
	return status;
}

/* Takes the arguments as servers, each once. Returns 0 or EXIT_USAGE. */
static int parse_servers(struct settings *settings)
{
	struct endpoint *server = settings->server;
	unsigned count = 0, i;
	const char *wrong;

	for (char **argument = settings->arguments; *argument; argument++) {
		if (count == CLIENT_SERVERS_MAX)
			return usage_error("more than %u HOSTs: '%s'", CLIENT_SERVERS_MAX,
					   *argument);
		wrong = endpoint_parse(&server[count], *argument, settings->port);
		if (wrong)
			return usage_error("%s '%s'", wrong, *argument);
		for (i = 0; i < count && strcmp(server[i].name, server[count].name) != 0; i++)
			;
		if (i == count)
			count++;
	}
	settings->servers = count;
	return 0;
}

static int run_server(struct settings *settings)
{
	struct host_options *host = &settings->host;

	host->take_all = settings->given[TAKE_ALL];
	host->on_demand = settings->given[ON_DEMAND];
	if (settings->given['n'])
		return cmd_dry_run(&settings->daemon, settings->inventory, host);
	if (!host->listeners) {
		listener_parse(&host->listen[0], "0.0.0.0");
		listener_parse(&host->listen[1], "[::]");
		host->listeners = 2;
	}
	if (host->clients && !settings->daemon.keys)
		return usage_error("--to needs --psk");
	host->alone = host->networks.count;
	if (!host->networks.count)
		cidr_list_add(&host->networks, NETWORKS_NEAR);
	return host_run(&settings->daemon, host);
}

static int run_client(struct settings *settings)
{
	const struct daemon_options *daemon = &settings->daemon;
	const struct endpoint *accept = *settings->accept.name ? &settings->accept : NULL;
	int status;

	if (!*settings->arguments && !accept)
		return usage_error("no HOST given");
	if (daemon->wait_until && !daemon->once)
		return usage_error("--wait needs --once");
	if (accept && !daemon->keys)
		return usage_error("--accept needs --psk");
	if (accept && daemon->once && !daemon->wait_until)
		return usage_error("--once with --accept needs --wait");
	if (parse_servers(settings))
		return EXIT_USAGE;
	status = client_run(daemon, settings->guard, accept, settings->server, settings->servers);
	if (status || !daemon->wait_until)
		return status;
	return cmd_wait_for_servers(daemon, settings->inventory, accept, settings->server,
				    settings->servers);
}

static int run_list(struct settings *settings)
{
	bool remote = *settings->arguments;
	unsigned other = remote ? LIST_LOCAL : LIST_REMOTE;
	const bool *given = settings->given;

	EACH_OPTION(row)
		if (given[row->letter] && (row->commands & other) == other)
			return usage_error(remote ? "option --%s has no effect with a HOST" :
						    "option --%s needs a HOST", row->name);
	if (!remote)
		return cmd_list(&settings->daemon, settings->inventory,
				given['r'] || given['f'] || given[TAKE_ALL], given[TAKE_ALL],
				given[JSON]);
	if (parse_servers(settings))
		return EXIT_USAGE;
	return cmd_list_remote(&settings->daemon, settings->server, settings->inventory,
			       given[JSON]);
}

static int run_find(struct settings *settings)
{
	return cmd_find(&settings->daemon, settings->server, settings->given[JSON]);
}

static int run_status(struct settings *settings)
{
	return cmd_status(&settings->daemon, settings->inventory, settings->given[JSON],
			  settings->given[WATCH]);
}

static int run_hold(struct settings *settings)
{
	unsigned command = settings->command->bit;

	if (!*settings->arguments)
		return usage_error("no device given");
	return cmd_hold(&settings->daemon, settings->inventory, command & (DETACH | ATTACH),
			command & (ATTACH | BIND), settings->given[FORCE], *settings->arguments);
}

static int run_doctor(struct settings *settings)
{
	if (parse_servers(settings))
		return EXIT_USAGE;
	return cmd_doctor(&settings->daemon, settings->port, settings->server, settings->servers);
}

static int run_psk(struct settings *settings)
{
	return cmd_psk(*settings->arguments);
}

static const struct command commands[] = {
	{ SERVER, 0, "usbiphp-server", "", "export the USB devices of this machine", run_server },
	{ CLIENT, UINT16_MAX, "usbiphp-client", " [ssh://]HOST[:PORT]...",
	  "attach the USB devices that these servers export", run_client },
	{ LIST, 1, "usbiphp list", " [[ssh://]HOST[:PORT]]",
	  "print the USB devices of this machine, or those a server exports", run_list },
	{ FIND, 0, "usbiphp find", "", "print the servers that are announced in this network",
	  run_find },
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

/* word is behind "usbiphp-" or "usbiphp ". */
static const struct command *find_command(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(word, commands[i].program + sizeof("usbiphp")))
			return &commands[i];
	return NULL;
}

/* word is an option instead of a command. */
static int run_without_command(struct table *table, const char *word)
{
	if (!strcmp(word, "-V") || !strcmp(word, "--version"))
		return print_version(table);
	if (strcmp(word, "-h") != 0 && strcmp(word, "--help") != 0)
		return usage_error("unknown command '%s'", word);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		print_usage(table, &commands[i]);
	return EXIT_DONE;
}

/* The command is the program's name, if that is "usbiphp-COMMAND", or else the first argument. */
static int run_program(struct settings *settings, const char *name, int argc, char **argv)
{
	char *argv0 = *argv;
	static struct inventory inventory;
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
		return run_without_command(&settings->output, *argv);
	log_open(settings->command->program, false);
	settings->daemon.rules.role = settings->command->bit == CLIENT ? RULE_CLIENT : RULE_SERVER;
	status = parse_options(settings, argc, argv);
	if (status)
		return status;
	log_open(settings->command->program, settings->given['v']);
	settings->inventory = &inventory;
	settings->daemon.once = settings->given[ONCE];
	if (argc - optind > settings->command->arguments_max)
		return usage_error("unexpected argument '%s'",
				   argv[optind + settings->command->arguments_max]);
	if (settings->daemon.psk && !(settings->command->bit & ROLES) &&
	    !keys_read(&keys, settings->daemon.psk)) /* a daemon waits for the file */
		return EXIT_USAGE;
	settings->daemon.keys = settings->daemon.psk ? &keys : NULL;
	child_set_origin(argv0, settings->daemon.keys);
	settings->arguments = argv + optind;
	return settings->command->run(settings);
}

int main(int argc, char **argv)
{
	char nameless[] = "", *name = argc ? *argv : nameless, *slash = strrchr(name, '/');
	static struct settings settings; /* most of it is never touched */
	int status;

	settings.daemon = (struct daemon_options){
		.sysfs = "/sys", .run = STATE_DIR, .config = CONFIG_DIR,
		.interval = 10, .dead_after = DEAD_AFTER_DEFAULT,
	};
	settings.port = OP_PORT;
	status = run_program(&settings, slash ? slash + 1 : name, argc, argv);
	table_flush(&settings.output);
	return status == EXIT_DONE ? 0 : status;
}
