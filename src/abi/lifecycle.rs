//! The life of a mis: attach, add RAM blocks, set up, clean up, detach.

use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use crate::abi::boundary::{status, text};
use crate::abi::callbacks::{CHandler, CHooks, Mis};
use crate::abi::handles::{block_id, incoming, insert_incoming, remove_incoming};
use crate::abi::structs;
use crate::abi::types::*;
use crate::error::{Result, ensure, error};
use crate::incoming::{Config, Incoming};
use crate::memory::RamBlockSpec;
use crate::source::PageHandler;

/// Makes a mis known and describes it. `config` NULL stands for the defaults: no callbacks, one fault thread, messages
/// on stderr. -EBUSY when it is attached already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_attach(
    mis: *mut MigrationIncomingState,
    config: *const UffdIncomingConfig,
) -> c_int {
    status(|| {
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        let config = unsafe { read_config(mis, config) }?;
        insert_incoming(mis, || Incoming::new(config))?;
        Ok(0)
    })
}

/// Changes the description of a mis: all of it, the RAM blocks stay. `config` NULL stands for the defaults. -EBUSY
/// while armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_configure(
    mis: *mut MigrationIncomingState,
    config: *const UffdIncomingConfig,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        // SAFETY: the caller gives NULL or a struct that starts with its size.
        incoming.configure(unsafe { read_config(mis, config) }?)?;
        Ok(0)
    })
}

/// Adds a RAM block under the handle `rb`: while not armed, or from the `ram_blocks` callback. -EEXIST when `rb` or
/// the name is taken, -EINVAL when the block is misaligned, empty or overlaps another one, -EBUSY while armed.
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
        unsafe { incoming.add_ram_block(id, spec) }?;
        Ok(0)
    })
}

/// Forgets a RAM block, also while armed: its range is unregistered, so what is missing in it reads as zeros, and
/// threads that wait for it go on. Afterwards no callback sees `rb`. Waits for a running handler. -EBUSY while a snapshot
/// load is incomplete (see uffd_incoming_drop_ram_block()), or while another thread sets the mis up or cleans it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_remove_ram_block(mis: *mut MigrationIncomingState, rb: *mut RAMBlock) -> c_int {
    status(|| {
        incoming(mis)?.remove_ram_block(block_id(rb)?)?;
        Ok(0)
    })
}

/// Forgets a RAM block whose memory goes away for good: RAM that is unplugged, the ROM of a device that is removed. Does what
/// uffd_incoming_remove_ram_block() does, and also while a snapshot load is incomplete: the load goes on with the other
/// blocks, and is complete without this one, whose bytes count as loaded. Call it before the memory is unmapped: a load
/// pauses at pages that are no longer there (-ENOENT). Waits for a running handler, and for reads of the snapshot for this
/// block. -EBUSY while another thread sets the mis up or cleans it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_drop_ram_block(mis: *mut MigrationIncomingState, rb: *mut RAMBlock) -> c_int {
    status(|| {
        incoming(mis)?.drop_ram_block(block_id(rb)?)?;
        Ok(0)
    })
}

/// Arms a mis: opens the userfaultfd and shakes hands with it, makes the eventfd that ends the fault threads, installs
/// `handler`, allocates `channels` temporary pages (each of the largest block page size) and one zero page, starts the
/// fault threads and registers every RAM block for missing pages. It never discards: what is present stays.
///
/// Missing pages arrive only in the mappings that were added as RAM blocks, and in those of clients (uffd_incoming_add_shared_fd()).
/// Nobody else may touch missing pages of shared RAM meanwhile, neither by another mapping of the same memfd nor by read() or
/// write() of its descriptor: Linux makes a page of zeros there for good, which then counts as present. The library cannot know:
/// such an access is told to no one. A child of fork() has no registration: missing private pages are zeros to it, and missing
/// shared ones become zeros for the parent, too. Set MADV_DONTFORK on the RAM before (QEMU does): the child then has none of it.
///
/// RAM that asks for huge pages needs MADV_NOHUGEPAGE from when pages of it are discarded until it is armed (QEMU sets it):
/// khugepaged may turn missing pages into present zeros before. A snapshot load that empties the RAM does so while it is armed.
///
/// All or nothing: after a failure no descriptor, thread, mapping or registration is left, and it may be tried again.
/// -EINVAL: no handler, no channel, no RAM block, or RAM that userfaultfd cannot serve (a file on a disk); -EPERM:
/// userfaultfd is not permitted, or the RAM may not be written to; -ENOSYS: this kernel has no userfaultfd; -EBUSY: armed
/// already, being set up or cleaned up by another thread, or the RAM is registered with another userfaultfd; what
/// `ram_blocks`, `open_userfaultfd` or `setup_done` returned; otherwise what Linux said. Returns once every thread that it
/// starts runs, and `thread_start` has returned on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_setup_incoming(
    mis: *mut MigrationIncomingState,
    handler: PostcopyPageHandler,
    channels: c_uint,
) -> c_int {
    status(|| {
        let incoming = incoming(mis)?;
        let handler = c_handler(mis, handler).ok_or_else(|| error!(EINVAL, "the page handler is NULL"))?;
        incoming.setup(handler, channels)?;
        Ok(0)
    })
}

/// Arms a mis for postcopy: keeps blocktime if asked for, calls uffd_setup_incoming() with the configuration's
/// `page_handler` and one channel (two with UFFD_INCOMING_PREEMPT), then starts the preempt thread if asked for. Fails
/// like uffd_setup_incoming(), and as completely.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postcopy_ram_incoming_setup(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.postcopy_setup()?;
        Ok(0)
    })
}

/// Undoes a set-up. First lets requested urgent pages arrive, however long that takes, while `preempt_run` has not returned
/// and nothing is paused: uffd_incoming_pause() or _abort() on another thread ends that wait. Then ends a pause, ends and
/// joins the threads, unregisters the RAM and closes everything. Waits for running callbacks: unblock your handler first;
/// and to record a working set, for some reads of the snapshot.
/// While another thread cleans up, waits for its end. 0 also when not armed.
///
/// -EBUSY, and nothing has changed: a snapshot load is incomplete, or a page that the handler was asked for has not been
/// placed: closing would turn what is missing into silent zeros, see uffd_incoming_abort(). Also while another thread sets
/// the mis up.
///
/// After a postcopy it is up to the caller to know that every page has been placed: a missing page that no thread waits for
/// reads as zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_cleanup(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.cleanup()?;
        Ok(0)
    })
}

/// Undoes a set-up whatever is missing: RAM THAT HAS NOT BEEN LOADED THEN READS AS ZEROS. For a VM that will not run
/// on. Waits for nothing but running callbacks and, in a load, reads of the snapshot, for as long as its storage takes to
/// answer or to fail; ends the wait for urgent pages of a cleanup on another thread, and threads in uffd_incoming_wait()
/// return with -ECANCELED at once. 0 also when not armed. -EBUSY while another thread sets it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_abort(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        incoming(mis)?.abort()?;
        Ok(0)
    })
}

/// Forgets a mis, its RAM blocks, shared descriptors and statistics. -EBUSY while armed, or while another thread sets it up
/// or cleans it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uffd_incoming_detach(mis: *mut MigrationIncomingState) -> c_int {
    status(|| {
        remove_incoming(mis, Incoming::retire)?;
        Ok(0)
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
