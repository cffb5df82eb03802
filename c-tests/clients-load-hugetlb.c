/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The same with huge pages. */
#include "client-load.h"

int main(void)
{
    check_client_load(RAM_HUGETLB_SHARED, 3);
    return 0;
}
