//! Restores the RAM of a VM from a snapshot, on demand: cargo run --example restore FILE

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use uffd_incoming::{BlockId, Config, Incoming, LoadConfig, RamBlockSpec, Snapshot, load};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "vm.mapped-ram".into());
    let snapshot = Arc::new(Snapshot::open(&PathBuf::from(path))?);
    let incoming = Incoming::new(Config::default())?;

    for saved in snapshot.blocks() {
        let length = NonZeroUsize::new(saved.length() as usize).ok_or("an empty RAM block")?;
        // SAFETY: the kernel chooses where; nothing else is there.
        let ram = unsafe {
            mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)
        }?;
        let block = RamBlockSpec {
            idstr: saved.idstr().into(),
            host: ram.as_ptr() as usize,
            length: saved.length(),
            page_size: 4096,
        };
        // SAFETY: the memory stays mapped, and is only touched as guest RAM: no reference points into it.
        unsafe { incoming.add_ram_block(BlockId(block.host), block) }?;
    }
    load(&incoming, &snapshot, &LoadConfig::default())?;

    // Run the vCPUs here: a missing page arrives when a vCPU touches it.

    incoming.wait(None)?; // until every page is in place
    incoming.cleanup()?;
    println!("restored");
    Ok(())
}
