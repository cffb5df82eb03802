/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The client is killed while its handler runs, while the page handler runs for it, and while it waits. The VM goes
 * on, and cleanup works.
 */
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "client.h"

enum when { IN_MESSAGE, IN_PAGE_HANDLER, WAITING };

static enum when when;
static atomic_bool reached;
static sem_t go_on;
static atomic_uint messages;

/* True the first time that there is something to stop at. */
static bool reach(enum when here)
{
    return when == here && !atomic_exchange(&reached, true);
}

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    if (reach(IN_MESSAGE)) {
        sem_wait(&go_on);
    }
    return client_message(shared, uffd_msg);
}

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (reach(IN_PAGE_HANDLER)) {
        sem_wait(&go_on);
    }
    return reach(WAITING) ? 0 : vm_serve_page(vm, rb, offset, fault_address);
}

static void count_message(MigrationIncomingState *vm, int level, const char *text)
{
    (void)vm;
    messages++;
    printf("level %d: %s\n", level, text);
}

static void check_killed(enum when killed_when, bool removed)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;
    siginfo_t ended;

    when = killed_when;
    reached = false;
    messages = 0;
    vm->config.page_handler = serve;
    vm->config.log = count_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *client = client_new(vm, ram), *survivor = client_new(vm, ram);

    client->shared.handler = message;
    client_add(client);
    client_add(survivor);
    vm_setup(vm);
    CLIENT_TOUCH(client, 0);
    AWAIT(reached);
    CHECK_EQ(kill(client->pid, SIGKILL), 0);
    CHECK_EQ(waitid(P_PID, client->pid, &ended, WEXITED | WNOWAIT), 0);
    if (when != WAITING) {
        sem_post(&go_on);
    }

    touch_read(&toucher, ram_page(ram, 1));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    CLIENT_TOUCH(survivor, 2);
    CLIENT_SEES_PAGE(survivor, 2);
    vm_place(vm, ram, 0);
    CHECK_PAGE(ram, 0);
    CHECK(messages <= 1);
    CHECK_EQ(vm->event_count, 0);
    if (removed) {
        client_remove(client);
    }
    vm_end(vm);
    client_end(client);
    client_end(survivor);
}

int main(void)
{
    sem_init(&go_on, 0, 0);
    for (int removed = 0; removed < 2; removed++) {
        check_killed(IN_MESSAGE, removed);
        check_killed(IN_PAGE_HANDLER, removed);
        check_killed(WAITING, removed);
    }
    return 0;
}
