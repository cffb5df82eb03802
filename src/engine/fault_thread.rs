//! A fault thread. Of the threads of one userfaultfd, one leads at a time, and the others wait for a disk, or for something to do.

use std::sync::Arc;

use super::engine::Engine;
use super::fault::{FaultServer, Wait, serve_page};
use super::following::Following;
use super::gate::{Ending, Seat};
use super::lane::{InFlight, Lane, Lead, Turn, WhoWaits};
use super::leader::{Leader, Leading};

pub(crate) struct FaultThread<'a> {
    engine: &'a Engine,
    lane: Arc<Lane<Leader>>,
    server: Box<dyn FaultServer>,
    following: Following,
}

impl<'a> FaultThread<'a> {
    /// One of the threads of this lane.
    pub fn new(engine: &'a Engine, lane: Arc<Lane<Leader>>, server: Box<dyn FaultServer>) -> Self {
        Self { engine, lane, server, following: Following::default() }
    }

    /// Serves until all is ending.
    pub fn run(&mut self, seat: &mut Seat) {
        let lane = self.lane.clone();
        while let Some(turn) = lane.next() {
            let done = match turn {
                Turn::Lead(lead) => self.lead(seat, lead),
                Turn::Serve(fault) => self.wait_for(seat, fault),
            };
            if let Err(Ending) = done {
                return;
            }
        }
    }

    /// Leads until it has to wait for a disk, and does that.
    fn lead(&mut self, seat: &mut Seat, mut lead: Lead<'_, Leader>) -> Result<(), Ending> {
        let wait = if self.lane.has_others() { Wait::Never } else { Wait::AsLongAsItTakes };
        while !self.engine.account().gate().is_ending() {
            let (engine, server, following) = (self.engine, &mut *self.server, &mut self.following);
            let fault = lead.get().step(&mut Leading { engine, seat, server, following, wait })?;
            let Some(fault) = fault else { continue };
            lead = match lead.wait_for(fault) {
                WhoWaits::This(in_flight) => {
                    // The next leader finds out where the faults are.
                    self.following.idle();
                    return self.wait_for(seat, in_flight);
                }
                WhoWaits::Other(lead) => lead,
                WhoWaits::Leader(lead) => {
                    serve_page(self.engine, seat, &mut *self.server, &fault, Wait::AsLongAsItTakes)?;
                    lead
                }
            }
        }
        Err(Ending)
    }

    /// Serves a fault that takes waiting for a disk.
    fn wait_for(&mut self, seat: &mut Seat, in_flight: InFlight<'_, Leader>) -> Result<(), Ending> {
        let fault = in_flight.fault;
        serve_page(self.engine, seat, &mut *self.server, &fault, Wait::AsLongAsItTakes)?;
        if in_flight.end() {
            // The page was placed for them, too, unless it has been discarded since.
            let offsets = self.engine.block(fault.index).offsets_of(&(fault.page..fault.page + 1));
            self.engine.account().log_failure(self.engine.registration().wake(fault.index, offsets));
        }
        Ok(())
    }
}
