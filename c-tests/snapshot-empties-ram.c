/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load empties RAM: the old content is never seen, neither in data pages nor in zero pages. */
#include "emptied.h"

int main(void)
{
    check_emptied(RAM_ANON, 4096);
    check_emptied(RAM_MEMFD_SHARED, 4096);
    return 0;
}
