/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tally.h"
#include "watch.h"

struct client {
    struct machine *machine;
    struct memory *memory;
    UffdSharedFd shared;
    atomic_bool leaving; /* it is being removed: what it asks for is refused, and asked for again when it is back */
    uint8_t *reserved;
    size_t reserved_length;
};

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    struct client *client = shared->data;
    struct machine *machine = client->machine;
    struct memory *memory = client->memory;
    const struct uffd_msg *message = uffd_msg;
    const uint64_t address = message->arg.pagefault.address, offset = address - (uintptr_t)memory->alias;
    const size_t page = offset / memory->rb->page_size;

    CHECK_EQ(message->event, UFFD_EVENT_PAGEFAULT);
    CHECK_EQ(shared->fd, client->shared.fd);
    CHECK(offset < memory->rb->length);
    CHECK(++machine->handlers <= machine->plan->fault_threads);
    struct random random = random_of(machine->plan->seed ^ page, machine->messages++);
    memory_note(memory, page, "asked for by the client", 0);
    int asked = -EAGAIN;
    if (!random_permille(&random, machine->plan->permille_fails)) {
        asked = uffd_incoming_request_shared_page(&machine->vm, shared->fd, memory->rb, address, offset);
        if (asked != 0 && !machine->ending && !(asked == -ENOENT && client->leaving)) {
            FAIL("asking for page %zu of %s: expected 0, saw %d: %s", page, memory->rb->idstr, asked,
                 uffd_incoming_error());
        }
    }
    machine->handlers--;
    return asked;
}

static int wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    struct client *client = shared->data;

    if (rb != client->memory->rb) {
        return 0;
    }
    return uffd_incoming_wake_shared(&client->machine->vm, shared->fd, rb,
                                     (uintptr_t)client->memory->alias + offset);
}

/* Not aligned as the machine's own mapping is, but for huge pages, which must be. */
static void map(struct client *client)
{
    const RAMBlock *rb = client->memory->rb;
    const size_t behind = rb->page_size == HUGE_PAGE ? 0 : rb->page_size;

    client->reserved_length = rb->length + 2 * HUGE_PAGE;
    client->reserved = mmap(NULL, client->reserved_length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(client->reserved != MAP_FAILED);
    uint8_t *at = (uint8_t *)(((uintptr_t)client->reserved + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1)) + behind;
    CHECK_EQ(mmap(at, rb->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, rb->fd, 0), at);
    client->memory->alias = at;
}

struct client *client_new(struct machine *machine, struct memory *memory)
{
    struct client *client = calloc(1, sizeof(*client));
    struct uffdio_api api = { .api = UFFD_API };

    CHECK(client != NULL);
    client->machine = machine;
    client->memory = memory;
    map(client);
    client->shared = (UffdSharedFd) {
        .fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC),
        .data = client,
        .handler = message,
        .waker = wake,
        .idstr = "the client",
    };
    CHECK(client->shared.fd >= 0);
    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_API, &api), 0);
    struct uffdio_register registration = {
        .range = { .start = (uintptr_t)memory->alias, .len = memory->rb->length },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_REGISTER, &registration), 0);
    CHECK_OK(uffd_incoming_add_shared_fd(&machine->vm, &client->shared));
    return client;
}

void client_go_and_come(struct client *client, struct random *random)
{
    watch_doing("removes the client of", client->memory->rb, 0);
    client->leaving = true;
    CHECK_OK(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd));
    random_sleep(random, 500);
    watch_doing("adds the client of", client->memory->rb, 0);
    client->leaving = false;
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd), -ENOENT);
    CHECK_OK(uffd_incoming_add_shared_fd(&client->machine->vm, &client->shared));
    tally.clients++;
}

void client_let_go(struct client *client)
{
    struct uffdio_range range = { .start = (uintptr_t)client->memory->alias, .len = client->memory->rb->length };

    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_UNREGISTER, &range), 0);
    /* The kernel wakes before it keeps further faults out. */
    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_WAKE, &range), 0);
}

void client_free(struct client *client)
{
    CHECK_OK(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd));
    CHECK_EQ(close(client->shared.fd), 0);
    client->memory->alias = NULL;
    CHECK_EQ(munmap(client->reserved, client->reserved_length), 0);
    free(client);
}
