/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A descriptor that is not a userfaultfd is logged once, and not served any more. The others are served. */
#include <string.h>

#include "client.h"

static atomic_uint messages;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    (void)shared;
    (void)uffd_msg;
    FAIL("expected no message from what is no userfaultfd");
}

static int wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    (void)shared;
    (void)rb;
    (void)offset;
    return 0;
}

static void count_message(MigrationIncomingState *vm, int level, const char *text)
{
    (void)vm;
    CHECK_EQ(level, UFFD_INCOMING_LOG_ERROR);
    CHECK(strstr(text, "a pipe") != NULL);
    messages++;
}

static void check_pipe(bool with_a_byte)
{
    MigrationIncomingState *vm = vm_new();
    int ends[2];

    messages = 0;
    vm->config.log = count_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    CHECK_EQ(pipe(ends), 0);
    const UffdSharedFd bad = { .fd = ends[0], .handler = message, .waker = wake, .idstr = "a pipe" };
    if (with_a_byte) {
        CHECK_EQ(write(ends[1], "x", 1), 1);
    } else {
        close(ends[1]);
    }
    CHECK_OK(uffd_incoming_add_shared_fd(vm, &bad));
    client_add(client);
    vm_setup(vm);
    AWAIT(messages == 1);
    CLIENT_TOUCH(client, 0);
    CLIENT_SEES_PAGE(client, 0);
    CLIENT_TOUCH(client, 1);
    CLIENT_SEES_PAGE(client, 1);
    CHECK_EQ(messages, 1);
    CHECK_OK(uffd_incoming_remove_shared_fd(vm, bad.fd));
    vm_end(vm);
    client_end(client);
    close(ends[0]);
    if (with_a_byte) {
        close(ends[1]);
    }
}

int main(void)
{
    check_pipe(true);
    check_pipe(false);
    return 0;
}
