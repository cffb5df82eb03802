/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A snapshot is loaded because another process touches the RAM.
 */
#ifndef CLIENT_LOAD_H
#define CLIENT_LOAD_H

#include "client.h"

/*
 * Only the client touches the RAM, and there is no background loader. All pages are right, and the load is
 * complete.
 */
void check_client_load(enum ram_kind kind, size_t pages);

#endif
