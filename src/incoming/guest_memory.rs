//! The RAM of a VMM that is built from the rust-vmm crates.

use vm_memory::{Address, GuestMemory, GuestMemoryRegion, MemoryRegionAddress};

use super::incoming::Incoming;
use crate::error::{Result, error};
use crate::memory::{BlockId, RamBlockSpec};

impl Incoming {
    /// Adds each region of a guest's memory as a RAM block. Its id is its guest-physical address, and its name has that in it, as in
    /// "ram@0x100000000", with `name` "ram": `uffd-incoming flat --regions` gives the same names to the regions that Cloud Hypervisor
    /// lists. After an error none of them is added. With the feature `vm-memory`.
    ///
    /// ```no_run
    /// # use uffd_incoming::{Config, Incoming, Result};
    /// # use vm_memory::{GuestAddress, GuestMemoryMmap};
    /// # fn add() -> Result<()> {
    /// let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 64 << 20)]).expect("memory");
    /// let incoming = Incoming::new(Config::default())?;
    /// // SAFETY: it stays mapped, and no reference points into it.
    /// unsafe { incoming.add_guest_memory(&memory, "ram", 4096) }
    /// # }
    /// ```
    ///
    /// # Safety
    /// As for [`Incoming::add_ram_block`], for each region. `page_size` is that of the memory behind all of them.
    pub unsafe fn add_guest_memory<M: GuestMemory>(&self, memory: &M, name: &str, page_size: u64) -> Result<()> {
        let mut added = Vec::new();
        let result = memory.iter().try_for_each(|region| {
            let start = region.start_addr().raw_value();
            let host = region.get_host_address(MemoryRegionAddress(0)).map_err(|error| {
                error!(EINVAL, "the region of guest memory at {start:#x} has no address in this process: {error}")
            })?;
            let (host, length) = (host.expose_provenance(), region.len());
            let spec = RamBlockSpec { idstr: format!("{name}@{start:#x}"), host, length, page_size };
            let id = BlockId(start as usize);
            // SAFETY: by this function's contract.
            unsafe { self.add_ram_block(id, spec) }?;
            added.push(id);
            Ok(())
        });
        if result.is_err() {
            // They were not there before: nothing of them is missed.
            added.into_iter().for_each(|id| drop(self.remove_ram_block(id)));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use vm_memory::{GuestAddress, GuestMemoryMmap};

    use crate::incoming::{Config, Incoming};
    use crate::memory::BlockId;

    fn memory(ranges: &[(u64, usize)]) -> GuestMemoryMmap<()> {
        let ranges: Vec<_> = ranges.iter().map(|(start, length)| (GuestAddress(*start), *length)).collect();
        GuestMemoryMmap::from_ranges(&ranges).expect("memory for a few pages")
    }

    #[test]
    fn each_region_is_a_block_with_its_address_in_its_name() {
        let memory = memory(&[(0, 8192), (1 << 32, 4096)]);
        let incoming = Incoming::new(Config::default()).unwrap();
        // SAFETY: nothing uses the memory.
        unsafe { incoming.add_guest_memory(&memory, "ram", 4096) }.unwrap();
        let error = incoming.page_received(BlockId(1 << 32), 4096).unwrap_err();
        assert!(error.message().contains("'ram@0x100000000'"), "{error}");
        assert!(!incoming.page_received(BlockId(0), 8191).unwrap());
    }

    #[test]
    fn after_an_error_none_is_added() {
        // Its second region is no multiple of the page size.
        let memory = memory(&[(0, 2 << 20), (1 << 32, 4096)]);
        let incoming = Incoming::new(Config::default()).unwrap();
        // SAFETY: nothing uses the memory.
        unsafe { incoming.add_guest_memory(&memory, "ram", 8192) }.unwrap_err();
        assert_eq!(incoming.page_received(BlockId(0), 0).unwrap_err().errno(), libc::ENOENT);
    }
}
