//! Registration: which userfaultfd serves which range of RAM. The only place that registers and unregisters.

use std::fmt::Display;
use std::ops::Range;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use super::callbacks::Callbacks;
use super::hooks::LogLevel;
use crate::error::{Errno, Error, Result, ensure, error};
use crate::kernel::{self, Abilities, Userfaultfd};
use crate::memory::{BlockTable, RamBlock};

/// How many stripes of a block a fault thread has at most.
const STRIPES_A_THREAD: usize = 32;

/// The smallest stripe: a page table's worth of pages.
const SMALLEST_STRIPE: usize = 2 << 20;

/// RAM blocks registered with userfaultfds, striped over them. Dropped, it unregisters all, then closes the
/// descriptors.
pub(crate) struct Registration {
    uffds: Box<[Userfaultfd]>,
    table: BlockTable,
    blocks: Vec<Registered>,
    callbacks: Callbacks,
}

/// What is special about a block.
#[derive(Default)]
pub(crate) struct Treatment {
    /// Offsets that are not registered, in ascending order, in whole huge pages.
    pub unregistered_zero_runs: Box<[Range<usize>]>,
    /// It is to be mapped from the snapshot's file: none of it is registered.
    pub mapped: bool,
    /// Unreadable pages are to be poisoned.
    pub poison: bool,
    /// All of it is a shared mapping.
    pub shared: bool,
    /// Pages may be moved there, where the kernel can.
    pub moving: bool,
}

/// How a block is registered.
pub(crate) struct Registered {
    /// In ascending order.
    parts: Vec<Part>,
    /// What is not registered: offsets in ascending order.
    pub unregistered_zero_runs: Box<[Range<usize>]>,
    /// It is to be mapped from the snapshot's file, and none of it is registered.
    pub mapped: bool,
    /// The size of the kernel's pages there: what is present or missing as one.
    pub unit: usize,
    /// The kernel can place zero pages there.
    pub zeropage: bool,
    /// All of it is known to be a shared mapping.
    pub shared: bool,
    /// Pages can be moved there, as far as is known.
    moving: AtomicBool,
    /// Unreadable pages are to be poisoned there, and can be, as far as is known.
    poisoning: AtomicBool,
    /// How many of its parts are registered, counted from the first.
    parts_registered: AtomicUsize,
    /// It could not be unregistered.
    stuck: AtomicBool,
}

/// A part of a block that one userfaultfd serves.
struct Part {
    /// The userfaultfd's.
    number: usize,
    offsets: Range<usize>,
}

/// Who serves a page, and to which offset on.
pub(crate) enum Serving<'a> {
    By {
        uffd: &'a Userfaultfd,
        number: usize,
        end: usize,
    },
    /// The kernel: a load left it unregistered, as zeros.
    Kernel(usize),
}

impl Registration {
    /// Registers all of the RAM but runs of zeros that stay unregistered, with a treatment for each block.
    pub fn new(
        uffds: Box<[Userfaultfd]>,
        table: BlockTable,
        mut treatments: Vec<Treatment>,
        callbacks: Callbacks,
    ) -> Result<Self> {
        let mut registration = Self { uffds, table, blocks: Vec::new(), callbacks };
        let uffds = registration.uffds.len();
        let in_parts = uffds > 1 || treatments.iter().any(|treatment| !treatment.unregistered_zero_runs.is_empty());
        match registration.register_all(&treatments, uffds) {
            // Each part can take a mapping more.
            Err(error) if in_parts && error.errno() == libc::ENOMEM => {
                registration.unregister_all();
                registration.blocks.clear();
                treatments.iter_mut().for_each(|treatment| treatment.unregistered_zero_runs = Box::default());
                registration.register_all(&treatments, 1)?;
                let message =
                    format!("each RAM block is registered as a whole, and served by one fault thread: {error}");
                registration.callbacks.log(LogLevel::Warning, &message);
            }
            registered => registered?,
        }
        Ok(registration)
    }

    fn register_all(&mut self, treatments: &[Treatment], uffds: usize) -> Result<()> {
        treatments.iter().enumerate().try_for_each(|(index, treatment)| self.register(index, treatment, uffds))
    }

