/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* No memory for the temporary pages, as many channels as there can be. */
#include <errno.h>
#include <limits.h>

#include "failing-setup.h"

static bool too_many;

static void ask_for_too_many(void)
{
    too_many = true;
}

static int setup(MigrationIncomingState *vm)
{
    unsigned channels = too_many ? UINT_MAX : 1;

    too_many = false;
    return uffd_setup_incoming(vm, vm_serve_page, channels);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);

    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = ask_for_too_many,
        .setup = setup,
        .error = -ENOMEM,
        .words = { "temporary page" },
    });
    vm_end(vm);
    return 0;
}
