/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The page handler only requests the page. The waker is called after another thread has placed it. */
#include "client.h"

static MigrationIncomingState *vm;
static RAMBlock *ram;

static void *place_all(void *opaque)
{
    CHECK_OK(uffd_incoming_place_range(vm, ram, ram->host, ram->source, 2 * ram->page_size));
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 2)));
    return opaque;
}

int main(void)
{
    struct toucher toucher;
    pthread_t placer;

    vm = vm_new();
    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client_add(client);
    for (size_t page = 0; page < 3; page++) {
        CLIENT_TOUCH(client, page);
        AWAIT(vm->handled == page + 1);
        CLIENT_WAITS(client, page);
    }
    touch_read(&toucher, ram->host);
    AWAIT(vm->handled == 4);
    CHECK_EQ(client->wakes, 0);

    CHECK_EQ(pthread_create(&placer, NULL, place_all, NULL), 0);
    CHECK_EQ(pthread_join(placer, NULL), 0);
    CHECK_EQ(client->wakes, 3);
    CLIENT_SEES_PAGE(client, 0);
    CLIENT_SEES_PAGE(client, 1);
    CLIENT_SEES_ZEROS(client, 2);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 0));
    CHECK_EQ(client->messages, 3);
    vm_end(vm);
    client_end(client);
    return 0;
}
