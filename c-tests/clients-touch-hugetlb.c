/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A client and the VM touch the same RAM of huge pages at the same time. Both see the right bytes. */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_HUGETLB_SHARED, 4, 1);
    return 0;
}
