//! Ends the process when a run hangs, and says which one it was.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(20);

static WATCHED: Mutex<Option<(Instant, String)>> = Mutex::new(None);

pub fn start() {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(500));
            if let Some((since, words)) = &*WATCHED.lock().unwrap() {
                if since.elapsed() > TIMEOUT {
                    println!("HANGS: UFFD_SWEEP='{words}'");
                    std::process::exit(1);
                }
            }
        }
    });
}

/// Watches a run from now on; none: nothing to watch.
pub fn watch(words: Option<String>) {
    *WATCHED.lock().unwrap() = words.map(|words| (Instant::now(), words));
}
