/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Invalid arguments are refused, and the message says what is wrong. Such a descriptor is not served. */
#include <errno.h>
#include <fcntl.h>

#include "client.h"

static MigrationIncomingState *vm;
static struct client *client;

#define CHECK_ADD(expected, ...) \
    do { \
        UffdSharedFd shared = client->shared; \
        __VA_ARGS__; \
        CHECK_ERRNO(uffd_incoming_add_shared_fd(vm, &shared), expected); \
    } while (0)

static void check_add(void)
{
    MigrationIncomingState *unknown = (MigrationIncomingState *)&client;
    const int not_open = fcntl(client->shared.fd, F_DUPFD, 1000);

    close(not_open);
    CHECK_ERRNO(uffd_incoming_add_shared_fd(NULL, &client->shared), -EINVAL);
    CHECK_ERRNO(uffd_incoming_add_shared_fd(unknown, &client->shared), -ENOENT);
    CHECK_ERRNO(uffd_incoming_add_shared_fd(vm, NULL), -EINVAL);
    CHECK_ADD(-EBADF, shared.fd = -1);
    CHECK_ADD(-EBADF, shared.fd = not_open);
    CHECK_ERROR_HAS("the client");
    CHECK_ADD(-EINVAL, shared.handler = NULL);
    CHECK_ADD(-EINVAL, shared.waker = NULL);
    client->shared.idstr = NULL;
    client_add(client);
    CHECK_ADD(-EEXIST);
    CHECK_OK(uffd_incoming_remove_shared_fd(vm, client->shared.fd));
    client->shared.idstr = "the client";
    client_add(client);
    CHECK_ADD(-EEXIST);
    CHECK_ERROR_HAS("the client");
}

static void check_remove(void)
{
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(NULL, client->shared.fd), -EINVAL);
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(vm, -1), -ENOENT);
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(vm, client->shared.fd + 1), -ENOENT);
}

static int request(int fd, RAMBlock *rb, uint64_t offset)
{
    return uffd_incoming_request_shared_page(vm, fd, rb, client->base, offset);
}

static void check_request(RAMBlock *ram)
{
    const int fd = client->shared.fd;
    RAMBlock unknown;

    CHECK_ERRNO(request(fd, NULL, 0), -EINVAL);
    CHECK_ERRNO(request(fd, &unknown, 0), -ENOENT);
    CHECK_ERRNO(request(fd + 1, ram, 0), -ENOENT);
    CHECK_ERRNO(request(-1, ram, 0), -ENOENT);
    CHECK_ERRNO(request(fd, ram, ram->length), -EINVAL);
    CHECK_ERRNO(request(fd, ram, UINT64_MAX), -EINVAL);
    CHECK_ERRNO(uffd_incoming_request_shared_page(NULL, fd, ram, client->base, 0), -EINVAL);
    let_wrong_things_happen();
    CHECK_EQ(vm->handled, 0);

    /* An offset within a page stands for the page. */
    CHECK_OK(request(fd, ram, 2 * ram->page_size - 1));
    AWAIT(vm_received(vm, ram, 1) == 1);
}

static void check_wake(RAMBlock *ram)
{
    const int fd = client->shared.fd;
    RAMBlock unknown;

    CHECK_ERRNO(uffd_incoming_wake_shared(NULL, fd, ram, client->base), -EINVAL);
    CHECK_ERRNO(uffd_incoming_wake_shared(vm, fd, NULL, client->base), -EINVAL);
    CHECK_ERRNO(uffd_incoming_wake_shared(vm, fd, &unknown, client->base), -ENOENT);
    CHECK_ERRNO(uffd_incoming_wake_shared(vm, fd + 1, ram, client->base), -ENOENT);
    CHECK_ERRNO(uffd_incoming_wake_shared(vm, fd, ram, UINT64_MAX), -EINVAL);
    CHECK_ERROR_HAS("the client");
    CHECK_OK(uffd_incoming_wake_shared(vm, fd, ram, client->base));

    CHECK_ERRNO(uffd_incoming_notify_shared_wake(NULL, ram, 0), -EINVAL);
    CHECK_ERRNO(uffd_incoming_notify_shared_wake(vm, NULL, 0), -EINVAL);
    CHECK_ERRNO(uffd_incoming_notify_shared_wake(vm, &unknown, 0), -ENOENT);
}

int main(void)
{
    vm = vm_new();
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);

    client = client_new(vm, ram);
    check_add();
    check_remove();
    CHECK_ERRNO(request(client->shared.fd, ram, 0), -EINVAL);
    vm_setup(vm);
    check_request(ram);
    check_wake(ram);
    CLIENT_TOUCH(client, 0);
    CLIENT_SEES_PAGE(client, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_ERRNO(request(client->shared.fd, ram, 0), -EINVAL);
    vm_end(vm);
    client_end(client);
    return 0;
}
