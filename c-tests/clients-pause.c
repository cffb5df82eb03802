/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A pause waits for the handler of a descriptor. Until the resume no message is read. */
#include <semaphore.h>

#include "client.h"

static atomic_bool entered, paused;
static sem_t return_now;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    if (!entered) {
        entered = true;
        sem_wait(&return_now);
        CHECK(!paused);
    }
    return client_message(shared, uffd_msg);
}

static void *pause_now(void *vm)
{
    CHECK_OK(uffd_incoming_pause(vm));
    paused = true;
    return NULL;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t pauser;

    sem_init(&return_now, 0, 0);
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *client = client_new(vm, ram);

    client->shared.handler = message;
    client_add(client);
    vm_setup(vm);
    CLIENT_TOUCH(client, 0);
    AWAIT(entered);
    CHECK_EQ(pthread_create(&pauser, NULL, pause_now, vm), 0);
    let_wrong_things_happen();
    CHECK(!paused);
    sem_post(&return_now);
    CHECK_EQ(pthread_join(pauser, NULL), 0);

    /* The handler returned before the pause began, the page handler had not been asked. */
    CLIENT_WAITS(client, 0);
    CHECK_EQ(vm->handled, 0);
    CLIENT_TOUCH(client, 1);
    CLIENT_TOUCH(client, 2);
    CLIENT_WAITS(client, 1);
    CLIENT_WAITS(client, 2);
    CHECK_EQ(client->messages, 1);

    /* A page that is placed meanwhile frees who was heard before. */
    vm_place(vm, ram, 0);
    CLIENT_SEES_PAGE(client, 0);
    CHECK_OK(uffd_incoming_resume(vm));
    CLIENT_SEES_PAGE(client, 1);
    CLIENT_SEES_PAGE(client, 2);
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    client_end(client);
    return 0;
}
