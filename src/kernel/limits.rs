//! Limits of the host.

use std::{fs, io};

use super::before::{Call, before};

/// How many mappings a process may have (the sysctl vm.max_map_count); none where that cannot be told.
pub(crate) fn most_mappings() -> Option<usize> {
    let text = before(Call::ReadMostMappings).map_err(io::Error::from);
    text.and_then(|()| fs::read_to_string("/proc/sys/vm/max_map_count")).ok()?.trim().parse().ok()
}
