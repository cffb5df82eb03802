/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The kernel shakes no hands. */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "failing-setup.h"
#include "refuse.h"

static void prepare(void)
{
    refuse_ioctl(UFFDIO_API, EINVAL);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);

    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = prepare,
        .setup = setup_incoming,
        .error = -EINVAL,
        .words = { "UFFDIO_API" },
    });
    vm_end(vm);
    return 0;
}