    /// Registers a block with the first so many userfaultfds.
    fn register(&mut self, index: usize, treatment: &Treatment, uffds: usize) -> Result<()> {
        let block = self.table.block(index);
        // Linux registers what there is of a range, and passes over holes.
        ensure!(
            kernel::is_mapped(block.host(), block.length()),
            EINVAL,
            "{block}: not all of its {:#x} bytes are mapped",
            block.length()
        );
        // Entered before the first part is registered, so that dropping undoes those that were: and only those, since
        // the memory may be registered with another userfaultfd.
        self.blocks.push(Registered::new(block, uffds, treatment)?);
        let registered = &mut self.blocks[index];
        for Part { number, offsets } in &registered.parts {
            let can = self.uffds[*number].register(block.host() + offsets.start, offsets.len());
            let Abilities { zeropage, moving, poisoning } = can.map_err(|errno| refusal(block, errno))?;
            registered.zeropage &= zeropage;
            *registered.moving.get_mut() &= moving;
            *registered.poisoning.get_mut() &= poisoning;
            *registered.parts_registered.get_mut() += 1;
        }
        if !registered.zeropage {
            // Only hugetlbfs knows no zero page, and it registers nothing smaller than a huge page.
            let registers = |length| self.uffds[0].register(block.host(), length).is_ok();
            ensure!(
                registers(block.page_size()) && !registers(block.page_size() / 2),
                EINVAL,
                "{block} is hugetlbfs memory: its page size must be the huge page size, which {} is not",
                block.page_size()
            );
            registered.unit = block.page_size();
            *registered.moving.get_mut() = false;
        }
        Ok(())
    }

    fn unregister_all(&self) {
        (0..self.blocks.len()).for_each(|index| self.unregister(index));
    }

    /// Unregisters a block: threads that wait in it go on, and what is missing reads as zeros. It is stuck
    /// when a part of it could not be unregistered: that stays so until the descriptors are closed.
    pub fn unregister(&self, index: usize) {
        let (block, registered) = (self.table.block(index), &self.blocks[index]);
        for Part { number, offsets } in &registered.parts[..registered.parts_registered.swap(0, SeqCst)] {
            let (start, length) = (block.host() + offsets.start, offsets.len());
            if let Err(errno) = self.uffds[*number].unregister(start, length) {
                let error = Error::os(errno, format_args!("{block}: unregistering {length} bytes at {start:#x}"));
                self.callbacks.log(LogLevel::Warning, error.message());
                registered.stuck.store(true, SeqCst);
            }
        }
    }

    /// Whether a block, or a part of it, could not be unregistered.
    pub fn is_stuck(&self, index: usize) -> bool {
        self.blocks[index].stuck.load(SeqCst)
    }

    /// Wakes all threads that wait in the RAM: they fault again.
    pub fn wake_all(&self) {
        self.wake_addresses(&(0..usize::MAX));
    }

    /// Wakes the threads that wait in a range of addresses, as far as they are RAM: they fault again.
    pub fn wake_addresses(&self, range: &Range<usize>) {
        for (index, offsets) in self.table.touched(range) {
            if let Err(error) = self.wake(index, offsets) {
                self.callbacks.log(LogLevel::Error, error.message());
            }
        }
    }

    /// Wakes the threads that wait in a part of a block: they fault again.
    pub fn wake(&self, index: usize, offsets: Range<usize>) -> Result<()> {
        let (block, mut at) = (self.table.block(index), offsets.start);
        // Unregistered, it has no waiting threads, and its memory may be another userfaultfd's.
        if block.is_removed() && !self.is_stuck(index) {
            return Ok(());
        }
        while at < offsets.end {
            at = match self.serving(index, at) {
                Serving::By { uffd, end, .. } => {
                    uffd.wake(block.host() + at, end.min(offsets.end) - at).map_err(|errno| {
                        Error::os(errno, format_args!("{block}: waking the threads that wait at {offsets:#x?}"))
                            .of_host()
                    })?;
                    end
                }
                Serving::Kernel(end) => end,
            };
        }
        Ok(())
    }

    pub fn uffds(&self) -> &[Userfaultfd] {
        &self.uffds
    }

    /// Who serves an offset of a block.
    pub fn serving(&self, index: usize, offset: usize) -> Serving<'_> {
        let parts = &self.blocks[index].parts;
        match parts.get(parts.partition_point(|part| part.offsets.end <= offset)) {
            Some(&Part { number, ref offsets }) if offsets.start <= offset => {
                Serving::By { uffd: &self.uffds[number], number, end: offsets.end }
            }
            next => Serving::Kernel(next.map_or(self.table.block(index).length(), |part| part.offsets.start)),
        }
    }

    /// How a block is registered.
    pub fn of(&self, index: usize) -> &Registered {
        &self.blocks[index]
    }

    /// Whether pages can be moved into a block, as far as is known.
    pub fn can_move(&self, index: usize) -> bool {
        self.blocks[index].moving.load(Relaxed)
    }

    /// Pages cannot be moved into a block: it is not private anonymous memory.
    pub fn cannot_move(&self, index: usize) {
        self.blocks[index].moving.store(false, Relaxed);
    }

    /// Whether unreadable pages of a block are to be poisoned, and can be, as far as is known.
    pub fn can_poison(&self, index: usize) -> bool {
        self.blocks[index].poisoning.load(Relaxed)
    }

    /// The kernel does not poison pages.
    pub fn cannot_poison(&self, index: usize) {
        self.blocks[index].poisoning.store(false, Relaxed);
    }

    /// Whether pages of a block that are zeros need not be placed: missing, they read as zeros to every process that maps
    /// the RAM. That is so in shared memory, where a page of zeros takes as much memory as any other, and in hugetlbfs.
    pub fn holes_are_zeros(&self, index: usize) -> bool {
        self.blocks[index].shared || !self.blocks[index].zeropage
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.unregister_all();
    }
}

