/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Removing a descriptor waits for its handler, and for its waker on any thread. */
#include <semaphore.h>

#include "client.h"

static atomic_bool entered, removed;
static sem_t return_now;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    entered = true;
    sem_wait(&return_now);
    CHECK(!removed);
    return client_message(shared, uffd_msg);
}

static int wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    (void)shared;
    (void)rb;
    (void)offset;
    entered = true;
    sem_wait(&return_now);
    CHECK(!removed);
    return 0;
}

static void *place_page(void *vm)
{
    vm_place(vm, ((MigrationIncomingState *)vm)->blocks[0], 1);
    return NULL;
}

static void *remove_client(void *client)
{
    client_remove(client);
    removed = true;
    return NULL;
}

static void check_waits(struct client *client)
{
    pthread_t remover;

    AWAIT(entered);
    CHECK_EQ(pthread_create(&remover, NULL, remove_client, client), 0);
    let_wrong_things_happen();
    CHECK(!removed);
    sem_post(&return_now);
    CHECK_EQ(pthread_join(remover, NULL), 0);
    entered = removed = false;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t placer;

    sem_init(&return_now, 0, 0);
    vm->config.log = vm_no_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client->shared.waker = wake;
    client_add(client);
    CHECK_EQ(pthread_create(&placer, NULL, place_page, vm), 0);
    check_waits(client);
    CHECK_EQ(pthread_join(placer, NULL), 0);

    client->shared.waker = client_wake;
    client->shared.handler = message;
    client_add(client);
    CLIENT_TOUCH(client, 0);
    check_waits(client);

    client->shared.handler = client_message;
    client_add(client);
    CLIENT_SEES_PAGE(client, 0);
    vm_end(vm);
    client_end(client);
    return 0;
}
