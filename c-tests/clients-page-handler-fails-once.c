/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The page handler fails for a page that the client waits for. After a resume it is asked for the page again. */
#include <errno.h>

#include "client.h"

static atomic_int result;
static atomic_uint calls;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    calls++;
    CHECK_EQ(offset, rb->page_size);
    CHECK_EQ(fault_address, ram_page(rb, 1));
    return result != 0 ? result : vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    client_add(client);
    vm_setup(vm);
    result = -ENETDOWN;
    CLIENT_TOUCH(client, 1);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -ENETDOWN) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, -ENETDOWN), 1);
    CLIENT_WAITS(client, 1);
    CHECK_EQ(calls, 1);
    result = 0;
    CHECK_OK(uffd_incoming_resume(vm));
    CLIENT_SEES_PAGE(client, 1);
    CHECK_EQ(calls, 2);
    CHECK_EQ(client->messages, 1);
    vm_end(vm);
    client_end(client);
    return 0;
}
