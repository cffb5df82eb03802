/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If the handler of a descriptor fails, the library pauses and reports why. After uffd_incoming_resume() the handler
 * gets the same message again, even if it had changed its copy.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>

#include "client.h"

static atomic_uint calls;
static atomic_int result;
static struct uffd_msg first;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    if (calls++ == 0) {
        memcpy(&first, uffd_msg, sizeof(first));
    } else {
        CHECK_EQ(memcmp(&first, uffd_msg, sizeof(first)), 0);
    }
    if (result == 0) {
        return client_message(shared, uffd_msg);
    }
    memset(uffd_msg, 0x5a, sizeof(first));
    return result;
}

static void check_failure(int failure, int reported)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    calls = 0;
    result = failure;
    client->shared.handler = message;
    client_add(client);
    vm_setup(vm);
    CLIENT_TOUCH(client, 0);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, reported) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, reported), 1);
    CHECK_EQ(vm_stats(vm).paused, 1);
    CHECK_EQ(vm_stats(vm).source_errors, 1);
    touch_read(&toucher, ram_page(ram, 1));
    CHECK_WAITS(&toucher);
    CLIENT_WAITS(client, 0);
    CHECK_EQ(calls, 1);

    result = 0;
    CHECK_OK(uffd_incoming_resume(vm));
    CLIENT_SEES_PAGE(client, 0);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    CHECK_EQ(calls, 2);
    CHECK_EQ(vm_stats(vm).paused, 0);
    vm_end(vm);
    client_end(client);
}

int main(void)
{
    check_failure(-ENOTCONN, -ENOTCONN);
    check_failure(1, -EIO);
    return 0;
}
