/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A descriptor is removed and added again many times while the client faults. Every fault is served in the end. */
#include "client.h"

#define ROUNDS 200

static MigrationIncomingState *vm;
static struct client *client;

static void *remove_and_add(void *opaque)
{
    for (int round = 0; round < ROUNDS; round++) {
        const unsigned messages = client->messages;

        client_add(client);
        for (int spins = 0; spins < round % 20 && client->messages == messages; spins++) {
            usleep(50);
        }
        client_remove(client);
    }
    client_add(client);
    return opaque;
}

int main(void)
{
    pthread_t remover;

    vm = vm_new();
    vm->config.log = vm_no_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2048);

    client = client_new(vm, ram);
    vm_setup(vm);
    CHECK_EQ(pthread_create(&remover, NULL, remove_and_add, NULL), 0);
    CLIENT_WALK(client, 4);
    CLIENT_WALKED(client);
    CHECK_EQ(pthread_join(remover, NULL), 0);
    vm_end(vm);
    client_end(client);
    return 0;
}
