//! The set-up, step by step: all or nothing. Each step's result undoes it when it is dropped, in the reverse order.

use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use super::armed::Armed;
use super::config::Config;
use super::mapping::{self, InPlace, Mappable};
use super::{emptying, moving};
use crate::engine::{
    Account, Callbacks, Discards, Engine, FaultServer, HandlerServer, Hooks, LogLevel, Record, Registration, SharedFds,
    Treatment, Waker, drain_events_during,
};
use crate::error::{Result, ensure, error};
use crate::kernel::{self, Maps, Opening, Userfaultfd};
use crate::loading::{BackgroundLoader, FaultLoader, LoadRequest, SnapshotLoad};
use crate::memory::{BlockTable, TempPages};
use crate::source::PageHandler;
use crate::stats::Stats;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Who brings the pages.
pub(crate) enum Bringer {
    Handler(Arc<dyn PageHandler>),
    /// A load, which restores all RAM.
    Load(LoadRequest),
}

/// What is to be set up.
pub(crate) struct Plan {
    pub bringer: Bringer,
    pub channels: u32,
    /// With a preempt thread.
    pub preempt: bool,
    /// With an account of blocktime, if the configuration asks for one.
    pub blocktime: bool,
}

/// What the threads are to do. Nothing is served before they run.
pub(super) struct Work {
    /// For each fault thread its own, and those of its readers.
    servers: Vec<Vec<Box<dyn FaultServer>>>,
    loaders: Vec<BackgroundLoader>,
    preempt: bool,
    /// What has been mapped from the snapshot's file; undone unless all is set up.
    in_place: InPlace,
}

/// What is known of the memory that the RAM is.
struct Survey<'a> {
    maps: Option<Maps>,
    /// For each block how it can be mapped from the snapshot's file, if it is to be; empty if none is.
    mappable: Vec<Option<Mappable<'a>>>,
}

/// What a set-up is built from.
pub(super) struct Site<'a> {
    pub config: &'a Config,
    pub callbacks: Callbacks,
    /// The RAM blocks, none of which is being removed.
    pub table: BlockTable,
    pub shared: &'a Arc<SharedFds>,
    /// Set once the RAM is being emptied.
    pub has_emptied: &'a AtomicBool,
}

/// All steps up to an engine that serves, once its threads run. Nothing of it is left after a failure. `begin` is called with the
/// record of the set-up, once it is certain that there will be one.
pub(super) fn build(site: Site<'_>, plan: Plan, begin: impl FnOnce(Record)) -> Result<(Armed, Work)> {
    let (config, table) = (site.config, &site.table);
    ensure!(plan.channels > 0, EINVAL, "0 channels: at least one temporary page is needed");
    ensure!(!table.blocks().is_empty(), EINVAL, "there is no RAM block to set up");
    let (load, handler) = match plan.bringer {
        Bringer::Handler(handler) => (None, Some(handler)),
        Bringer::Load(request) => (Some(request.prepare(table)?), None),
    };
    let mut in_place = InPlace::new(site.callbacks.clone());
    let survey = site.survey(load.as_deref())?;
    // RAM that is all mapped from the snapshot's file has no faults for us.
    let fault_threads = if survey.is_all_to_be_mapped(table) { 0 } else { config.fault_threads() };
    let servers = servers(fault_threads, handler, load.as_ref())?;
    let loaders = match &load {
        Some(load) if fault_threads > 0 || load.config.working_set_replay.is_some() => BackgroundLoader::all(load)?,
        _ => Vec::new(),
    };

    let uffds = site.open_userfaultfds(fault_threads)?;
    uffds.iter().try_for_each(|uffd| uffd.handshake(config.track_discards))?;
    let discards = (config.track_discards && fault_threads > 0).then(|| Discards::new(uffds.len())).transpose()?;
    let wakers = uffds.iter().map(|uffd| Waker::new(discards.is_none().then_some(uffd))).collect::<Result<_>>()?;
    // Before the registration: temporary pages exist before the first fault can be delivered.
    let temp_pages = TempPages::new(plan.channels, table.largest_page_size())?;
    let registration = site.register(load.as_deref(), uffds, &survey)?;
    if let Some(load) = &load {
        site.map(load, &survey, &mut in_place)?;
    }

    let vcpus = (plan.blocktime && config.blocktime).then_some(config.vcpus as usize);
    let record = Record::new(vcpus)?;
    begin(record.clone());
    let account = Account::new(site.table, site.callbacks, record, site.shared.clone(), load.is_some());
    if let Some(load) = &load {
        Stats::count(&account.stats().bytes_mapped, load.bytes_mapped());
        if load.reads_ahead() {
            account.hold_completion();
        }
    }
    let longest_spin = Duration::from_micros(config.spin_us.into());
    let engine = Engine::new(account, registration, temp_pages, wakers, discards, longest_spin);
    if engine.discards().is_some() {
        // Their faults may have been read while the RAM was emptied.
        engine.registration().wake_all();
    }
    Ok((Armed::new(Arc::new(engine), load), Work { servers, loaders, preempt: plan.preempt, in_place }))
}

