/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Removing a descriptor does not wait for a pause, whether its own handler or the page handler failed. Once it is
 * added again, its client is served.
 */
#include <errno.h>

#include "client.h"

static atomic_int message_result, page_result;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    return message_result != 0 ? message_result : client_message(shared, uffd_msg);
}

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return page_result != 0 ? page_result : vm_serve_page(vm, rb, offset, fault_address);
}

static void check_pause(MigrationIncomingState *vm, struct client *client, size_t page, int error)
{
    CLIENT_TOUCH(client, page);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, error) == 1);
    client_remove(client);
    CHECK_EQ(vm_stats(vm).paused, 1);
    CLIENT_WAITS(client, page);
    message_result = page_result = 0;
    CHECK_OK(uffd_incoming_resume(vm));
    client_add(client);
    CLIENT_SEES_PAGE(client, page);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client->shared.handler = message;
    client_add(client);
    message_result = -ENOTCONN;
    check_pause(vm, client, 0, -ENOTCONN);
    page_result = -ENETDOWN;
    check_pause(vm, client, 1, -ENETDOWN);

    CHECK_OK(uffd_incoming_pause(vm));
    client_remove(client);
    client_add(client);
    CHECK_OK(uffd_incoming_resume(vm));
    CLIENT_TOUCH(client, 2);
    CLIENT_SEES_PAGE(client, 2);
    vm_end(vm);
    client_end(client);
    return 0;
}
