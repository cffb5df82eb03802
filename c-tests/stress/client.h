/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client that shares a block: a mapping of its own, with a userfaultfd of its own that the machine serves. It is in this
 * process, so that its threads are the touchers, which know the model; or another process, which touchers have read.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "machine.h"

/* Maps the RAM, in this process as memory->alias, and has the descriptor served. */
struct client *client_new(struct machine *machine, struct memory *memory, enum client_kind kind);

bool client_is_process(const struct client *client);

/* Of a process: has it read; false when it was killed before it had. */
bool client_read(struct client *client, size_t offset, uint8_t *bytes, size_t length);

/* Of a process: kills it at whatever moment, and starts another one. */
void client_kill(struct client *client, struct random *random);

/* Is not served for a moment. */
void client_go_and_come(struct client *client, struct random *random);

/* Nobody serves it any more: whoever waits gets what is in the file. */
void client_let_go(struct client *client);

/* Once nobody touches it. */
void client_free(struct client *client);

#endif
