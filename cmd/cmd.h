/* SPDX-License-Identifier: MIT */
/*
 * The commands. Each returns the exit status: 0; 1 if it could not do its work, 2 if a name or rule
 * is wrong, both after an error message. All but cmd_hold() only read: they need no root, no
 * running daemon and no kernel module. Their output, tables and JSON, is described in
 * man/usbiphp.1.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "cmd/inventory.h"
#include "host/host.h"
#include "lib/addr.h"
#include "loop/daemon.h"

/* usbiphp list: the devices of this machine. ignore_server: rules and take_all tell which of them
 * the server leaves alone, and not the record of the server that runs. */
int cmd_list(const struct daemon_options *options, struct inventory *inventory, bool ignore_server,
	     bool take_all, bool json);

/* usbiphp list HOST: the devices that a server exports. */
int cmd_list_remote(const struct daemon_options *options, const struct endpoint *server,
		    struct inventory *inventory, bool json);

/* usbiphp find: the servers that are announced in this network, and the number of devices that each
 * exports. endpoint: room for CLIENT_SERVERS_MAX. Status 1 also if there is none. */
int cmd_find(const struct daemon_options *options, struct endpoint *endpoint, bool json);

/* usbiphp-server --dry-run: for each device, whether the server would export it, by which engine,
 * and why not. */
int cmd_dry_run(const struct daemon_options *options, struct inventory *inventory,
		const struct host_options *host_options);

/* usbiphp status: exported, imported and held devices. watch: prints again after every change,
 * until SIGINT, SIGTERM, or the end of the reader, which all end it with status 0. */
int cmd_status(const struct daemon_options *options, struct inventory *inventory, bool json,
	       bool watch);

/* usbiphp doctor: checks this machine, then asks each server for its devices. It loads no module
 * and changes nothing. Prints a line for each finding, "ok", "warn" or "BAD" and a sentence with
 * what to do. /proc, /etc, /lib, /boot and /run are those beside the directory options->sysfs.
 * port is the server's TCP port on this machine, decimal. Status 1 also if any finding is BAD. */
int cmd_doctor(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers);

/* usbiphp detach and attach (client), release and bind (server): holds a device, so that the daemon
 * leaves it alone, or removes the hold (policy/holds.h). A running daemon does the rest; without
 * one, a held device is detached or given back here, within 15 seconds. device is its name, the
 * part of the name behind VID:PID, its bus id here or at its server, or its port. detach takes the
 * whole name of an absent device, too; without force it refuses one of which a disk is in use.
 * attach with options->wait_until waits until programs can use the device again. */
int cmd_hold(const struct daemon_options *options, struct inventory *inventory, bool client,
	     bool remove, bool force, const char *device);

/* Devices that are attached, for which a command waits until options->wait_until. */
struct wait {
	const struct daemon_options *options;
	struct inventory *inventory;
	bool (*wants)(const void *ctx, const struct inventory_entry *entry);
	const void *ctx;
};

/* Waits until there are such devices, and programs can use each of them: those are set. Status 1 if
 * that takes too long. */
int cmd_wait(const struct wait *wait, struct selection *devices);
/* usbiphp-client --once --wait, when it has attached all: waits for the devices of these servers,
 * and of those that have connected to accept, if that is not NULL, and prints them as JSON. */
int cmd_wait_for_servers(const struct daemon_options *options, struct inventory *inventory,
			 const struct endpoint *accept, const struct endpoint *server,
			 unsigned servers);

/* usbiphp psk: prints a new random key as a line of a --psk file. identity is the name of the key;
 * NULL: the name of this machine. */
int cmd_psk(const char *identity);

#endif
