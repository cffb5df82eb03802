/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Without UFFD_INCOMING_USER_MODE_ONLY, an ordinary user gets -EPERM. The message names both ways to open a
 * userfaultfd, and what the user can do. With the flag, the setup works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "vm.h"

#define NOBODY 65534

static bool is_permitted(void)
{
    return syscall(SYS_userfaultfd, O_CLOEXEC) >= 0 || open("/dev/userfaultfd", O_RDWR | O_CLOEXEC) >= 0;
}

static void as_ordinary_user(void)
{
    MigrationIncomingState *vm = vm_new();

    if (geteuid() == 0) {
        CHECK_EQ(setgroups(0, NULL), 0);
        CHECK_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
        CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0); /* else /proc/self is root's */
    }
    vm->config.flags &= ~(uint64_t)UFFD_INCOMING_USER_MODE_ONLY;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 2);
    if (is_permitted()) {
        printf("userfaultfd is open to everybody here\n");
        vm_setup(vm);
    } else {
        CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EPERM);
        CHECK_ERROR_HAS("/dev/userfaultfd");
        CHECK_ERROR_HAS("system call");
        CHECK_ERROR_HAS("vm.unprivileged_userfaultfd");
        CHECK_ERROR_HAS("setfacl");
        CHECK_ERROR_HAS("UFFD_INCOMING_USER_MODE_ONLY");
        CHECK_ZEROS(ram, 0);
        vm->config.flags |= UFFD_INCOMING_USER_MODE_ONLY;
        CHECK_OK(uffd_incoming_configure(vm, &vm->config));
        vm_setup(vm);
    }
    CHECK_PAGE(ram, 1);
    vm_end(vm);
}

int main(void)
{
    in_child(as_ordinary_user);
    return 0;
}
