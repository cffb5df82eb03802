/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A handler, a waker and the page handler may remove the descriptor. The client then waits, and is served once the
 * descriptor is added again.
 */
#include "client.h"

static struct client *client;
static atomic_uint removals;

static void remove_it(void)
{
    client_remove(client);
    removals++;
}

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    (void)shared;
    (void)uffd_msg;
    remove_it();
    return 0;
}

static int wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    (void)shared;
    (void)rb;
    (void)offset;
    remove_it();
    return 0;
}

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (offset == 2 * rb->page_size) {
        remove_it();
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_removal(size_t page)
{
    client_add(client);
    CLIENT_TOUCH(client, page);
    AWAIT(removals == page + 1);
    client->shared.handler = client_message;
    client->shared.waker = client_wake;
    client_add(client);
    CLIENT_SEES_PAGE(client, page);
    client_remove(client);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm->config.log = vm_no_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);

    client = client_new(vm, ram);
    vm_setup(vm);
    client->shared.handler = message;
    check_removal(0);
    client->shared.waker = wake;
    check_removal(1);
    check_removal(2);
    vm_end(vm);
    client_end(client);
    return 0;
}
