/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "process.h"

#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "pass-fd.h"
#include "view.h"

/* Its end of the socket. */
#define SOCKET STDIN_FILENO

struct process {
    pid_t pid;
    int socket;
    atomic_bool killed;
};

struct order {
    size_t offset, length;
};

struct process *process_start(const RAMBlock *rb, int *uffd, uint64_t *base)
{
    char *const arguments[] = { "stress", PROCESS_ARGUMENT, NULL };
    struct process *process = calloc(1, sizeof(*process));
    posix_spawn_file_actions_t actions;
    int sockets[2];

    CHECK(process != NULL);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, sockets[1], SOCKET), 0);
    CHECK_EQ(posix_spawn(&process->pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(sockets[1]);
    process->socket = sockets[0];
    pass_fd(process->socket, rb->fd, rb->length);
    CHECK_EQ(send(process->socket, &rb->page_size, sizeof(rb->page_size), MSG_NOSIGNAL), sizeof(rb->page_size));
    *uffd = receive_fd(process->socket, base);
    return process;
}

bool process_read(struct process *process, size_t offset, uint8_t *bytes, size_t length)
{
    const struct order order = { .offset = offset, .length = length };

    if (send(process->socket, &order, sizeof(order), MSG_NOSIGNAL) == sizeof(order) &&
        recv(process->socket, bytes, length, 0) == (ssize_t)length) {
        return true;
    }
    CHECK(process->killed);
    return false;
}

void process_kill(struct process *process)
{
    process->killed = true;
    CHECK_EQ(kill(process->pid, SIGKILL), 0);
}

void process_free(struct process *process)
{
    int status;

    close(process->socket);
    CHECK_EQ(waitpid(process->pid, &status, 0), process->pid);
    if (process->killed ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL : status != 0) {
        FAIL("expected the client to end as it was to, saw status %#x", (unsigned)status);
    }
    free(process);
}

/* Only the other side has its userfaultfd: if that side ends, no thread waits in here. */
void process_live(void)
{
    uint64_t length;
    size_t page_size;
    struct order order;
    const int file = receive_fd(SOCKET, &length);

    alarm(0);
    CHECK_EQ(recv(SOCKET, &page_size, sizeof(page_size), 0), sizeof(page_size));
    const struct view view = view_new(file, length, page_size);
    pass_fd(SOCKET, view.uffd, (uintptr_t)view.at);
    close(view.uffd);
    while (recv(SOCKET, &order, sizeof(order), 0) == sizeof(order)) {
        uint8_t bytes[4096];

        CHECK(order.length <= sizeof(bytes) && order.offset + order.length <= length);
        memcpy(bytes, view.at + order.offset, order.length);
        if (send(SOCKET, bytes, order.length, MSG_NOSIGNAL) != (ssize_t)order.length) {
            break;
        }
    }
}