impl Registered {
    /// Of ordinary memory, of which nothing is registered yet.
    fn new(block: &RamBlock, uffds: usize, treatment: &Treatment) -> Result<Self> {
        let zero_runs = &treatment.unregistered_zero_runs;
        Ok(Self {
            parts: if treatment.mapped { Vec::new() } else { parts(block, uffds, zero_runs)? },
            unregistered_zero_runs: zero_runs.clone(),
            mapped: treatment.mapped,
            unit: kernel::page_size(),
            zeropage: true,
            shared: treatment.shared,
            moving: AtomicBool::new(treatment.moving),
            poisoning: AtomicBool::new(treatment.poison),
            parts_registered: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
        })
    }
}

/// Divides a block, but for what stays unregistered, among so many userfaultfds: into stripes whose borders are multiples of their
/// length in memory, so that no huge page lies across one.
fn parts(block: &RamBlock, uffds: usize, unregistered: &[Range<usize>]) -> Result<Vec<Part>> {
    let end = block.length();
    let smallest = SMALLEST_STRIPE.max(block.page_size());
    let length = end.div_ceil(uffds * STRIPES_A_THREAD).next_multiple_of(smallest);
    // How many bytes of the first stripe lie before the block.
    let before = block.host() % length;
    let (mut parts, mut at) = (Vec::new(), 0);
    for zeros in unregistered.iter().chain([&(end..end)]) {
        while at < zeros.start {
            let stripe = (before + at) / length;
            let border = if uffds == 1 { end } else { (stripe + 1) * length - before };
            let offsets = at..border.min(zeros.start);
            at = offsets.end;
            parts.try_reserve(1).map_err(|_| error!(ENOMEM, "no memory for the parts of {block}"))?;
            parts.push(Part { number: stripe % uffds, offsets });
        }
        at = zeros.end;
    }
    Ok(parts)
}

