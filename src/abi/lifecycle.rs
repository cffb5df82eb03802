//! The life of a mis: attach, add RAM blocks, set up, clean up, detach.

use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use crate::abi::boundary::{status, text};
use crate::abi::callbacks::{CHandler, CHooks, Mis};
use crate::abi::handles::{INCOMING, block_id, incoming};
use crate::abi::structs;
use crate::abi::types::*;
use crate::error::{Result, ensure, error};
use crate::incoming::{Config, Incoming};
use crate::memory::RamBlockSpec;
use crate::source::PageHandler;

/// Makes a mis known to the library and describes it. A NULL `config` selects the defaults: no callbacks, one
/// fault thread, messages on stderr.
///
/// Errors:
/// - -EBUSY: the mis is attached already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_attach(
    mis: *mut MigrationIncomingState,
    config: *const UffdIncomingConfig,
) -> c_int {
    status(|| {
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        let config = unsafe { read_config(mis, config) }?;
        INCOMING.insert(mis.addr(), || Incoming::new(config))
    })
}

/// Replaces the whole description of a mis. The RAM blocks stay. A NULL `config` selects the defaults.
///
/// Errors:
/// - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_configure(
    mis: *mut MigrationIncomingState,
    config: *const UffdIncomingConfig,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        incoming.configure(unsafe { read_config(mis, config) }?)
    })
}

/// Adds a RAM block under the handle `rb`. May be called while the mis is not armed, and from the `ram_blocks`
/// callback.
///
/// Errors:
/// - -EEXIST: `rb` or the name is taken.
/// - -EINVAL: the block is misaligned, empty, or overlaps another one.
/// - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_add_ram_block(
    mis: *mut MigrationIncomingState,
    rb: *mut RAMBlock,
    block: *const UffdRamBlock,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        let id = block_id(rb)?;
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        let block = unsafe { structs::read(block) }?;
        // SAFETY: the caller's name is a NUL-terminated string.
        let idstr = unsafe { text(block.idstr, "UffdRamBlock.idstr") }?;
        let spec = RamBlockSpec {
            idstr: idstr.to_owned(),
            host: block.host.expose_provenance(),
            length: block.length,
            page_size: block.page_size,
        };
        // SAFETY: the header says that the memory is the caller's mapping and stays while the block is known.
        unsafe { incoming.add_ram_block(id, spec) }
    })
}

/// Removes a RAM block, also while armed. Its range is then unregistered: missing pages in it read as zeros,
/// and threads that wait for them continue. Waits for a running page handler. After the return, no callback is
/// passed `rb`.
///
/// Errors:
/// - -EBUSY: a snapshot load is incomplete (see uffd_incoming_drop_ram_block()), or another thread is setting
///   the mis up or cleaning it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_remove_ram_block(mis: *mut MigrationIncomingState, rb: *mut RAMBlock) -> c_int {
    status(|| incoming(mis)?.remove_ram_block(block_id(rb)?))
}

/// Removes a RAM block whose memory goes away for good, such as unplugged RAM, or the ROM of a removed device.
/// Does what uffd_incoming_remove_ram_block() does, but also while a snapshot load is incomplete. The load
/// continues with the other blocks; the bytes of this block count as loaded.
///
/// Call it before the memory is unmapped: a load pauses at pages that are no longer mapped (-ENOENT). Waits for
/// a running page handler, and for reads of the snapshot for this block.
///
/// Errors:
/// - -EBUSY: another thread is setting the mis up or cleaning it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_drop_ram_block(mis: *mut MigrationIncomingState, rb: *mut RAMBlock) -> c_int {
    status(|| incoming(mis)?.drop_ram_block(block_id(rb)?))
}

/// Arms a mis. The call does the following:
/// - opens a userfaultfd for each fault thread, and calls UFFDIO_API on it;
/// - creates an eventfd and registers a page for each fault thread, to wake it by;
/// - installs `handler`;
/// - allocates `channels` temporary pages, each of the largest block page size, and one zero page;
/// - starts the fault threads, and for each of them a thread that wakes it;
/// - registers every RAM block for missing pages. It never discards: present pages stay.
///
/// The caller must guarantee the following, since the kernel does not report violations to the library:
/// - Missing pages of shared RAM are accessed only through the mappings of RAM blocks and of clients
///   (uffd_incoming_add_shared_fd()). An access through another mapping of the memfd, or read() or write() on
///   its descriptor, makes a permanent page of zeros, which counts as present.
/// - A child of fork() does not touch the RAM. In the child, missing private pages read as zeros; missing
///   shared pages that it touches also become zeros for the parent. Set MADV_DONTFORK on the RAM first, as QEMU
///   does: the child then has no mapping of it.
/// - RAM that asks for huge pages has MADV_NOHUGEPAGE from the time that its pages are discarded until it is
///   armed, as in QEMU. Otherwise khugepaged may turn missing pages into present zeros. A snapshot load that
///   empties the RAM needs no such care: it empties the RAM while it is armed.
///
/// Returns 0 once every thread that it starts is running, and `thread_start` has returned on each. After a
/// failure no descriptor, thread, mapping or registration is left, and the caller may try again.
///
/// Errors:
/// - -EINVAL: no handler, no channel, no RAM block, or RAM that userfaultfd cannot serve (such as a file on a
///   disk).
/// - -EPERM: userfaultfd is not permitted, or the RAM is not writable.
/// - -ENOSYS: this kernel has no userfaultfd.
/// - -EBUSY: the mis is armed, another thread is setting it up or cleaning it up, or another userfaultfd has
///   registered the RAM.
/// - Also: what `ram_blocks`, `open_userfaultfd` or `setup_done` returned, and any error of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_setup_incoming(
    mis: *mut MigrationIncomingState,
    handler: PostcopyPageHandler,
    channels: c_uint,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        let handler = c_handler(mis, handler).ok_or_else(|| error!(EINVAL, "the page handler is NULL"))?;
        incoming.setup(handler, channels)
    })
}

