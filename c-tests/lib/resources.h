/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What this process holds, to be compared before and after: "leaves nothing behind".
 */
#ifndef RESOURCES_H
#define RESOURCES_H

#include "vm.h"

struct resources {
    size_t fds;   /* descriptors */
    size_t tasks; /* threads */
    size_t maps;  /* mappings outside of the VM's RAM, which registration may split and merge at will */
    size_t bytes; /* of those mappings: a leak next to an earlier one makes no mapping of its own */
};

/*
 * Take the first count after a warm-up round of what is to be measured. The C library keeps the stacks of
 * threads that have ended, allocates on a thread's behalf when first asked to, and loads what it needs late:
 * memory that is mapped once, and stays, is no leak. A sanitizer maps memory for itself at any time: then no
 * mappings are counted.
 */
struct resources resources_count(const MigrationIncomingState *vm);

/* A joined thread may take a moment to vanish from /proc: the numbers must settle at those of before. */
#define CHECK_RESOURCES(vm, before) resources_check(HERE, (vm), (before))
void resources_check(const char *where, const MigrationIncomingState *vm, struct resources before);

#endif