/// Why something cannot be registered.
pub(super) fn refusal(block: &dyn Display, errno: Errno) -> Error {
    match errno {
        Errno::EINVAL => error!(
            EINVAL,
            "{block}: userfaultfd cannot serve this memory (UFFDIO_REGISTER: EINVAL). It must be mapped, and be \
             anonymous, shmem (memfd) or hugetlbfs, not a file on a disk, with whole huge pages of hugetlbfs"
        ),
        Errno::EPERM => {
            error!(EPERM, "{block}: userfaultfd needs memory that may be written (UFFDIO_REGISTER: EPERM)")
        }
        Errno::EBUSY => {
            error!(EBUSY, "{block} is registered with another userfaultfd already (UFFDIO_REGISTER: EBUSY)")
        }
        Errno::ENOMEM => error!(
            ENOMEM,
            "{block}: no memory for registering it, or the process has as many mappings as it may: see the sysctl \
             vm.max_map_count (UFFDIO_REGISTER: ENOMEM)"
        ),
        errno => Error::os(errno, format_args!("{block}: registering it for missing pages (UFFDIO_REGISTER)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::callbacks::Owner;
    use crate::kernel::Opening;
    use crate::memory::{BlockId, RamBlockSpec};

    const MIB: usize = 1 << 20;

    /// What of a block of 64 MiB is registered, in MiB: number of the descriptor, from, to.
    fn parts_in_mib(uffds: usize, unregistered_zero_runs: &[Range<usize>]) -> Vec<(usize, usize, usize)> {
        let host = 0x4000_0000;
        let spec = RamBlockSpec { idstr: "ram".to_owned(), host, length: 64 << 20, page_size: 4096 };
        let block = RamBlock::new(BlockId(1), spec).unwrap();
        let zeros: Vec<_> = unregistered_zero_runs.iter().map(|range| range.start * MIB..range.end * MIB).collect();
        let parts = parts(&block, uffds, &zeros).unwrap().into_iter();
        parts.map(|Part { number, offsets }| (number, offsets.start / MIB, offsets.end / MIB)).collect()
    }

    #[test]
    fn all_but_runs_of_zeros_is_registered() {
        assert_eq!(parts_in_mib(1, &[]), [(0, 0, 64)]);
        let all = 0..64;
        assert_eq!(parts_in_mib(1, &[all]), []);
        assert_eq!(parts_in_mib(1, &[0..2, 10..12, 60..64]), [(0, 2, 10), (0, 12, 60)]);
        assert_eq!(parts_in_mib(1, &[2..6, 8..10]), [(0, 0, 2), (0, 6, 8), (0, 10, 64)]);
    }

    #[test]
    fn stripes_go_on_behind_a_run_of_zeros() {
        let striped = parts_in_mib(2, &[3..12, 14..62]);
        assert_eq!(striped, [(0, 0, 2), (1, 2, 3), (0, 12, 14), (1, 62, 64)]);
    }

    /// A block, and runs of zeros in it.
    fn any_block() -> impl Strategy<Value = (RamBlock, Box<[Range<usize>]>)> {
        let page_size = prop_oneof![4 => Just(4096_usize), 1 => Just(65536), 1 => Just(2 * MIB), 1 => Just(4 * MIB)];
        let ranges = vec((0..12_usize, 1..12_usize), 0..8);
        (page_size, 0..1024_usize, 1..40_000_usize, ranges).prop_map(|(page_size, at, pages, ranges)| {
            let host = (0x4000_0000 + at * 4096).next_multiple_of(page_size);
            let length = page_size * (1 + pages % (160 * MIB / page_size));
            let spec =
                RamBlockSpec { idstr: "ram".to_owned(), host, length: length as u64, page_size: page_size as u64 };
            // Whole huge pages in memory, as far as they are in the block.
            let mut at = host.next_multiple_of(2 * MIB) - host;
            let unregistered_zero_runs =
                ranges.into_iter().filter(|_| page_size <= 2 * MIB).map_while(|(gap, count)| {
                    let range = at + gap * 2 * MIB..at + (gap + count) * 2 * MIB;
                    // They do not touch: a load has made one run of it.
                    at = range.end + 2 * MIB;
                    (range.end <= length).then_some(range)
                });
            (RamBlock::new(BlockId(1), spec).unwrap(), unregistered_zero_runs.collect())
        })
    }

    struct Silent;
    impl super::super::hooks::Hooks for Silent {}

    proptest! {
        /// Every offset is served by one descriptor or unregistered; what is registered is what is served; and no huge page
        /// is shared out to two.
        #[test]
        fn any_block_is_registered_where_it_is_served((block, unregistered_zero_runs) in any_block(), uffds in 1..6_usize) {
            let (host, length, page_size) = (block.host(), block.length(), block.page_size());
            let mut table = BlockTable::default();
            table.add(block).unwrap();
            let treatment = Treatment { unregistered_zero_runs, ..Treatment::default() };
            let registered = Registered::new(table.block(0), uffds, &treatment).unwrap();
            let parts: Vec<_> = registered.parts.iter().map(|part| (part.number, part.offsets.clone())).collect();
            let callbacks = Callbacks { hooks: Arc::new(Silent), owner: Owner::new() };
            let uffds = (0..uffds).map(|_| Userfaultfd::open(Opening::UserModeOnly).unwrap()).collect();
            let registration = Registration { uffds, table, blocks: vec![registered], callbacks };

            let (mut at, mut served, mut alone) = (0, Vec::new(), Vec::new());
            while at < length {
                let (kind, end) = match registration.serving(0, at) {
                    Serving::By { number, end, .. } => (Some(number), end),
                    Serving::Kernel(end) => (None, end),
                };
                prop_assert!(end > at);
                let end = end.min(length);
                // The same from anywhere in between.
                let inside = match registration.serving(0, (at + end) / 2) {
                    Serving::By { number, end, .. } => (Some(number), end.min(length)),
                    Serving::Kernel(end) => (None, end),
                };
                prop_assert_eq!(inside, (kind, end));
                match kind {
                    Some(number) => served.push((number, at..end)),
                    None => alone.push(at..end),
                }
                let border = (host + end) % (2 * MIB).max(page_size);
                prop_assert!(end == length || border == 0, "a huge page is cut at {:#x}", end);
                at = end;
            }
            prop_assert_eq!(served, parts);
            prop_assert_eq!(alone, treatment.unregistered_zero_runs.into_vec());
        }
    }
}