/// Arms a mis for postcopy. Starts to measure blocktime (with UFFD_INCOMING_BLOCKTIME), and calls
/// uffd_setup_incoming() with the configured `page_handler` and one channel. With UFFD_INCOMING_PREEMPT there
/// are two channels, and the preempt thread starts last. Fails as uffd_setup_incoming() does, and leaves
/// nothing behind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_postcopy_setup(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.postcopy_setup())
}

/// uffd_incoming_postcopy_setup() under QEMU's name. A program that defines a function of this name itself must
/// define UFFD_INCOMING_NO_POSTCOPY_SETUP before it includes this file. Its own function then takes precedence,
/// with the shared and with the static library.
#[cfg(not(uffd_incoming_no_postcopy_setup))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postcopy_ram_incoming_setup(mis: *mut MigrationIncomingState) -> c_int {
    // SAFETY: as for this function.
    unsafe { uffd_incoming_postcopy_setup(mis) }
}

/// Undoes a setup. Ends a pause, ends and joins the threads, unregisters the RAM, and closes every descriptor.
///
/// With UFFD_INCOMING_PREEMPT, it first waits for the requested pages to arrive, without a time limit. That
/// wait ends early when `preempt_run` returns or a pause begins, so uffd_incoming_pause() or
/// uffd_incoming_abort() on another thread ends it. Cleanup also waits for running callbacks (unblock your page
/// handler first) and, to record a working set, for some reads of the snapshot. If another thread is already
/// cleaning up, the call waits for it to finish.
///
/// After a postcopy, the caller must know that every page has been placed: a missing page that no thread waits
/// for reads as zeros.
///
/// Also returns 0 if the mis is not armed.
///
/// Errors:
/// - -EBUSY: a snapshot load is incomplete, a page that the handler was asked for has not been placed, or
///   another thread is setting the mis up. Nothing has changed. Closing would turn the missing pages into
///   zeros: see uffd_incoming_abort().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_cleanup(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.cleanup())
}

/// Undoes a setup even if pages are missing: RAM THAT HAS NOT BEEN LOADED READS AS ZEROS AFTERWARDS. Use it for
/// a VM that will not continue to run.
///
/// Waits only for running callbacks and, during a load, for reads of the snapshot. Such a read ends when the
/// storage answers or fails. Ends the wait for urgent pages of a cleanup on another thread. Threads in
/// uffd_incoming_wait() return -ECANCELED at once.
///
/// Also returns 0 if the mis is not armed.
///
/// Errors:
/// - -EBUSY: another thread is setting the mis up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_abort(mis: *mut MigrationIncomingState) -> c_int {
    status(|| incoming(mis)?.abort())
}

/// Makes the library forget a mis, with its RAM blocks, shared descriptors and statistics.
///
/// Errors:
/// - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_detach(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.retire()?;
        INCOMING.remove(mis.addr());
        Ok(())
    })
}

fn c_handler(mis: *mut MigrationIncomingState, handler: PostcopyPageHandler) -> Option<Arc<dyn PageHandler>> {
    handler.map(|handler| Arc::new(CHandler { mis: Mis(mis), handler }) as Arc<dyn PageHandler>)
}

/// # Safety
/// `config` is NULL, or a struct that starts with its size.
unsafe fn read_config(mis: *mut MigrationIncomingState, config: *const UffdIncomingConfig) -> Result<Config> {
    if config.is_null() {
        return Ok(Config::default());
    }
    const FLAGS: u64 = UFFD_INCOMING_BLOCKTIME
        | UFFD_INCOMING_PREEMPT
        | UFFD_INCOMING_USER_MODE_ONLY
        | UFFD_INCOMING_TRACK_DISCARDS
        | UFFD_INCOMING_POISON;
    // SAFETY: not NULL, and so a struct that starts with its size.
    let config = unsafe { structs::read(config) }?;
    ensure!(config.flags & !FLAGS == 0, EINVAL, "unknown flag {:#x} in UffdIncomingConfig", config.flags & !FLAGS);
    ensure!(config.reserved == 0, EINVAL, "UffdIncomingConfig.reserved is not 0");
    let preempt = config.flags & UFFD_INCOMING_PREEMPT != 0;
    ensure!(
        !preempt || (config.preempt_run.is_some() && config.preempt_quit.is_some()),
        EINVAL,
        "UFFD_INCOMING_PREEMPT needs preempt_run and preempt_quit"
    );
    Ok(Config {
        blocktime: config.flags & UFFD_INCOMING_BLOCKTIME != 0,
        preempt,
        user_mode_only: config.flags & UFFD_INCOMING_USER_MODE_ONLY != 0,
        track_discards: config.flags & UFFD_INCOMING_TRACK_DISCARDS != 0,
        poison: config.flags & UFFD_INCOMING_POISON != 0,
        page_handler: c_handler(mis, config.page_handler),
        vcpus: config.vcpus,
        fault_threads: config.fault_threads,
        spin_us: config.spin_us,
        hooks: Arc::new(CHooks { mis: Mis(mis), config }),
    })
}
