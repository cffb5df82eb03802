/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The same with huge pages. */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_HUGETLB_SHARED, 4, 1);
    return 0;
}
