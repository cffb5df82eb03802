/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_INCOMING_POISON pauses in three cases: the RAM is not private and anonymous, Linux has no UFFDIO_POISON, or
 * the host has no memory for the page. No page is lost.
 */
#include <errno.h>

#include "refuse.h"
#include "sigbus.h"
#include "vm.h"

#define UFFDIO_POISON_REQUEST 0xc020aa08

static atomic_int result;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return result != 0 ? result : vm_serve_page(vm, rb, offset, fault_address);
}

static void check_pause(enum ram_kind kind, size_t pages, int failure)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, pages);
    result = failure;
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, failure) == 1);
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm_stats(vm).pages_poisoned, 0);
    result = 0;
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    CHECK_PAGE(ram, 0);
    vm_end(vm);
}

static void without_poison(void)
{
    refuse_ioctl(UFFDIO_POISON_REQUEST, EINVAL);
    check_pause(RAM_ANON, 4, -EIO);
}

int main(void)
{
    need_poison();
    in_child(without_poison);
    check_pause(RAM_MEMFD_SHARED, 4, -EIO);
    check_pause(RAM_MEMFD_PRIVATE, 4, -EIO);
    check_pause(RAM_HUGETLB_PRIVATE, 2, -EIO);
    check_pause(RAM_ANON, 4, -ENOMEM);
    check_pause(RAM_ANON, 4, -ENOSPC);
    return 0;
}
