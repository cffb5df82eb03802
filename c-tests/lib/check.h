/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What every test checks with. A failed check ends the process at once with status 1 and says what was
 * expected and what was seen. A watchdog that starts before main() does the same for a test that hangs.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "uffd-incoming.h"

/* Whether this is checked by a sanitizer, which has memory and threads of its own, and takes its time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define HERE __FILE__ ":" STRINGIFY(__LINE__)

#define FAIL(...) check_fail(HERE, __VA_ARGS__)

/* Ends the test as skipped: for what this host or user cannot do, never for what the library cannot. */
#define SKIP(...) check_skip(__VA_ARGS__)

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            FAIL("expected %s, which is false", #condition); \
        } \
    } while (0)

/* Integers and pointers. */
#define CHECK_EQ(seen, expected) check_eq(HERE, #seen, (intmax_t)(seen), #expected, (intmax_t)(expected))

/* A call of the library that succeeds. */
#define CHECK_OK(call) check_ok(HERE, #call, (call))

/* A call of the library that fails with this negative errno value and says why. */
#define CHECK_ERRNO(call, expected) check_errno(HERE, #call, (call), (expected))

/* What uffd_incoming_error() says on this thread. */
#define CHECK_ERROR_HAS(words) check_error_has(HERE, (words))

/* How many times as long as elsewhere things may take here: for tests that look at times. */
unsigned check_slowness(void);

/* Waits until the condition holds; the watchdog ends and names a wait in vain. */
#define AWAIT(condition) \
    do { \
        check_awaits(HERE ": " #condition); \
        while (!(condition)) { \
            usleep(200); \
        } \
        check_awaits(NULL); \
    } while (0)

/*
 * Gives something wrong the time to happen, before checking that it has not. Only ever for that: what is to
 * happen is awaited.
 */
void let_wrong_things_happen(void);

/* Runs `body` in a child process, which must end with status 0. Call it before there are threads. */
void in_child(void (*body)(void));

/* A sysctl or similar file with one number. */
long read_number(const char *path);

/* Called before the process ends with a failure: tells what else there is to tell. */
void check_before_end(void (*tell)(void));

void check_fail(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void check_eq(const char *where, const char *seen_text, intmax_t seen, const char *expected_text,
              intmax_t expected);
void check_ok(const char *where, const char *call, int returned);
void check_errno(const char *where, const char *call, int returned, int expected);
void check_error_has(const char *where, const char *words);
void check_awaits(const char *what);

#endif
