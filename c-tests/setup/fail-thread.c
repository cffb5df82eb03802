/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* No thread to serve faults. */
#include <errno.h>
#include <sys/syscall.h>

#include "failing-setup.h"
#include "refuse.h"

static void prepare(void)
{
    refuse_syscall(SYS_clone, EAGAIN);
    refuse_syscall(SYS_clone3, EAGAIN);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);

    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = prepare,
        .setup = setup_incoming,
        .error = -EAGAIN,
        .words = { "thread", "ulimit -u" },
    });
    vm_end(vm);
    return 0;
}
