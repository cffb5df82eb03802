/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A working set that no restore has recorded.
 */
#ifndef FORGED_WORKING_SET_H
#define FORGED_WORKING_SET_H

#include "vm.h"

/*
 * Writes a working set of the snapshot with pages all over the first quarter of the VM's first block, and returns its path, which the
 * caller frees. The VM must not be armed, and its RAM is emptied.
 */
char *forged_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot);

#endif
