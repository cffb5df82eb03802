/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Descriptors from one process to another, each with a number, through a Unix socket.
 */
#ifndef PASS_FD_H
#define PASS_FD_H

#include <stdint.h>

void pass_fd(int socket, int fd, uint64_t number);
int receive_fd(int socket, uint64_t *number);

#endif
