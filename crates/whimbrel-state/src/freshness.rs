use whimbrel_model::Timestamp;

/// How fresh a list is, and whether anything of it is missing on this device.
///
/// A list can be shown whatever this says; it tells a screen when to say "as of yesterday" or "more on the server".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The last moment, on the server's clock, at which everything that the server had for the account was on this device.
    /// Absent: it never was. After a restart it may be too early by the length of the last connection, never too late.
    pub as_of: Option<Timestamp>,
    /// Where the list is from.
    pub source: Source,
    /// Whether nothing of it is missing on this device, nor may have changed unseen before [`as_of`](Self::as_of).
    pub complete: bool,
}

/// Where a list is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// From this device: what has changed on the server meanwhile is not in it yet.
    #[default]
    Disk,
    /// Up to date with the server, as far as it has said, and kept so by what it tells.
    Server,
}

/// What the driver knows of one channel, for [`State::set_freshness`](crate::State::set_freshness).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// There is a connection, and the channel is not behind.
    pub up_to_date: bool,
    /// All of its feed up to some moment is on the device, or was left out with a gap.
    pub followed: bool,
}
