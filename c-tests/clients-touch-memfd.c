/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A client and the VM touch the same memfd at the same time. Both see the right bytes. */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_MEMFD_SHARED, 4096, 1);
    return 0;
}
