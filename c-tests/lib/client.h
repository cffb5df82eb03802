/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Another process that maps a VM's RAM and faults in it, as a vhost-user back end does. It is given the
 * memory and gives its userfaultfd through a Unix socket; what it is told to do, it checks on its side.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdatomic.h>
#include <sys/types.h>

#include "vm.h"

struct client {
    MigrationIncomingState *vm;
    RAMBlock *rb;
    UffdSharedFd shared; /* a test changes it before client_add() */
    uint64_t base;       /* where the client maps the RAM; a multiple of the host's page size and no more */
    pid_t pid;
    int socket;
    atomic_uint messages; /* calls of client_message() */
    atomic_uint wakes;    /* calls of client_wake() */
};

/* Starts the process. Call it before there are threads. */
struct client *client_new(MigrationIncomingState *vm, RAMBlock *rb);

/* Ends it, once its descriptor is removed or the VM has ended. */
void client_end(struct client *client);

/* Closes the test's copy of its userfaultfd. */
void client_close_fd(struct client *client);

/* Gives up the connection to it: it ends once no other process has it. */
void client_hang_up(struct client *client);

/* Has its descriptor served. */
void client_add(struct client *client);
void client_remove(struct client *client);

/* The callbacks: ask for the page that the message means; wake the client. */
int client_message(UffdSharedFd *shared, void *uffd_msg);
int client_wake(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset);

/* A thread of the client reads the last byte of a page, which may fault. */
#define CLIENT_TOUCH(client, page) client_order(HERE, (client), CLIENT_TOUCHES, (page))

/* That thread sits in the page fault, and stays there. */
#define CLIENT_WAITS(client, page) client_order(HERE, (client), CLIENT_CHECKS_WAIT, (page))

/* Waits until that thread went on, and has all bytes of the page checked. */
#define CLIENT_SEES_PAGE(client, page) client_order(HERE, (client), CLIENT_CHECKS_PAGE, (page))
#define CLIENT_SEES_ZEROS(client, page) client_order(HERE, (client), CLIENT_CHECKS_ZEROS, (page))

/* Threads of the client visit all pages in random orders and check their bytes; waits until they have. */
#define CLIENT_WALK(client, threads) client_order(HERE, (client), CLIENT_WALKS, (threads))
#define CLIENT_WALKED(client) client_order(HERE, (client), CLIENT_ENDS_WALK, 0)

/* It closes its userfaultfd; the test has closed its own copy. */
#define CLIENT_CLOSES(client) client_order(HERE, (client), CLIENT_CLOSES_UFFD, 0)

enum client_order {
    CLIENT_TOUCHES,
    CLIENT_CHECKS_WAIT,
    CLIENT_CHECKS_PAGE,
    CLIENT_CHECKS_ZEROS,
    CLIENT_WALKS,
    CLIENT_ENDS_WALK,
    CLIENT_CLOSES_UFFD,
};

void client_order(const char *where, struct client *client, enum client_order order, size_t argument);

#endif
