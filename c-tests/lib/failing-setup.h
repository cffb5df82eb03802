/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A set-up that fails at one of its steps, and what must be true afterwards.
 */
#ifndef FAILING_SETUP_H
#define FAILING_SETUP_H

#include "vm.h"

struct failing_setup {
    /*
     * Makes the step fail: called just before the set-up, on its thread, which ends afterwards. May be NULL.
     */
    void (*prepare)(void);
    int (*setup)(MigrationIncomingState *vm);
    int error;
    /* What uffd_incoming_error() must say, up to a NULL. */
    const char *words[4];
};

/*
 * Lets the set-up of `vm` fail and checks that: it returns the error and says so; the process holds as much
 * as before; all RAM reads as zeros, without a hang; the VM is not armed; the next set-up works and serves.
 */
void check_failing_setup(MigrationIncomingState *vm, const struct failing_setup *how);

/* A `setup`: uffd_setup_incoming() with one channel. */
int setup_incoming(MigrationIncomingState *vm);

#endif
