//! What the journal took so far: how long its commits lasted, and how often it failed.

use std::time::Duration;

/// How long a commit may last, in seconds, from a fast disk to one that hangs.
const BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Since the daemon began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effort {
    /// Commits by how long they lasted; those that are longer than the longest bound are in `number` alone.
    commits: [u64; BOUNDS.len()],
    /// Of all commits.
    pub number: u64,
    pub seconds: f64,
    /// Operations that failed, tries to open it among them.
    pub errors: u64,
}

impl Effort {
    /// A record is on disk, after that long.
    pub fn committed(&mut self, lasted: Duration) {
        let secs = lasted.as_secs_f64();
        if let Some(place) = BOUNDS.iter().position(|bound| secs <= *bound) {
            self.commits[place] += 1;
        }
        self.number += 1;
        self.seconds += secs;
    }

    /// Each bound in seconds, with how many commits lasted no longer.
    pub fn up_to(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut sum = 0;
        BOUNDS.iter().zip(self.commits).map(move |(bound, number)| {
            sum += number;
            (*bound, sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_counts_up_to_every_bound_that_it_kept() {
        let mut effort = Effort::default();
        for millis in [1, 2, 3, 60_000] {
            effort.committed(Duration::from_millis(millis));
        }
        let up_to: Vec<(f64, u64)> = effort.up_to().collect();
        assert_eq!(up_to[..4], [(0.0005, 0), (0.001, 1), (0.0025, 2), (0.005, 3)]);
        assert_eq!(up_to.last(), Some(&(5.0, 3)));
        assert_eq!(effort.number, 4);
        assert!((effort.seconds - 60.006).abs() < 1e-9, "{}", effort.seconds);
    }
}
