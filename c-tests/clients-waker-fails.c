/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If a waker fails for a placed page, a message is logged, and the page counts as placed.
 * uffd_incoming_notify_shared_wake() calls all wakers, and returns the first failure.
 */
#include <errno.h>

#include "client.h"

static atomic_uint messages;

static int fail(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    client_wake(shared, rb, offset);
    return -EHOSTDOWN;
}

static void count_message(MigrationIncomingState *vm, int level, const char *text)
{
    (void)vm;
    (void)text;
    CHECK_EQ(level, UFFD_INCOMING_LOG_WARNING);
    messages++;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.log = count_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 1);
    struct client *first = client_new(vm, ram), *second = client_new(vm, ram);

    first->shared.waker = fail;
    client_add(first);
    client_add(second);
    vm_setup(vm);
    vm_place(vm, ram, 0);
    CHECK_EQ(messages, 1);
    CHECK_EQ(second->wakes, 1);
    CHECK_ERRNO(uffd_incoming_notify_shared_wake(vm, ram, 0), -EHOSTDOWN);
    CHECK_ERROR_HAS("the client");
    CHECK_EQ(first->wakes, 2);
    CHECK_EQ(second->wakes, 2);
    client_remove(first);
    CHECK_OK(uffd_incoming_notify_shared_wake(vm, ram, 0));
    CHECK_EQ(first->wakes, 2);
    CHECK_EQ(second->wakes, 3);
    vm_end(vm);
    client_end(first);
    client_end(second);
    return 0;
}
