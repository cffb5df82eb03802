//! Restoring RAM from a snapshot.

use std::sync::Arc;

use super::config::MOST_THREADS;
use super::incoming::Incoming;
use super::setup::{Bringer, Plan};
use crate::engine::LogLevel;
use crate::error::{Result, ensure};
use crate::loading::{LoadConfig, LoadRequest};
use crate::source::{DirectSnapshot, PageSource, Snapshot, SnapshotBlock, SourceInfo};

/// Empties the RAM, arms the incoming side with the snapshot as the source of pages, and starts loading. Returns before
/// all is loaded: see [`Incoming::wait`].
///
/// The blocks are matched by name, and both sides must have the same ones with the same lengths, or nothing is changed.
pub fn load(incoming: &Arc<Incoming>, snapshot: &Arc<Snapshot>, config: &LoadConfig) -> Result<()> {
    let source: Arc<dyn PageSource> = if config.direct_io {
        let (direct, warning) = DirectSnapshot::new(snapshot.clone())?;
        warning.iter().for_each(|warning| incoming.callbacks().log(LogLevel::Warning, warning));
        Arc::new(direct)
    } else {
        snapshot.clone()
    };
    load_from(incoming, source, config)
}

/// The same from any source.
pub(crate) fn load_from(incoming: &Incoming, source: Arc<dyn PageSource>, config: &LoadConfig) -> Result<()> {
    for (threads, kind) in [(config.loader_threads, "loader"), (config.reader_threads, "reader")] {
        ensure!(threads <= MOST_THREADS, EINVAL, "{threads} {kind} threads are more than {MOST_THREADS}");
    }
    ensure!(
        !config.map_private || !config.keep_present,
        EINVAL,
        "RAM cannot keep what is present (UFFD_LOAD_KEEP_PRESENT) and be mapped from the snapshot (UFFD_LOAD_MAP_PRIVATE)"
    );
    ensure!(
        !config.map_private || !config.direct_io,
        EINVAL,
        "a mapping (UFFD_LOAD_MAP_PRIVATE) is of the page cache, which direct reads (UFFD_LOAD_DIRECT_IO) leave out"
    );
    let bringer = Bringer::Load(LoadRequest::new(source.clone(), config)?);
    // Blocktime is kept if the configuration asks for it.
    let plan = Plan { channels: config.channels.max(1), bringer, preempt: false, blocktime: true };
    incoming.arm(|_| Ok(plan))?;
    incoming.callbacks().log(LogLevel::Info, &describe(source.info()));
    Ok(())
}

/// What is told of a load that begins.
fn describe(info: &SourceInfo) -> String {
    let sum = |of: fn(&SnapshotBlock) -> u64| info.blocks.iter().map(of).sum::<u64>();
    let (length, data) = (sum(SnapshotBlock::length), sum(SnapshotBlock::data_bytes));
    format!("loading {}: {} RAM blocks of {length} bytes, {data} of them data", info.name, info.blocks.len())
}
