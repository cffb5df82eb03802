/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pass-fd.h"
#include "walkers.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Ends a client that hangs, a little before the watchdog of the test that waits for it. */
#define CLIENT_SECONDS 25

/* What goes through the socket; `where` is a string constant, and so is at the same place in the client. */
struct order {
    const char *where;
    enum client_order what;
    size_t argument;
};

/*
 * Maps the memory one page of the host behind an address that would suit pages of any size: nobody promised a
 * VMM that its clients align what they map as it does. Huge pages must be aligned.
 */
static uint8_t *map(const RAMBlock *rb, int memory)
{
    const size_t alignment = HUGE_PAGE, host_page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t behind = rb->page_size == HUGE_PAGE ? 0 : host_page;
    uint8_t *reserved =
        mmap(NULL, rb->length + 2 * alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(reserved != MAP_FAILED);
    uint8_t *at = (uint8_t *)(((uintptr_t)reserved + alignment - 1) / alignment * alignment) + behind;
    CHECK_EQ(mmap(at, rb->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0), at);
    return at;
}

static int open_userfaultfd(void)
{
    const char *user_mode_only = getenv("UFFD_TEST_USER_MODE_ONLY");
    const bool unprivileged = geteuid() != 0 || (user_mode_only != NULL && strcmp(user_mode_only, "1") == 0);
    struct uffdio_api api = { .api = UFFD_API };
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | (unprivileged ? UFFD_USER_MODE_ONLY : 0));

    if (uffd < 0) {
        FAIL("userfaultfd: expected a descriptor, saw %s", strerror(errno));
    }
    CHECK_EQ(ioctl(uffd, UFFDIO_API, &api), 0);
    return uffd;
}

/* The client's own view of the RAM: the block where it maps it, and a thread for each page. */
struct view {
    MigrationIncomingState ram;
    RAMBlock rb;
    int uffd;
    struct toucher *touchers;
    struct walkers *walkers;
};

static void carry_out(struct view *view, struct order order)
{
    const size_t page = order.argument;
    struct toucher *toucher = &view->touchers[page];

    switch (order.what) {
    case CLIENT_TOUCHES:
        touch_read(toucher, ram_page(&view->rb, page + 1) - 1);
        break;
    case CLIENT_CHECKS_WAIT:
        toucher_check_waits(order.where, toucher);
        break;
    case CLIENT_CHECKS_PAGE:
    case CLIENT_CHECKS_ZEROS:
        toucher_finish(toucher);
        ram_check_page(order.where, &view->rb, page, order.what == CLIENT_CHECKS_PAGE);
        break;
    case CLIENT_WALKS:
        view->walkers = walkers_start(&view->ram, (unsigned)order.argument);
        break;
    case CLIENT_ENDS_WALK:
        walkers_finish(view->walkers);
        break;
    case CLIENT_CLOSES_UFFD:
        CHECK_EQ(close(view->uffd), 0);
        break;
    }
}

static void live(const RAMBlock *rb, int socket, pid_t parent)
{
    struct view view = { .rb = *rb, .ram = { .block_count = 1 } };
    uint64_t number;
    struct order order;

    CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    CHECK_EQ(getppid(), parent);
    alarm(CLIENT_SECONDS);

    int memory = receive_fd(socket, &number);
    CHECK_EQ(number, rb->length);
    view.rb.host = map(rb, memory);
    view.ram.blocks[0] = &view.rb;
    view.touchers = calloc(rb->pages, sizeof(*view.touchers));
    CHECK(view.touchers != NULL);

    view.uffd = open_userfaultfd();
    struct uffdio_register registration = {
        .range = { .start = (uintptr_t)view.rb.host, .len = rb->length },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK_EQ(ioctl(view.uffd, UFFDIO_REGISTER, &registration), 0);
    pass_fd(socket, view.uffd, registration.range.start);

    while (recv(socket, &order, sizeof(order), 0) == sizeof(order)) {
        carry_out(&view, order);
        CHECK_EQ(send(socket, &order.what, sizeof(order.what), MSG_NOSIGNAL), sizeof(order.what));
    }
}

struct client *client_new(MigrationIncomingState *vm, RAMBlock *rb)
{
    struct client *client = calloc(1, sizeof(*client));
    const pid_t parent = getpid();
    int sockets[2];

    CHECK(client != NULL);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    client->pid = fork();
    CHECK(client->pid >= 0);
    if (client->pid == 0) {
        close(sockets[0]);
        live(rb, sockets[1], parent);
        _exit(0);
    }
    close(sockets[1]);
    client->vm = vm;
    client->rb = rb;
    client->socket = sockets[0];
    pass_fd(client->socket, rb->fd, rb->length);
    client->shared = (UffdSharedFd) {
        .fd = receive_fd(client->socket, &client->base),
        .data = client,
        .handler = client_message,
        .waker = client_wake,
        .idstr = "the client",
    };
    return client;
}

void client_end(struct client *client)
{
    int status;

    client_close_fd(client);
    if (client->socket >= 0) {
        /* Not close(): later clients hold it, too. */
        shutdown(client->socket, SHUT_RDWR);
    }
    CHECK_EQ(waitpid(client->pid, &status, 0), client->pid);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; /* by a test */
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        FAIL("expected the client to end without complaint, saw status %#x", status);
    }
    client_hang_up(client);
    free(client);
}

void client_close_fd(struct client *client)
{
    if (client->shared.fd >= 0) {
        close(client->shared.fd);
        client->shared.fd = -1;
    }
}

void client_hang_up(struct client *client)
{
    if (client->socket >= 0) {
        close(client->socket);
        client->socket = -1;
    }
}

void client_add(struct client *client)
{
    UffdSharedFd copied = client->shared;

    CHECK_OK(uffd_incoming_add_shared_fd(client->vm, &copied));
    memset(&copied, 0xff, sizeof(copied));
}

void client_remove(struct client *client)
{
    CHECK_OK(uffd_incoming_remove_shared_fd(client->vm, client->shared.fd));
}

int client_message(UffdSharedFd *shared, void *uffd_msg)
{
    struct client *client = shared->data;
    const struct uffd_msg *message = uffd_msg;
    const uint64_t address = message->arg.pagefault.address, offset = address - client->base;

    client->messages++;
    CHECK_EQ(message->event, UFFD_EVENT_PAGEFAULT);
    CHECK_EQ(shared->fd, client->shared.fd);
    CHECK(offset < client->rb->length);
    return uffd_incoming_request_shared_page(client->vm, shared->fd, client->rb, address, offset);
}

int client_wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    struct client *client = shared->data;

    client->wakes++;
    if (rb != client->rb) {
        return 0;
    }
    return uffd_incoming_wake_shared(client->vm, shared->fd, rb, client->base + offset);
}

void client_order(const char *where, struct client *client, enum client_order order, size_t argument)
{
    const struct order message = { .where = where, .what = order, .argument = argument };
    enum client_order done;

    CHECK_EQ(send(client->socket, &message, sizeof(message), MSG_NOSIGNAL), sizeof(message));
    if (recv(client->socket, &done, sizeof(done), 0) != sizeof(done) || done != order) {
        check_fail(where, "expected the client to do as it was told, but it has ended");
    }
}
