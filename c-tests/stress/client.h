/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client that shares a block: a mapping of its own, with a userfaultfd of its own that the machine serves. It lives in
 * this process, so that its threads are the touchers, which know the model.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "machine.h"

/* Maps the RAM, makes it memory->alias and has the descriptor served. */
struct client *client_new(struct machine *machine, struct memory *memory);

/* Is not served for a moment. */
void client_go_and_come(struct client *client, struct random *random);

/* Nobody serves it any more: whoever waits gets what is in the file. */
void client_let_go(struct client *client);

/* Once nobody touches it. */
void client_free(struct client *client);

#endif