/// For each fault thread its server, and those of its readers.
fn servers(
    fault_threads: usize,
    handler: Option<Arc<dyn PageHandler>>,
    load: Option<&Arc<SnapshotLoad>>,
) -> Result<Vec<Vec<Box<dyn FaultServer>>>> {
    let of_one = |_| -> Result<Vec<Box<dyn FaultServer>>> {
        let mut servers: Vec<Box<dyn FaultServer>> = Vec::new();
        servers.extend(handler.iter().map(|handler| Box::new(HandlerServer(handler.clone())) as _));
        if let Some(load) = load {
            let of_each = 1 + load.config.readers_of_each(fault_threads as u32);
            servers.extend(FaultLoader::all(load, of_each)?.into_iter().map(|server| Box::new(server) as _));
        }
        Ok(servers)
    };
    (0..fault_threads).map(of_one).collect()
}

impl Survey<'_> {
    fn is_to_be_mapped(&self, index: usize) -> bool {
        self.mappable.get(index).is_some_and(Option::is_some)
    }

    fn is_all_to_be_mapped(&self, table: &BlockTable) -> bool {
        (0..table.blocks().len()).all(|index| self.is_to_be_mapped(index))
    }
}

impl Site<'_> {
    /// Looks at the memory that the RAM is, and refuses what a load would destroy.
    fn survey<'a>(&self, load: Option<&'a SnapshotLoad>) -> Result<Survey<'a>> {
        let table = &self.table;
        let image = load.map(SnapshotLoad::mapped_image).transpose()?.flatten();
        let maps = self.read_maps(load)?;
        if let (Some(load), Some(image), Some(maps)) = (load, &image, &maps) {
            load.check_apart(image, table, maps)?;
        }
        let mappable = match (load.filter(|load| load.config.map_private), &maps) {
            (Some(load), Some(maps)) => mapping::mappable(table, maps, load, &self.callbacks),
            _ => Vec::new(),
        };
        Ok(Survey { maps, mappable })
    }

    /// Registers the RAM, and empties it for a load.
    fn register(
        &self,
        load: Option<&SnapshotLoad>,
        uffds: Box<[Userfaultfd]>,
        survey: &Survey<'_>,
    ) -> Result<Registration> {
        let (config, table, maps) = (self.config, &self.table, survey.maps.as_ref());
        let is_to_be_mapped = |index| survey.is_to_be_mapped(index);
        let emptying = load.filter(|load| !load.config.keep_present);
        let moves = emptying.is_some_and(|load| !load.config.no_huge_pages);
        let zero_runs = match (emptying, maps) {
            (Some(load), Some(maps)) => emptying::unregistered_zero_runs(table, maps, load, is_to_be_mapped),
            _ => vec![Box::default(); table.blocks().len()],
        };
        let treatments =
            table.blocks().iter().zip(zero_runs).enumerate().map(|(index, (block, unregistered_zero_runs))| {
                if is_to_be_mapped(index) {
                    return Treatment { mapped: true, ..Treatment::default() };
                }
                let shared = maps.is_some_and(|maps| maps.are_shared(block.host(), block.length()));
                let is_private = maps.is_some_and(|maps| maps.are_private_anonymous(block.host(), block.length()));
                Treatment {
                    unregistered_zero_runs,
                    mapped: false,
                    poison: config.poison && is_private,
                    shared,
                    moving: moves && is_private,
                }
            });
        let registration = Registration::new(uffds, table.clone(), treatments.collect(), self.callbacks.clone())?;
        if config.track_discards {
            check_trackable(&registration, table)?;
        }
        if let (Some(_), Some(maps)) = (emptying, maps) {
            let empty = || emptying::empty(&registration, table, maps, self.has_emptied);
            if config.track_discards { drain_events_during(registration.uffds(), empty) } else { empty() }?;
            moving::decide(&registration, table, maps);
        }
        Ok(registration)
    }

    /// Maps what can be mapped of the snapshot's file, in the place of RAM.
    fn map(&self, load: &SnapshotLoad, survey: &Survey<'_>, in_place: &mut InPlace) -> Result<()> {
        if survey.mappable.iter().all(Option::is_none) {
            return Ok(());
        }
        self.has_emptied.store(true, SeqCst);
        for (block, mappable) in self.table.blocks().iter().zip(&survey.mappable) {
            if let Some(mappable) = mappable {
                in_place.map(block, mappable).map_err(|error| error.context(block))?;
                block.forget_pages();
                block.receive(0..block.pages(), |_, _| ());
            }
        }
        load.set_mapped(survey.mappable.iter().map(Option::is_some).collect());
        Ok(())
    }

    /// The mappings of this process, where anything depends on them. Only emptying RAM cannot do without.
    fn read_maps(&self, load: Option<&SnapshotLoad>) -> Result<Option<Maps>> {
        if load.is_none() && !self.config.poison {
            // Where EEXIST is to be verified: see `refusals`. Without the maps a page that only another mapping has counts as missing.
            let is_huge = self.table.largest_page_size() > kernel::page_size();
            return Ok(is_huge.then(Maps::read).and_then(Result::ok));
        }
        let error = match Maps::read() {
            Err(error) if error.errno() == libc::EOPNOTSUPP => error,
            maps => return maps.map(Some),
        };
        if load.is_some_and(|load| !load.config.keep_present) {
            return Err(error.context("emptying RAM for a load"));
        }
        if self.config.poison {
            let effect = "an unreadable page pauses the fault and loader threads, and is not poisoned";
            self.callbacks.log(LogLevel::Warning, &format!("{effect}: {error}"));
        }
        Ok(None)
    }

    /// One for each fault thread.
    fn open_userfaultfds(&self, count: usize) -> Result<Box<[Userfaultfd]>> {
        let mut uffds = Vec::<Userfaultfd>::new();
        for _ in 0..count {
            let uffd = self.open_userfaultfd()?;
            let number = uffd.as_fd().as_raw_fd();
            if uffds.iter().any(|other| other.as_fd().as_raw_fd() == number) {
                // Another one of ours owns it, and will close it.
                mem::forget(uffd);
                return Err(error!(
                    EINVAL,
                    "the open_userfaultfd callback returned descriptor {number} twice: each fault thread needs its own"
                ));
            }
            uffds.push(uffd);
        }
        Ok(uffds.into())
    }

    fn open_userfaultfd(&self) -> Result<Userfaultfd> {
        let open = |hooks: &dyn Hooks| hooks.open_userfaultfd().transpose();
        match self.callbacks.fallible("the open_userfaultfd callback", open)? {
            Some(fd) => Userfaultfd::from_fd(fd),
            None if self.config.user_mode_only => Userfaultfd::open(Opening::UserModeOnly),
            None => Userfaultfd::open(Opening::Full),
        }
    }
}

impl Work {
    /// The last steps: threads. Faults wait in the descriptor until they run.
    pub fn start(self, armed: &mut Armed) -> Result<()> {
        // First, and last to end: whatever is called back in between may discard.
        armed.start_events_thread()?;
        armed.start_fault_threads(self.servers)?;
        armed.engine.account().callbacks().fallible("the setup_done callback", |hooks| hooks.setup_done())?;
        armed.start_loader_threads(self.loaders)?;
        armed.receive_zeros();
        if self.preempt {
            armed.start_preempt_thread()?;
        }
        self.in_place.keep();
        Ok(())
    }
}

/// The kernel discards its own pages: where those of a block have another size, one could be discarded in part.
fn check_trackable(registration: &Registration, table: &BlockTable) -> Result<()> {
    table.blocks().iter().enumerate().try_for_each(|(index, block)| {
        let (unit, page_size) = (registration.of(index).unit, block.page_size());
        ensure!(
            page_size == unit,
            EINVAL,
            "{block}: discards are tracked in pages of {unit} bytes, and its page size is {page_size}"
        );
        Ok(())
    })
}
