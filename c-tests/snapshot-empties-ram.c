/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load starts from empty RAM: what was there before is never seen, in zero pages least of all. */
#include "emptied.h"

int main(void)
{
    check_emptied(RAM_ANON, 4096);
    check_emptied(RAM_MEMFD_SHARED, 4096);
    return 0;
}
