//! Shared descriptors: userfaultfds of other processes (vhost-user back ends) that map the same RAM and fault in it, too.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use super::callbacks::Callbacks;
use super::hooks::LogLevel;
use crate::error::{Error, Result, ensure, error};
use crate::kernel::{self, SharedMessage};
use crate::memory::{BlockId, RamBlock};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex, RwLock};

/// The other process, as the VMM knows it: called on a fault thread, never concurrently with the page handler as long as
/// there is one fault thread.
pub trait SharedClient: Send + Sync {
    /// A message of its userfaultfd. For a fault, finds out which page of RAM is meant and calls
    /// [`Incoming::request_shared_page`](crate::Incoming::request_shared_page). After an error the fault and loader threads pause, and it is
    /// called again with the same message.
    fn message(&self, message: &SharedMessage) -> Result<()>;

    /// A page has been placed: wakes the client, if it maps the page. On any thread that places pages.
    fn wake(&self, block: BlockId, offset: u64) -> Result<()>;

    /// What messages call it.
    fn name(&self) -> &str;
}

/// The shared descriptors of one incoming side.
#[derive(Default)]
pub(crate) struct SharedFds {
    list: RwLock<Arc<[Arc<SharedFd>]>>,
    /// How many there are.
    count: AtomicUsize,
    /// Changes whenever the list does.
    version: AtomicU64,
    /// Pages that clients wait for, and that no fault thread has looked at yet.
    asked: Mutex<VecDeque<Asked>>,
}

/// A page that a client waits for.
pub(crate) struct Asked {
    pub block: BlockId,
    pub page: usize,
    pub fd: RawFd,
    pub client_addr: u64,
}

/// One shared descriptor. Used only by those that `users` counts, and only before it has been removed: after the removal its owner
/// may close it, and its number may come to mean something else.
pub(crate) struct SharedFd {
    fd: RawFd,
    client: Arc<dyn SharedClient>,
    removed: AtomicBool,
    /// It failed, and is not waited for any more.
    broken: AtomicBool,
    /// How many use it right now: a handler may place pages, which calls wakers, and so a thread may be counted twice.
    users: Mutex<usize>,
    unused: Condvar,
    /// Where its client waits: the addresses of the faults that were read, until it is woken there. The kernel does not
    /// tell of a fault twice.
    waiting: Mutex<BTreeSet<u64>>,
}

impl SharedFds {
    pub fn add(&self, fd: BorrowedFd<'_>, client: Arc<dyn SharedClient>) -> Result<()> {
        let shared = SharedFd {
            fd: fd.as_raw_fd(),
            client,
            removed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            users: Mutex::default(),
            unused: Condvar::new(),
            waiting: Mutex::default(),
        };
        kernel::set_blocking(fd, false).map_err(|errno| Error::os(errno, shared.name()))?;
        let mut list = self.list.write();
        let is_new = list.iter().all(|other| other.fd != shared.fd);
        ensure!(is_new, EEXIST, "{} is known already", shared.name());
        *list = list.iter().cloned().chain([Arc::new(shared)]).collect();
        self.changed(&list);
        Ok(())
    }

    /// Takes a descriptor from the list; a thread that waits at it faults anew, should it be added again. Its owner waits with
    /// [`SharedFd::wait_unused`] before closing it.
    pub fn remove(&self, fd: RawFd) -> Result<Arc<SharedFd>> {
        let mut list = self.list.write();
        let shared = find(&list, fd)?;
        shared.removed.store(true, SeqCst);
        *list = list.iter().filter(|other| other.fd != fd).cloned().collect();
        self.changed(&list);
        // SAFETY: its owner keeps it open until the removal has returned.
        shared.wake_all(unsafe { BorrowedFd::borrow_raw(fd) });
        Ok(shared)
    }

    pub fn get(&self, fd: RawFd) -> Result<Arc<SharedFd>> {
        find(&self.list.read(), fd)
    }

    pub fn list(&self) -> Arc<[Arc<SharedFd>]> {
        self.list.read().clone()
    }

    pub fn is_empty(&self) -> bool {
        self.count.load(SeqCst) == 0
    }

    fn changed(&self, list: &[Arc<SharedFd>]) {
        self.count.store(list.len(), SeqCst);
        self.version.fetch_add(1, SeqCst);
    }

    pub fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// A client waits for a page: a fault thread will look at it.
    pub fn ask(&self, asked: Asked) {
        self.asked.lock().push_back(asked);
    }

    /// The next page that a client waits for.
    pub fn next_asked(&self) -> Option<Asked> {
        self.asked.lock().pop_front()
    }

    /// Forgets the pages that clients asked for: the set-up is over. A client that still waits faults anew, for the next one.
    pub fn forget_asked(&self) {
        self.asked.lock().clear();
        self.wake_clients();
    }

    /// Wakes all clients wherever they wait: where the page is still missing, they fault anew.
    pub fn wake_clients(&self) {
        for shared in self.list().iter() {
            // It cannot fail.
            let _ = shared.with(|fd| {
                shared.wake_all(fd);
                Ok(())
            });
        }
    }

