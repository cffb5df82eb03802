/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If the open_userfaultfd callback returns the same descriptor for two fault threads, the setup refuses it and closes
 * it once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "resources.h"

static int given;

static int open_userfaultfd(MigrationIncomingState *vm)
{
    (void)vm;
    return given;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.open_userfaultfd = open_userfaultfd;
    vm->config.fault_threads = 2;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    struct resources before = resources_count(vm);

    given = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(given >= 0);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EINVAL);
    CHECK_ERROR_HAS("open_userfaultfd");
    CHECK_ERROR_HAS("twice");
    CHECK_EQ(fcntl(given, F_GETFD), -1);
    CHECK_RESOURCES(vm, before);

    vm->config.open_userfaultfd = NULL;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    return 0;
}
