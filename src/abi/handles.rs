//! The table of the handles that C callers hold: each mis and each open snapshot.

use std::ffi::CString;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::abi::types::{MigrationIncomingState, RAMBlock, UffdSnapshot};
use crate::error::{Errno, Result, ensure, error};
use crate::incoming::Incoming;
use crate::memory::BlockId;
use crate::source::{Snapshot, SnapshotBlock};

/// Maps addresses to objects. An address that is not in the table is never dereferenced. Each placed page takes a look-up; the
/// table is short, so that a linear search is faster than a hash.
pub(super) struct Handles<T> {
    /// What messages call an address.
    what: &'static str,
    /// What they say of an address that is not in the table.
    unknown: &'static str,
    known: RwLock<Vec<(usize, T)>>,
}

impl<T: Clone> Handles<T> {
    const fn new(what: &'static str, unknown: &'static str) -> Self {
        Self { what, unknown, known: RwLock::new(Vec::new()) }
    }

    fn get(&self, address: usize) -> Result<T> {
        let Self { what, unknown, .. } = self;
        ensure!(address != 0, EINVAL, "{what} is NULL");
        let known = self.known.read();
        find(&known, address).cloned().ok_or_else(|| error!(ENOENT, "{what} {address:#x} {unknown}"))
    }

    /// Uses the object of an address without waiting for a lock, or allocating; no address comes or goes meanwhile.
    pub fn try_with<R>(&self, address: usize, f: impl FnOnce(&T) -> R) -> Result<R, Errno> {
        let known = self.known.try_read_recursive().ok_or(Errno::EBUSY)?;
        find(&known, address).map(f).ok_or(Errno::ENOENT)
    }

    /// Adds the result of `make`, unless the address is known already.
    pub fn insert(&self, address: usize, make: impl FnOnce() -> Result<T>) -> Result<()> {
        let what = self.what;
        ensure!(address != 0, EINVAL, "{what} is NULL");
        let mut known = self.known.write();
        ensure!(find(&known, address).is_none(), EBUSY, "{what} {address:#x} is attached already");
        known.push((address, make()?));
        Ok(())
    }

    /// Removes an address and returns its object.
    pub fn remove(&self, address: usize) -> Option<T> {
        let mut known = self.known.write();
        let at = known.iter().position(|(other, _)| *other == address)?;
        Some(known.swap_remove(at).1)
    }
}

fn find<T>(known: &[(usize, T)], address: usize) -> Option<&T> {
    known.iter().find(|(other, _)| *other == address).map(|(_, held)| held)
}

/// Each attached mis.
pub(super) static INCOMING: Handles<Arc<Incoming>> =
    Handles::new("mis", "is not attached: call uffd_incoming_attach() first");

/// Each open snapshot. A load in progress keeps one that is closed.
pub(super) static SNAPSHOTS: Handles<Arc<OpenSnapshot>> =
    Handles::new("snapshot", "is not open: uffd_snapshot_open() returns a handle");

/// The incoming side that a mis stands for.
pub(super) fn incoming(mis: *mut MigrationIncomingState) -> Result<Arc<Incoming>> {
    INCOMING.get(mis.addr())
}

/// The id of a caller's RAM block.
pub(super) fn block_id(rb: *mut RAMBlock) -> Result<BlockId> {
    ensure!(!rb.is_null(), EINVAL, "rb is NULL");
    Ok(BlockId(rb.addr()))
}

/// An open snapshot and its blocks' names as C knows them.
pub(super) struct OpenSnapshot {
    pub snapshot: Arc<Snapshot>,
    pub names: Vec<CString>,
}

impl OpenSnapshot {
    /// The RAM block with this index.
    pub fn block(&self, index: usize) -> Result<&SnapshotBlock> {
        let blocks = self.snapshot.blocks();
        let none = || error!(ENOENT, "the snapshot has {} RAM blocks, none has index {index}", blocks.len());
        blocks.get(index).ok_or_else(none)
    }
}

/// The snapshot behind a handle.
pub(super) fn snapshot(handle: *mut UffdSnapshot) -> Result<Arc<OpenSnapshot>> {
    SNAPSHOTS.get(handle.addr())
}

/// Adds a snapshot and returns its handle.
pub(super) fn insert_snapshot(snapshot: Snapshot) -> Result<*mut UffdSnapshot> {
    let names = snapshot.blocks().iter().map(|block| CString::new(block.idstr()));
    let names = names.collect::<Result<_, _>>().map_err(|_| error!(EINVAL, "a block's name holds a NUL byte"))?;
    let open = Arc::new(OpenSnapshot { snapshot: Arc::new(snapshot), names });
    let handle = Arc::as_ptr(&open).cast_mut().cast::<UffdSnapshot>();
    SNAPSHOTS.insert(handle.addr(), || Ok(open))?;
    Ok(handle)
}
