/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Nobody but another process touches RAM that a snapshot is loaded into, without a background loader. */
#include "client-load.h"

int main(void)
{
    check_client_load(RAM_MEMFD_SHARED, 1024);
    return 0;
}
