/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_incoming_probe() reports which ways to a userfaultfd are open, and trying them gives the same result. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"

static int try_device(void)
{
    int fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    close(fd);
    return 0;
}

static int try_system_call(int flags)
{
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | flags);

    if (fd < 0) {
        return -errno;
    }
    close(fd);
    return 0;
}

static void check_way(const UffdIncomingHost *host, uint64_t way, int error, int expected)
{
    CHECK_EQ(error, expected);
    CHECK_EQ((host->ways & way) != 0, expected == 0);
}

int main(void)
{
    UffdIncomingHost host = { .size = sizeof(host) };
    UffdIncomingHost small = { .size = offsetof(UffdIncomingHost, advice) };
    struct {
        UffdIncomingHost host;
        uint8_t tail[8];
    } large = { .host = { .size = sizeof(large) }, .tail = "tail..." };

    CHECK_OK(uffd_incoming_probe(&host));
    CHECK_EQ(host.size, sizeof(host));
    CHECK_EQ(host.page_size, sysconf(_SC_PAGESIZE));
    check_way(&host, UFFD_INCOMING_HOST_DEVICE, host.device_error, try_device());
    check_way(&host, UFFD_INCOMING_HOST_SYSCALL, host.syscall_error, try_system_call(0));
    check_way(&host, UFFD_INCOMING_HOST_USER_MODE_ONLY, host.user_mode_error, try_system_call(1));
    CHECK_EQ(host.features != 0, host.ways != 0);
    CHECK(memchr(host.advice, '\0', sizeof(host.advice)) != NULL);
    if (host.device_error != 0 && host.syscall_error != 0) {
        CHECK(strstr(host.advice, "/dev/userfaultfd") != NULL);
    }

    CHECK_ERRNO(uffd_incoming_probe(NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_probe(&small), -EINVAL);
    CHECK_EQ(small.page_size, 0);
    CHECK_OK(uffd_incoming_probe(&large.host));
    CHECK_EQ(large.host.ways, host.ways);
    CHECK_EQ(strcmp((char *)large.tail, "tail..."), 0);
    return 0;
}
