/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A load inspects the file behind a private mapping. The process keeps its record locks on the file (F_SETLK), which
 * closing any descriptor of the file would release. The position of the process's descriptor stays, too.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64
#define POSITION 123

/* Whether another process finds the file locked. */
static bool is_locked(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    const pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status == 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_MEMFD_PRIVATE, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    /* Data behind what is mapped: where it is has to be looked for. */
    CHECK_EQ(ftruncate(rb->fd, rb->length + rb->page_size), 0);
    CHECK_EQ(pwrite(rb->fd, "x", 1, rb->length), 1);
    CHECK_EQ(lseek(rb->fd, POSITION, SEEK_SET), POSITION);
    CHECK_EQ(fcntl(rb->fd, F_SETLK, &lock), 0);
    CHECK(is_locked(rb->fd));

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    CHECK(is_locked(rb->fd));
    CHECK_EQ(lseek(rb->fd, 0, SEEK_CUR), POSITION);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
