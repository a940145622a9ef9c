//! What became of each time the configuration was to be read again.

/// Since the daemon began. The configuration it began with counts as success, but as no reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reloads {
    pub taken: u64,
    pub refused: u64,
    /// Whether the last one was taken.
    pub successful: bool,
    /// When the configuration in effect was read: seconds since 1970.
    pub taken_unix: u64,
}

impl Reloads {
    /// The daemon begins now.
    pub const fn since(now_unix: u64) -> Self {
        Self {
            taken: 0,
            refused: 0,
            successful: true,
            taken_unix: now_unix,
        }
    }

    pub const fn take(&mut self, now_unix: u64) {
        self.taken += 1;
        self.successful = true;
        self.taken_unix = now_unix;
    }

    pub const fn refuse(&mut self) {
        self.refused += 1;
        self.successful = false;
    }
}
