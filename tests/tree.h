/* SPDX-License-Identifier: MIT */
/* A test's own tree of the kernel's files, one at a time. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include "sysfs/sysfs.h"
#include "tests/files.h"

static char root[TEMP_SIZE];
static struct sysfs sysfs;

/* From a .tree fixture; NULL: empty. */
static inline void start(const char *tree)
{
	temp_make(root);
	if (tree)
		tree_unpack(root, tree);
	must(!sysfs_open(&sysfs, root), "open the tree");
}

static inline void end(void)
{
	sysfs_close(&sysfs);
	temp_remove(root);
}

#endif
