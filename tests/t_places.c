/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/places: ports of devices over a restart, and files that are not what they should be.
 * LINK: -Wl,--wrap=log_line
 */
#include "client/places.h"

#include "tests/files.h"
#include "tests/said.h"

#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 2, SIZE = VHCI_PORTS_MAX * sizeof(uint32_t) };

static char root[TEMP_SIZE], run[TEMP_SIZE + 8];
static struct places places;
static uint32_t owner[VHCI_PORTS_MAX];

static void begin(void)
{
	temp_make(root);
	snprintf(run, sizeof(run), "%s/run", root);
	said_forget();
}

/* The daemon starts. */
static void open_again(void)
{
	memset(owner, 0, sizeof(owner));
	memset(&places, 0, sizeof(places));
	places_open(&places, run, owner);
}

static void finish(void)
{
	close(places.fd);
	temp_remove(root);
}

static size_t size_of_file(void)
{
	char path[TEMP_SIZE + 20];
	struct stat st;

	snprintf(path, sizeof(path), "%s/places", run);
	return stat(path, &st) ? 0 : (size_t)st.st_size;
}

static void restart(void)
{
	begin();
	open_again();
	CHECK_INT(said("restart"), 0);
	places_save(&places, owner);
	CHECK_INT(size_of_file(), 0); /* nothing has changed */
	owner[0] = 7;
	owner[1] = NOBODY;
	owner[VHCI_PORTS_MAX - 1] = UINT32_MAX;
	places_save(&places, owner);
	CHECK_INT(size_of_file(), SIZE);
	owner[0] = 9;
	places_save(&places, owner);
	close(places.fd);
	open_again();
	CHECK_INT(owner[0], 9);
	CHECK_INT(owner[1], 0);
	CHECK_INT(owner[2], 0);
	CHECK_INT(owner[VHCI_PORTS_MAX - 1], UINT32_MAX);
	put_file(run, "places", "");
	places_save(&places, owner);
	CHECK_INT(size_of_file(), 0); /* it is not written again: nothing has changed */
	owner[0] = 11;
	places_save(&places, owner);
	put_file(run, "places", "");
	places_save(&places, owner);
	CHECK_INT(size_of_file(), 0);
	take_away(run, "places");
	close(places.fd);
	open_again(); /* lost, which costs only that */
	CHECK_INT(owner[0], 0);
	CHECK_INT(said("restart"), 0);
	finish();
}

static void half_written(void)
{
	begin();
	open_again();
	close(places.fd);
	put_file(run, "places", "nonsense, an"); /* three numbers, two of them odd */
	open_again();
	CHECK(owner[0] == 0 || owner[0] & 1);
	CHECK_INT(owner[3], 0);
	owner[3] = 5;
	places_save(&places, owner);
	CHECK_INT(size_of_file(), SIZE);
	CHECK_INT(said("restart"), 0);
	finish();
}

static void no_file(void)
{
	char path[TEMP_SIZE + 20];

	begin();
	put_file(root, "run/places/x", ""); /* a directory */
	open_again();
	CHECK_INT(said("devices may have other ports after a restart: "), 1);
	CHECK_INT(places.fd, -1);
	owner[0] = 1;
	places_save(&places, owner);
	CHECK_INT(said("restart"), 1);
	temp_remove(root);
	begin();
	put_link(root, "run/places", "../elsewhere");
	put_file(root, "elsewhere", "");
	open_again();
	CHECK_INT(places.fd, -1);
	temp_remove(root);
	begin();
	snprintf(path, sizeof(path), "%s/places", run);
	must(!mkdir(run, 0700) && !mkfifo(path, 0600), "make a pipe");
	open_again(); /* it does not wait */
	owner[0] = 1;
	places_save(&places, owner);
	finish();
}

int main(void)
{
	RUN("t_places: restart", restart);
	RUN("t_places: half a file, and nonsense", half_written);
	RUN("t_places: no file", no_file);
	return check_status();
}
