//! The size of the host's pages.

/// The host's page size in bytes.
pub fn page_size() -> usize {
    // SAFETY: sysconf only reads; _SC_PAGESIZE is always known, and positive.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("a page size is positive")
}
