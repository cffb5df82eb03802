/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Another process and the VM touch the same memfd at the same time: both see the right bytes. */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_MEMFD_SHARED, 4096, 1);
    return 0;
}