    /// Tells every client that a page has been placed; the first failure of one, after all have been told.
    pub fn notify(&self, callbacks: &Callbacks, block: BlockId, offset: u64) -> Result<()> {
        let mut result = Ok(());
        for shared in self.list().iter() {
            result = result.and(shared.notify(callbacks, block, offset));
        }
        result
    }
}

fn find(list: &[Arc<SharedFd>], fd: RawFd) -> Result<Arc<SharedFd>> {
    let shared = list.iter().find(|shared| shared.fd == fd).cloned();
    shared
        .ok_or_else(|| error!(ENOENT, "shared descriptor {fd} is unknown: it has not been added, or has been removed"))
}

impl SharedFd {
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    pub fn name(&self) -> String {
        format!("shared descriptor {} ({})", self.fd, self.client.name())
    }

    /// A fault of its client at this address has been read.
    pub(super) fn note_waiting(&self, address: u64) {
        self.waiting.lock().insert(address);
    }

    /// Whether its client waits somewhere, as far as is known here.
    #[cfg(all(test, shuttle))]
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.lock().is_empty()
    }

    /// Waits until no thread uses the descriptor any more. Not from a callback: that may be the user.
    pub fn wait_unused(&self) {
        let mut users = self.users.lock();
        while *users > 0 {
            self.unused.wait(&mut users);
        }
    }

    /// Whether it is worth waiting for.
    pub fn is_alive(&self) -> bool {
        !self.removed.load(SeqCst) && !self.broken.load(SeqCst)
    }

    /// It failed: says so, once, and is not waited for any more. What its client asks for in other ways still works.
    pub fn give_up(&self, callbacks: &Callbacks, why: impl Display) {
        if self.is_alive() && !self.broken.swap(true, SeqCst) {
            callbacks.log(LogLevel::Error, &format!("{}: {why}; it is no longer served", self.name()));
        }
    }

    /// Reads a message, unless one was read before that has not been dealt with, and hands it to the client.
    pub fn serve(&self, callbacks: &Callbacks, pending: &mut Option<SharedMessage>) -> Result<()> {
        self.with(|fd| {
            if pending.is_none() {
                match SharedMessage::read(fd) {
                    Ok(message) => {
                        message.and_then(|message| message.address()).into_iter().for_each(|at| self.note_waiting(at));
                        *pending = message;
                    }
                    Err(errno) => self.give_up(callbacks, Error::os(errno, "reading a message")),
                }
            }
            let Some(message) = &*pending else { return Ok(()) };
            let served = callbacks.owner.call("the handler of a shared descriptor", || self.client.message(message));
            if self.removed.load(SeqCst) {
                // It could ask for nothing any more, and the message may have been read too late to be forgotten.
                self.wake_all(fd);
            }
            served
        })
    }

    /// Wakes the client where it waits for a page of a block: at whichever multiple of the kernel's page size it maps the
    /// block, all of the page, of which `client_addr` is the first byte or the one that was touched.
    pub fn wake(&self, block: &RamBlock, client_addr: u64) -> Result<()> {
        let (page_size, unit) = (block.page_size() as u64, kernel::page_size() as u64);
        let start = client_addr & !(page_size - 1);
        let length = page_size + ((client_addr & !(unit - 1)) - start);
        self.with(|fd| {
            // Before it is woken: from then on it may fault again.
            let mut waiting = self.waiting.lock();
            while let Some(address) = waiting.range(start..=start.saturating_add(length - 1)).next().copied() {
                waiting.remove(&address);
            }
            drop(waiting);
            kernel::wake(fd, start, length)
                .map_err(|errno| Error::os(errno, format_args!("waking its client at {client_addr:#x} (UFFDIO_WAKE)")))
        })
    }

    /// Wakes the client wherever it waits: where the page is still missing, it faults anew.
    fn wake_all(&self, fd: BorrowedFd<'_>) {
        let unit = kernel::page_size() as u64;
        for address in std::mem::take(&mut *self.waiting.lock()) {
            // It fails only for a descriptor at which no thread can wait.
            let _ = kernel::wake(fd, address & !(unit - 1), unit);
        }
    }

    fn notify(&self, callbacks: &Callbacks, block: BlockId, offset: u64) -> Result<()> {
        self.with(|_| callbacks.owner.call("the waker of a shared descriptor", || self.client.wake(block, offset)))
    }

    /// Uses the descriptor, unless it has been removed.
    fn with(&self, f: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        *self.users.lock() += 1;
        let _user = User(self);
        if self.removed.load(SeqCst) {
            return Ok(());
        }
        // SAFETY: its owner keeps it open until its removal has returned, which waits for its users.
        f(unsafe { BorrowedFd::borrow_raw(self.fd) }).or_else(|error| {
            // Removed meanwhile, it could do nothing for its client any more, and that does not wait.
            if self.removed.load(SeqCst) { Ok(()) } else { Err(error.context(self.name())) }
        })
    }
}

/// Counted among the users of a descriptor until it is dropped.
struct User<'a>(&'a SharedFd);

impl Drop for User<'_> {
    fn drop(&mut self) {
        let mut users = self.0.users.lock();
        *users -= 1;
        if *users == 0 {
            self.0.unused.notify_all();
        }
    }
}
