//! Sorted observable lists: a persistent vector, found by key, changed in batches.

use eyeball_im::{ObservableVector, ObservableVectorTransaction, VectorDiff, VectorSubscriberBatchedStream};
use futures_util::Stream;
use imbl::Vector;
use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A snapshot of a list. Cloning it is cheap, whatever its length.
pub type Items<T> = Vector<Arc<T>>;

/// Batches that a reader may be behind before it gets one reset instead. A screen reads at every frame, which is far
/// less; each batch keeps the list as it then was, which shares all but the changed parts.
const BATCHES_KEPT: usize = 32;

/// What changed in a list since its snapshot was taken: batches of diffs, to be applied in order.
///
/// All diffs of one cause are in one batch; a batch may hold those of several causes. A reader that falls behind gets
/// one [`VectorDiff::Reset`] with the whole list. The stream keeps its list up to date while it lives, and ends only
/// with the [`State`](crate::State) of a list that belongs to it.
pub struct Diffs<T> {
    stream: VectorSubscriberBatchedStream<Arc<T>>,
    /// Keeps the list alive for as long as someone reads its changes.
    _list: Option<Arc<dyn Any + Send + Sync>>,
}

impl<T: Send + Sync + 'static> Stream for Diffs<T> {
    type Item = Vec<VectorDiff<Arc<T>>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }
}

impl<T> fmt::Debug for Diffs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diffs").finish_non_exhaustive()
    }
}

/// An observable list, sorted by keys that the reader does not see.
#[derive(Debug)]
pub(crate) struct Sorted<K, T> {
    keys: Vector<K>,
    items: ObservableVector<Arc<T>>,
}

impl<K, T> Default for Sorted<K, T>
where
    T: Send + Sync + 'static,
{
    fn default() -> Self {
        Self {
            keys: Vector::new(),
            items: ObservableVector::with_capacity(BATCHES_KEPT),
        }
    }
}

impl<K: Ord + Clone, T: Eq + Send + Sync + 'static> Sorted<K, T> {
    pub(crate) fn items(&self) -> Items<T> {
        self.items.clone()
    }

    pub(crate) fn keys(&self) -> &Vector<K> {
        &self.keys
    }

    pub(crate) fn get(&self, key: &K) -> Option<&Arc<T>> {
        search(&self.keys, key)
            .ok()
            .and_then(|index| self.items.get(index))
    }

    /// Returns the index of the first item whose key is not less than `key`.
    pub(crate) fn lower_bound(&self, key: &K) -> usize {
        search(&self.keys, key).unwrap_or_else(|index| index)
    }

    /// Returns the item at `index`.
    pub(crate) fn at(&self, index: usize) -> Option<&Arc<T>> {
        self.items.get(index)
    }

    /// Subscribes; `list` is kept alive by the stream.
    pub(crate) fn subscribe(&self, list: Option<Arc<dyn Any + Send + Sync>>) -> (Items<T>, Diffs<T>) {
        let (items, stream) = self.items.subscribe().into_values_and_batched_stream();
        (items, Diffs { stream, _list: list })
    }

    /// Begins a batch. Nothing is shown before [`Edit::commit`].
    pub(crate) fn edit(&mut self) -> Edit<'_, K, T> {
        Edit {
            keys: &mut self.keys,
            items: self.items.transaction(),
        }
    }
}

/// One batch of changes to a [`Sorted`].
pub(crate) struct Edit<'a, K, T> {
    keys: &'a mut Vector<K>,
    items: ObservableVectorTransaction<'a, Arc<T>>,
}

impl<K: Ord + Clone, T: Eq + Send + Sync + 'static> Edit<'_, K, T> {
    /// Returns the index of the first item whose key is not less than `key`.
    pub(crate) fn lower_bound(&self, key: &K) -> usize {
        search(self.keys, key).unwrap_or_else(|index| index)
    }

    /// Returns the item at `key`.
    pub(crate) fn get(&self, key: &K) -> Option<&Arc<T>> {
        search(self.keys, key)
            .ok()
            .and_then(|index| self.items.get(index))
    }

    /// Returns the key and the item at `index`.
    pub(crate) fn at(&self, index: usize) -> Option<(&K, &Arc<T>)> {
        Some((self.keys.get(index)?, self.items.get(index)?))
    }

    /// Moves what stands at `old` to where `new` belongs, with its new value. Without `old` it is new, without `new` it
    /// goes. If it stays where it is that is one set, and nothing if it did not change.
    pub(crate) fn place(&mut self, old: Option<&K>, new: Option<(K, T)>) {
        let old = old.and_then(|key| search(self.keys, key).ok());
        match (old, new) {
            (None, None) => {}
            (Some(index), None) => self.remove(index),
            (None, Some((key, item))) => self.insert(key, item),
            (Some(index), Some((key, item))) if self.fits(index, &key) => {
                self.keys.set(index, key);
                self.set(index, item);
            }
            (Some(index), Some((key, item))) => {
                self.remove(index);
                self.insert(key, item);
            }
        }
    }

    /// Replaces the item at `index`, if it differs.
    pub(crate) fn set(&mut self, index: usize, item: T) {
        if self.items.get(index).is_some_and(|shown| **shown != item) {
            self.items.set(index, Arc::new(item));
        }
    }

    /// Removes the first item.
    pub(crate) fn pop_front(&mut self) -> Option<Arc<T>> {
        self.keys.pop_front();
        self.items.pop_front()
    }

    /// Shows the batch.
    pub(crate) fn commit(self) {
        self.items.commit();
    }

    /// Returns whether `key` can stand at `index` between its neighbours.
    fn fits(&self, index: usize, key: &K) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.keys.get(before));
        before.is_none_or(|before| before < key) && self.keys.get(index + 1).is_none_or(|after| key < after)
    }

    fn remove(&mut self, index: usize) {
        self.keys.remove(index);
        self.items.remove(index);
    }

    fn insert(&mut self, key: K, item: T) {
        let index = self.lower_bound(&key);
        let item = Arc::new(item);
        if index == self.keys.len() {
            self.items.push_back(item);
        } else if index == 0 {
            self.items.push_front(item);
        } else {
            self.items.insert(index, item);
        }
        self.keys.insert(index, key);
    }
}

/// Looks at the end first: that is where nearly everything happens.
fn search<K: Ord + Clone>(keys: &Vector<K>, key: &K) -> Result<usize, usize> {
    match keys.last() {
        None => Err(0),
        Some(last) if last < key => Err(keys.len()),
        Some(_) => keys.binary_search(key),
    }
}
