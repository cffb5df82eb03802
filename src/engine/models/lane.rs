//! The lane: one thread leads at a time, the lead is never lost, and every fault that takes waiting is served, each page by one thread at
//! a time.

use std::sync::Arc;

use crate::engine::fault::PageFault;
use crate::engine::lane::{InFlight, Lane, Turn, WhoWaits};
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::{check, thread};

/// The faults that come, in order; on some pages two come.
const PAGES: [usize; 5] = [0, 1, 1, 2, 0];

/// What the leader needs: how many of them have come.
type Come = usize;

#[derive(Default)]
struct Counters {
    leaders: AtomicUsize,
    /// How often each page is being served now, and has been served.
    serving: [AtomicUsize; 3],
    served: [AtomicUsize; 3],
    /// How often a second fault on it came meanwhile.
    shared: [AtomicUsize; 3],
}

fn fault(page: usize) -> PageFault {
    PageFault { index: 0, page, address: 0, concurrent: false }
}

fn serve(counters: &Counters, in_flight: InFlight<'_, Come>) {
    let page = in_flight.fault.page;
    assert_eq!(counters.serving[page].fetch_add(1, SeqCst), 0, "two threads serve a page");
    counters.served[page].fetch_add(1, SeqCst);
    counters.serving[page].fetch_sub(1, SeqCst);
    counters.shared[page].fetch_add(usize::from(in_flight.end()), SeqCst);
}

/// A thread of the lane, until all faults have come, and it has served those that it waits for.
fn run(lane: &Lane<Come>, counters: &Counters) {
    while let Some(turn) = lane.next() {
        let mut lead = match turn {
            Turn::Serve(in_flight) => {
                serve(counters, in_flight);
                continue;
            }
            Turn::Lead(lead) => lead,
        };
        loop {
            assert_eq!(counters.leaders.fetch_add(1, SeqCst), 0, "two threads lead");
            let come = lead.get();
            let page = PAGES.get(*come).copied();
            *come += 1;
            counters.leaders.fetch_sub(1, SeqCst);
            let Some(page) = page else {
                lane.end();
                return;
            };
            lead = match lead.wait_for(fault(page)) {
                WhoWaits::This(in_flight) => {
                    serve(counters, in_flight);
                    break;
                }
                WhoWaits::Other(lead) => lead,
                WhoWaits::Leader(_) => panic!("there is room for all"),
            };
        }
    }
}

#[test]
fn every_fault_is_served_and_the_lead_is_never_lost() {
    check(|| {
        let lane = Arc::new(Lane::new(0, 3).unwrap());
        let counters = Arc::new(Counters::default());
        let threads = [(); 3].map(|()| {
            let (lane, counters) = (lane.clone(), counters.clone());
            thread::spawn(move || run(&lane, &counters))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Those that nobody was idle for, and that were left when all was over.
        let left = lane.drain_left();
        for (page, served) in counters.served.iter().enumerate() {
            let left = left.iter().filter(|fault| fault.page == page).count();
            let (served, shared) = (served.load(SeqCst), counters.shared[page].load(SeqCst));
            let came = PAGES.iter().filter(|other| **other == page).count();
            assert!(served + left > 0, "a fault was lost");
            assert!(left > 0 || served + shared == came, "a fault was served by another, and is not woken for");
        }
    });
}
