//! Whether memory may be taken from whichever node of the host a thread runs on.

use std::ops::Range;
use std::ptr;

use nix::errno::Errno;

use super::before::{Call, before, read_text};
use super::uapi::MPOL_F_ADDR;

/// The nodes that have memory, or may get some.
const ONLINE: &str = "/sys/devices/system/node/online";

/// More nodes than Linux can be built for.
const MOST_NODES: usize = 1024;

/// One bit a node; one word more than there are, for the kernel counts from 1.
type Nodes = [u64; MOST_NODES / 64 + 1];

/// The policy of a range of memory, or where it has none, of the thread that fills it.
struct Policy {
    mode: i32,
    nodes: Nodes,
}

/// Tells where memory may come from, as far as that can be told.
pub(crate) struct Numa {
    /// None where it cannot be told.
    online: Option<Nodes>,
}

impl Numa {
    pub fn new() -> Self {
        Self { online: read_text(Call::ReadNodes, ONLINE).ok().and_then(|text| parse_nodes(&text)) }
    }

    /// Whether memory at an address, all of one mapping, may come from the node of whichever thread fills it. False where that
    /// cannot be told.
    pub fn allows_any_node(&self, address: usize) -> bool {
        if self.online.is_some_and(|online| online.iter().map(|word| word.count_ones()).sum::<u32>() == 1) {
            return true;
        }
        match policy(address) {
            Ok(policy) => policy.allows_any_node(self.online.as_ref()),
            // A kernel without nodes.
            Err(errno) => errno == Errno::ENOSYS,
        }
    }
}

impl Policy {
    fn allows_any_node(&self, online: Option<&Nodes>) -> bool {
        const FLAGS: i32 = libc::MPOL_F_STATIC_NODES | libc::MPOL_F_RELATIVE_NODES | libc::MPOL_F_NUMA_BALANCING;
        match self.mode & !FLAGS {
            libc::MPOL_DEFAULT | libc::MPOL_LOCAL => true,
            libc::MPOL_BIND => online
                .is_some_and(|online| online.iter().zip(&self.nodes).all(|(online, allowed)| online & !allowed == 0)),
            _ => false,
        }
    }
}

/// The policy of the mapping at an address; MPOL_DEFAULT where it has none. Then the thread that fills the memory decides by its
/// own policy, and it makes no difference whether it copies a page there or moves one that it has filled.
fn policy(address: usize) -> nix::Result<Policy> {
    let mut policy = Policy { mode: 0, nodes: [0; MOST_NODES / 64 + 1] };
    before(Call::GetMempolicy)?;
    let nodes = policy.nodes.as_mut_ptr();
    // SAFETY: the kernel writes a number, and not more nodes than there is room for; the memory is not touched.
    let result = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            ptr::from_mut(&mut policy.mode),
            nodes,
            MOST_NODES + 1,
            ptr::without_provenance::<u8>(address),
            MPOL_F_ADDR,
        )
    };
    Errno::result(result)?;
    Ok(policy)
}

/// A list like "0-1,3".
fn parse_nodes(text: &str) -> Option<Nodes> {
    let mut nodes = [0; MOST_NODES / 64 + 1];
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range: Range<usize> = first.parse().ok()?..last.parse::<usize>().ok()?.checked_add(1)?;
        if range.is_empty() || range.end > MOST_NODES {
            return None;
        }
        range.for_each(|node| nodes[node / 64] |= 1 << (node % 64));
    }
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Mapping, page_size};

    fn nodes(text: &str) -> Nodes {
        parse_nodes(text).unwrap()
    }

    #[test]
    fn lists_of_nodes() {
        assert_eq!(nodes("0\n")[0], 0b1);
        assert_eq!(nodes("0-1,3\n")[0], 0b1011);
        assert_eq!(nodes("63-64")[..2], [1 << 63, 1]);
        for text in ["", "\n", "0-", "1-0", "0,x", "1024", "0-18446744073709551615"] {
            assert!(parse_nodes(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_policy_that_names_nodes_is_kept_to() {
        let online = nodes("0-1");
        let allows = |mode, list| Policy { mode, nodes: nodes(list) }.allows_any_node(Some(&online));
        assert!(allows(libc::MPOL_DEFAULT, "0") && allows(libc::MPOL_LOCAL, "0"));
        assert!(allows(libc::MPOL_BIND, "0-1") && allows(libc::MPOL_BIND, "0-3"));
        assert!(allows(libc::MPOL_BIND | libc::MPOL_F_STATIC_NODES, "0-1"));
        assert!(!allows(libc::MPOL_BIND, "0") && !allows(libc::MPOL_BIND, "1"));
        assert!(!allows(libc::MPOL_PREFERRED, "0-1") && !allows(libc::MPOL_INTERLEAVE, "0-1"));
        assert!(!Policy { mode: libc::MPOL_BIND, nodes: nodes("0-1") }.allows_any_node(None));
    }

    #[test]
    fn the_policy_of_memory_is_found() {
        let memory = Mapping::new(page_size(), "a test").unwrap();
        let address = memory.as_ptr().addr();
        let Ok(found) = policy(address) else { return };
        assert_eq!(found.mode, libc::MPOL_DEFAULT);
        let numa = |online| Numa { online: Some(nodes(online)) };
        assert!(numa("0-1").allows_any_node(address));
        let bound = nodes("0");
        // SAFETY: only where memory comes from is changed, of a mapping of our own.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                memory.as_ptr(),
                memory.len(),
                libc::MPOL_BIND,
                bound.as_ptr(),
                MOST_NODES,
                0,
            )
        };
        assert_eq!(Errno::result(result), Ok(0));
        assert!(!numa("0-1").allows_any_node(address));
        assert!(numa("0").allows_any_node(address));
    }
}
