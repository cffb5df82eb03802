/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "pass-fd.h"

#include <string.h>
#include <sys/socket.h>

#include "check.h"

void pass_fd(int socket, int fd, uint64_t number)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {
        .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fd)) },
    };
    struct iovec data = { .iov_base = &number, .iov_len = sizeof(number) };
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    CHECK_EQ(sendmsg(socket, &message, MSG_NOSIGNAL), sizeof(number));
}

int receive_fd(int socket, uint64_t *number)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = { .iov_base = number, .iov_len = sizeof(*number) };
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    int fd;

    CHECK_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), sizeof(*number));
    CHECK_EQ(message.msg_controllen, sizeof(control));
    CHECK_EQ(control.header.cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    return fd;
}
