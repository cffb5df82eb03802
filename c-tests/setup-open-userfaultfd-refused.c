/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If the open_userfaultfd callback fails, the setup returns its error. A descriptor that is not a new userfaultfd is
 * refused and closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "resources.h"

static int given;

static int open_userfaultfd(MigrationIncomingState *vm)
{
    (void)vm;
    return given;
}

static int open_shaken_hands_with(MigrationIncomingState *vm)
{
    int user_mode_only = vm->config.flags & UFFD_INCOMING_USER_MODE_ONLY ? 1 : 0;
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | user_mode_only);
    struct uffdio_api api = { .api = UFFD_API };

    CHECK(fd >= 0);
    CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
    return fd;
}

static void check_refused(MigrationIncomingState *vm, int fd)
{
    given = fd;
    int returned = uffd_setup_incoming(vm, vm_serve_page, 1);
    if (returned >= 0) {
        FAIL("expected descriptor %d to be refused, saw %d", fd, returned);
    }
    CHECK_ERROR_HAS("userfaultfd");
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.open_userfaultfd = open_userfaultfd;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    struct resources before = resources_count(vm);

    given = -EACCES;
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EACCES);
    CHECK_ERROR_HAS("open_userfaultfd");
    check_refused(vm, open("/dev/null", O_RDWR | O_CLOEXEC));
    check_refused(vm, open_shaken_hands_with(vm));
    CHECK_RESOURCES(vm, before);

    vm->config.open_userfaultfd = NULL;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    return 0;
}
