//! Which block of a source each RAM block is. They have to be the same on both sides.

use crate::error::{Result, ensure, error};
use crate::memory::BlockTable;
use crate::source::SourceInfo;

/// For each RAM block, by its index in the table: the number of the source's block.
pub(super) fn match_blocks(source: &SourceInfo, table: &BlockTable) -> Result<Box<[usize]>> {
    let name = &source.name;
    for held in &source.blocks {
        ensure!(
            table.blocks().iter().any(|block| block.idstr() == held.idstr()),
            EINVAL,
            "snapshot {name} has a RAM block '{}' of {:#x} bytes that this machine does not have",
            held.idstr(),
            held.length()
        );
    }
    let matched = table.blocks().iter().map(|block| {
        let number = source.blocks.iter().position(|held| held.idstr() == block.idstr());
        let number = number.ok_or_else(|| error!(EINVAL, "{block} is not in snapshot {name}"))?;
        let held = source.blocks[number].length();
        ensure!(
            held == block.length() as u64,
            EINVAL,
            "{block} has {:#x} bytes, and snapshot {name} holds {held:#x} of it",
            block.length()
        );
        Ok(number)
    });
    matched.collect()
}
