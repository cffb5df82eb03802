//! A VMM built from the rust-vmm crates that restores a guest from a snapshot: the guest runs at once, while its RAM still arrives.
//! cargo run --manifest-path examples/kvm/Cargo.toml
//!
//! The snapshot is made up: a flat image of 64 MiB. It holds the guest's code, a loop that adds up the first byte of each page.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use uffd_incoming::{Config, Incoming, LoadConfig, Snapshot, load};
use vm_memory::{GuestAddress, GuestMemory, GuestMemoryMmap};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RAM: u64 = 64 << 20;
const PAGE: u64 = 4096;
/// The address of the guest's code.
const CODE: u64 = 0x1000;
/// The address of the first page that the guest adds up.
const FIRST: u64 = 0x2000;
/// The port to which the guest writes the sum.
const PORT: u16 = 0x10;

#[rustfmt::skip]
const GUEST: &[u8] = &[
    0x31, 0xc0,                         //       xor eax, eax
    0xbe, 0x00, 0x20, 0x00, 0x00,       //       mov esi, FIRST
    0x0f, 0xb6, 0x1e,                   // next: movzx ebx, byte [esi]
    0x01, 0xd8,                         //       add eax, ebx
    0x81, 0xc6, 0x00, 0x10, 0x00, 0x00, //       add esi, PAGE
    0x81, 0xfe, 0x00, 0x00, 0x00, 0x04, //       cmp esi, RAM
    0x72, 0xed,                         //       jb next
    0x66, 0xba, 0x10, 0x00,             //       mov dx, PORT
    0xef,                               //       out dx, eax
    0xf4,                               //       hlt
];

fn byte_of(page: u64) -> u8 {
    (page % 251 + 1) as u8
}

/// Writes the snapshot: the RAM as it is in one file, and a text that describes it.
fn make_snapshot(directory: &Path) -> Result<PathBuf> {
    let image = File::create(directory.join("ram"))?;
    for page in FIRST / PAGE..RAM / PAGE {
        image.write_all_at(&[byte_of(page); PAGE as usize], page * PAGE)?;
    }
    image.write_all_at(GUEST, CODE)?;
    let description = directory.join("vm.flat");
    fs::write(&description, format!("uffd-incoming flat 1\nimage ram\nblock 0 {RAM:#x} ram@0x0\n"))?;
    Ok(description)
}

/// The host address of the guest's RAM, which is one region.
fn host_address(memory: &GuestMemoryMmap) -> Result<u64> {
    Ok(memory.get_host_address(GuestAddress(0))?.expose_provenance() as u64)
}

/// Starts to load the RAM. If the result is dropped before the load is complete, the RAM stays armed.
fn restore(snapshot: &Path, memory: &GuestMemoryMmap) -> Result<Arc<Incoming>> {
    let incoming = Incoming::new(Config::default())?;
    // SAFETY: `memory` stays mapped until the end, and no reference points into it.
    unsafe { incoming.add_guest_memory(memory, "ram", PAGE) }?;
    load(&incoming, &Arc::new(Snapshot::open(snapshot)?), &LoadConfig::default())?;
    Ok(incoming)
}

fn make_vm(kvm: &Kvm, memory: &GuestMemoryMmap) -> Result<VmFd> {
    let vm = kvm.create_vm()?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        guest_phys_addr: 0,
        memory_size: RAM,
        userspace_addr: host_address(memory)?,
        flags: 0,
    };
    // SAFETY: `memory` outlives the VM.
    unsafe { vm.set_user_memory_region(region) }?;
    Ok(vm)
}

/// A vCPU in 32-bit protected mode without paging, at the guest's first instruction.
fn make_vcpu(vm: &VmFd) -> Result<VcpuFd> {
    let vcpu = vm.create_vcpu(0)?;
    let mut special = vcpu.get_sregs()?;
    for segment in [&mut special.cs, &mut special.ds, &mut special.ss] {
        (segment.base, segment.limit, segment.g, segment.db, segment.present) = (0, u32::MAX, 1, 1, 1);
        (segment.s, segment.type_, segment.selector) = (1, 3, 16);
    }
    (special.cs.type_, special.cs.selector) = (11, 8);
    special.cr0 |= 1;
    vcpu.set_sregs(&special)?;
    let mut registers = vcpu.get_regs()?;
    (registers.rip, registers.rflags) = (CODE, 2);
    vcpu.set_regs(&registers)?;
    Ok(vcpu)
}

/// Runs the guest until it halts. Returns the sum that it wrote to PORT.
fn run(vcpu: &mut VcpuFd) -> Result<u32> {
    let mut sum = None;
    loop {
        match vcpu.run()? {
            VcpuExit::IoOut(PORT, bytes) => sum = bytes.try_into().ok().map(u32::from_le_bytes),
            VcpuExit::Hlt => return sum.ok_or_else(|| "the guest has said nothing".into()),
            exit => return Err(format!("the guest ended with {exit:?}").into()),
        }
    }
}

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("uffd-incoming-kvm.{}", std::process::id()));
    fs::create_dir(&directory)?;
    let snapshot = make_snapshot(&directory)?;

    let began = Instant::now();
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)])?;
    let incoming = restore(&snapshot, &memory)?;
    let vm = make_vm(&Kvm::new()?, &memory)?;
    let mut vcpu = make_vcpu(&vm)?;
    println!(
        "the guest runs after {:?}, with {} of {RAM} bytes loaded",
        began.elapsed(),
        incoming.stats().bytes_loaded
    );
    let sum = run(&mut vcpu)?;
    println!("the guest ended after {:?}; {} faults", began.elapsed(), incoming.stats().faults);
    incoming.wait(None)?;
    println!("all RAM is there after {:?}", began.elapsed());
    incoming.cleanup()?;
    fs::remove_dir_all(&directory)?;

    let expected: u32 = (FIRST / PAGE..RAM / PAGE).map(|page| u32::from(byte_of(page))).sum();
    if sum == expected { Ok(()) } else { Err(format!("the guest added up {sum}, not {expected}").into()) }
}
