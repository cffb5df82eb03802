/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load empties RAM of huge pages, too. */
#include "emptied.h"

int main(void)
{
    check_emptied(RAM_HUGETLB_SHARED, 4);
    check_emptied(RAM_HUGETLB_PRIVATE, 4);
    return 0;
}
