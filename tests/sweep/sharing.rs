//! A client that maps the same RAM, on a userfaultfd of its own; and userfaultfds that are handed in.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use uffd_incoming::injection::{Call, Failure};
use uffd_incoming::{BlockId, Fault, Incoming, PageHandler, Result, SharedClient, SharedMessage};
use userfaultfd_sys as sys;

use super::ram::{Behind, Contents, PAGE, Ram, Touchers};
use super::rig::{Rig, Watcher};
use super::run::{Abandoned, Run};

const RAM: BlockId = BlockId(1);
const PAGES: usize = 32;

struct Source(Contents);

impl PageHandler for Source {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        fault.place(self.0.page(fault.offset() as usize / PAGE))
    }
}

/// The client, as the machine knows it.
struct Client {
    incoming: Weak<Incoming>,
    fd: i32,
    host: u64,
}

impl SharedClient for Client {
    fn message(&self, message: &SharedMessage) -> Result<()> {
        let address = message.address().expect("a fault");
        let incoming = self.incoming.upgrade().expect("an incoming side");
        incoming.request_shared_page(self.fd, RAM, address, address - self.host)
    }

    fn wake(&self, block: BlockId, offset: u64) -> Result<()> {
        let incoming = self.incoming.upgrade().expect("an incoming side");
        incoming.wake_shared(self.fd, block, self.host + offset)
    }

    fn name(&self) -> &str {
        "client"
    }
}

pub fn play(run: &Run<'_>) {
    let ram = Ram::new(Behind::Memfd, PAGES * PAGE);
    let mapped_again = ram.again();
    let rig = Rig::new(run, 1, Watcher::opening(open_userfaultfd));
    let client = open_userfaultfd();
    register(&client, &mapped_again);
    ram.add_to(&rig.incoming, RAM.0, "ram");
    let mut touchers = Touchers::default();
    let played = play_out(&rig, &ram, &mapped_again, &client, &mut touchers);
    if played.is_err() {
        // Who waits for a client that is no longer served waits until it is closed.
        touchers.abandon();
        let _ = rig.incoming.remove_shared_fd(client.as_raw_fd());
    }
    drop(client);
    rig.end(played, touchers);
}

fn play_out(
    rig: &Rig<'_>,
    ram: &Arc<Ram>,
    mapped_again: &Arc<Ram>,
    client: &OwnedFd,
    touchers: &mut Touchers,
) -> Result<(), Abandoned> {
    let (run, incoming) = (rig.run, &rig.incoming);
    let contents = Contents::new(PAGES, |_| false);
    let shared = Arc::new(Client {
        incoming: Arc::downgrade(incoming),
        fd: client.as_raw_fd(),
        host: mapped_again.host() as u64,
    });
    // SAFETY: it is removed, or the incoming side is gone, before the descriptor is closed.
    let add = || unsafe { incoming.add_shared_fd(client.as_fd(), shared.clone()) };
    run.set_up("adding a shared descriptor", add, || ())?;
    rig.set_up(|| incoming.setup(Arc::new(Source(contents.clone())), 1))?;
    touchers.start(ram, &contents, [0, 1, 2, 9]);
    touchers.start(mapped_again, &contents, [4, 5, 6, 9]);
    // Then its client waits until it is closed, and there is a message that says why.
    let not_served = || {
        let gave_up = rig.watcher.was_told("no longer served");
        let not_woken = rig.watcher.was_told("waking its client");
        let (call, failure) = run.plan.map_or((None, None), |plan| (Some(plan.call), Some(plan.failure)));
        let again = [Some(Failure::Errno(Errno::EAGAIN)), Some(Failure::Errno(Errno::EINTR))].contains(&failure);
        assert!(!gave_up || call == Some(Call::ReadMessage) && !again, "a client is given up");
        assert!(!not_woken || call == Some(Call::Wake), "a client is not woken");
        gave_up || not_woken
    };
    rig.until(|| touchers.at_work() == 0 || not_served())?;
    incoming.remove_shared_fd(client.as_raw_fd()).unwrap();
    if not_served() {
        return Err(Abandoned);
    }
    Ok(())
}

fn open_userfaultfd() -> OwnedFd {
    // SAFETY: it takes its flags by value, and the descriptor is new.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
    assert!(fd >= 0, "a userfaultfd of our own: {}", std::io::Error::last_os_error());
    // SAFETY: as above.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

fn register(uffd: &OwnedFd, ram: &Ram) {
    let mut api = sys::uffdio_api { api: sys::UFFD_API, features: sys::UFFD_FEATURE_MISSING_SHMEM, ioctls: 0 };
    // SAFETY: the struct lives through the call.
    assert_eq!(unsafe { libc::ioctl(uffd.as_raw_fd(), sys::UFFDIO_API as _, &raw mut api) }, 0);
    let range = sys::uffdio_range { start: ram.host() as u64, len: ram.length() as u64 };
    let mut register = sys::uffdio_register { range, mode: sys::UFFDIO_REGISTER_MODE_MISSING, ioctls: 0 };
    // SAFETY: as above; memory that is registered reads the same as before, only later.
    assert_eq!(unsafe { libc::ioctl(uffd.as_raw_fd(), sys::UFFDIO_REGISTER as _, &raw mut register) }, 0);
}
