// SPDX-License-Identifier: GPL-2.0

//! A sorted map.

use crate::{
    alloc::{allocate, AllocError, Flags},
    error::Error,
};
use std::collections::BTreeMap;

/// As the kernel's, over the standard library's.
pub struct RBTree<K, V>(BTreeMap<K, V>);

impl<K: Ord, V> RBTree<K, V> {
    /// An empty one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Adds or replaces a value.
    pub fn try_create_and_insert(&mut self, key: K, value: V, _: Flags) -> Result<(), Error> {
        allocate().map_err(|AllocError| crate::error::code::ENOMEM)?;
        self.0.insert(key, value);
        Ok(())
    }

    /// Takes a value out.
    pub fn remove_node(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }
}
