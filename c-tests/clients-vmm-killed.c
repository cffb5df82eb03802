/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The VMM is killed during a load that records a working set, while a client waits for a page. The earlier working
 * set stays as it was, with no other file beside it. The client waits on its own descriptor until a new VMM, which
 * loads the same snapshot into the same RAM, serves it. It never sees zeros.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "client.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define PAGES 1024
#define WAITED_FOR 3

enum then { TAKEN_OVER, CLIENT_CLOSED, CLIENT_ENDED };

static const size_t set_pages[] = { 1000, 17 };

static MigrationIncomingState *vm;
static struct snapshot_file *file;
static struct client *client;
static char *set;
static atomic_bool *reached; /* in memory that the processes share */

static void wait_to_be_killed(void)
{
    for (;;) {
        pause();
    }
}

/* The client's message has been read, and nothing comes of it. */
static int stop(UffdSharedFd *shared, void *uffd_msg)
{
    (void)shared;
    (void)uffd_msg;
    *reached = true;
    wait_to_be_killed();
    return 0;
}

/* A process that loads, and stops when the client asks for a page. */
static pid_t start_vmm(void)
{
    const pid_t parent = getpid(), pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        CHECK_EQ(getppid(), parent);
        client->shared.handler = stop;
        client_add(client);
        load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, set, set);
        CHECK_PAGE(vm->blocks[0], 0);
        wait_to_be_killed();
    }
    return pid;
}

/* A new process that loads the same, and wakes the client, so that it asks again. */
static void take_over(void)
{
    RAMBlock *rb = vm->blocks[0];

    client_add(client);
    load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, NULL, set);
    AWAIT(vm_received(vm, rb, set_pages[0]) == 1 && vm_received(vm, rb, set_pages[1]) == 1);
    CHECK_EQ(warnings_with("working set"), 0);
    CHECK_EQ(vm_received(vm, rb, WAITED_FOR), 0);
    CHECK_OK(uffd_incoming_wake_shared(vm, client->shared.fd, rb, client->base + WAITED_FOR * rb->page_size));
    CLIENT_SEES_PAGE(client, WAITED_FOR);
    CHECK(client->messages > 0);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
}

static size_t read_set(char *bytes, size_t room)
{
    FILE *open = fopen(set, "r");

    CHECK(open != NULL);
    size_t length = fread(bytes, 1, room, open);
    CHECK(length < room);
    fclose(open);
    return length;
}

static void check_killed(enum then then)
{
    char before[1024], after[1024];
    siginfo_t ended;

    vm = vm_new();
    vm->config.log = log_warnings;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    file = snapshot_file_of(vm);
    CHECK_EQ(snapshot_page_kind(WAITED_FOR), PAGE_DATA);
    record_working_set(vm, file->snapshot, set, NULL, set_pages, 2);
    const size_t length = read_set(before, sizeof(before));
    client = client_new(vm, rb);

    *reached = false;
    const pid_t vmm = start_vmm();
    CLIENT_TOUCH(client, WAITED_FOR);
    AWAIT(*reached);
    CLIENT_WAITS(client, WAITED_FOR);
    if (then == CLIENT_ENDED) {
        client_hang_up(client);
    }
    CHECK_EQ(kill(vmm, SIGKILL), 0);
    CHECK_EQ(waitpid(vmm, NULL, 0), vmm);

    CHECK_EQ(scratch_files(), 1);
    CHECK_EQ(read_set(after, sizeof(after)), length);
    CHECK_EQ(memcmp(before, after, length), 0);
    switch (then) {
    case TAKEN_OVER:
        CLIENT_WAITS(client, WAITED_FOR);
        in_child(take_over);
        break;
    case CLIENT_CLOSED:
        CLIENT_WAITS(client, WAITED_FOR);
        client_close_fd(client);
        CLIENT_WAITS(client, WAITED_FOR);
        CLIENT_CLOSES(client);
        CLIENT_SEES_ZEROS(client, WAITED_FOR);
        break;
    case CLIENT_ENDED:
        CHECK_EQ(waitid(P_PID, client->pid, &ended, WEXITED | WNOWAIT), 0);
        break;
    }
    client_end(client);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    reached = mmap(NULL, sizeof(*reached), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(reached != MAP_FAILED);
    set = scratch_path("set");
    check_killed(TAKEN_OVER);
    check_killed(CLIENT_CLOSED);
    check_killed(CLIENT_ENDED);
    CHECK_EQ(munmap(reached, sizeof(*reached)), 0);
    free(set);
    return 0;
}
