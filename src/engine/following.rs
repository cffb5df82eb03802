//! A fault thread goes where the faults are: to the CPU of a pinned thread that faults alone. That CPU is free while the
//! thread waits, and nothing has to be woken elsewhere. It never goes behind a thread of a real-time policy, which would keep it from
//! running, nor behind a kernel thread (KVM has asynchronous page faults of a vCPU done by one); and it goes home when no faults
//! come.

use crate::kernel::{CpuSet, affinity, set_own_affinity, shares_its_cpu};

/// How many faults in a row a thread has to make before its CPU is looked up.
const ALONE: u32 = 8;

/// How often the CPU of a thread that faults alone is looked up again: it may have been pinned, or moved.
const AGAIN: u32 = 1024;

/// Where a fault thread runs, and why.
#[derive(Default)]
pub(super) struct Following {
    /// The thread that faulted last, and how often it did in a row.
    last: u32,
    row: u32,
    /// While at its CPU: which one that is, and where we may run otherwise.
    at: Option<(usize, CpuSet)>,
    /// The kernel has refused to move us: not to be asked again.
    refused: bool,
}

impl Following {
    /// These threads have faulted, and were served.
    pub fn faulted(&mut self, threads: impl Iterator<Item = u32>) {
        for thread in threads {
            if thread == self.last {
                self.row = self.row.wrapping_add(1);
            } else {
                (self.last, self.row) = (thread, 0);
                self.leave();
            }
        }
        if !self.refused && (self.row == ALONE || self.row % AGAIN == AGAIN - 1) {
            self.go();
        }
    }

    /// Whether we are at the faulting thread's own CPU: it cannot fault while we look for its next fault.
    pub fn is_there(&self) -> bool {
        self.at.is_some()
    }

    /// No fault has come for a while.
    pub fn idle(&mut self) {
        self.leave();
        // The thread that faults next is followed as soon as any other.
        self.row = 0;
    }

    fn go(&mut self) {
        // A thread that ended, or is out of sight, is not followed.
        let to = affinity(self.last).ok().and_then(|set| only_cpu(&set)).filter(|_| shares_its_cpu(self.last));
        if to == self.at.map(|(cpu, _)| cpu) {
            return;
        }
        self.leave();
        let (Some(cpu), Ok(home)) = (to, affinity(0)) else { return };
        // Only where the caller lets us run anyhow.
        if home.is_set(cpu) != Ok(true) || only_cpu(&home).is_some() {
            return;
        }
        match one_cpu(cpu).and_then(|set| set_own_affinity(&set)) {
            Ok(()) => self.at = Some((cpu, home)),
            Err(_) => self.refused = true,
        }
    }

    fn leave(&mut self) {
        if let Some((_, home)) = self.at.take() {
            // Should those CPUs be gone, the kernel has moved us already.
            self.refused |= set_own_affinity(&home).is_err();
        }
    }
}

/// The CPU of a set that has no other.
fn only_cpu(set: &CpuSet) -> Option<usize> {
    let mut cpus = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true));
    cpus.next().filter(|_| cpus.next().is_none())
}

fn one_cpu(cpu: usize) -> nix::Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(set)
}
