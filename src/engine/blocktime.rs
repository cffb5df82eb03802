//! Blocktime: how long the vCPUs waited for pages, each and all at once.

/// Kept only when asked for.
#[derive(Debug)]
pub(super) struct Blocktime {
    vcpus: Vec<Vcpu>,
    waiting: usize,
    /// Since when all vCPUs wait.
    all_since: u64,
    total_ns: u64,
    /// Of threads that are no vCPUs.
    pub others: Waited,
}

#[derive(Clone, Debug, Default)]
struct Vcpu {
    /// Since when it waits.
    since: Option<u64>,
    waited: Waited,
}

/// How long threads waited, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waited {
    /// Nanoseconds altogether.
    pub blocked_ns: u64,
    /// Faults whose page has been placed.
    pub faults: u64,
}

impl Waited {
    /// Nanoseconds a fault, on average.
    pub fn mean_ns(&self) -> u64 {
        self.blocked_ns.checked_div(self.faults).unwrap_or(0)
    }

    /// A page that was waited for has been placed.
    pub(super) fn add(&mut self, ns: u64) {
        self.blocked_ns = self.blocked_ns.saturating_add(ns);
        self.faults += 1;
    }
}

/// How long the vCPUs waited for pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlocktimeReport {
    /// Nanoseconds in which all vCPUs waited at once.
    pub total_ns: u64,
    /// Each vCPU.
    pub vcpus: Vec<Waited>,
    /// All threads that are no vCPUs.
    pub others: Waited,
}

impl BlocktimeReport {
    /// All vCPUs together.
    pub fn all_vcpus(&self) -> Waited {
        self.vcpus.iter().fold(Waited::default(), |sum, vcpu| Waited {
            blocked_ns: sum.blocked_ns.saturating_add(vcpu.blocked_ns),
            faults: sum.faults + vcpu.faults,
        })
    }
}

impl Blocktime {
    pub fn new(vcpus: usize) -> Self {
        let vcpus = vec![Vcpu::default(); vcpus];
        Self { vcpus, waiting: 0, all_since: 0, total_ns: 0, others: Waited::default() }
    }

    /// A vCPU begins to wait. Times are nanoseconds of one clock.
    pub fn begin(&mut self, vcpu: usize, now: u64) {
        if self.vcpus[vcpu].since.replace(now).is_none() {
            self.waiting += 1;
            if self.waiting == self.vcpus.len() {
                self.all_since = now;
            }
        }
    }

    /// A vCPU's page has been placed.
    pub fn end(&mut self, vcpu: usize, now: u64) {
        if let Some(since) = self.vcpus[vcpu].since.take() {
            if self.waiting == self.vcpus.len() {
                self.total_ns += now.saturating_sub(self.all_since);
            }
            self.waiting -= 1;
            self.vcpus[vcpu].waited.add(now.saturating_sub(since));
        }
    }

    /// A vCPU waits no longer, and its page has not been placed.
    pub fn forget(&mut self, vcpu: usize) {
        if self.vcpus[vcpu].since.take().is_some() {
            self.waiting -= 1;
        }
    }

    pub fn report(&self) -> BlocktimeReport {
        BlocktimeReport {
            total_ns: self.total_ns,
            vcpus: self.vcpus.iter().map(|vcpu| vcpu.waited).collect(),
            others: self.others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_overlap_of_all_counts_as_total() {
        let mut blocktime = Blocktime::new(2);
        blocktime.begin(0, 100);
        blocktime.begin(1, 130);
        blocktime.end(0, 170);
        blocktime.end(1, 200);
        blocktime.begin(0, 300);
        blocktime.end(0, 310);
        blocktime.others.add(5);
        let report = blocktime.report();
        assert_eq!(report.total_ns, 40);
        assert_eq!(report.vcpus, [Waited { blocked_ns: 80, faults: 2 }, Waited { blocked_ns: 70, faults: 1 }]);
        assert_eq!(report.all_vcpus(), Waited { blocked_ns: 150, faults: 3 });
        assert_eq!((report.vcpus[0].mean_ns(), report.others.mean_ns()), (40, 5));
    }

    #[test]
    fn an_end_without_a_beginning_counts_nothing() {
        let mut blocktime = Blocktime::new(1);
        blocktime.end(0, 10);
        assert_eq!(blocktime.report().vcpus, [Waited::default()]);
        assert_eq!(Waited::default().mean_ns(), 0);
    }
}
