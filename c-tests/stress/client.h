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

/* A client that is a process reads; false if it was killed before it had read. */
bool client_read(struct client *client, size_t offset, uint8_t *bytes, size_t length);

/* Kills a client that is a process, at a random moment, and starts another one. */
void client_kill(struct client *client, struct random *random);

/* Removes its descriptor and adds it again a moment later. */
void client_remove_and_add(struct client *client, struct random *random);

/* Unregisters its RAM. Threads that wait get the content of the file. */
void client_unregister(struct client *client);

/* Call it when no thread touches the client's RAM any more. */
void client_free(struct client *client);

#endif
