//! The locks, atomics and threads of what is model-checked: those of parking_lot, of std and our own. In models
//! (`scripts/models.sh`) they are shuttle's, which decides at each of them which thread goes on.

#[cfg(not(all(test, shuttle)))]
pub(crate) use crate::kernel::spawn;
#[cfg(not(all(test, shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{sync::atomic, thread::JoinHandle, thread_local};

#[cfg(all(test, shuttle))]
pub(crate) use self::modelled::*;

/// Shuttle's, dressed as the others.
#[cfg(all(test, shuttle))]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Instant;

    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::sync;
    pub(crate) use shuttle::sync::{RwLockReadGuard, RwLockWriteGuard, atomic};
    pub(crate) use shuttle::thread::JoinHandle;
    pub(crate) use shuttle::{thread, thread_local};

    use crate::error::Result;

    /// How many orders of its threads' steps a model is tried in, by each scheduler.
    const ORDERS: usize = 1000;

    /// How many times the scheduler that goes by priorities changes them in an order: most mistakes show with few.
    const CHANGES: usize = 3;

    /// A model that takes more steps goes in circles.
    const MOST_STEPS: usize = 20_000;

    /// Tries a model in many orders of its threads' steps. A panic, or that no thread can go on, is a failure: shuttle then
    /// prints the order, which `SCHEDULE` repeats.
    pub(crate) fn check(model: fn()) {
        if let Ok(schedule) = std::env::var("SCHEDULE") {
            return shuttle::replay(model, &schedule);
        }
        let orders = std::env::var("ORDERS").map_or(ORDERS, |orders| orders.parse().expect("ORDERS is a number"));
        let mut config = shuttle::Config::new();
        config.max_steps = shuttle::MaxSteps::FailAfter(MOST_STEPS);
        shuttle::Runner::new(RandomScheduler::new(orders), config.clone()).run(model);
        shuttle::Runner::new(PctScheduler::new(CHANGES, orders), config).run(model);
    }

    pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
        Ok(thread::Builder::new().name(name.to_owned()).spawn(body).expect("a thread of a model"))
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    /// Without the lock only while a [`Condvar`] waits.
    #[derive(Debug)]
    pub(crate) struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }

        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect("held")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("held")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(sync::Condvar);

    /// There is no time in a model: no wait is too long.
    pub(crate) struct NeverTimedOut;

    impl NeverTimedOut {
        pub fn timed_out(&self) -> bool {
            false
        }
    }

    impl Condvar {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.0.take().expect("held");
            guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _deadline: Instant) -> NeverTimedOut {
            self.wait(guard);
            NeverTimedOut
        }

        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub fn read_recursive(&self) -> RwLockReadGuard<'_, T> {
            self.read()
        }

        pub fn try_read_recursive(&self) -> Option<RwLockReadGuard<'_, T>> {
            self.0.try_read().ok()
        }

        pub fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
