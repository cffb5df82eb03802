/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Includes the header as programs do; compiled as C and as C++, with OWN_TYPES after a program's own
 * declarations.
 */
#ifdef OWN_TYPES
#include <stdint.h>

typedef struct MigrationIncomingState MigrationIncomingState;
typedef struct RAMBlock RAMBlock;
typedef uintptr_t ram_addr_t;
#define UFFD_INCOMING_HAVE_RAM_ADDR_T
typedef int (*PostcopyPageHandler)(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset,
                                   void *fault_address);
#endif

#include <uffd-incoming.h>
#include <uffd-incoming.h>

int main(void)
{
    return uffd_incoming_version()[0] == '\0';
}
