//! Clients of shared descriptors: one that waits for a page is woken, whatever happens at the same time; and no callback comes after
//! what it is about has been removed.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::*;
use crate::engine::leader::serve_asked;
use crate::engine::shared::{Asked, SharedClient, SharedFds};
use crate::kernel::SharedMessage;
use crate::memory::BlockId;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{check, thread};

/// What becomes of a client.
#[derive(Default)]
struct Fate {
    /// It, or the block, is gone: it must not be called any more.
    gone: AtomicBool,
    /// It was. (A panic in a callback would be caught.)
    called_late: AtomicBool,
}

/// A client, as the VMM knows it.
struct Client {
    fd: RawFd,
    fate: Arc<Fate>,
    shared: Arc<SharedFds>,
    table: BlockTable,
}

impl SharedClient for Client {
    fn message(&self, _message: &SharedMessage) -> Result<()> {
        Ok(())
    }

    fn wake(&self, block: BlockId, offset: u64) -> Result<()> {
        self.fate.called_late.fetch_or(self.fate.gone.load(SeqCst), SeqCst);
        let block = &self.table.blocks()[block.0];
        // It maps the RAM where we do.
        self.shared.get(self.fd).map_or(Ok(()), |shared| shared.wake(block, block.host() as u64 + offset))
    }

    fn name(&self) -> &str {
        "client"
    }
}

/// An engine with a client; the userfaultfd of its process, and what becomes of it.
fn with_client(ram: &Ram) -> (Arc<Engine>, Userfaultfd, Arc<Fate>) {
    let uffd = Userfaultfd::open(Opening::UserModeOnly).unwrap();
    uffd.handshake(false).unwrap();
    let callbacks = Callbacks { hooks: Arc::new(Told::default()), owner: Owner::new() };
    let discards = Some(Discards::new(1).unwrap());
    let shared = Arc::new(SharedFds::default());
    let engine = ram.engine_with(callbacks, Record::new(None).unwrap(), shared.clone(), false, discards);
    let fate = Arc::new(Fate::default());
    let client =
        Client { fd: uffd.as_fd().as_raw_fd(), fate: fate.clone(), shared: shared.clone(), table: ram.table.clone() };
    shared.add(uffd.as_fd(), Arc::new(client)).unwrap();
    (Arc::new(engine), uffd, fate)
}

fn run(engine: &Arc<Engine>, body: impl FnOnce(&Engine) + Send + 'static) -> crate::sync::JoinHandle<()> {
    let engine = engine.clone();
    thread::spawn(move || body(&engine))
}

#[test]
fn a_client_that_waits_is_woken_whoever_places_the_page() {
    check(|| {
        let ram = Ram::new(1, 1);
        let (engine, uffd, _) = with_client(&ram);
        let (fd, address) = (uffd.as_fd().as_raw_fd(), engine.block(0).host() as u64);
        let threads = [
            run(&engine, move |engine| {
                // Its message is read, its handler asks, and a fault thread serves that.
                let shared = engine.account().shared();
                shared.get(fd).unwrap().note_waiting(address);
                shared.ask(Asked { block: BlockId(0), page: 0, fd, client_addr: address });
                let mut seat = engine.account().gate().add_worker();
                while let Some(asked) = shared.next_asked() {
                    serve_asked(engine, &mut seat, &mut Serves(later), &asked, Wait::AsLongAsItTakes).unwrap();
                }
            }),
            run(&engine, |engine| engine.account().receive(0, 0..1)),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(engine.block(0).received().get(0));
        assert!(
            !engine.account().shared().get(fd).unwrap().has_waiting(),
            "the page is there, and the client waits on"
        );
    });
}

#[test]
fn no_client_is_called_after_its_removal() {
    check(|| {
        let ram = Ram::new(1, 2);
        let (engine, uffd, fate) = with_client(&ram);
        let of_remover = fate.clone();
        let fd = uffd.as_fd().as_raw_fd();
        let threads = [
            run(&engine, |engine| engine.account().receive(0, 0..1)),
            run(&engine, |engine| engine.account().receive(0, 1..2)),
            run(&engine, move |engine| {
                engine.account().shared().remove(fd).unwrap().wait_unused();
                of_remover.gone.store(true, SeqCst);
            }),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!fate.called_late.load(SeqCst), "a waker is called after the removal");
    });
}

#[test]
fn no_client_is_told_of_a_block_that_was_removed() {
    check(|| {
        let ram = Ram::new(1, 1);
        let (engine, _uffd, fate) = with_client(&ram);
        let of_remover = fate.clone();
        let threads = [
            run(&engine, |engine| {
                // The block's page is discarded, and the clients are told, during a pause, too.
                let range = [engine.block(0).host()..engine.block(0).end()];
                engine.discards().unwrap().read_and_note(engine.account(), 0, || Ok(((), &range))).unwrap();
                engine.discards().unwrap().notify(engine.account(), &mut engine.account().gate().add_worker());
            }),
            run(&engine, |engine| assert!(engine.account().gate().pause())),
            run(&engine, move |engine| {
                engine.account().mark_removed(engine.block(0), Removal::Kept).unwrap();
                engine.account().gate().wait_idle_on(0);
                of_remover.gone.store(true, SeqCst);
                engine.unregister_removed(0);
            }),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!fate.called_late.load(SeqCst), "a waker is called after the removal");
    });
}
