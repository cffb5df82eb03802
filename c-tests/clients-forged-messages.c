/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client passes a pipe in place of a userfaultfd and writes arbitrary messages to it. The handler checks their
 * addresses, as it must, and only the right pages are placed. An incomplete message ends the service of this client.
 * Other clients are served all the time.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>

#include "client.h"

#define PAGES 4
#define BASE ((uint64_t)0x7f0000000000)

static MigrationIncomingState *vm;
static RAMBlock *ram;
static atomic_uint messages, refused, given_up;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    const struct uffd_msg *forged = uffd_msg;
    const uint64_t address = forged->arg.pagefault.address;
    int returned = -EINVAL;

    if (forged->event == UFFD_EVENT_PAGEFAULT) {
        returned = uffd_incoming_request_shared_page(vm, shared->fd, ram, address, address - BASE);
    }
    refused += returned != 0;
    messages++;
    return 0; /* an error would pause all */
}

static int wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    return uffd_incoming_wake_shared(vm, shared->fd, rb, BASE + offset);
}

static void log_message(MigrationIncomingState *mis, int level, const char *text)
{
    (void)mis;
    CHECK(strstr(text, "a forger") != NULL);
    given_up += level == UFFD_INCOMING_LOG_ERROR;
}

static void forge(int pipe, uint8_t event, uint64_t address)
{
    struct uffd_msg forged;
    const unsigned before = messages;

    memset(&forged, 0xff, sizeof(forged));
    forged.event = event;
    forged.arg.pagefault.address = address;
    CHECK_EQ(write(pipe, &forged, sizeof(forged)), sizeof(forged));
    AWAIT(messages == before + 1);
}

int main(void)
{
    static const uint64_t nowhere[] = { 0, BASE - 1, BASE + (1 << 30), UINT64_MAX - 1, UINT64_MAX };
    int ends[2];

    vm = vm_new();
    vm->config.log = log_message;
    vm_attach(vm);
    ram = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    struct client *client = client_new(vm, ram);

    CHECK_EQ(pipe(ends), 0);
    const UffdSharedFd forger = { .fd = ends[0], .handler = message, .waker = wake, .idstr = "a forger" };
    CHECK_OK(uffd_incoming_add_shared_fd(vm, &forger));
    client_add(client);
    vm_setup(vm);

    for (unsigned event = 0; event <= UINT8_MAX; event++) {
        forge(ends[1], (uint8_t)event, 0);
    }
    CHECK_EQ(refused, UINT8_MAX + 1);
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        forge(ends[1], UFFD_EVENT_PAGEFAULT, nowhere[i]);
    }
    CHECK_EQ(refused, UINT8_MAX + 1 + sizeof(nowhere) / sizeof(nowhere[0]));
    CHECK_EQ(vm->handled, 0);

    forge(ends[1], UFFD_EVENT_PAGEFAULT, BASE + ram->page_size + 17);
    forge(ends[1], UFFD_EVENT_PAGEFAULT, BASE + ram->page_size);
    AWAIT(vm_received(vm, ram, 1) == 1);
    CHECK_EQ(vm->handled, 1);
    CLIENT_TOUCH(client, 0);
    CLIENT_SEES_PAGE(client, 0);

    CHECK_EQ(given_up, 0);
    CHECK_EQ(write(ends[1], "half", 4), 4);
    AWAIT(given_up == 1);
    CLIENT_TOUCH(client, 2);
    CLIENT_SEES_PAGE(client, 2);
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_EQ(vm_stats(vm).paused, 0);

    CHECK_OK(uffd_incoming_remove_shared_fd(vm, ends[0]));
    vm_end(vm);
    client_end(client);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
