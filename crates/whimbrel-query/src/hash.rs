/// FNV-1a of 64 bits: the same in every version and on every machine, which the standard library's is not.
///
/// It tells queries apart; it protects nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Adds a part; where it ends counts.
    pub(crate) fn add(&mut self, part: &[u8]) {
        // No part has the byte 255: each is text.
        for byte in part.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}
