//! What this host can do for this process.

use super::userfaultfd::{Opening, Userfaultfd};
use crate::error::Result;

/// Which ways to a userfaultfd are open, and what the kernel can do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// /dev/userfaultfd (Linux 6.1).
    pub device: Result<()>,
    /// The system call, for faults of the kernel's accesses too.
    pub syscall: Result<()>,
    /// The system call, for faults of user mode only (Linux 5.11).
    pub user_mode: Result<()>,
    /// The kernel's `UFFD_FEATURE_*` bits; 0 when no way is open.
    pub features: u64,
}

/// Tries each way to a userfaultfd.
pub fn probe() -> Host {
    let device = Userfaultfd::open_device(Opening::Full);
    let syscall = Userfaultfd::open_syscall(Opening::Full);
    let user_mode = Userfaultfd::open_syscall(Opening::UserModeOnly);
    // UFFDIO_API is called once on a descriptor: these are thrown away.
    let features = [&device, &syscall, &user_mode].into_iter().flatten().find_map(|uffd| uffd.api(0).ok());
    Host {
        device: device.map(drop),
        syscall: syscall.map(drop),
        user_mode: user_mode.map(drop),
        features: features.unwrap_or(0),
    }
}

impl Host {
    /// What to do when a way is closed, in words; empty when there is nothing to do.
    pub fn advice(&self) -> String {
        let (Err(device), Err(syscall)) = (&self.device, &self.syscall) else { return String::new() };
        let fallback = match &self.user_mode {
            Ok(()) => "Without that, UFFD_INCOMING_USER_MODE_ONLY works, which serves no accesses of the kernel's own.",
            Err(_) => {
                "User mode faults are not permitted either: is userfaultfd in the kernel, and in the seccomp list?"
            }
        };
        format!(
            "{device}. {syscall}. Give this user access to /dev/userfaultfd (setfacl -m u:USER:rw /dev/userfaultfd), \
             or set vm.unprivileged_userfaultfd=1, or grant CAP_SYS_PTRACE. {fallback}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_host_is_told_what_to_do() {
        let refused = || Err(crate::error::error!(EPERM, "refused"));
        let closed = Host { device: refused(), syscall: refused(), user_mode: Ok(()), features: 0 };
        for word in ["setfacl", "vm.unprivileged_userfaultfd", "CAP_SYS_PTRACE", "UFFD_INCOMING_USER_MODE_ONLY"] {
            assert!(closed.advice().contains(word), "{word} is missing in: {}", closed.advice());
        }
        assert!(Host { device: Ok(()), ..closed }.advice().is_empty());
    }
}
