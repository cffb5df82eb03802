/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* No userfaultfd to be had. */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "failing-setup.h"
#include "refuse.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static void refuse_userfaultfd(void)
{
    refuse_ioctl(USERFAULTFD_IOC_NEW, EPERM);
    refuse_syscall(SYS_userfaultfd, EPERM);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);

    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = refuse_userfaultfd,
        .setup = setup_incoming,
        .error = -EPERM,
        .words = { "userfaultfd", "system call" },
    });
    vm_end(vm);
    return 0;
}
