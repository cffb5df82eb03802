//! What this host can do.

use std::env::consts::ARCH;
use std::fs;

use serde_json::{Value, json};
use uffd_incoming::{Host, page_size};

use crate::output::{Report, table};

/// The kernel's bit, what it is for here, and the first Linux that has it.
const FEATURES: [(u64, &str, &str, &str); 6] = [
    (1 << 4, "missing-hugetlbfs", "RAM in hugetlbfs", "4.11"),
    (1 << 5, "missing-shmem", "RAM in memfds and tmpfs", "4.11"),
    (1 << 3, "event-remove", "UFFD_INCOMING_TRACK_DISCARDS", "4.11"),
    (1 << 8, "thread-id", "blocktime of each vCPU; a fault thread follows a pinned vCPU", "4.14"),
    (1 << 14, "poison", "UFFD_INCOMING_POISON", "6.6"),
    (1 << 16, "move", "huge pages are moved into RAM, not copied", "6.8"),
];

pub struct Probe {
    host: Host,
    kernel: String,
    huge_pages: String,
}

pub fn probe() -> Probe {
    let read = |path| fs::read_to_string(path).unwrap_or_else(|_| "unknown".into());
    let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let chosen = huge_pages.split('[').nth(1).and_then(|rest| rest.split(']').next());
    Probe {
        host: uffd_incoming::probe(),
        kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        huge_pages: chosen.unwrap_or("unknown").into(),
    }
}

impl Probe {
    fn ways(&self) -> [(&'static str, &'static str, Option<String>); 3] {
        let reason = |way: &uffd_incoming::Result<()>| way.as_ref().err().map(ToString::to_string);
        [
            ("device", "/dev/userfaultfd", reason(&self.host.device)),
            ("syscall", "the system call", reason(&self.host.syscall)),
            ("user-mode", "the system call, user mode only", reason(&self.host.user_mode)),
        ]
    }
}

impl Report for Probe {
    fn text(&self) -> String {
        let kib = page_size() / 1024;
        let mut text = format!("Linux {} on {}, pages of {kib} KiB\n\nways to a userfaultfd\n", self.kernel, ARCH);
        let advice = self.host.advice();
        for (_, way, reason) in self.ways() {
            let is_open = match reason {
                None => "yes".into(),
                // The advice has the reasons in it.
                Some(_) if !advice.is_empty() => "no".into(),
                Some(reason) => format!("no: {reason}"),
            };
            text += &format!("  {way:32} {is_open}\n");
        }
        text += "\nfeatures\n";
        let rows: Vec<_> = FEATURES
            .iter()
            .map(|(bit, name, purpose, since)| {
                let has = if self.host.features & bit != 0 { "yes" } else { "no" };
                vec![format!("  {name:18} {has:3}  {purpose} (Linux {since})")]
            })
            .collect();
        text += &table(&rows);
        text += &format!("\ntransparent huge pages: {}\n", self.huge_pages);
        if !advice.is_empty() {
            text += &format!("\n{advice}\n");
        }
        text
    }

    fn json(&self) -> Value {
        let ways = self
            .ways()
            .into_iter()
            .map(|(name, _, reason)| (name.to_owned(), json!({"open": reason.is_none(), "reason": reason})));
        let features =
            FEATURES.iter().map(|(bit, name, ..)| ((*name).to_owned(), Value::from(self.host.features & bit != 0)));
        json!({
            "kernel": self.kernel,
            "machine": ARCH,
            "page_size": page_size(),
            "ways": Value::Object(ways.collect()),
            "feature_bits": self.host.features,
            "features": Value::Object(features.collect()),
            "transparent_huge_pages": self.huge_pages,
            "advice": self.host.advice(),
        })
    }

    fn is_good(&self) -> bool {
        self.ways().iter().any(|(_, _, reason)| reason.is_none())
    }
}
