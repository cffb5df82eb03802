//! The handles that C callers hold: which mis and which snapshots exist.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use crate::abi::types::{MigrationIncomingState, RAMBlock, UffdSnapshot};
use crate::error::{Result, ensure, error};
use crate::incoming::Incoming;
use crate::memory::BlockId;
use crate::snapshot::Snapshot;

/// Handles by address: an address the library did not hand out, or was not told of, is never dereferenced.
struct Handles<T>(LazyLock<RwLock<HashMap<usize, T>>>);

impl<T: Clone> Handles<T> {
    const fn new() -> Self {
        Self(LazyLock::new(RwLock::default))
    }

    fn get(&self, address: usize, what: &str) -> Result<T> {
        ensure!(address != 0, EINVAL, "{what} is NULL");
        self.0.read().get(&address).cloned().ok_or_else(|| error!(ENOENT, "{what} {address:#x} is not known here"))
    }
}

static INCOMING: Handles<Arc<Incoming>> = Handles::new();
static SNAPSHOTS: Handles<Arc<OpenSnapshot>> = Handles::new();

/// The incoming side that a mis stands for.
pub(super) fn incoming(mis: *mut MigrationIncomingState) -> Result<Arc<Incoming>> {
    INCOMING.get(mis.addr(), "mis")
}

/// Makes a mis known.
pub(super) fn insert_incoming(
    mis: *mut MigrationIncomingState,
    make: impl FnOnce() -> Result<Arc<Incoming>>,
) -> Result<()> {
    ensure!(!mis.is_null(), EINVAL, "mis is NULL");
    let mut known = INCOMING.0.write();
    ensure!(!known.contains_key(&mis.addr()), EBUSY, "mis {mis:p} is attached already");
    known.insert(mis.addr(), make()?);
    Ok(())
}

/// Forgets a mis, unless `check` objects.
pub(super) fn remove_incoming(
    mis: *mut MigrationIncomingState,
    check: impl FnOnce(&Incoming) -> Result<()>,
) -> Result<()> {
    let incoming = incoming(mis)?;
    check(&incoming)?;
    INCOMING.0.write().remove(&mis.addr());
    Ok(())
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

/// The snapshot behind a handle.
pub(super) fn snapshot(handle: *mut UffdSnapshot) -> Result<Arc<OpenSnapshot>> {
    SNAPSHOTS.get(handle.addr(), "snapshot")
}

/// Hands a snapshot out.
pub(super) fn insert_snapshot(snapshot: Snapshot) -> Result<*mut UffdSnapshot> {
    let names = snapshot.blocks().iter().map(|block| CString::new(block.idstr()));
    let names = names.collect::<Result<_, _>>().map_err(|_| error!(EINVAL, "a block's name holds a NUL byte"))?;
    let open = Arc::new(OpenSnapshot { snapshot: Arc::new(snapshot), names });
    let handle = Arc::as_ptr(&open).cast_mut().cast::<UffdSnapshot>();
    SNAPSHOTS.0.write().insert(handle.addr(), open);
    Ok(handle)
}

/// Takes a handle back; a load under way keeps its snapshot.
pub(super) fn remove_snapshot(handle: *mut UffdSnapshot) {
    let removed = SNAPSHOTS.0.write().remove(&handle.addr());
    drop(removed);
}
