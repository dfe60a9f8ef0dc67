use whimbrel_model::ChannelSummary;

/// Decides whether a channel is in a list, where the list's filter alone is not to: an app's own rule.
///
/// It is asked for each channel that is read for the list and for each that changes, with what waits in the outbox laid over
/// it. What it adds to what the filter wants is in the list from the change on; after a restart the list begins with what
/// the filter finds. It has to answer the same for the same row, at once, and without a look at any list.
///
/// Any `Fn(&ChannelSummary, bool) -> bool` is one.
pub trait Admission: Send + Sync + 'static {
    /// Returns whether `channel` is in the list. `wanted`: the filter wants it.
    fn admits(&self, channel: &ChannelSummary, wanted: bool) -> bool;
}

impl<F: Fn(&ChannelSummary, bool) -> bool + Send + Sync + 'static> Admission for F {
    fn admits(&self, channel: &ChannelSummary, wanted: bool) -> bool {
        self(channel, wanted)
    }
}
