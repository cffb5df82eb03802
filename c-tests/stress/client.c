/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "counters.h"
#include "process.h"
#include "view.h"
#include "watch.h"

struct client {
    struct machine *machine;
    struct memory *memory;
    UffdSharedFd shared;
    atomic_bool leaving; /* it is being removed: what it asks for is refused, and asked for again when it is back */
    uint64_t base; /* where the client maps the block */
    bool is_process;
    struct view view; /* of this process, or: */
    struct process *process;
    pthread_mutex_t using; /* the process */
    atomic_uint wakes;
};

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    struct client *client = shared->data;
    struct machine *machine = client->machine;
    struct memory *memory = client->memory;
    const struct uffd_msg *message = uffd_msg;
    const uint64_t address = message->arg.pagefault.address, offset = address - client->base;
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
        if (asked == -ENOENT && memory->leaving) {
            /* Its block is removed: it is let go. */
            asked = 0;
        } else if (asked != 0 && !machine->ending && !(asked == -ENOENT && client->leaving)) {
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
    const struct memory *memory = machine_memory(client->machine, rb);

    CHECK(memory != NULL && !memory->removed);
    /* Sometimes it is slow: a thread that removes the block meanwhile has to wait for it. */
    struct random random = random_of(client->machine->plan->seed ^ offset, client->wakes++);
    if (random_permille(&random, 10)) {
        random_sleep(&random, 500);
        CHECK(!memory->removed);
    }
    if (memory != client->memory) {
        return 0;
    }
    return uffd_incoming_wake_shared(&client->machine->vm, shared->fd, rb, client->base + offset);
}

static void start(struct client *client)
{
    const RAMBlock *rb = client->memory->rb;
    int uffd;

    if (client->is_process) {
        client->process = process_start(rb, &uffd, &client->base);
    } else {
        client->view = view_new(rb->fd, rb->length, rb->page_size);
        client->memory->alias = client->view.at;
        client->base = (uintptr_t)client->view.at;
        uffd = client->view.uffd;
    }
    client->shared = (UffdSharedFd) {
        .fd = uffd,
        .data = client,
        .handler = message,
        .waker = wake,
        .idstr = "the client",
    };
}

/* Once its descriptor is not served any more. */
static void end(struct client *client)
{
    CHECK_EQ(close(client->shared.fd), 0);
    if (client->is_process) {
        process_free(client->process);
    } else {
        client->memory->alias = NULL;
        view_unmap(&client->view);
    }
}

struct client *client_new(struct machine *machine, struct memory *memory, enum client_kind kind)
{
    struct client *client = calloc(1, sizeof(*client));

    CHECK(client != NULL);
    client->machine = machine;
    client->memory = memory;
    client->is_process = kind == CLIENT_PROCESS;
    pthread_mutex_init(&client->using, NULL);
    start(client);
    CHECK_OK(uffd_incoming_add_shared_fd(&machine->vm, &client->shared));
    return client;
}

bool client_is_process(const struct client *client)
{
    return client->is_process;
}

bool client_read(struct client *client, size_t offset, uint8_t *bytes, size_t length)
{
    CHECK_EQ(pthread_mutex_lock(&client->using), 0);
    const bool was_read = process_read(client->process, offset, bytes, length);
    CHECK_EQ(pthread_mutex_unlock(&client->using), 0);
    return was_read;
}

static void leave(struct client *client)
{
    watch_doing("removes the client of", client->memory->rb, 0);
    client->leaving = true;
    CHECK_OK(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd));
}

static void come(struct client *client)
{
    watch_doing("adds the client of", client->memory->rb, 0);
    client->leaving = false;
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd), -ENOENT);
    CHECK_OK(uffd_incoming_add_shared_fd(&client->machine->vm, &client->shared));
    counters.clients++;
}

void client_remove_and_add(struct client *client, struct random *random)
{
    leave(client);
    random_sleep(random, 500);
    come(client);
}

/* A thread that waits for it to read goes on at once. */
void client_kill(struct client *client, struct random *random)
{
    watch_doing("kills the client of", client->memory->rb, 0);
    process_kill(client->process);
    random_sleep(random, 500);
    leave(client);
    CHECK_EQ(pthread_mutex_lock(&client->using), 0);
    end(client);
    start(client);
    CHECK_EQ(pthread_mutex_unlock(&client->using), 0);
    come(client);
    counters.killed++;
}

void client_unregister(struct client *client)
{
    struct uffdio_range range = { .start = client->base, .len = client->memory->rb->length };

    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_UNREGISTER, &range), 0);
    /* The kernel wakes before it keeps further faults out. */
    CHECK_EQ(ioctl(client->shared.fd, UFFDIO_WAKE, &range), 0);
}

void client_free(struct client *client)
{
    CHECK_OK(uffd_incoming_remove_shared_fd(&client->machine->vm, client->shared.fd));
    end(client);
    pthread_mutex_destroy(&client->using);
    free(client);
}
