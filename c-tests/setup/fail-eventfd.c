/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* No eventfd to end the fault threads with. */
#include <errno.h>
#include <sys/syscall.h>

#include "failing-setup.h"
#include "refuse.h"

static void prepare(void)
{
    refuse_syscall(SYS_eventfd2, EMFILE);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);

    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = prepare,
        .setup = setup_incoming,
        .error = -EMFILE,
        .words = { "eventfd" },
    });
    vm_end(vm);
    return 0;
}
