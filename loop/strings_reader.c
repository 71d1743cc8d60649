/* SPDX-License-Identifier: MIT */
/* Reads the strings of a device in a child process, with a time limit. */
#include "loop/strings_reader.h"

#include "lib/str.h"
#include "lib/util.h"

static void reader_child_main(const void *arg, void *result)
{
	const struct strings_reader *reader = arg;

	device_strings_read(reader->sysfs, reader->busid, result);
}

static void reader_child_ended(struct child *child, bool whole)
{
	struct strings_reader *reader = container_of(child, struct strings_reader, child);

	reader->done(reader, whole);
}

void strings_reader_start(struct strings_reader *reader, struct loop *loop,
			  const struct sysfs *sysfs, const char *busid,
			  void (*done)(struct strings_reader *reader, bool complete))
{
	reader->sysfs = sysfs;
	reader->done = done;
	str_format(reader->busid, sizeof(reader->busid), "%s", busid);
	reader->deadline = loop->now + STRINGS_READ_MS;
	loop_pass_by(loop, reader->deadline);
	if (child_start(loop, &reader->child, reader_child_main, reader, &reader->strings,
			sizeof(reader->strings), reader_child_ended))
		done(reader, false);
}

void strings_reader_pass(struct strings_reader *reader)
{
	if (!child_running(&reader->child))
		return;
	loop_pass_by(reader->child.loop, reader->deadline);
	if (reader->child.loop->now < reader->deadline)
		return;
	child_kill(&reader->child);
	reader->done(reader, false);
}
