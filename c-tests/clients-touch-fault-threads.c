/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client and the VM touch the same memfd, served by several fault threads. The first fault thread serves the
 * client.
 */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_MEMFD_SHARED, 4096, 4);
    return 0;
}
