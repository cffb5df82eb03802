//! What a process holds: counted before and after, nothing may be left behind.

use std::fs;
use std::mem::MaybeUninit;
use std::thread;
use std::time::Duration;

/// How many threads are alive at once, at most, and some more.
const THREADS: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    descriptors: usize,
    threads: usize,
    /// Mapped bytes, but those of the heap and of the first thread's stack, which grow by themselves.
    mapped: usize,
}

/// As Rust's threads have by default.
const STACK: usize = 2 << 20;

unsafe extern "C" {
    fn pthread_setattr_default_np(attributes: *const libc::pthread_attr_t) -> i32;
}

/// One heap for all threads, that is one line of maps, and stacks of one size, enough for all that follow: the C library keeps
/// them.
pub fn make_countable() {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: no other thread is there yet, and the attributes are made before they are used.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_MAX, 0);
        assert_eq!(libc::pthread_attr_init(attributes.as_mut_ptr()), 0);
        assert_eq!(libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK), 0);
        assert_eq!(pthread_setattr_default_np(attributes.as_ptr()), 0);
    }
    let barrier = std::sync::Barrier::new(THREADS);
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(|| barrier.wait()))));
}

impl Resources {
    pub fn count() -> Self {
        let entries = |path| fs::read_dir(path).unwrap().count();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = maps.lines().filter(|line| !line.ends_with("[heap]") && !line.ends_with("[stack]")).map(|line| {
            let (start, rest) = line.split_once('-').unwrap();
            let end = rest.split_once(' ').unwrap().0;
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            number(end) - number(start)
        });
        Self { descriptors: entries("/proc/self/fd"), threads: entries("/proc/self/task"), mapped: mapped.sum() }
    }

    /// Threads that have been joined may still be on their way.
    #[track_caller]
    pub fn check(self, where_: &str) {
        let mut now = Self::count();
        for _ in 0..200 {
            if now == self {
                return;
            }
            thread::sleep(Duration::from_millis(1));
            now = Self::count();
        }
        panic!("{where_} left something behind: {self:?} before, {now:?} after");
    }
}
