// SPDX-License-Identifier: GPL-2.0

//! Which locks are held, and whether they are always taken in the same order. Locks go by their names, as in the kernel.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A lock: the name that its order goes by, and which one of that name it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    name: &'static str,
    instance: u64,
}

impl Lock {
    /// A new one.
    pub fn new(name: &'static str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            name,
            instance: NEXT.fetch_add(1, Relaxed),
        }
    }
}

struct Held {
    lock: Lock,
    shared: bool,
    task: u32,
}

#[derive(Default)]
struct Locks {
    held: Vec<Held>,
    task: u32,
    /// What was ever taken while the key was held.
    after: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Locks {
    fn leads_to(&self, from: &'static str, to: &'static str) -> bool {
        from == to
            || self
                .after
                .get(from)
                .is_some_and(|next| next.iter().any(|n| self.leads_to(n, to)))
    }
}

thread_local! {
    static LOCKS: RefCell<Locks> = RefCell::default();
}

/// A lock is taken; `shared` if others may hold it in the same way. Panics if that could wait for ever.
pub fn acquire(lock: Lock, shared: bool) {
    LOCKS.with_borrow_mut(|locks| {
        let (task, name) = (locks.task, lock.name);
        for i in 0..locks.held.len() {
            let held = &locks.held[i];
            if held.lock == lock {
                assert!(shared && held.shared, "{name} would be waited for");
                continue;
            }
            let before = held.lock.name;
            if held.task == task && locks.after.entry(before).or_default().insert(name) {
                assert!(
                    !locks.leads_to(name, before),
                    "{before} before {name}, and {name} before {before}"
                );
            }
        }
        locks.held.push(Held { lock, shared, task });
    });
}

/// The lock is released.
pub fn release(lock: Lock) {
    LOCKS.with_borrow_mut(|locks| {
        if let Some(i) = locks.held.iter().rposition(|held| held.lock == lock) {
            locks.held.remove(i);
        }
    });
}

/// Does something as another task would, in the middle of this one.
pub fn as_another_task<T>(f: impl FnOnce() -> T) -> T {
    LOCKS.with_borrow_mut(|locks| locks.task += 1);
    let result = f();
    LOCKS.with_borrow_mut(|locks| locks.task -= 1);
    result
}

/// Whether this task holds a lock of this name.
pub fn holds(name: &str) -> bool {
    LOCKS.with_borrow(|locks| {
        let mut mine = locks.held.iter().filter(|held| held.task == locks.task);
        mine.any(|held| held.lock.name == name)
    })
}

/// Forgets what is held, after a panic.
pub fn reset() {
    LOCKS.with_borrow_mut(|locks| {
        locks.held.clear();
        locks.task = 0;
    });
}
