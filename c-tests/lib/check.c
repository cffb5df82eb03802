/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/*
 * Far above what any test needs, even on a busy machine; below the time-out of the test runner, which knows
 * less.
 */
#define WATCHDOG_SECONDS 30

static _Atomic(const char *) awaited;
static void (*before_end)(void);

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        _exit(1);
    }
}

/* Nothing but system calls: the thread that the signal interrupts may hold any lock. */
static void on_timeout(int signal)
{
    const char *what = atomic_load(&awaited);

    (void)signal;
    say(program_invocation_short_name);
    say(": FAIL: hangs; waited for ");
    say(what ? what : "nothing in particular (a page fault, a join, or a call that does not return)");
    say("\n");
    _exit(1);
}

/* UFFD_TEST_WATCHDOG_SECONDS is for slow machines. */
static void start_watchdog(void)
{
    struct sigaction action = { .sa_handler = on_timeout };
    const char *seconds = getenv("UFFD_TEST_WATCHDOG_SECONDS");

    sigaction(SIGALRM, &action, NULL);
    alarm(seconds ? (unsigned)atoi(seconds) : WATCHDOG_SECONDS);
}

__attribute__((constructor)) static void before_main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_watchdog();
}

unsigned check_slowness(void)
{
    const char *seconds = getenv("UFFD_TEST_WATCHDOG_SECONDS");

    return seconds == NULL ? 1 : (unsigned)atoi(seconds) / WATCHDOG_SECONDS;
}

void check_awaits(const char *what)
{
    atomic_store(&awaited, what);
}

void check_before_end(void (*tell)(void))
{
    before_end = tell;
}

void check_fail(const char *where, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s: FAIL: %s: ", program_invocation_short_name, where);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    if (before_end != NULL) {
        before_end();
    }
    /* Not exit(): other threads may sit in page faults that nobody will serve. */
    _exit(1);
}

void check_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("%s: SKIP: ", program_invocation_short_name);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
    _exit(77);
}

void check_eq(const char *where, const char *seen_text, intmax_t seen, const char *expected_text,
              intmax_t expected)
{
    if (seen != expected) {
        check_fail(where, "%s: expected %s = %jd (%#jx), saw %jd (%#jx)", seen_text, expected_text, expected,
                   expected, seen, seen);
    }
}

void check_ok(const char *where, const char *call, int returned)
{
    if (returned != 0) {
        check_fail(where, "%s: expected 0, saw %d (%s): %s", call, returned, strerror(abs(returned)),
                   uffd_incoming_error());
    }
}

void check_errno(const char *where, const char *call, int returned, int expected)
{
    const char *words = uffd_incoming_error();

    if (returned != expected) {
        check_fail(where, "%s: expected %d (%s), saw %d (%s); the last error is '%s'", call, expected,
                   strerror(-expected), returned, strerror(abs(returned)), words);
    }
    if (words == NULL || words[0] == '\0') {
        check_fail(where, "%s: returned %d as expected, but uffd_incoming_error() says nothing", call,
                   returned);
    }
}

void check_error_has(const char *where, const char *words)
{
    if (strstr(uffd_incoming_error(), words) == NULL) {
        check_fail(where, "expected '%s' in the error, saw '%s'", words, uffd_incoming_error());
    }
}

void let_wrong_things_happen(void)
{
    usleep(30000);
}

void in_child(void (*body)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        start_watchdog(); /* alarms are not inherited */
        body();
        _exit(0);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        FAIL("the child was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    if (WEXITSTATUS(status) != 0) {
        _exit(WEXITSTATUS(status)); /* it has said why */
    }
}

long read_number(const char *path)
{
    long number = -1;
    FILE *file = fopen(path, "r");

    if (file == NULL || fscanf(file, "%ld", &number) != 1) {
        FAIL("cannot read a number from %s: %s", path, strerror(errno));
    }
    fclose(file);
    return number;
}
